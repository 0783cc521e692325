"""What happened when, for pictures of a period: read by indexes, in numbers that a picture can hold."""

from __future__ import annotations

import json

from jobctl.model.period_reports import Ends, Firing, Run, Span
from jobctl.model.statistics import DAY, FINE, HOUR, KEPT, Period
from jobctl.store.database import Database
from jobctl.store.rollups import IS_AT_WORK

BINS = 150
"""A period with too many runs is looked at in so many parts, each as well as the others."""
MOST_LIVES = 20_000
"""Lives that are looked through: each ``run`` without a supervisor is one, too."""
_BAD = ("failed", "timeout", "cancelled")
_RUN = (
    "a.job_id, a.number, j.name, j.queue, ifnull(a.outcome, 'running'), a.reason, a.started_at, a.finished_at,"
    " a.exit_code, a.signal"
)


class Timelines:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self, period: Period, most: int) -> list[Run]:
        """Attempts that ran in the period, the earliest first, at most ``most``.

        Where there are more, those of jobs that ended early in each of many equal parts of the period, failures first.
        """
        since = period.since or 0
        ids = self._open_jobs(most)
        found = self._ended(since, period.until, most - len(ids) + 1, BINS * len(_BAD))
        if len(ids) + len(found) > most:
            found, room = [], max(1, (most - len(ids)) // BINS)
            for index in range(BINS):
                start, end = (since + (period.until - since) * edge // BINS for edge in (index, index + 1))
                found += self._ended(start, end, room, max(1, room // 3))
        rows = self._database.rows(
            f"SELECT {_RUN} FROM json_each(?) w JOIN jobs j ON j.id=w.value JOIN attempts a ON a.job_id=j.id"
            " WHERE a.started_at<? AND (a.finished_at IS NULL OR a.finished_at>=?) ORDER BY a.started_at DESC LIMIT ?",
            (json.dumps([*ids, *found][:most]), period.until, since, most),
        )
        return [Run(*row) for row in reversed(rows)]

    def _open_jobs(self, most: int) -> list[int]:
        """Jobs that run, and those that wait for another attempt."""
        rows = self._database.rows(
            f"SELECT id FROM (SELECT id FROM jobs WHERE {IS_AT_WORK} LIMIT ?1) UNION ALL SELECT id FROM"
            " (SELECT id FROM jobs WHERE state='created' AND reason='retry' AND reason IN('time','retry') LIMIT ?1)"
            " LIMIT ?1",
            (most // 2,),
        )
        return [row[0] for row in rows]

    def _ended(self, start: int, end: int, room: int, each_bad: int) -> list[int]:
        """Jobs that ended then: of each bad state so many, of completed ones what room is left."""
        found: list[int] = []
        for state in (*_BAD, "completed"):
            limit = max(0, room - len(found))
            rows = self._database.rows(
                f"SELECT id FROM jobs INDEXED BY jobs_finished WHERE state='{state}' AND finished_at>=?"
                " AND finished_at<? AND finished_at IS NOT NULL AND kind IN('command','function')"
                " ORDER BY finished_at LIMIT ?",
                (start, end, limit if state == "completed" else min(limit, each_bad)),
            )
            found += [row[0] for row in rows]
        return found

    def ends(self, period: Period, now: int) -> list[Ends]:
        """How many jobs ended, by the shortest slots that are kept for the whole of the period; empty ones too."""
        since = period.since or 0
        span = next((span for span in (FINE, HOUR) if since >= now - KEPT[span]), DAY)
        first = since - since % span
        rows = self._database.rows(
            "SELECT slot, completed, failed, cancelled, timeout FROM stat_slots WHERE span=? AND dimension='all'"
            " AND slot>=? AND slot<?",
            (span, first, period.until),
        )
        found = {row[0]: row[1:] for row in rows}
        return [
            Ends(max(since, at), min(at + span, period.until), *found.get(at, (0, 0, 0, 0)))
            for at in range(first, period.until, span)
        ]

    def firings(self, schedule_id: int, period: Period, most: int) -> list[Firing]:
        """What became of its newest slots in the period, the earliest first."""
        rows = self._database.rows(
            "SELECT ifnull(due_at, decided_at), outcome, ifnull(late_ms, 0), count, reason, job_id FROM schedule_fires"
            " WHERE schedule_id=? AND decided_at>=? AND decided_at<? AND outcome<>'pending' ORDER BY id DESC LIMIT ?",
            (schedule_id, period.since or 0, period.until, most),
        )
        return [Firing(*row) for row in reversed(rows)]

    def supervisors(self, period: Period) -> list[Span]:
        """When a supervisor was up, the earliest first, one that began before the period too."""
        rows = self._database.rows(
            "SELECT id, started_at, ended_at, end_reason"
            f" FROM (SELECT * FROM lives ORDER BY id DESC LIMIT {MOST_LIVES})"
            " WHERE kind='up' AND started_at<? AND (ended_at IS NULL OR ended_at>=?) ORDER BY id",
            (period.until, period.since or 0),
        )
        return [Span(row[1], row[2], row[3], row[3] != "lost", str(row[0])) for row in rows]

    def last_sign(self) -> int:
        """When anything was put on record last; 0 if nothing ever was."""
        return int(self._database.value("SELECT at FROM events ORDER BY id DESC LIMIT 1") or 0)

    def gone(self, job_ids: list[int]) -> frozenset[int]:
        """Those of these jobs that have been removed."""
        rows = self._database.rows(
            "SELECT w.value FROM json_each(?) w WHERE NOT EXISTS(SELECT 1 FROM jobs j WHERE j.id=w.value)",
            (json.dumps(job_ids),),
        )
        return frozenset(row[0] for row in rows)
