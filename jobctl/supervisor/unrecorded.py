"""What is known of a daemon and not on record yet."""

from __future__ import annotations

from jobctl.model.daemon_machine import Condition
from jobctl.model.daemons import DaemonExit, DaemonState
from jobctl.model.events import EventKind

SOFT_SECONDS = 2.0
"""Heartbeats, status texts and figures are recorded no more often."""

_TOLD = {
    DaemonState.RUNNING: EventKind.DAEMON_READY,
    DaemonState.STOPPING: EventKind.DAEMON_STOPPING,
    DaemonState.STOPPED: EventKind.DAEMON_STOPPED,
    DaemonState.EXITED: EventKind.DAEMON_EXITED,
    DaemonState.BACKOFF: EventKind.DAEMON_BACKED_OFF,
    DaemonState.ERROR: EventKind.DAEMON_FAILED,
}


class Unrecorded:
    """Facts at once, figures at leisure, events and exits in order."""

    def __init__(self) -> None:
        self.news: list[tuple[EventKind, dict[str, object]]] = []
        self.exits: list[DaemonExit] = []
        self._facts = False
        self._figures = False
        self._figures_at = 0.0

    def facts(self) -> None:
        """There is something that others act upon."""
        self._facts = True

    def figures(self) -> None:
        """There is something to look at."""
        self._figures = True

    def tell(self, condition: Condition, pid: int | None, now: float) -> None:
        """The daemon has come to this state: where others act upon that, it is an event."""
        kind = _TOLD.get(condition.state)
        if kind is None:
            return
        found: dict[str, object] = {"generation": condition.generation}
        if condition.state is DaemonState.RUNNING:
            found["pid"] = pid
        for name in ("reason", "error"):
            if getattr(condition, name) is not None:
                found[name] = getattr(condition, name)
        if condition.retry_at is not None:
            found |= {"failures": condition.failures, "delay_seconds": round(condition.retry_at - now, 3)}
        self.news.append((kind, found))

    def is_due(self, now: float) -> bool:
        """Whether something is to be recorded now."""
        return self._facts or bool(self.news or self.exits) or (self._figures and now >= self._figures_at)

    def due_at(self, now: float) -> float | None:
        """When something will be to be recorded that is not yet."""
        return self._figures_at if self._figures and self._figures_at > now else None

    def recorded(self, now: float) -> None:
        """All of it is on record."""
        self._facts = self._figures = False
        self._figures_at = now + SOFT_SECONDS
        self.news.clear()
        self.exits.clear()
