"""What a report tells about a period: figures, and what happened when, in numbers that a page can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.model.statistics import Period, Punctuality
from jobctl.model.stats import Stats

RUNNING = "running"
"""The outcome of a run that has not ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt on the timeline. Instants in milliseconds UTC."""

    job_id: int
    number: int
    name: str
    queue: str
    outcome: str
    """Of the attempt, or ``running``."""
    reason: str | None
    started_at: int
    finished_at: int | None
    exit_code: int | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Runs of a period, the earliest first."""

    runs: Sequence[Run]
    total: int
    """As many attempts ended in the period or run now."""

    @property
    def is_sample(self) -> bool:
        """Whether there are more than are shown."""
        return self.total > len(self.runs)


@dataclass(frozen=True, slots=True)
class Ends:
    """How many jobs ended, and how, from ``at`` up to ``until``."""

    at: int
    until: int
    completed: int
    failed: int
    cancelled: int
    timeout: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.cancelled + self.timeout


@dataclass(frozen=True, slots=True)
class Span:
    """Something was up from ``start`` to ``end``; ``end`` None: it still is."""

    start: int
    end: int | None
    reason: str | None = None
    """Why it ended."""
    wished: bool = False
    """Somebody asked for the end: the time after it is no failure."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Uptime:
    """When a daemon, or the supervisor, was up, as far as it is known: from ``known_since`` on."""

    name: str
    state: str
    known_since: int
    spans: Sequence[Span]
    """The earliest first; they do not overlap."""
    unasked_ends: int = 0
    """Ends in the period that nobody asked for."""

    def up_seconds(self, period: Period) -> float:
        """How long it was up in the known part of the period."""
        start = max(self.known_since, period.since or 0)
        times = (
            min(span.end if span.end is not None else period.until, period.until) - max(span.start, start)
            for span in self.spans
        )
        return sum(max(0, time) for time in times) / 1000

    def up_share(self, period: Period) -> float | None:
        """The same as a share of that part; None where nothing is known."""
        known = (period.until - max(self.known_since, period.since or 0)) / 1000
        return min(1.0, self.up_seconds(period) / known) if known > 0 else None


@dataclass(frozen=True, slots=True)
class Firing:
    """What became of a slot of a schedule, or of a run of ``count`` slots."""

    at: int
    """When it was due; of a run by hand, when it began."""
    outcome: str
    late_ms: int
    count: int
    reason: str | None
    job_id: int | None


@dataclass(frozen=True, slots=True)
class ScheduleTrack:
    """How a schedule kept its times; ``firings`` are the newest ones, the earliest first."""

    punctuality: Punctuality
    firings: Sequence[Firing]


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """Everything that the page shows."""

    home: str
    version: str
    now: int
    stats: Stats
    timeline: Timeline
    ends: Sequence[Ends]
    schedules: Sequence[ScheduleTrack]
    schedules_left_out: int
    supervisor: Uptime
    daemons: Sequence[Uptime]
    daemons_left_out: int
    gone_jobs: frozenset[int]
    """Jobs of the failures that have been removed."""

    @property
    def period(self) -> Period:
        """What it is about."""
        return self.stats.period


def merged_ends(ends: Sequence[Ends], most: int) -> list[Ends]:
    """At most ``most`` of them, neighbours added up."""
    size = -(-len(ends) // most) if ends else 1
    parts = (ends[start : start + size] for start in range(0, len(ends), size))
    return [
        Ends(
            part[0].at, part[-1].until, sum(one.completed for one in part), sum(one.failed for one in part),
            sum(one.cancelled for one in part), sum(one.timeout for one in part),
        )
        for part in parts
    ]  # fmt: skip


def packed(runs: Sequence[Run], now: int, most: int) -> list[int]:
    """The row of each run, so that no two of a row overlap; what finds none of ``most`` rows free takes the last."""
    free_at = [0] * most
    rows = []
    for run in runs:
        row = next((index for index, free in enumerate(free_at) if free <= run.started_at), most - 1)
        free_at[row] = max(free_at[row], now if run.finished_at is None else run.finished_at)
        rows.append(row)
    return rows
