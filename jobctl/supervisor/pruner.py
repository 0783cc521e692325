"""Applies the retention in small slices, one a turn: old ended jobs, their files, old events, empty lives, free pages.

A pass begins every ``cleanup_interval``. Each slice lasts about ``SLICE_SECONDS``; thousands of directories removed at
once would also slow down the making of new ones (ext4).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from jobctl.actions.removals import remove_directory
from jobctl.actions.spools import unspool
from jobctl.clock import Clock
from jobctl.errors import StoreBusyError, StoreFullError
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.removals import Place

SLICE_SECONDS = 0.01
PAUSE_SECONDS = 0.01
"""Between two slices: half of the loop's time is the jobs'."""
FIRST_SECONDS = 60.0
"""After the start of a life."""
JOBS_A_SLICE = 40
EVENTS_A_SLICE = 500
LIVES_A_SLICE = 100
NAMES_A_SLICE = 500
FIRES_A_SLICE = 500
SCHEDULES_A_SLICE = 50
FIRES_KEPT = 1000
"""Of one schedule, however young: one that fires every second must not fill the store."""
PAGES_A_SLICE = 64
SPARE_PAGES = 1024
"""Free pages that stay in the file for what comes next: 4 MiB."""


T = TypeVar("T")


class Pruner:
    """Prunes for one ``up``; ``step`` is part of its turn."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._pass: Iterator[None] | None = None
        self._doomed: deque[str | int] = deque()
        now = clock.monotonic()
        self._pass_at = now + min(FIRST_SECONDS, settings.cleanup_interval)
        self._slice_at = now

    def use(self, settings: Settings) -> None:
        """From now on these hold."""
        self._settings = settings
        self._pass_at = min(self._pass_at, self._clock.monotonic() + settings.cleanup_interval)

    def step(self) -> None:
        """At most one slice of work is done, if it is time."""
        now = self._clock.monotonic()
        if self._pass is None:
            if now < self._pass_at:
                return
            self._pass = self._slices()
        elif now < self._slice_at:
            return
        self._slice_at = now + PAUSE_SECONDS
        if next(self._pass, self) is self:
            self._pass = None
            self._pass_at = now + self._settings.cleanup_interval

    def pause_seconds(self) -> float:
        """How long nothing has to be done."""
        return max(0.0, (self._slice_at if self._pass else self._pass_at) - self._clock.monotonic())

    # --- a pass: each yield ends a slice ---

    def _slices(self) -> Iterator[None]:
        now = self._clock.now_ms()
        before = now - round(self._settings.retention_age * 1000)
        yield from self._old_jobs(before)
        yield from self._too_many_jobs()
        yield from self._orphans()
        yield from self._old_events(before)
        yield from self._old_lives(before)
        yield from self._old_fires(before)
        yield from self._free_pages()

    def _old_jobs(self, before: int) -> Iterator[None]:
        place: Place | None = Place()
        while place is not None:
            place = self._remove_behind(place, before, JOBS_A_SLICE)
            yield
            yield from self._files()

    def _too_many_jobs(self) -> Iterator[None]:
        """The oldest go until as many as wanted are left; a pass looks at each job once."""
        place: Place | None = Place()
        while place is not None:
            excess = self._store.removals.ended_count() - self._settings.retention_jobs
            if excess <= 0:
                return
            place = self._remove_behind(place, self._clock.now_ms() + 1, min(excess, JOBS_A_SLICE))
            yield
            yield from self._files()

    def _remove_behind(self, place: Place, before: int, limit: int) -> Place | None:
        """Where to go on, None at the end. On a busy store it is the same place."""
        found = self._store.removals.ended(place, before, limit)
        doomed = [job.id for job in found if not job.needed]
        removed = self._write(lambda: self._store.removals.remove(doomed, self._clock.now_ms()))
        if removed is None:
            return place
        for one in removed:
            self._doomed.append(one.id)
            if one.stdin is not None and one.stdin.startswith(f"{self._store.home.spool}/"):
                self._doomed.append(one.stdin)
        return found[-1].place if len(found) == limit else None

    def _files(self) -> Iterator[None]:
        """What removed jobs left on the disk is gone."""
        while self._doomed:
            deadline = time.perf_counter() + SLICE_SECONDS
            while self._doomed and time.perf_counter() < deadline:
                self._remove_file(self._doomed.popleft())
            yield

    def _remove_file(self, doomed: str | int) -> None:
        if isinstance(doomed, int):
            remove_directory(self._store.home, doomed)
        else:
            unspool(self._store, doomed)

    def _orphans(self) -> Iterator[None]:
        """Directories whose job is gone are gone too: somebody was killed between the rows and the files."""
        try:
            found = [name for name in os.listdir(self._store.home.runs) if _is_number(name)]
        except OSError:  # no descriptors left, say: the next pass looks again
            return
        for start in range(0, len(found), NAMES_A_SLICE):
            yield from self._remove_unknown([int(name) for name in found[start : start + NAMES_A_SLICE]])

    def _remove_unknown(self, names: Iterable[int]) -> Iterator[None]:
        """A directory is made only after its job is in the store: without one, it is an orphan."""
        found = list(names)
        known = self._store.removals.known(found)
        self._doomed.extend(name for name in found if name not in known)
        yield
        yield from self._files()

    def _old_events(self, before: int) -> Iterator[None]:
        # The supervisor prunes when all but the last seconds are counted: there is little left to do here.
        self._write(lambda: self._store.rollups.catch_up(self._clock.now_ms()))
        gone: int | None = EVENTS_A_SLICE
        while gone is None or gone == EVENTS_A_SLICE:
            gone = self._write(lambda: self._store.removals.remove_events(before, EVENTS_A_SLICE))
            yield

    def _old_lives(self, before: int) -> Iterator[None]:
        last = 0
        while last >= 0:
            found = self._write(partial(self._store.removals.remove_lives, last, before, LIVES_A_SLICE))
            last = last if found is None else found
            yield

    def _old_fires(self, before: int) -> Iterator[None]:
        """What became of slots long ago; the cursors of the schedules stay, so none comes again."""
        gone: int | None = FIRES_A_SLICE
        while gone is None or gone == FIRES_A_SLICE:
            gone = self._write(lambda: self._store.schedules.prune(before, FIRES_A_SLICE))
            yield
        last = 0
        while page := self._store.schedules.behind(last, SCHEDULES_A_SLICE):
            for schedule_id in page:
                yield from self._surplus_fires(schedule_id)
            last = page[-1]
            yield

    def _surplus_fires(self, schedule_id: int) -> Iterator[None]:
        schedules = self._store.schedules
        upto = schedules.surplus(schedule_id, FIRES_KEPT)
        gone: int | None = 0 if upto is None else FIRES_A_SLICE
        while upto is not None and (gone is None or gone == FIRES_A_SLICE):
            gone = self._write(partial(schedules.trim, schedule_id, upto, FIRES_A_SLICE))
            yield

    def _free_pages(self) -> Iterator[None]:
        while self._store.removals.free_pages() > SPARE_PAGES:
            with contextlib.suppress(StoreBusyError, StoreFullError):
                self._store.removals.give_back(PAGES_A_SLICE)
            yield

    def _write(self, change: Callable[[], T]) -> T | None:
        """What the change returned, committed; None on a busy or full store: the next slice tries again."""
        try:
            with self._store.write():
                return change()
        except (StoreBusyError, StoreFullError):
            return None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 19
