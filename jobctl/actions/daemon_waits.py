"""Waiting until daemons are what was asked for, or cannot become it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jobctl.actions.changes import ChangeWatch
from jobctl.model.daemons import Daemon, DaemonState, Wanted
from jobctl.store import Store

Judge = Callable[[Daemon, Mapping[str, Daemon]], bool | None]
"""Of a daemon among all: True, it is so; False, it will not be; None, wait."""

_UP = frozenset({DaemonState.STARTING, DaemonState.RUNNING})
_RESTING = frozenset({DaemonState.STOPPED, DaemonState.EXITED, DaemonState.ERROR})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one daemon; ``daemon`` is None once it is removed."""

    name: str
    daemon: Daemon | None
    ok: bool


class DaemonWait:
    """Some daemons and which of them are not decided yet; ``poll`` takes 20 µs while nothing changes."""

    def __init__(
        self, store: Store, daemons: Sequence[Daemon], judge: Judge, watch: ChangeWatch | None = None
    ) -> None:
        self._store = store
        self._judge = judge
        self.watch = watch or ChangeWatch(store)
        self.pending = {daemon.name: daemon for daemon in daemons}

    def poll(self) -> list[Answer]:
        """What was decided since the last call."""
        if not self.pending or not self.watch.changed():
            return []
        every = {daemon.name: daemon for daemon in self._store.daemons.all()}
        answers = []
        for name in list(self.pending):
            daemon = every.get(name)
            ok = False if daemon is None else self._judge(daemon, every)
            if ok is not None:
                answers.append(Answer(name, daemon, ok))
                del self.pending[name]
        return answers


def is_started(daemon: Daemon, every: Mapping[str, Daemon]) -> bool | None:
    """Whether the last start or restart that was asked for has made it ready."""
    if daemon.wanted is Wanted.DOWN:
        return False  # somebody stopped it meanwhile
    if not daemon.is_settled:
        return None
    match daemon.state:
        case DaemonState.RUNNING:
            return True
        case DaemonState.EXITED:
            return daemon.is_as_wanted
        case DaemonState.BACKOFF | DaemonState.ERROR:
            return False
        case DaemonState.WAITING:
            return None if hindrance(daemon, every) is None else False
    return None


def hindrance(daemon: Daemon, every: Mapping[str, Daemon]) -> Daemon | None:
    """What it depends on, near or far, and that will not be up without somebody's help."""
    left, seen = list(daemon.definition.depends_on), {daemon.name}
    while left:
        needed = every.get(left.pop())
        if needed is None or needed.name in seen:
            continue
        seen.add(needed.name)
        if needed.wanted is Wanted.DOWN or (needed.is_settled and needed.state is DaemonState.ERROR):
            return needed
        if needed.state is not DaemonState.RUNNING:
            left += needed.definition.depends_on
    return None


def is_restarted(before: Mapping[str, Daemon]) -> Judge:
    """Whether a newer generation than that of ``before`` is ready."""

    def judge(daemon: Daemon, every: Mapping[str, Daemon]) -> bool | None:
        started = is_started(daemon, every)
        is_old = daemon.generation <= before[daemon.name].generation
        return None if started and is_old else started

    return judge


def is_stopped(daemon: Daemon, every: Mapping[str, Daemon]) -> bool | None:
    """Whether nothing of it runs and nothing will."""
    del every
    if daemon.wanted is Wanted.UP:
        return False  # somebody started it meanwhile
    return True if daemon.state in _RESTING else None


def is_in(state: DaemonState) -> Judge:
    """Whether it is in the state; it will not be up by itself once it was given up."""

    def judge(daemon: Daemon, every: Mapping[str, Daemon]) -> bool | None:
        del every
        if daemon.state is state:
            return True
        is_lost = state in _UP and daemon.state is DaemonState.ERROR and daemon.is_settled
        return False if is_lost else None

    return judge


def is_gone(store: Store, daemon: Daemon) -> bool:
    """Whether nothing is left of a daemon that was removed; also when one of its name is declared anew."""
    found = store.daemons.by_id(daemon.id)
    return found is None or found.removed_at is None
