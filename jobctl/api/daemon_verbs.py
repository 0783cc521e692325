"""Daemons: processes that are kept alive."""

from __future__ import annotations

import builtins
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict, Unpack

from jobctl.actions import daemons as actions
from jobctl.actions.callers import caller_context
from jobctl.actions.daemon_logs import DaemonLogRequest, last_lines, read_daemon_log
from jobctl.actions.daemon_waits import DaemonWait, Judge, is_in, is_restarted, is_started, is_stopped
from jobctl.actions.functions import Functions, function_directory
from jobctl.actions.supervisors import supervisor_runs
from jobctl.api.connections import Connections
from jobctl.api.job_reads import JobReads
from jobctl.api.options import Duration, Function, Path, Word, function_name, number_text, plain, seconds_text
from jobctl.api.records import Job
from jobctl.clock import to_datetime, to_ms
from jobctl.errors import BadInputError, StateConflictError, SupervisorDownError, WaitTimeoutError
from jobctl.model.daemon_fields import KEYS, Given, parse_value
from jobctl.model.daemons import Daemon as DaemonRecord
from jobctl.model.daemons import DaemonState, Wanted
from jobctl.model.documents import Json
from jobctl.model.durations import parse_duration
from jobctl.model.filters import JobFilter
from jobctl.store import Store
from jobctl.views.daemons import daemon_json

_LOOK_EVERY = 50
"""Pauses of 20 ms between two looks whether the supervisor still runs."""
_LAST_LINES = 10


class DaemonOptions(TypedDict, total=False):
    """The options of ``daemon add``, with underscores."""

    cwd: Path
    env: Mapping[str, str]
    autostart: str
    restart: str
    backoff: Duration
    max_delay: Duration
    max_restarts: int
    stable: Duration
    start_seconds: Duration
    start_timeout: Duration
    stop_timeout: Duration
    stop_signal: str
    ready: str
    watchdog: Duration
    health: str
    health_every: Duration
    max_memory: int | str
    max_log: int | str
    keep_logs: int
    depends_on: Sequence[str]
    success_codes: Sequence[int]
    args: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon as it stood at ``read_at``."""

    record: DaemonRecord = field(repr=False)
    read_at: datetime = field(compare=False)

    def __repr__(self) -> str:
        return f"<Daemon {self.name!r} {self.state.value}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def wanted(self) -> str:
        """``up`` or ``down``: what was asked for."""
        return self.record.wanted.value

    @property
    def state(self) -> DaemonState:
        """What it is: stopped, waiting, starting, running, backoff, stopping, exited or error."""
        return self.record.state

    @property
    def reason(self) -> str | None:
        """Why, where that says more."""
        return self.record.reason

    @property
    def pid(self) -> int | None:
        """Of its process."""
        return self.record.pid

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return self.record.restarts

    @property
    def is_as_wanted(self) -> bool:
        """Whether it is what was asked for."""
        return self.record.is_as_wanted

    def as_json(self) -> dict[str, object]:
        """As in ``daemon list --json``."""
        return daemon_json(self.record, to_ms(self.read_at))


class DaemonVerbs:
    """``client.daemons``. Errors are those of the verbs ``daemon …``."""

    def __init__(self, connections: Connections, jobs: JobReads) -> None:
        self._connections, self._reads = connections, jobs

    def add(
        self,
        name: str,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        start: bool = False,
        **options: Unpack[DaemonOptions],
    ) -> Daemon:
        """The daemon is declared; with ``start`` it is wanted up, too (``wait`` waits until it is).

        Raises:
            BadInputError: it cannot be so, or its function may not be called so.
            NotFoundError: it depends on what there is not.
            StateConflictError: there is one of that name.
        """
        connections, clock = self._connections, self._connections.clock
        caller = caller_context(connections.home.path, clock.now_ms())
        values = self._values(command, shell, call, dict(options))
        # A function works where functions do, whoever declares it.
        cwd = caller.cwd if call is None or "cwd" in values else function_directory(connections.home)
        definition = actions.new_definition(name, values, cwd, caller.umask)
        functions = self._functions(values)
        if functions is not None:
            definition = actions.with_checked_call(definition, functions)
        store = connections.store(create=True)
        self._remember(store, functions)
        return self._daemon(actions.add_daemon(store, definition, connections.settings(), clock, start=start))

    def edit(
        self,
        name: str,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        unset_env: Sequence[str] = (),
        **options: Unpack[DaemonOptions],
    ) -> Daemon:
        """What is given is changed, the rest stays; what it runs counts from its next start."""
        values = self._values(command, shell, call, dict(options))
        if not values and not unset_env:
            raise BadInputError("nothing to change", hint="give an option or a command", code="E_USAGE")
        caller = caller_context(self._connections.home.path, self._connections.clock.now_ms())
        functions = self._functions(values)
        wish = actions.Edit(values, caller.cwd, unset_env, functions)
        store, clock = self._store_with(name), self._connections.clock
        [edited] = actions.edit_daemons(store, [name], wish, self._connections.settings(), clock)
        self._remember(store, functions)
        return self._daemon(edited)

    def get(self, name: str) -> Daemon:
        """The daemon of that name.

        Raises:
            NotFoundError: there is none.
        """
        return self._daemon(actions.required_daemon(self._store_with(name), name))

    def list(self) -> builtins.list[Daemon]:
        """Every daemon."""
        store = self._connections.existing()
        return [] if store is None else [self._daemon(one) for one in store.daemons.all()]

    def start(self, name: str, *, timeout: Duration | None = None, wait: bool = True) -> Daemon:
        """It is ready, with what it depends on; without a supervisor it is wanted up, for the next one.

        Raises:
            NotFoundError: there is no such daemon.
            StateConflictError: it did not become ready; the message has its last lines.
            SupervisorDownError: the supervisor ended meanwhile.
            WaitTimeoutError: it was not decided in time.
        """
        store = self._store_with(name)
        [found], _ = actions.start_daemons(store, [name], self._connections.clock)
        return self._awaited(store, found, is_started, timeout, wait=wait)

    def stop(self, name: str, *, timeout: Duration | None = None, wait: bool = True) -> Daemon:
        """It is stopped with all its processes, and stays so until it is started; errors as of ``start``."""
        store = self._store_with(name)
        [found] = actions.stop_daemons(store, [name], self._connections.clock)
        return self._awaited(store, found, is_stopped, timeout, wait=wait)

    def restart(self, name: str, *, timeout: Duration | None = None, wait: bool = True) -> Daemon:
        """It runs anew with its newest definition; errors as of ``start``."""
        store = self._store_with(name)
        before = actions.required_daemon(store, name)
        [found] = actions.restart_daemons(store, [name], self._connections.clock)
        return self._awaited(store, found, is_restarted({name: before}), timeout, wait=wait)

    def wait(self, name: str, state: str = "running", *, timeout: Duration | None = None) -> Daemon:
        """It is in the state.

        Raises:
            StateConflictError: it was given up instead.
            WaitTimeoutError: it is not in time.
        """
        try:
            wanted = DaemonState(state)
        except ValueError:
            hint = "one of: " + " ".join(DaemonState)
            raise BadInputError("unknown state", state, hint, "E_USAGE") from None
        store = self._store_with(name)
        return self._wait(store, actions.required_daemon(store, name), is_in(wanted), timeout, looks=False)

    def remove(self, name: str) -> None:
        """It is declared no more; a supervisor stops what runs of it.

        Raises:
            NotFoundError: there is no such daemon.
            StateConflictError: another one depends on it.
        """
        actions.remove_daemons(self._store_with(name), [name], self._connections.clock)

    def check(self) -> bool:
        """Whether every daemon that is wanted up is up.

        Raises:
            SupervisorDownError: one is wanted, and no supervisor could tell.
        """
        found = self.list()
        if any(one.record.wanted is Wanted.UP for one in found) and not supervisor_runs(
            self._connections.home
        ):
            raise _down(self._connections)
        return all(one.is_as_wanted for one in found)

    def logs(self, name: str, *, tail: int | None = None) -> builtins.list[str]:
        """The newest lines it printed, all that is kept without ``tail``."""
        self.get(name)
        found = read_daemon_log(self._connections.home, name, DaemonLogRequest(tail=tail))
        return [line.text.decode("utf-8", "replace") for line in found]

    def jobs(self, name: str, *, limit: int | None = None) -> builtins.list[Job]:
        """The jobs that it has submitted, newest first."""
        self.get(name)
        found = self._connections.store().jobs.list(JobFilter(daemon=name, limit=limit))
        return [self._reads.job_of(job) for job in found]

    def _awaited(
        self, store: Store, daemon: DaemonRecord, judge: Judge, timeout: Duration | None, *, wait: bool
    ) -> Daemon:
        if not wait or not supervisor_runs(store.home):
            return self._daemon(daemon)
        return self._wait(store, daemon, judge, timeout, looks=True)

    def _wait(
        self, store: Store, daemon: DaemonRecord, judge: Judge, timeout: Duration | None, *, looks: bool
    ) -> Daemon:
        text = seconds_text(timeout)
        seconds = None if text is None else parse_duration(text, "timeout", allow_zero=True)
        deadline = None if seconds is None else time.monotonic() + seconds
        waiting, pauses = DaemonWait(store, [daemon], judge), 0
        while not (answers := waiting.poll()):
            if deadline is not None and time.monotonic() >= deadline:
                state = actions.required_daemon(store, daemon.name).state.value
                raise WaitTimeoutError(f"the daemon {daemon.name} is still", state, "wait again")
            pauses += 1
            if looks and pauses % _LOOK_EVERY == 0 and not supervisor_runs(store.home):
                raise _down(self._connections)
            waiting.watch.pause()
        [answer] = answers
        if answer.daemon is None:
            raise actions.unknown_daemon(daemon.name, ())
        if not answer.ok:
            raise self._not_so(answer.daemon)
        return self._daemon(answer.daemon)

    def _not_so(self, daemon: DaemonRecord) -> StateConflictError:
        lines = last_lines(self._connections.home, daemon.name, _LAST_LINES)
        said = "; ".join(line.text.decode("utf-8", "replace") for line in lines)
        why = daemon.error or daemon.reason or daemon.state.value
        return StateConflictError(f"the daemon {daemon.name} is {daemon.state.value}: {why}", None, said)

    def _values(
        self,
        command: Sequence[Word] | None,
        shell: str | None,
        call: str | Function | None,
        options: dict[str, object],
    ) -> dict[str, Any]:
        work = [one for one in (command, shell, call) if one is not None]
        if len(work) > 1:
            raise BadInputError("more than one thing to run", hint="give one of them", code="E_COMMAND")
        if command is not None:
            options["command"] = command
        elif shell is not None:
            options["command"] = shell
        elif call is not None:
            options["call"] = function_name(call)
        return {key: parse_value(key, _given(key, value)) for key, value in options.items()}

    def _functions(self, values: Mapping[str, object]) -> Functions | None:
        """What may be called; None where nothing is said of a function."""
        if not values.keys() & {"call", "args"}:
            return None
        from jobctl.actions.inspections import caller_functions  # only daemons that are functions pay for it

        return caller_functions(self._connections.home, self._connections.settings())

    def _remember(self, store: Store, functions: Functions | None) -> None:
        """The supervisor knows the functions that were looked at."""
        if functions is not None:
            from jobctl.actions.inspections import remember

            remember(store, functions, self._connections.clock)

    def _daemon(self, record: DaemonRecord) -> Daemon:
        return Daemon(record, to_datetime(self._connections.clock.now_ms()))

    def _store_with(self, name: str) -> Store:
        """The store; where there is none, there is no such daemon."""
        store = self._connections.existing()
        if store is None:
            raise actions.unknown_daemon(name, ())
        return store


def _given(key: str, value: object) -> Given:
    """A value of Python as ``daemon add`` has it."""
    if key not in KEYS:
        from difflib import get_close_matches  # only on the way to an error

        near = get_close_matches(key[:40], KEYS, 1)
        hint = f"did you mean {near[0]}?" if near else "options: " + " ".join(KEYS)
        raise BadInputError("unknown option", key, hint, "E_FIELD")
    found = plain(value)
    if isinstance(found, dict):
        return found
    if isinstance(found, list):
        return [str(item) for item in found]
    return number_text(found) or ""


def _down(connections: Connections) -> SupervisorDownError:
    return SupervisorDownError("no supervisor for", connections.home.path, "start one with: jobctl up")
