"""Figures about jobs for people: counted up to now, over a period, beside the period before."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from jobctl.model.homes import Home
from jobctl.model.states import JobStatus
from jobctl.model.statistics import Depth, Dimension, Figures, Period, periods, thinned
from jobctl.model.stats import Stats
from jobctl.store import Store

MOST_DEPTHS = 240
MOST_FAILURES = 50
_TAIL_BYTES = 2048
PAGE = 2000
"""Events a transaction: it holds the lock for about 0.05 s."""
_SAY_FROM = 100_000


@dataclass(frozen=True, slots=True)
class StatsRequest:
    """What is asked for; ``since`` in milliseconds UTC, None: from the beginning."""

    since: int | None
    by: Dimension | None = None
    errors: bool = False


def stats_of(store: Store, request: StatsRequest, now: int) -> Stats:
    """What happened since then; ``count_up`` makes it complete."""
    figures = store.statistics
    counts = store.jobs.counts()
    born = figures.born_at()
    period, earlier = Period(None, now), None
    if request.since is not None:
        period, earlier = periods(request.since, now)
        if earlier.until <= born:
            earlier = None
    before = None if earlier is None else (_known(earlier, born), figures.totals(earlier, now))
    return Stats(
        period=_known(period, born),
        figures=figures.totals(period, now),
        counts=counts,
        before=before,
        depths=[
            *thinned(figures.depths(_known(period, born)), MOST_DEPTHS),
            Depth(now, counts["queued"], store.statistics.running()),
        ],
        by=request.by,
        groups=figures.groups(request.by, period, now) if request.by is not None else (),
        groups_before=(
            figures.groups(request.by, earlier, now, with_sketches=False)
            if request.by is not None and earlier is not None
            else ()
        ),
        failures=figures.failures(period, MOST_FAILURES) if request.errors else (),
    )


def nothing_yet(request: StatsRequest, now: int) -> Stats:
    """The figures of a home without a store."""
    counts = dict.fromkeys((status.value for status in JobStatus), 0)
    return Stats(Period(now, now), Figures(), counts, None, [], request.by)


def _known(period: Period, born: int) -> Period:
    """The part of the period in which there was a store."""
    return Period(min(period.until, max(period.since or 0, born)), period.until)


def count_up(store: Store, now: int, tell: Callable[[str], None] = lambda text: None) -> None:
    """All that has happened is counted: what a supervisor has not come to yet, in pages of a transaction each.

    A store that comes from an older version has its whole history ahead; ``tell`` hears of it then.
    """
    if not (left := store.rollups.backlog()):
        return
    if left >= _SAY_FROM:
        tell(f"counting {left:,} events, this once")
    line = last_lines(store.home)
    while (page := store.rollups.read(now, line, PAGE)) is not None:
        with store.write():
            store.rollups.add(page, now)


def last_lines(home: Home) -> Callable[[int, int], str | None]:
    """Tells the last line that an attempt printed, to standard error if that was kept apart; None without any."""

    def last_line(job_id: int, number: int) -> str | None:
        directory = home.attempt(job_id, number)
        for name in ("stderr.log", "output.log", "stdout.log"):
            lines = _tail(f"{directory}/{name}").replace(b"\r", b"\n").split(b"\n")
            for line in reversed(lines):
                if line.strip():
                    return line.decode("utf-8", "replace")
        return None

    return last_line


def _tail(path: str) -> bytes:
    """The last 2 KiB of a plain file; a job may have put anything there, such as a FIFO that nobody writes."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                return os.pread(descriptor, _TAIL_BYTES, max(0, found.st_size - _TAIL_BYTES))
        finally:
            os.close(descriptor)
    return b""
