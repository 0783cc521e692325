"""What ``health`` asks of the store. Read only, and quick at any size."""

from __future__ import annotations

from jobctl.store.database import Database

MOST_EXAMINED = 64 << 20
"""Bytes of a store that is examined whole, at some 0.2 s; larger ones: ``db check``."""


class HealthQueries:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def examine(self) -> tuple[bool, str]:
        """Whether SQLite finds the file sound, and what it says; of a large one only that it can be read."""
        size = self._database.value("PRAGMA page_count") * self._database.value("PRAGMA page_size")
        self._database.value("SELECT max(id) FROM events")
        if size > MOST_EXAMINED:
            return True, "opens; too large to examine quickly: jobctl db check"
        found = str(self._database.value("PRAGMA quick_check(1)"))
        return found == "ok", "opens and is sound" if found == "ok" else f"damaged: {found}"

    def oldest_queued(self) -> tuple[str, int] | None:
        """The queue, and the instant since when one of its jobs is queued; of paused and full-stop queues none.

        The lowest id of each queue and priority, from the index of the claim, is the oldest there is, but for retries.
        """
        row = self._database.row(
            "SELECT j.queue, min(j.queued_at) FROM (SELECT queue, min(id) AS id FROM jobs WHERE state='queued'"
            " GROUP BY queue, priority) o JOIN jobs j ON j.id=o.id JOIN queues q ON q.name=j.queue"
            " WHERE q.paused_at IS NULL AND q.concurrency>0 ORDER BY 2 LIMIT 1"
        )
        return None if row is None or row[0] is None else (row[0], row[1])

    def broken_schedules(self) -> tuple[list[str], int]:
        """The enabled schedules that cannot fire, and how many are enabled."""
        rows = self._database.rows(
            "SELECT name, broken IS NOT NULL FROM schedules WHERE enabled=1 AND ended=0 ORDER BY name"
        )
        return [row[0] for row in rows if row[1]], len(rows)

    def due_schedules(self) -> int:
        """How many schedules have an instant at which they fire next."""
        return int(
            self._database.value("SELECT count(*) FROM schedules WHERE enabled=1 AND next_at IS NOT NULL")
        )
