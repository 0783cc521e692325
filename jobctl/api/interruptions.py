"""What ends a job early: somebody's flag, or an exception in the program that waits for it."""

from __future__ import annotations

from typing import Protocol

from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.api.connections import Connections
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.selectors import parse_selector

_INTERRUPTED = "the program that waited for it was interrupted"


class Interruption(Protocol):
    """What tells that something is to end: a ``threading.Event``."""

    def is_set(self) -> bool:
        """Whether it is."""


def cancel_unless_ended(connections: Connections, job_id: int, reason: str = _INTERRUPTED) -> None:
    """The job will end, unless it has, or is there no more: whoever asks may have looked a moment before."""
    selector, options = parse_selector(str(job_id)), CancelOptions(reason=reason)
    try:
        cancel(connections.store(), selector, connections.clock, options)
    except (StateConflictError, NotFoundError):
        return


class Interrupts:
    """Cancels one job once ``cancel`` is set, if it is given; once only."""

    def __init__(self, connections: Connections, job_id: int, cancel: Interruption | None) -> None:
        self._connections, self._job_id = connections, job_id
        self._cancel = cancel

    def look(self) -> None:
        """What was asked for meanwhile was done."""
        if self._cancel is not None and self._cancel.is_set():
            self._cancel = None
            cancel_unless_ended(self._connections, self._job_id)
