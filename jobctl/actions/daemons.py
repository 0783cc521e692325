"""What a caller may ask for about daemons: declare, edit, start, stop, restart, remove. It writes intent only."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobctl.actions.functions import Functions
from jobctl.actions.input_files import check_directory
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.calls import Call
from jobctl.model.daemon_fields import defined
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonSource, DaemonState, Wanted, order
from jobctl.model.environments import split_environment
from jobctl.model.names import check_name
from jobctl.settings import Settings
from jobctl.store import Store

_NO_TEXTS: Mapping[str, str] = {}


def new_definition(name: str, values: Mapping[str, Any], cwd: str, umask: int = 0o022) -> DaemonDefinition:
    """What a caller who stands in ``cwd`` declares with these parsed values; see ``daemon_fields``.

    Raises:
        BadInputError: it cannot be declared so.
    """
    check_name(name)
    return _with_directory(defined(DaemonDefinition(name, cwd=cwd, umask=umask), values), cwd)


def with_checked_call(
    definition: DaemonDefinition, functions: Functions, texts: Mapping[str, str] = _NO_TEXTS
) -> DaemonDefinition:
    """The definition, its function proven to be one that may be called so; of a command as it is.

    Args:
        definition: what is to be declared.
        functions: what the caller may have called. It may look at the code: not within a transaction.
        texts: arguments as a command line writes them, by name; they count more than the definition's.

    Raises:
        BadInputError: no such function, its module is not allowed, or the arguments do not fit it.
    """
    if definition.call is None:
        if texts:
            raise BadInputError(
                "arguments mean nothing without a function", next(iter(texts)), "give --call", "E_COMMAND"
            )
        return definition
    others = {name: value for name, value in definition.call.args.items() if name not in texts}
    args = functions.bind(definition.call.function, others, texts)
    return replace(definition, call=Call(definition.call.function, args))


def add_daemon(
    store: Store, definition: DaemonDefinition, settings: Settings, clock: Clock, *, start: bool = False
) -> Daemon:
    """The daemon is declared; wanted up if it is to ``start``, with all it depends on.

    Raises:
        BadInputError: its directory is none, a variable looks secret, or it needs who needs it.
        NotFoundError: it depends on what there is not.
        StateConflictError: one of that name is declared already.
    """
    check_directory(definition.cwd)
    check_variables(definition, settings)
    name, now = definition.name, clock.now_ms()
    with store.write():
        if store.daemons.get(name) is not None:
            hint = f"change it with: jobctl daemon edit {name}"
            raise StateConflictError("the daemon exists", name, hint)
        check_dependencies(store, [definition])
        store.daemons.add(definition, DaemonSource.CLI, now)
        if start:
            _ask_starts(store, [name], now)
        made = required_daemon(store, name)
    wake(store.home)
    return made


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be declared otherwise."""

    values: Mapping[str, Any]
    """Parsed, by key; see ``daemon_fields``. Variables join those there are."""
    cwd: str
    """Where the caller stands."""
    without_variables: Collection[str] = ()
    functions: Functions | None = None
    """What the caller may have called; None where nothing is said of a function."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the function as a command line writes them."""

    def of(self, before: DaemonDefinition) -> DaemonDefinition:
        """``before`` with these changes.

        Raises:
            BadInputError: it cannot be declared so.
        """
        env = {**before.env, **self.values.get("env", {})}
        kept = {name: value for name, value in env.items() if name not in self.without_variables}
        definition = defined(before, {**self.values, "env": kept})
        if "cwd" in self.values:
            definition = _with_directory(definition, self.cwd)
        return (
            definition
            if self.functions is None
            else with_checked_call(definition, self.functions, self.texts)
        )


def edit_daemons(
    store: Store, names: Sequence[str], edit: Edit, settings: Settings, clock: Clock
) -> list[Daemon]:
    """The daemons are declared so, all or none.

    Raises:
        NotFoundError: there is no such daemon, or one would depend on what there is not.
        BadInputError: one cannot be declared so.
    """
    if "cwd" in edit.values:
        # Before the transaction: on a hung mount this waits, and nobody else could write meanwhile.
        check_directory(os.path.join(edit.cwd, edit.values["cwd"]))
    for daemon in named_daemons(store, names) if edit.functions is not None else ():
        edit.of(daemon.definition)  # looks at the code, which takes its time; what it found is known below
    with store.write():
        found = named_daemons(store, names)
        definitions = [edit.of(daemon.definition) for daemon in found]
        for definition in definitions:
            check_variables(definition, settings)
        check_dependencies(store, definitions)
        for daemon, definition in zip(found, definitions, strict=True):
            if definition != daemon.definition:
                store.daemons.edit(definition, daemon.source, clock.now_ms())
        edited = named_daemons(store, names)
    wake(store.home)
    return edited


def start_daemons(store: Store, names: Sequence[str], clock: Clock) -> tuple[list[Daemon], list[str]]:
    """The daemons are wanted up, and so is all they depend on; returns them and the others that are now wanted.

    What runs already is left alone.

    Raises:
        NotFoundError: there is no such daemon.
    """
    with store.write():
        named_daemons(store, names)
        others = _ask_starts(store, names, clock.now_ms())
        found = named_daemons(store, names)
    wake(store.home)
    return found, others


def stop_daemons(store: Store, names: Sequence[str], clock: Clock) -> list[Daemon]:
    """The daemons are wanted down, and stay so until they are started by hand; stopping twice changes nothing.

    Raises:
        NotFoundError: there is no such daemon.
    """
    with store.write():
        for daemon in named_daemons(store, names):
            if daemon.wanted is Wanted.UP:
                store.daemons.ask_stop(daemon.name, clock.now_ms())
        found = named_daemons(store, names)
    wake(store.home)
    return found


def restart_daemons(store: Store, names: Sequence[str], clock: Clock) -> list[Daemon]:
    """The daemons will be ended and started with their newest definition; one that is down is started.

    Raises:
        NotFoundError: there is no such daemon.
    """
    now = clock.now_ms()
    with store.write():
        found = named_daemons(store, names)
        for daemon in found:
            store.daemons.ask_restart(daemon.name, now)
        needed = _needed(store, names) - set(names)
        _ask_starts(store, sorted(needed), now)
        found = named_daemons(store, names)
    wake(store.home)
    return found


def remove_daemons(store: Store, names: Sequence[str], clock: Clock) -> list[Daemon]:
    """The daemons are declared no more; the supervisor stops what runs of them. Returns them as they were.

    Raises:
        NotFoundError: there is no such daemon.
        StateConflictError: another one depends on one of them.
    """
    with store.write():
        found = named_daemons(store, names)
        for other in store.daemons.all():
            needed = [name for name in other.definition.depends_on if name in names]
            if needed and other.name not in names:
                hint = f"remove it too, or: jobctl daemon edit {other.name} --depends-on ''"
                raise StateConflictError(f"the daemon {other.name} depends on", needed[0], hint)
        for daemon in found:
            store.daemons.remove(daemon.name, clock.now_ms())
    wake(store.home)
    return found


def named_daemons(store: Store, names: Sequence[str]) -> list[Daemon]:
    """The daemons of these names, each once, in their order.

    Raises:
        NotFoundError: there is no such daemon; says what was probably meant.
    """
    return [required_daemon(store, name) for name in dict.fromkeys(names)]


def required_daemon(store: Store, name: str) -> Daemon:
    """The daemon of that name.

    Raises:
        NotFoundError: there is none.
    """
    found = store.daemons.get(name)
    if found is None:
        raise unknown_daemon(name, store.daemons.names())
    return found


def unknown_daemon(name: str, known: Collection[str]) -> NotFoundError:
    """The error for a daemon that is not declared, with what was probably meant."""
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(name[:128], known, 1)
    hint = f"did you mean {near[0]}?" if near else "see: jobctl daemon list"
    return NotFoundError("no such daemon", name, hint)


def check_dependencies(store: Store, definitions: Iterable[DaemonDefinition]) -> None:
    """Every daemon has what it depends on, once these are declared, and none needs itself.

    Raises:
        NotFoundError: one depends on what there is not.
        BadInputError: ``E_CYCLE``.
    """
    given = {definition.name: definition.depends_on for definition in definitions}
    needs = {daemon.name: daemon.definition.depends_on for daemon in store.daemons.all()} | given
    for names in given.values():
        for name in names:
            if name not in needs:
                raise unknown_daemon(name, needs)
    order(needs)


def check_variables(definition: DaemonDefinition, settings: Settings) -> None:
    """No variable of the definition looks secret: definitions are stored.

    Raises:
        BadInputError: ``E_SECRET``; it never shows a value.
    """
    for name in definition.env:
        if split_environment({name: ""}, settings.pass_env, secret=settings.secret_env)[1]:
            hint = "start jobctl up with it in its environment: daemons get that"
            raise BadInputError("secret values are not stored", name, hint, "E_SECRET")


def _with_directory(definition: DaemonDefinition, base: str) -> DaemonDefinition:
    # The kernel resolves "..", past symbolic links too; normpath would not.
    return replace(definition, cwd=os.path.join(base, definition.cwd))


def _ask_starts(store: Store, names: Sequence[str], now: Milliseconds) -> list[str]:
    """In an open transaction: these and all they need are wanted up; returns those that were not named."""
    others = []
    for name in sorted(_needed(store, names)):
        daemon = required_daemon(store, name)
        if _is_up(daemon):
            continue
        if name not in names:
            if daemon.wanted is Wanted.UP and daemon.state is not DaemonState.ERROR:
                continue
            others.append(name)
        store.daemons.ask_start(name, now)
    return others


def _is_up(daemon: Daemon) -> bool:
    return daemon.wanted is Wanted.UP and daemon.state is DaemonState.RUNNING and daemon.is_settled


def _needed(store: Store, names: Iterable[str]) -> set[str]:
    """The names and all they depend on, near and far."""
    needs = {daemon.name: daemon.definition.depends_on for daemon in store.daemons.all()}
    found: set[str] = set()
    left = [name for name in names if name in needs]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [needed for needed in needs[name] if needed in needs]
    return found
