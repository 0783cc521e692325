"""Applying the section ``daemons:`` of ``jobctl.yaml`` to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

from jobctl.actions.daemons import check_dependencies, check_variables, new_definition
from jobctl.clock import Milliseconds
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.calls import Call
from jobctl.model.daemon_entries import DaemonEntry
from jobctl.model.daemons import Autostart, DaemonDefinition, DaemonSource, Wanted
from jobctl.model.documents import canonical_json
from jobctl.model.signatures import bind_arguments
from jobctl.settings import Settings
from jobctl.store import Store


class DaemonChange(NamedTuple):
    """What the file changed about one daemon; without a key it is about the whole."""

    name: str
    key: str
    before: object
    after: object


def apply_daemons(
    store: Store, entries: Sequence[DaemonEntry], directory: str, settings: Settings, now: Milliseconds
) -> list[DaemonChange]:
    """In an open write transaction: the daemons that the file names are declared as it says; returns what changed.

    A new one is wanted up unless its autostart is ``never``. A changed one that runs goes on until it is restarted. One
    that the file no longer names is stopped, keeps its history and is not touched again.

    Args:
        store: where.
        entries: what the file names.
        directory: of the file; working directories are relative to it.
        settings: they say which variables look secret.
        now: the instant of all changes.

    Raises:
        BadInputError: one depends on what there is not, holds what looks secret, needs itself, calls what it
            may not.
    """
    definitions = [new_definition(entry.name, entry.given, directory) for entry in entries]
    _check(store, definitions, settings)
    known = {daemon.name: daemon for daemon in store.daemons.all()}
    changes: list[DaemonChange] = []
    for definition in definitions:
        daemon = known.get(definition.name)
        if daemon is None:
            store.daemons.add(definition, DaemonSource.FILE, now)
            changes.append(DaemonChange(definition.name, "", None, "added"))
        elif definition != daemon.definition or daemon.source is not DaemonSource.FILE:
            store.daemons.edit(definition, DaemonSource.FILE, now)
            changes += _differences(daemon.definition, definition)
            if daemon.source is DaemonSource.GONE:
                changes.append(DaemonChange(definition.name, "", None, "back in the file"))
        is_new = daemon is None or daemon.source is DaemonSource.GONE
        if is_new and definition.autostart is not Autostart.NEVER:
            store.daemons.ask_start(definition.name, now)
    named = {definition.name for definition in definitions}
    for name, daemon in known.items():
        if daemon.source is DaemonSource.FILE and name not in named:
            if daemon.wanted is Wanted.UP:
                store.daemons.ask_stop(name, now)
            store.daemons.edit(daemon.definition, DaemonSource.GONE, now)
            changes.append(DaemonChange(name, "", None, "gone from the file; stopped"))
    return changes


def _check(store: Store, definitions: Sequence[DaemonDefinition], settings: Settings) -> None:
    for definition in definitions:
        try:
            check_variables(definition, settings)
            _check_call(store, definition, settings)
        except BadInputError as error:
            raise BadInputError(
                f"daemons: {definition.name}: {error.what}", error.value, error.hint, "E_CONFIG"
            ) from None
    try:
        check_dependencies(store, definitions)
    except NotFoundError as error:
        raise BadInputError(
            f"daemons: {error.what}", error.value, "name it under daemons:", "E_CONFIG"
        ) from None


def _check_call(store: Store, definition: DaemonDefinition, settings: Settings) -> None:
    """As far as that is known without importing anything."""
    if definition.call is None:
        return
    from jobctl.actions.inspections import applied_functions  # only files with such daemons pay for it

    signature = applied_functions(store, settings).signature(definition.call.function)
    if signature is not None:
        bind_arguments(signature, definition.call.args)


def _differences(before: DaemonDefinition, after: DaemonDefinition) -> list[DaemonChange]:
    """Values of ``env`` are not shown."""
    found = []
    for one in fields(DaemonDefinition):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old != new and one.name != "env":
            found.append(DaemonChange(after.name, one.name, _text(old), _text(new)))
        elif old != new:
            names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            found.append(DaemonChange(after.name, f"env {' '.join(names)}", "", "changed"))
    return found


def _text(value: object) -> object:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, Call):
        return f"{value.function} {canonical_json(value.args)}"
    return value if value is None or isinstance(value, int | float) else str(value)
