"""Runs that wait for another one: a new run with ``--on-duplicate replace`` starts once the old one has ended.

Until then its job is ``created`` and no supervisor looks at it. What ends the wait calls this in the same transaction
(``store.gates``, ``store.transitions``), so a kill leaves no run between waiting and started.
"""

from __future__ import annotations

from jobctl.model.events import Entity, EventKind
from jobctl.model.states import JobId
from jobctl.store.database import Database
from jobctl.store.events import Events


class WaitingRuns:
    """Begins runs, or ends those that never began; each method expects an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def begin(self, job_id: JobId, now: int) -> None:
        """A supervisor will start its steps; from now on its time-out counts. Its job is ``running`` already."""
        row = self._database.row(
            "UPDATE workflows SET deadline_at=?+CAST(round(1000*(SELECT json_extract(d.body,'$.definition.timeout')"
            " FROM workflow_definitions d WHERE d.hash=definition_hash)) AS INTEGER) WHERE job_id=?"
            " RETURNING steps, definition_hash",
            (now, job_id),
        )
        if row is None:
            raise AssertionError(f"job {job_id} is no run of a workflow")
        self._database.rows("INSERT INTO workflow_news(workflow_id) VALUES(?)", (job_id,))
        data = {"steps": row[0], "definition": row[1]}
        self._events.add(now, EventKind.WORKFLOW_STARTED, Entity.WORKFLOW, job_id, data)

    def cancel(self, job_id: JobId, reason: str, now: int) -> None:
        """The run ended before it began: no step of it ran, no handler does. Its job is ``cancelled`` already."""
        self._database.rows(
            "UPDATE workflows SET phase='ended', stop='cancel', end_status='cancelled', end_reason=?, left=0"
            " WHERE job_id=?",
            (reason, job_id),
        )
        self._database.rows(
            "UPDATE workflow_steps SET status='cancelled', reason=?, finished_at=? WHERE job_id=?"
            " AND status='pending'",
            (reason, now, job_id),
        )
        data = {"reason": reason}
        self._events.add(now, EventKind.WORKFLOW_CANCELLED, Entity.WORKFLOW, job_id, data)
