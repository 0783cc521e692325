"""Paused runs of workflows: nothing of them starts until they go on, not even the next try of a step.

Jobs of theirs that wait for a slot are parked: ``created`` with the reason ``paused``. What runs is stopped by the
pause of its own job (``store.transitions``). Each method expects an open write transaction.
"""

from __future__ import annotations

from jobctl.model.events import EventKind
from jobctl.model.states import JobId
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event

_OPEN = "(SELECT w.job_id FROM workflow_jobs w WHERE w.workflow_id=? AND w.ended=0)"


class RunPauses:
    """Pauses runs and lets them go on."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def set(self, run_id: JobId, paused: bool, now: int) -> bool:
        """The run is paused, or goes on; False when that is no change, or it is no run that has not ended."""
        return self._pause(run_id, now) if paused else self._resume(run_id, now)

    def _pause(self, run_id: JobId, now: int) -> bool:
        row = self._database.row(
            "UPDATE jobs SET paused_at=?, pause_wanted=1, reason='paused' WHERE id=? AND kind='workflow'"
            " AND state='running' AND paused_at IS NULL RETURNING id",
            (now, run_id),
        )
        if row is None:
            return False
        self._park(run_id)
        self._events.add_rows([job_event(now, EventKind.JOB_PAUSED, run_id)])
        return True

    def _resume(self, run_id: JobId, now: int) -> bool:
        """Its time-out did not count meanwhile."""
        row = self._database.row(
            "SELECT paused_at FROM jobs WHERE id=? AND kind='workflow' AND state='running' AND paused_at IS NOT NULL",
            (run_id,),
        )
        if row is None:
            return False
        paused = max(0, now - row[0])
        self._database.rows(
            "UPDATE jobs SET paused_at=NULL, pause_wanted=0, reason=NULL, paused_ms=paused_ms+? WHERE id=?",
            (paused, run_id),
        )
        self._database.rows("UPDATE workflows SET deadline_at=deadline_at+? WHERE job_id=?", (paused, run_id))
        self._database.rows(
            "UPDATE jobs SET state=CASE WHEN eligible_at>?1 THEN 'created' ELSE 'queued' END,"
            " reason=CASE WHEN eligible_at>?1 THEN CASE WHEN attempt>0 THEN 'retry' ELSE 'time' END END,"
            f" queued_at=CASE WHEN eligible_at>?1 THEN queued_at ELSE ?1 END WHERE id IN {_OPEN.replace('?', '?2')}"
            " AND state='created' AND reason='paused'",
            (now, run_id),
        )
        self._database.rows("INSERT INTO workflow_news(workflow_id) VALUES(?)", (run_id,))
        self._events.add_rows(
            [job_event(now, EventKind.JOB_RESUMED, run_id, {"paused_seconds": paused / 1000})]
        )
        return True

    def keep(self) -> None:
        """No job of a paused run waits for a slot: one that was to be tried again has come back."""
        # A run belongs to no life; of what runs the index alone is read.
        for (run_id,) in self._database.rows(
            "SELECT id FROM jobs INDEXED BY jobs_running WHERE state='running' AND life_id IS NULL"
            " AND kind='workflow' AND paused_at IS NOT NULL"
        ):
            self._park(JobId(run_id))

    def _park(self, run_id: JobId) -> None:
        self._database.rows(
            f"UPDATE jobs SET state='created', reason='paused' WHERE id IN {_OPEN}"
            " AND state IN('created','queued') AND reason IS NOT 'paused' AND reason IS NOT 'hold'",
            (run_id,),
        )
