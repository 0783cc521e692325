"""Giving back the room that a store no longer needs, beside whoever uses it or, whole, alone."""

from __future__ import annotations

import os

from jobctl.store.database import Database

ANALYSIS_ROWS = 400
"""What ``PRAGMA optimize`` reads of an index (its documentation's advice): milliseconds at a million jobs."""


class Vacuum:
    """Room in the file of an open store; each step is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def free_pages(self) -> int:
        """Pages of the file that hold nothing."""
        return int(self._database.value("PRAGMA freelist_count"))

    def size_bytes(self) -> int:
        """The file and its WAL; by ``stat``, since opening the file from here would drop SQLite's locks."""
        return sum(
            os.stat(path).st_size
            for path in (self._database.path, f"{self._database.path}-wal")
            if os.path.exists(path)
        )

    def optimize(self) -> None:
        """The planner's statistics are current. With them and without, every hot query has the same plan."""
        self._database.rows(f"PRAGMA analysis_limit={ANALYSIS_ROWS}")
        self._database.rows("PRAGMA optimize=0x10002")

    def give_back(self, pages: int) -> None:
        """At most so many free pages are the file system's again, after the next checkpoint."""
        self._database.rows(f"PRAGMA incremental_vacuum({int(pages)})")

    def rewrite(self) -> None:
        """The whole file is written anew: no free pages, tables in order. Nobody else may use the store meanwhile.

        The copy it makes on the way lies in a file, not in memory.
        """
        self._database.rows("PRAGMA temp_store=1")
        try:
            self._database.rows("VACUUM")
        finally:
            self._database.rows("PRAGMA temp_store=2")

    def checkpoint(self) -> bool:
        """Whether the WAL was emptied; it never waits for readers, or writers would have to wait too."""
        return self._database.checkpoint()
