"""What makes a supervisor look into the store though nothing happened to its own attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobctl.clock import Clock
from jobctl.store import Store
from jobctl.supervisor.dispatcher import Dispatcher

if TYPE_CHECKING:
    from jobctl.supervisor.notifier import Notifier


class Dues:
    """Instants that come, and what other processes have committed.

    Args:
        store: the supervisor's own.
        clock: of the instants.
        dispatcher: knows when a queue's rate allows one more start.
        has_workflows: whether steps that are due are its to start.
    """

    notifier: Notifier | None = None
    """Knows when something that waits may be told; None: nobody tells anything."""

    def __init__(self, store: Store, clock: Clock, dispatcher: Dispatcher, *, has_workflows: bool) -> None:
        self._store = store
        self._clock = clock
        self._dispatcher = dispatcher
        self._has_workflows = has_workflows
        self.resume_claims_at: float | None = None
        """Monotonic; nothing is claimed before, because the machine refused a start."""
        self._next_due: int | None = None
        self._seen_version = -1

    def look(self) -> None:
        """It is known when something is due in the store."""
        steps = self._store.runs.next_due() if self._has_workflows else None
        tellings = None if self.notifier is None else self.notifier.next_at
        dues = (self._store.jobs.next_due(), self._dispatcher.next_token_at, steps, tellings)
        self._next_due = min((due for due in dues if due is not None), default=None)

    def have_come(self) -> bool:
        """Whether something is due, or was changed by somebody else since the last call."""
        if self.resume_claims_at is not None and self._clock.monotonic() >= self.resume_claims_at:
            self.resume_claims_at = None
            return True
        if self._next_due is not None and self._next_due <= self._clock.now_ms():
            return True
        version = self._store.database.data_version()
        changed = version != self._seen_version
        self._seen_version = version
        return changed

    def waits(self) -> list[float]:
        """The seconds until each instant."""
        waits = []
        if self.resume_claims_at is not None:
            waits.append(self.resume_claims_at - self._clock.monotonic())
        if self._next_due is not None:
            waits.append((self._next_due - self._clock.now_ms()) / 1000)
        return waits
