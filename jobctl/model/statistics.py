"""Figures about jobs over time: what happened in a period, by what, and how it compares with the period before."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobctl.model.sketches import Sketch

SECOND_MS = 1000
EVER = 0
"""The span that covers all time in one slot."""
FINE = 300 * SECOND_MS
HOUR = 3600 * SECOND_MS
DAY = 24 * HOUR
"""The lengths of the slots that figures are kept for, milliseconds; what happens counts once in one of each."""
KEPT = {FINE: 12 * HOUR, HOUR: 15 * DAY, DAY: 3 * 366 * DAY}
"""How long the slots of each length are kept."""

OTHER = "(other)"
NO_TYPE = "(none)"


class Dimension(StrEnum):
    """What figures are told apart by."""

    ALL = "all"
    TYPE = "type"
    QUEUE = "queue"
    NAME = "name"


@dataclass(slots=True)
class Figures:
    """What happened, counted. Grows by ``add``."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    timeout: int = 0
    attempts: int = 0
    """Attempts that have ended."""
    errors: int = 0
    """Attempts that failed, ran out of time or were lost."""
    busy_ms: int = 0
    """The time that attempts ran, however they ended."""
    timed: int = 0
    """Jobs in ``sketch``."""
    done_ms: int = 0
    """The time that those took."""
    sketch: Sketch = field(default_factory=Sketch)
    """How long each job took that completed: its last attempt; a workflow: the run. Batches are not in it."""

    def took(self, milliseconds: int) -> None:
        """A job completed after so long."""
        self.timed += 1
        self.done_ms += milliseconds
        self.sketch.add(milliseconds)

    def counters(self) -> list[int]:
        """The plain numbers, in the order of ``COUNTERS``."""
        return [getattr(self, name) for name in COUNTERS]

    def add(self, other: Figures) -> None:
        """What the other one has counted is counted here too."""
        # Spelt out: counting adds a dozen times an event, and a loop over names takes six times as long.
        self.submitted += other.submitted
        self.completed += other.completed
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.timeout += other.timeout
        self.attempts += other.attempts
        self.errors += other.errors
        self.busy_ms += other.busy_ms
        if other.timed:
            self.timed += other.timed
            self.done_ms += other.done_ms
            self.sketch.merge(other.sketch)

    @property
    def finished(self) -> int:
        """Jobs that ended, in whatever way; one that is retried by hand ends again."""
        return self.completed + self.failed + self.cancelled + self.timeout

    @property
    def error_rate(self) -> float | None:
        """The share of those that failed or ran out of time, cancelled ones left aside; None without any."""
        bad = self.failed + self.timeout
        judged = self.completed + bad
        return bad / judged if judged else None

    @property
    def mean_seconds(self) -> float | None:
        """The mean duration of what completed."""
        return self.done_ms / self.timed / 1000 if self.timed else None

    def quantile_seconds(self, share: float) -> float | None:
        """A quantile of the durations of what completed, within 5 % of itself."""
        return self.sketch.quantile_seconds(share)


COUNTERS = (
    "submitted", "completed", "failed", "cancelled", "timeout", "attempts", "errors", "busy_ms", "timed", "done_ms",
)  # fmt: skip
"""The fields of ``Figures`` that are plain numbers, in the order of the table."""


def figures_of(row: tuple[Any, ...]) -> Figures:
    """Those of a row: the counters in their order, then the text of the sketch."""
    return Figures(**dict(zip(COUNTERS, row[:-1], strict=True)), sketch=Sketch.of(row[-1]))


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one type, queue or name; ``is_other``: of all that are too rare to be kept apart."""

    key: str
    is_other: bool
    figures: Figures


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs were queued and running, at most, from ``at`` (milliseconds UTC) to the next of these."""

    at: int
    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Attempts of one name that failed with the same message; instants in milliseconds UTC."""

    name: str
    message: str
    count: int
    """In the period that was asked for."""
    first_at: int
    last_at: int
    job_id: int
    """The newest of their jobs; it may be gone."""


LATE_MS = 1000
"""A slot that fires so long after it was due fires late."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How late the slots of a schedule fired."""

    schedule_id: int
    schedule: str
    fired: int
    late: int
    """Of those that fired."""
    mean_late_seconds: float
    worst_late_seconds: float
    skipped: int
    missed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` up to ``until``, milliseconds UTC; ``since`` None: from the beginning."""

    since: int | None
    until: int

    @property
    def seconds(self) -> float | None:
        """Its length; None when nobody knows where it begins."""
        return None if self.since is None else (self.until - self.since) / 1000


def periods(since: int, now: int) -> tuple[Period, Period]:
    """The period from about ``since`` to now, and the one before it of the same length.

    Both begin where slots begin that are still kept: within the last hours a multiple of five minutes, then a whole
    hour, then a day; never after what was asked for.
    """
    before = since - max(FINE, now - since)
    grain = next((span for span in (FINE, HOUR) if now - before < KEPT[span] - DAY // 24), DAY)
    start = since - since % grain
    earlier = start - max(grain, now - start)
    return Period(start, now), Period(earlier - earlier % grain, start)


def cut(at: int, now: int) -> int:
    """The beginning of the shortest slot that an instant belongs to."""
    if at >= now - KEPT[FINE] - FINE:
        return at - at % FINE
    return at - at % (HOUR if at >= now - KEPT[HOUR] - HOUR else DAY)


_SPANS_BY_AGE = ((EVER, FINE, HOUR, DAY), (EVER, HOUR, DAY), (EVER, DAY), (EVER,))


def spans_of(dimension: Dimension, at: int, now: int) -> tuple[int, ...]:
    """The lengths of the slots that count what happened ``at`` an instant: none that would be dropped at once.

    Names come and go: over all time they are told by day.
    """
    spans = _SPANS_BY_AGE[
        (at < now - KEPT[FINE] - FINE) + (at < now - KEPT[HOUR] - HOUR) + (at < now - KEPT[DAY] - DAY)
    ]
    return spans[1:] if dimension is Dimension.NAME else spans


def slots_of(dimension: Dimension, period: Period, now: int) -> list[tuple[int, int, int]]:
    """The slots that make up a period exactly: length of the slots, from and up to where; the fewest there are.

    A period that ends now takes the slot that is not over yet.
    """
    if period.since is None:
        return [(DAY, 0, period.until)] if dimension is Dimension.NAME else [(EVER, 0, 1)]
    ranges: list[tuple[int, int, int]] = []
    at, end = period.since, period.until
    while at < end:
        span = next(
            (span for span in (DAY, HOUR) if at % span == 0 and (at + span <= end or end >= now)), FINE
        )
        if ranges and ranges[-1][0] == span:
            ranges[-1] = (span, ranges[-1][1], at + span)
        else:
            ranges.append((span, at, at + span))
        at += span
    return ranges


def thinned(depths: list[Depth], most: int) -> list[Depth]:
    """At most about ``most`` of the depths, each the highest of those it stands for."""
    if len(depths) <= most:
        return depths
    size = -(-len(depths) // most)
    parts = (depths[start : start + size] for start in range(0, len(depths), size))
    return [Depth(part[0].at, max(d.queued for d in part), max(d.running for d in part)) for part in parts]
