"""Attempts as rows, read only: a supervisor writes them in ``store.transitions``."""

from __future__ import annotations

import json
from collections.abc import Iterable

from jobctl.model.attempts import Attempt, Outcome
from jobctl.model.states import JobId
from jobctl.store.database import Database


class Attempts:
    """One row a try; immutable once ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, job_id: JobId) -> list[Attempt]:
        """The attempts of a job, oldest first."""
        rows = self._database.rows(
            "SELECT job_id, number, pid, started_at, finished_at, outcome, reason, exit_code, signal, error,"
            " cpu_seconds, max_rss_bytes, split_output FROM attempts WHERE job_id=? ORDER BY number",
            (job_id,),
        )
        return [
            Attempt(
                JobId(row[0]), row[1], row[2], row[3], row[4], None if row[5] is None else Outcome(row[5]),
                row[6], row[7], row[8], row[9], row[10], row[11], bool(row[12]),
            )
            for row in rows
        ]  # fmt: skip

    def shims(self, job_ids: Iterable[JobId]) -> dict[JobId, int]:
        """The pid of the shim of each running job, where it is on record."""
        rows = self._database.rows(
            "SELECT j.id, a.pid FROM json_each(?) w CROSS JOIN jobs j ON j.id=w.value AND j.state='running'"
            " CROSS JOIN attempts a ON a.job_id=j.id AND a.number=j.attempt WHERE a.pid IS NOT NULL",
            (json.dumps(list(job_ids)),),
        )
        return {JobId(row[0]): row[1] for row in rows}
