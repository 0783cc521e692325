"""Figures about what happened, read: from the slots that ``store.rollups`` keeps, never from rows of jobs.

What dashboards and reports ask is here: ``totals``, ``groups``, ``depths``, ``failures``, ``punctuality``. What
happened in the last seconds may not be counted yet: ``actions.statistics.count_up`` counts it first.
"""

from __future__ import annotations

from jobctl.model.sketches import Sketch
from jobctl.model.statistics import (
    COUNTERS,
    HOUR,
    LATE_MS,
    Depth,
    Dimension,
    FailureGroup,
    Figures,
    Group,
    Period,
    Punctuality,
    slots_of,
)
from jobctl.store.database import Database
from jobctl.store.rollups import IS_AT_WORK

_SUMS = ", ".join(f"sum({name})" for name in COUNTERS)


class Statistics:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self, period: Period, now: int) -> Figures:
        """What happened in the period."""
        found = self.groups(Dimension.ALL, period, now)
        return found[0].figures if found else Figures()

    def groups(
        self, dimension: Dimension, period: Period, now: int, *, with_sketches: bool = True
    ) -> list[Group]:
        """The same by type, queue or name, the busiest first, what is too rare to be kept apart last.

        The period is one of ``model.statistics.periods``, or the one of all time. Without sketches (a third of the
        time) there are no medians.
        """
        sums: dict[tuple[int, str], Figures] = {}
        sketch = "group_concat(sketch)" if with_sketches else "NULL"
        for span, start, end in slots_of(dimension, period, now):
            for row in self._database.rows(
                f"SELECT other, key, {_SUMS}, {sketch} FROM stat_slots WHERE span=? AND dimension=? AND slot>=?"
                " AND slot<? GROUP BY other, key",
                (span, dimension.value, start, end),
            ):
                counted = Figures(
                    **dict(zip(COUNTERS, row[2:-1], strict=True)), sketch=Sketch.of_all(row[-1] or "")
                )
                sums.setdefault(row[:2], Figures()).add(counted)
        ranked = sorted(
            sums.items(),
            key=lambda found: (found[0][0], -found[1].submitted - found[1].attempts, found[0][1]),
        )
        return [Group(key, bool(other), figures) for (other, key), figures in ranked]

    def depths(self, period: Period) -> list[Depth]:
        """How many jobs were queued and running over the period, oldest first.

        Each holds until the next one; the first is what held when the period began.
        """
        since = 0 if period.since is None else period.since
        rows = self._database.rows(
            "SELECT at, queued, running FROM depth_samples WHERE at>=ifnull((SELECT max(at) FROM depth_samples"
            " WHERE at<=?1), ?1) AND at<?2 ORDER BY at",
            (since, period.until),
        )
        return [Depth(max(since, row[0]), row[1], row[2]) for row in rows]

    def failures(self, period: Period, limit: int) -> list[FailureGroup]:
        """The messages that recurred most in the period, by name; hours that it only begins in count whole."""
        since = 0 if period.since is None else period.since - period.since % HOUR
        rows = self._database.rows(
            "SELECT g.name, g.message, sum(s.count), g.first_at, g.last_at, g.job_id FROM failure_slots s"
            " JOIN failure_groups g ON g.id=s.group_id WHERE s.slot>=? AND s.slot<? GROUP BY g.id"
            " ORDER BY sum(s.count) DESC, g.last_at DESC LIMIT ?",
            (since, period.until, limit),
        )
        return [FailureGroup(*row) for row in rows]

    def running(self) -> int:
        """How many jobs run now that have a process of their own, as ``depths`` counts them."""
        return int(self._database.value(f"SELECT count(*) FROM jobs WHERE {IS_AT_WORK}"))

    def born_at(self) -> int:
        """When the store was made: before that, nothing can be known."""
        return int(self._database.value("SELECT applied_at FROM migrations WHERE number=1"))

    def punctuality(self, period: Period) -> list[Punctuality]:
        """How late each schedule fired in the period, as far as its slots are kept; by name. Runs by hand count."""
        rows = self._database.rows(
            "SELECT s.id, s.name, sum(f.outcome='fired'), sum(f.outcome='fired' AND f.late_ms>=?),"
            " ifnull(avg(iif(f.outcome='fired', f.late_ms, NULL)), 0)/1000.0,"
            " ifnull(max(iif(f.outcome='fired', f.late_ms, NULL)), 0)/1000.0,"
            " sum(iif(f.outcome='skipped', f.count, 0)), sum(iif(f.outcome='missed', f.count, 0)),"
            " sum(iif(f.outcome='failed', f.count, 0))"
            " FROM schedule_fires f JOIN schedules s ON s.id=f.schedule_id"
            " WHERE f.outcome<>'pending' AND f.decided_at>=? AND f.decided_at<? GROUP BY s.id ORDER BY s.name",
            (LATE_MS, 0 if period.since is None else period.since, period.until),
        )
        return [Punctuality(*row) for row in rows]
