"""A private life: an embedded supervisor for the one job of a ``run`` (DESIGN section 6, "Lives and recovery")."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

from jobctl.actions.admissions import store_jobs
from jobctl.clock import Clock
from jobctl.errors import StoreBusyError, StoreFullError
from jobctl.executors.registry import EXECUTORS
from jobctl.model.lives import LifeKind, StopMode
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.reservations import Reservation
from jobctl.supervisor.supervisor import Supervisor
from jobctl.supervisor.wakeups import Wakeups

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PrivateLife:
    """Runs one job in this process: only this life claims it; queue limits hold; nothing else is touched."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, submission: Submission) -> None:
        self._store = store
        self._lifeline = Lifeline(store, clock, LifeKind.RUN)
        # Signals are heard before there is a job: a Ctrl-C in between still cancels it.
        self._wakeups = Wakeups(self._lifeline.wake, stop_signals=STOP_SIGNALS)
        stored = store_jobs(store, [replace(submission, reserved=True)], clock, self._lifeline.id)[0]
        self.job_id: JobId = stored.id
        self.is_new = stored.is_new
        """Whether the job is this life's own, not one there was with the same unique key."""
        self._supervisor = Supervisor(store, settings, clock, EXECUTORS["command"](), self._lifeline)
        self._supervisor.reservation = Reservation(self.job_id, submission.queue)
        self._heard = 0

    def leave(self) -> None:
        """The life is over; the job is somebody else's."""
        self._wakeups.close()
        self._lifeline.end("done")

    def run(
        self, on_stop: Callable[[int], bool], on_turn: Callable[[], None] = lambda: None
    ) -> JobStatus | None:
        """The job's final status; None when it was left running.

        Args:
            on_turn: called in every turn.
            on_stop: called with the signal for each stop signal; True leaves the job to the next supervisor.
        """
        self._supervisor.heeds_signals = False
        try:
            self._supervisor.run(
                self._wakeups, until=lambda: self._heed(on_stop, on_turn) or self._ended() is not None
            )
            status = None if self._supervisor.stopping is StopMode.LEAVE_RUNNING else self._ended()
            if status is not None and self._supervisor.workers.kept:
                self._supervisor.stop(StopMode.DRAIN)  # its worker closes what it has open
                self._supervisor.run(self._wakeups)
            self._supervisor.abandon()
            self._lifeline.end("left" if status is None else "done")
        finally:
            self._wakeups.close()
        return status

    def _heed(self, on_stop: Callable[[int], bool], on_turn: Callable[[], None]) -> bool:
        try:
            on_turn()
        except (StoreBusyError, StoreFullError):
            return False  # once more after the next turn
        while self._heard < self._wakeups.stops:
            try:
                leave = on_stop(self._wakeups.last_stop)
            except (StoreBusyError, StoreFullError):
                return False  # once more after the next turn
            self._heard += 1
            if leave:
                self._supervisor.stop(StopMode.LEAVE_RUNNING)
        return False

    def _ended(self) -> JobStatus | None:
        status = self._store.jobs.statuses([self.job_id]).get(self.job_id)
        if status is None:  # removed by somebody
            return JobStatus.CANCELLED
        return status if status.is_terminal else None
