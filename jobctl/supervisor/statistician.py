"""Counts what has happened while the jobs have the better part of the loop, and shows that the loop turns.

The pages are small and their distance follows from how long one took: a supervisor that is busy spends one part in
twenty on counting, an idle one half its time until all is counted.
"""

from __future__ import annotations

import contextlib
import os
import time

from jobctl.actions.statistics import last_lines
from jobctl.clock import Clock
from jobctl.errors import StoreBusyError, StoreFullError
from jobctl.store import Store

LOOK_SECONDS = 5.0
"""Between two looks when all is counted."""
HEARTBEAT_SECONDS = 1.0
TIDY_MS = 3_600_000
BUSY_PAGE = 500
IDLE_PAGE = 2000
"""Events; each costs about 15 µs, up to 80 where every job has another name."""
_BUSY_SHARE = 20
_IDLE_SHARE = 1


class Statistician:
    """Counts for one ``up``; ``step`` is part of its turn."""

    behind = False
    """Whether events wait to be counted: then nothing that they are about may go."""

    def __init__(self, store: Store, clock: Clock, lock_path: str) -> None:
        self._store = store
        self._clock = clock
        self._lock_path = lock_path
        self._last_line = last_lines(store.home)
        self._look_at = self._beat_at = clock.monotonic()
        self._sampled_at = 0

    def beat(self) -> None:
        """The lock file of the life is as young as the loop's last turn: ``health`` looks at its age."""
        now = self._clock.monotonic()
        if now < self._beat_at:
            return
        self._beat_at = now + HEARTBEAT_SECONDS
        with contextlib.suppress(OSError):  # no room for the inode, or removed: then the age tells
            os.utime(self._lock_path)

    def step(self, *, is_busy: bool) -> None:
        """At most one page is counted, if it is time.

        Args:
            is_busy: whether jobs run: then it is less often time.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        began = time.perf_counter()
        try:
            self.behind = self._count(BUSY_PAGE if is_busy else IDLE_PAGE)
        except (StoreBusyError, StoreFullError):
            self._look_at = now + LOOK_SECONDS
            return
        took = time.perf_counter() - began
        share = _BUSY_SHARE if is_busy else _IDLE_SHARE
        self._look_at = now + (took * share if self.behind else LOOK_SECONDS)

    def pause_seconds(self) -> float | None:
        """How long nothing has to be done; None while only the next look is due, which has time."""
        return max(0.0, self._look_at - self._clock.monotonic()) if self.behind else None

    def _count(self, limit: int) -> bool:
        """Whether more is to be counted, or to be tidied, after one page."""
        rollups, now = self._store.rollups, self._clock.now_ms()
        page = rollups.read(now, self._last_line, limit)
        if page is None and now - self._sampled_at < LOOK_SECONDS * 1000:
            return False
        with self._store.write():
            if page is not None:
                rollups.add(page, now)
            rollups.sample_depth(now)
            self._sampled_at = now
            if page is None and self._tidy_is_due(now):
                return rollups.tidy(now)
        return page is not None and rollups.backlog() > 0

    def _tidy_is_due(self, now: int) -> bool:
        last = self._store.rollups.tidied_at()
        return last is None or not 0 <= now - last < TIDY_MS
