"""Counts what happened, once and for good: events are read behind a cursor and added to slots of time.

A page is read and counted without a lock; adding it moves the cursor in the same transaction, and adds nothing when
somebody else has moved it meanwhile. Event ids grow in the order of the commits (SQLite has one writer, and the ids are
AUTOINCREMENT), so nothing appears behind the cursor later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jobctl.model.failure_messages import failure_message
from jobctl.model.sketches import merged
from jobctl.model.statistics import (
    COUNTERS,
    HOUR,
    KEPT,
    OTHER,
    Dimension,
    Figures,
    cut,
    figures_of,
    spans_of,
)
from jobctl.store.database import Database

PAGE = 1000
"""Events counted at once where nobody says otherwise."""
MOST_KEYS = 120
"""Types, queues or names of a slot; when one more comes, ..."""
KEPT_KEYS = 50
"""... the busiest stay and the rest becomes other."""
MOST_GROUPS = 1000
"""Groups of recurring failures."""
NEW_GROUPS_A_PAGE = 50
DEPTH_FINE_MS = 60_000
"""Depths are kept for each minute, ..."""
DEPTH_FINE_KEPT_MS = 48 * HOUR
"""... for so long; then the highest of each hour, for a year."""
DEPTH_KEPT_MS = 366 * 24 * HOUR
_SLOTS_A_STEP = 50
IS_AT_WORK = "state='running' AND kind IN('command','function')"
"""Batches and workflows run as long as one of theirs does; they take no slot."""

LastLine = Callable[[int, int], str | None]
"""The last line that an attempt (job, number) printed."""

_Any = TypeVar("_Any")
_Key = tuple[bool, str]
_Label = tuple[int, str, str, str]
"""Where its shortest slot begins, type, queue, name."""

_FACTS = (
    "SELECT e.at, e.kind, e.entity_id, ifnull(j.type, ''), j.queue, j.name, j.kind, j.finished_at-j.started_at,"
    " json_extract(e.data,'$.outcome'), a.number, a.finished_at-a.started_at, a.reason, a.exit_code, a.signal, a.error"
    " FROM events e JOIN jobs j ON j.id=e.entity_id"
    " LEFT JOIN attempts a ON a.job_id=e.entity_id AND a.number=json_extract(e.data,'$.attempt')"
    " WHERE e.id>? AND e.id<=? AND e.entity='job' AND e.kind IN('job.submitted','job.completed','job.failed',"
    "'job.cancelled','job.timeout','job.retried','job.lost','job.queued') ORDER BY e.id"
)
_COLUMNS = (*COUNTERS, "sketch")
_MARKS = ",".join("?" * (5 + len(_COLUMNS)))
_SHARED = f"span, slot, dimension, other, key, {', '.join(_COLUMNS)}"
_ADD = (
    f"INSERT INTO stat_slots({_SHARED}) VALUES({_MARKS}) ON CONFLICT DO UPDATE SET"
    f" {', '.join(f'{name}={name}+excluded.{name}' for name in COUNTERS)},"
    " sketch=merged_sketch(sketch, excluded.sketch)"
)
_ERRORS = frozenset({"failed", "timeout", "lost"})


@dataclass(slots=True)
class _Failure:
    """Failures with the same name and message in one page; ``slots`` counts them by hour."""

    first_at: int
    last_at: int
    job_id: int
    slots: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """What some events add; ``before`` and ``upto`` are the cursor's positions."""

    before: int
    upto: int
    labels: dict[_Label, Figures] = field(default_factory=dict)
    failures: dict[tuple[str, str], _Failure] = field(default_factory=dict)


class RollUps:
    """Slots of figures, written. The methods that write expect an open write transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.peewee.connection().create_scalar_function("merged_sketch", merged, 2, deterministic=True)

    # --- counting ---

    def backlog(self) -> int:
        """About how many events are not counted yet: an upper bound, since ids of removed ones are counted too."""
        last = self._database.value("SELECT max(id) FROM events")
        return 0 if last is None else max(0, int(last) - max(self._cursor(), self._first() - 1))

    def read(self, now: int, last_line: LastLine | None = None, limit: int = PAGE) -> Page | None:
        """What the next events add; None when all are counted. Reads only.

        Args:
            now: milliseconds UTC.
            last_line: tells what a failed attempt printed last, when the store knows no error of it.
            limit: so many ids of events at most.
        """
        before, last = self._cursor(), self._database.value("SELECT max(id) FROM events")
        if last is None or last <= before:
            return None
        page = Page(before, min(int(last), max(before, self._first() - 1) + limit))
        for row in self._database.rows(_FACTS, (before, page.upto)):
            _count(page, row, now, last_line)
        return page

    def add(self, page: Page, now: int) -> bool:
        """The page counts; False, and nothing is changed, when others have counted it."""
        moved = self._database.row(
            "UPDATE rollup_cursor SET event_id=? WHERE id=1 AND event_id=? RETURNING id",
            (page.upto, page.before),
        )
        if moved is None:
            return False
        for (span, slot, dimension), groups in _by_slot(page.labels, now).items():
            self._merge(span, slot, dimension, groups)
        self._add_failures(page.failures)
        return True

    def catch_up(self, now: int) -> None:
        """Every event counts, those of the open transaction too: whatever was counted from may go."""
        while (page := self.read(now)) is not None:
            self.add(page, now)

    def _cursor(self) -> int:
        return int(self._database.value("SELECT event_id FROM rollup_cursor"))

    def _first(self) -> int:
        return int(self._database.value("SELECT ifnull(min(id), 0) FROM events"))

    def _merge(self, span: int, slot: int, dimension: Dimension, groups: dict[_Key, Figures]) -> None:
        known = self._database.value(
            "SELECT count(*) FROM stat_slots WHERE span=? AND dimension=? AND slot=?",
            (span, dimension.value, slot),
        )
        if known + len(groups) > MOST_KEYS:
            groups = self._fold(span, slot, dimension, groups)
        self._database.many(
            _ADD,
            (
                (span, slot, dimension.value, *key, *figures.counters(), figures.sketch.text())
                for key, figures in groups.items()
            ),
        )

    def _fold(
        self, span: int, slot: int, dimension: Dimension, groups: dict[_Key, Figures]
    ) -> dict[_Key, Figures]:
        """What is left to add when all of the slot that is not among the busiest has become other."""
        place = (span, dimension.value, slot)
        old = {
            (bool(row[0]), row[1]): row[2]
            for row in self._database.rows(
                "SELECT other, key, submitted+attempts FROM stat_slots WHERE span=? AND dimension=? AND slot=?"
                " AND other=0",
                place,
            )
        }
        weights = {
            key: old.get(key, 0) + (groups[key].submitted + groups[key].attempts if key in groups else 0)
            for key in {**old, **groups}
        }
        kept = set(sorted(weights, key=lambda key: (-weights[key], key))[:KEPT_KEYS])
        rest = Figures()
        for key in old.keys() - kept:
            row = self._database.rows(
                f"DELETE FROM stat_slots WHERE span=? AND dimension=? AND slot=? AND other=0 AND key=?"
                f" RETURNING {', '.join(_COLUMNS)}",
                (*place, key[1]),
            )[0]
            rest.add(figures_of(row))
        for key in groups.keys() - kept:
            rest.add(groups[key])
        return {**{key: figures for key, figures in groups.items() if key in kept}, (True, OTHER): rest}

    def _add_failures(self, failures: dict[tuple[str, str], _Failure]) -> None:
        fresh = 0
        for (name, message), failure in failures.items():
            known = self._database.value(
                "SELECT id FROM failure_groups WHERE name=? AND message=?", (name, message)
            )
            if known is None:
                fresh += 1
                # Messages that never recur, such as ones with random words, must not push out those that do.
                name, message = (name, message) if fresh <= NEW_GROUPS_A_PAGE else (OTHER, OTHER)
            group = self._database.value(
                "INSERT INTO failure_groups(name, message, count, first_at, last_at, job_id) VALUES(?,?,?,?,?,?)"
                " ON CONFLICT(name, message) DO UPDATE SET count=count+excluded.count, job_id=excluded.job_id,"
                " first_at=min(first_at, excluded.first_at), last_at=max(last_at, excluded.last_at) RETURNING id",
                (
                    name,
                    message,
                    sum(failure.slots.values()),
                    failure.first_at,
                    failure.last_at,
                    failure.job_id,
                ),
            )
            self._database.many(
                "INSERT INTO failure_slots(group_id, slot, count) VALUES(?,?,?)"
                " ON CONFLICT DO UPDATE SET count=count+excluded.count",
                [(group, slot, count) for slot, count in failure.slots.items()],
            )
        if fresh:
            self._database.rows(
                "DELETE FROM failure_groups WHERE id IN (SELECT id FROM failure_groups"
                " ORDER BY count>1, last_at LIMIT max(0, (SELECT count(*) FROM failure_groups)-?))",
                (MOST_GROUPS,),
            )

    # --- depth ---

    def sample_depth(self, now: int, *, is_last: bool = False) -> bool:
        """How many jobs are queued and running is on record for this minute; False when that is known already.

        Of several looks in one minute the highest figures stay; what does not change is written once. The last look of
        a life holds until the next one begins: it is kept as it is.
        """
        queued, running = self._database.rows(
            "SELECT (SELECT count(*) FROM jobs WHERE state='queued'),"
            f" (SELECT count(*) FROM jobs WHERE {IS_AT_WORK})"
        )[0]
        minute = now - now % DEPTH_FINE_MS
        last = self._database.row("SELECT at, queued, running FROM depth_samples ORDER BY at DESC LIMIT 1")
        if is_last and (last is None or now > last[0]):
            minute = now
        elif last is not None and last[0] >= minute:
            minute, queued, running = last[0], max(queued, last[1]), max(running, last[2])
        if last is not None and (queued, running) == tuple(last[1:]):
            return False
        self._database.rows("INSERT OR REPLACE INTO depth_samples VALUES(?,?,?)", (minute, queued, running))
        return True

    # --- keeping it small ---

    def tidied_at(self) -> int | None:
        """When ``tidy`` had nothing left to do, milliseconds UTC."""
        found = self._database.value("SELECT tidied_at FROM rollup_cursor")
        return None if found is None else int(found)

    def tidy(self, now: int) -> bool:
        """One step: what is old goes, depths of long ago become hourly; False when nothing was left to do."""
        if self._drop_old(now) or self._thin_depths(now):
            return True
        self._database.rows("UPDATE rollup_cursor SET tidied_at=?", (now,))
        return False

    def _drop_old(self, now: int) -> bool:
        gone = 0
        for span, kept in KEPT.items():
            for dimension in Dimension:
                gone += len(
                    self._database.rows(
                        "DELETE FROM stat_slots WHERE span=? AND dimension=? AND slot<? RETURNING 1",
                        (span, dimension.value, now - kept - span),
                    )
                )
        gone += len(
            self._database.rows(
                "DELETE FROM failure_slots WHERE slot<? RETURNING 1", (now - KEPT[HOUR] - HOUR,)
            )
        )
        return gone > 0

    def _thin_depths(self, now: int) -> bool:
        edge = now - DEPTH_FINE_KEPT_MS
        edge -= edge % HOUR
        hourly = self._database.rows(
            f"SELECT at-at%{HOUR}, max(queued), max(running) FROM depth_samples WHERE at<?"
            f" GROUP BY at-at%{HOUR} HAVING count(*)>1 OR max(at%{HOUR})>0 LIMIT ?",
            (edge, _SLOTS_A_STEP),
        )
        for hour, queued, running in hourly:
            self._database.rows("DELETE FROM depth_samples WHERE at>=? AND at<?", (hour, hour + HOUR))
            self._database.rows("INSERT INTO depth_samples VALUES(?,?,?)", (hour, queued, running))
        gone = self._database.rows(
            "DELETE FROM depth_samples WHERE at<? RETURNING at", (now - DEPTH_KEPT_MS,)
        )
        return bool(hourly or gone)


def _count(page: Page, row: tuple[Any, ...], now: int, last_line: LastLine | None) -> None:
    at, kind, _, type_, queue, name, job_kind, job_ms, outcome, number, attempt_ms = row[:11]
    label = (cut(at, now), type_, queue, name)
    figures = page.labels.get(label)
    if figures is None:
        figures = page.labels[label] = Figures()
    if outcome is not None:
        figures.attempts += 1
        figures.busy_ms += max(0, attempt_ms or 0)
        if outcome in _ERRORS:
            figures.errors += 1
            _note_failure(page, row, last_line)
    match kind:
        case "job.submitted":
            figures.submitted += 1
        case "job.failed":
            figures.failed += 1
        case "job.cancelled":
            figures.cancelled += 1
        case "job.timeout":
            figures.timeout += 1
        case "job.completed":
            figures.completed += 1
            # A batch lasts as long as its items wait for one another: that says nothing about any of them.
            took = attempt_ms if number is not None else job_ms if job_kind == "workflow" else None
            if took is not None:
                figures.took(max(0, took))


def _note_failure(page: Page, row: tuple[Any, ...], last_line: LastLine | None) -> None:
    at, job_id, name, outcome, number = row[0], row[2], row[5], row[8], row[9]
    reason, exit_code, signal, error = row[11:]
    if error is None and number is not None and last_line is not None:
        error = last_line(job_id, number)
    message = failure_message(outcome, reason, exit_code, signal, error)
    failure = page.failures.setdefault((name, message), _Failure(at, at, job_id))
    failure.last_at, failure.job_id = max(at, failure.last_at), job_id
    hour = at - at % HOUR
    failure.slots[hour] = failure.slots.get(hour, 0) + 1


def _by_slot(
    labels: dict[_Label, Figures], now: int
) -> dict[tuple[int, int, Dimension], dict[_Key, Figures]]:
    """The figures of each slot of each length, by all, by type, by queue and by name."""
    shortest: dict[tuple[int, Dimension, str], Figures] = {}
    for (at, type_, queue, name), figures in labels.items():
        _into(shortest, (at, Dimension.ALL, ""), figures)
        _into(shortest, (at, Dimension.TYPE, type_), figures)
        _into(shortest, (at, Dimension.QUEUE, queue), figures)
        _into(shortest, (at, Dimension.NAME, name), figures)
    slots: dict[tuple[int, int, Dimension], dict[_Key, Figures]] = {}
    for (at, dimension, key), figures in shortest.items():
        for span in spans_of(dimension, at, now):
            groups = slots.setdefault((span, at - at % span if span else 0, dimension), {})
            _into(groups, (False, key), figures)
    return slots


def _into(sums: dict[_Any, Figures], key: _Any, figures: Figures) -> None:
    known = sums.get(key)
    if known is None:
        known = sums[key] = Figures()
    known.add(figures)
