"""What callers want of the jobs that run here: read in the turn's transaction, heeded after it."""

from __future__ import annotations

from jobctl.clock import Clock
from jobctl.store import Store
from jobctl.store.intents import CancelRequest, PauseRequest
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.watcher import Watcher
from jobctl.supervisor.workers import Workers


class Wishes:
    """Cancellations and pauses of one life's jobs."""

    def __init__(
        self, store: Store, lifeline: Lifeline, clock: Clock, watcher: Watcher, workers: Workers
    ) -> None:
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._watcher = watcher
        self._workers = workers
        self._cancels: list[CancelRequest] = []
        self._pauses: list[PauseRequest] = []

    def read(self) -> None:
        """They are known as they are in the open transaction."""
        self._cancels = self._store.intents.cancel_requests(self._lifeline.id)
        self._pauses = self._store.intents.pause_requests(self._lifeline.id)

    def heed(self) -> bool:
        """What was read is being done; whether one of them has to be looked at again soon."""
        monotonic, now_ms = self._clock.monotonic(), self._clock.now_ms()
        again = False
        for request in self._cancels:
            attempt = self._watcher.active.get(request.job_id)
            if attempt is not None:
                attempt.cancel(request, monotonic, now_ms)
            elif self._workers.heed_cancel(request.job_id):
                again = True
        for pause in self._pauses:
            self._watcher.heed_pause(pause)
        return again
