"""Removing what is over: ended jobs with all that belongs to them, old events, lives that left nothing behind.

Each step takes a number of rows, so that no transaction lasts long. Files are the caller's, after the commit.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobStatus
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.rollups import RollUps

_ENDED = ("completed", "failed", "cancelled", "timeout")
_EACH = "(SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Removed:
    """A job that is gone from the store, and the files it leaves."""

    id: JobId
    status: JobStatus
    stdin: str | None
    is_part: bool = False
    """Whether it went because the run of a workflow did that it was a job of."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the order of their ends a walk over ended jobs has come."""

    finished_at: int = -1
    job_id: int = 0


@dataclass(frozen=True, slots=True)
class EndedJob:
    """An ended job; ``needed`` while the job it is a child of has not ended."""

    id: JobId
    place: Place
    needed: bool


class Removals:
    """Deletes rows; each writing method expects an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._rollups = RollUps(database)

    def remove(self, job_ids: Sequence[JobId], now: int) -> list[Removed]:
        """Those of the jobs that have ended are gone: rows, attempts, result, environment; ids are not reused.

        Their events stay until their own retention; one more tells the removal.
        """
        wanted = json.dumps(list(job_ids))
        found = self._database.rows(
            "SELECT j.id, j.state, json_extract(s.spec,'$.stdin'), s.environment_hash FROM jobs j"
            f" JOIN job_specs s ON s.job_id=j.id WHERE j.id IN {_EACH} AND j.finished_at IS NOT NULL",
            (wanted,),
        )
        if not found:
            return []
        self._rollups.catch_up(now)  # what is not counted by now never would be
        doomed = json.dumps([row[0] for row in found])
        # A need that was met stays met; an unmet one still has to be told from it if the job is revived.
        self._database.rows(
            f"DELETE FROM dependencies WHERE needs_id IN {_EACH} AND CASE condition WHEN 'any' THEN 1"
            " WHEN 'success' THEN (SELECT state FROM jobs WHERE id=needs_id)='completed'"
            " ELSE (SELECT state FROM jobs WHERE id=needs_id) IN('failed','timeout') END",
            (doomed,),
        )
        self._database.rows(f"DELETE FROM jobs WHERE id IN {_EACH}", (doomed,))
        hashes = json.dumps(sorted({row[3] for row in found if row[3] is not None}))
        self._database.rows(
            f"DELETE FROM environments WHERE hash IN {_EACH}"
            " AND NOT EXISTS(SELECT 1 FROM job_specs WHERE environment_hash=hash)",
            (hashes,),
        )
        self._events.add_rows(
            job_event(now, EventKind.JOB_REMOVED, row[0], {"status": row[1]}) for row in found
        )
        return [Removed(JobId(row[0]), JobStatus(row[1]), row[2]) for row in found]

    def parts(self, job_ids: Collection[int]) -> list[JobId]:
        """Of those that are ended runs of workflows the jobs, and those of the runs within: steps, undos, handlers."""
        rows = self._database.rows(
            "WITH RECURSIVE part(id) AS (SELECT c.job_id FROM workflow_jobs c"
            f" JOIN jobs j ON j.id=c.workflow_id WHERE c.workflow_id IN {_EACH} AND j.finished_at IS NOT NULL"
            " UNION SELECT c.job_id FROM part JOIN workflow_jobs c"
            " ON c.workflow_id=part.id) SELECT id FROM part ORDER BY id",
            (json.dumps(list(job_ids)),),
        )
        return [JobId(row[0]) for row in rows]

    def ended(self, after: Place, before: int, limit: int) -> list[EndedJob]:
        """The next ended jobs behind ``after`` that ended before the instant ``before``, the oldest first."""
        each = " UNION ALL ".join(
            f"SELECT * FROM (SELECT id, finished_at, parent_id FROM jobs WHERE state='{state}'"
            " AND finished_at IS NOT NULL AND (finished_at, id)>(?1, ?2) AND finished_at<?3"
            " ORDER BY finished_at, id LIMIT ?4)"
            for state in _ENDED
        )
        rows = self._database.rows(
            "SELECT f.id, f.finished_at, f.parent_id IS NOT NULL AND EXISTS(SELECT 1 FROM jobs p"
            f" WHERE p.id=f.parent_id AND p.finished_at IS NULL) FROM ({each}) f"
            " ORDER BY f.finished_at, f.id LIMIT ?4",
            (after.finished_at, after.job_id, before, limit),
        )
        return [EndedJob(JobId(row[0]), Place(row[1], row[0]), bool(row[2])) for row in rows]

    def ended_count(self) -> int:
        """How many ended jobs there are, from the kept totals."""
        return int(self._database.value("SELECT ifnull(sum(jobs), 0) FROM job_totals"))

    def prunable(self, statuses: Collection[JobStatus], before: int | None, keep: int) -> list[JobId]:
        """Ended jobs in one of ``statuses`` that ended before an instant, but for the newest ``keep``; oldest first.

        Not those whose parent (a batch, say) has not ended.
        """
        states = ",".join(f"'{status.value}'" for status in sorted(statuses) if status.is_terminal)
        rows = self._database.rows(
            f"SELECT j.id FROM jobs j WHERE j.state IN({states}) AND j.finished_at IS NOT NULL"
            " AND j.finished_at<ifnull(?, 9e18) AND NOT EXISTS(SELECT 1 FROM jobs p"
            " WHERE p.id=j.parent_id AND p.finished_at IS NULL)"
            " ORDER BY j.finished_at DESC, j.id DESC LIMIT -1 OFFSET ?",
            (before, keep),
        )
        return [JobId(row[0]) for row in reversed(rows)]

    def known(self, job_ids: Collection[int]) -> set[int]:
        """Which of the ids belong to jobs."""
        rows = self._database.rows(f"SELECT id FROM jobs WHERE id IN {_EACH}", (json.dumps(list(job_ids)),))
        return {row[0] for row in rows}

    def remove_events(self, before: int, limit: int) -> int:
        """At most ``limit`` of the oldest events are gone, those of before an instant; returns how many.

        The newest event stays: the cursors of followers are measured by it. So do those that are not counted yet.
        """
        rows = self._database.rows(
            "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?2) AND at<?1"
            " AND id<(SELECT max(id) FROM events) AND id<=(SELECT event_id FROM rollup_cursor) RETURNING id",
            (before, limit),
        )
        return len(rows)

    def remove_lives(self, after: int, before: int, limit: int) -> int:
        """Of the next ``limit`` lives, those that ended before an instant and that no row names are gone.

        Returns the id to go on from, -1 behind the last.
        """
        rows = self._database.rows("SELECT id FROM lives WHERE id>? ORDER BY id LIMIT ?", (after, limit))
        if not rows:
            return -1
        last = int(rows[-1][0])
        self._database.rows(
            "DELETE FROM lives WHERE id>? AND id<=? AND ended_at<?"
            " AND NOT EXISTS(SELECT 1 FROM attempts a WHERE a.life_id=lives.id)"
            " AND NOT EXISTS(SELECT 1 FROM jobs j WHERE j.life_id=lives.id)",
            (after, last, before),
        )
        return last

    def free_pages(self) -> int:
        """Pages of the file that hold nothing."""
        return int(self._database.value("PRAGMA freelist_count"))

    def give_back(self, pages: int) -> None:
        """At most so many free pages are the file system's again; in no transaction."""
        self._database.rows(f"PRAGMA incremental_vacuum({int(pages)})")
