"""Workers as rows. Whether one is alive, its lock file tells, never a row."""

from __future__ import annotations

from collections.abc import Mapping

from jobctl.model.states import LifeId, WorkerId
from jobctl.model.workers import Workers as Figures
from jobctl.store.database import Database

KEPT_MS = 86_400_000
"""How long the row of an ended worker stays: for what ``status`` counts."""


class Workers:
    """The workers table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, life: LifeId, now: int) -> WorkerId:
        """A new worker is on record; numbers are never used again."""
        number = self._database.value(
            "INSERT INTO workers(life_id, started_at) VALUES(?,?) RETURNING id", (life, now)
        )
        return WorkerId(number)

    def set_pid(self, worker: WorkerId, pid: int) -> None:
        """The worker is this process."""
        self._database.rows("UPDATE workers SET pid=? WHERE id=?", (pid, worker))

    def take_over(self, worker: WorkerId, life: LifeId) -> None:
        """The worker is ``life``'s to wait for."""
        self._database.rows("UPDATE workers SET life_id=? WHERE id=?", (life, worker))

    def count_done(self, done: Mapping[WorkerId, int]) -> None:
        """So many more jobs of each worker have ended."""
        self._database.many(
            "UPDATE workers SET jobs_done=jobs_done+? WHERE id=?",
            [(count, worker) for worker, count in done.items() if count],
        )

    def end(self, worker: WorkerId, reason: str, now: int) -> None:
        """The worker is gone, and all that it did is on record."""
        self._database.rows(
            "UPDATE workers SET ended_at=?, end_reason=? WHERE id=? AND ended_at IS NULL",
            (now, reason, worker),
        )
        self._database.rows("DELETE FROM workers WHERE ended_at<?", (now - KEPT_MS,))

    def unended(self) -> list[tuple[WorkerId, LifeId]]:
        """The workers that are not on record as gone, and whose they are."""
        rows = self._database.rows("SELECT id, life_id FROM workers WHERE ended_at IS NULL ORDER BY id")
        return [(WorkerId(row[0]), LifeId(row[1])) for row in rows]

    def figures(self) -> Figures:
        """What ``status`` shows of them."""
        running, done = self._database.rows("SELECT count(*)-count(ended_at), total(jobs_done) FROM workers")[
            0
        ]
        busy = self._database.value(
            "SELECT count(DISTINCT worker_id) FROM jobs INDEXED BY jobs_running WHERE state='running'"
        )
        return Figures(int(running), int(busy), int(done))
