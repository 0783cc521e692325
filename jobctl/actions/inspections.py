"""Looking at the code of functions, for callers: which modules, with which interpreter, from where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from jobctl.actions.declarations import called_modules, with_declarations
from jobctl.actions.functions import Functions, Look, function_directory
from jobctl.clock import Clock
from jobctl.executors.inspections import Order, inspect_now
from jobctl.model.configurations import Configuration
from jobctl.model.functions import Function, Inspected, with_origins
from jobctl.model.homes import Home
from jobctl.settings import Settings
from jobctl.store import Store

_MARK = b"[jobctl.functions]"
"""The group of entry points by which distributions offer functions, as their description begins it."""


def inspection_order(
    home: Home, settings: Settings, configuration: Configuration | None, directory: str | None = None
) -> Order | None:
    """What has to be looked at for the configuration of ``home`` to be applied; None where there is nothing.

    Args:
        home: whose configuration it is.
        settings: what holds with it.
        configuration: what the file says.
        directory: of another file than that of the home.
    """
    entry_points = _offers_functions(settings)
    modules = tuple(dict.fromkeys((*settings.modules, *called_modules(configuration, settings))))
    if not modules and not entry_points:
        return None
    return _order(home, settings, modules, entry_points, directory)


def examined(
    configuration: Configuration, home: Home, settings: Settings, directory: str | None = None
) -> Configuration:
    """The configuration with what its modules say; waits for them to be imported: at most 30 s.

    Raises:
        BadFileError: ``E_CONFIG``; see ``declarations.with_declarations``.
    """
    order = inspection_order(home, settings, configuration, directory)
    found = Inspected() if order is None else inspect_now(order)
    return with_declarations(configuration, found, home, settings)


def caller_functions(home: Home, settings: Settings, store: Store | None = None) -> Functions:
    """What a caller may have called; the code is looked at where the store does not know it.

    Args:
        home: whose file allows modules.
        settings: what it says.
        store: an open one; without it, one is opened for each question, if there is one.
    """

    def find(name: str) -> Function | None:
        if store is not None:
            return store.signatures.get(name)
        if not os.path.exists(home.store):
            return None
        from jobctl.clock import SystemClock

        with Store.open(home, SystemClock()) as opened:
            return opened.signatures.get(name)

    return Functions(home, settings, find, _looks(home, settings))


def applied_functions(store: Store, settings: Settings) -> Functions:
    """What the supervisor goes by: nothing is imported for it, and arguments were checked when they were given."""
    return Functions(store.home, settings, store.signatures.get)


def remember(store: Store, functions: Functions | None, clock: Clock) -> None:
    """The store knows what was looked at on the way, so that nobody has to look again."""
    if functions is None or not functions.learned:
        return
    with store.write():
        store.signatures.put(functions.learned.values(), clock.now_ms())


def _looks(home: Home, settings: Settings) -> Look:
    def look(modules: tuple[str, ...], entry_points: bool) -> Inspected:
        return with_origins(inspect_now(_order(home, settings, modules, entry_points)), settings.modules)

    return look


def _order(
    home: Home,
    settings: Settings,
    modules: tuple[str, ...],
    entry_points: bool,
    directory: str | None = None,
) -> Order:
    return Order(
        directory=directory or function_directory(home),
        home=home.path,
        modules=modules,
        entry_points=entry_points,
        python=settings.worker_python,
        python_args=settings.worker_args,
    )


def _offers_functions(settings: Settings) -> bool:
    """Whether a distribution of the worker's interpreter offers functions; of another one only itself can tell."""
    if settings.worker_python:
        return True
    # importlib.metadata would cost every start of a supervisor 25 ms.
    return any(_MARK in _entry_points(path) for place in sys.path for path in _distributions(place))


def _distributions(place: str) -> Iterator[str]:
    """The directories below ``place`` that describe installed distributions."""
    try:
        with os.scandir(place or ".") as found:
            yield from (entry.path for entry in found if entry.name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return


def _entry_points(directory: str) -> bytes:
    try:
        with open(f"{directory}/entry_points.txt", "rb") as file:
            return file.read()
    except OSError:
        return b""
