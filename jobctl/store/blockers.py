"""What stands in the way of a waiting job, read for ``explain``."""

from __future__ import annotations

from typing import NamedTuple

from jobctl.model.states import JobId
from jobctl.store.database import Database


class Holder(NamedTuple):
    """A job that has what another one wants."""

    id: JobId
    name: str


class Blockers:
    """Reads who holds slots, locks and resources; writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def slot_holders(self, queue: str, limit: int = 10) -> tuple[int, list[Holder]]:
        """How many jobs of the queue run, and the first of them."""
        count = self._database.value(
            "SELECT count(*) FROM jobs WHERE state='running' AND queue=? AND life_id IS NOT NULL", (queue,)
        )
        rows = self._database.rows(
            "SELECT id, name FROM jobs WHERE state='running' AND queue=? AND life_id IS NOT NULL"
            " ORDER BY id LIMIT ?",
            (queue, limit),
        )
        return int(count), [Holder(JobId(row[0]), row[1]) for row in rows]

    def ahead(self, queue: str, priority: int, job_id: JobId, most: int = 1000) -> int:
        """How many queued jobs of the queue go first; at most ``most`` are counted."""
        return int(
            self._database.value(
                "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state='queued' AND queue=?"
                " AND (priority, id)<(?, ?) AND reserved=0 LIMIT ?)",
                (queue, priority, job_id, most),
            )
        )

    def lock_holder(self, lock_key: str) -> Holder | None:
        """The running job that has the lock."""
        row = self._database.row(
            "SELECT id, name FROM jobs WHERE lock_key=? AND state='running'", (lock_key,)
        )
        return None if row is None else Holder(JobId(row[0]), row[1])

    def resource_holders(self, name: str) -> list[tuple[Holder, int]]:
        """The running jobs that have some of the resource, and how much."""
        rows = self._database.rows(
            "SELECT j.id, j.name, r.amount FROM jobs j JOIN job_resources r ON r.job_id=j.id AND r.name=?"
            " WHERE j.state='running' AND j.gated=1 ORDER BY j.id",
            (name,),
        )
        return [(Holder(JobId(row[0]), row[1]), row[2]) for row in rows]

    def reserved(self, job_id: JobId) -> bool:
        """Whether only the ``run`` that submitted the job starts it."""
        return bool(self._database.value("SELECT reserved FROM jobs WHERE id=?", (job_id,)))

    def cancel_reason(self, job_id: JobId) -> str | None:
        """What the caller who wanted the job ended gave as the reason."""
        found: str | None = self._database.value(
            "SELECT reason FROM cancel_requests WHERE job_id=?", (job_id,)
        )
        return found
