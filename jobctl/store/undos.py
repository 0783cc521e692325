"""Undo commands of steps, as a supervisor runs them; every method expects its open write transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Role
from jobctl.model.workflow_states import StepStatus
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.runs import Runs, RunState
from jobctl.store.steps import Place, storable

_EACH = "(SELECT value FROM json_each(?))"


class Undos:
    """What a rollback has still to undo, and has undone."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._runs = Runs(database, events)

    def next_undo(self, state: RunState, undoable: Sequence[str], if_started: Sequence[str]) -> Place | None:
        """The step or item that was started last among those this rollback has still to undo."""
        row = self._database.row(
            "SELECT step_id, map_index, item, child_id, status FROM workflow_steps WHERE job_id=?"
            " AND start_seq IS NOT NULL AND undone_in IS NOT ? AND items IS NULL AND"
            f" ((status IN('completed','rollback_failed') AND step_id IN {_EACH})"
            f" OR (status IN('failed','timeout','cancelled') AND step_id IN {_EACH}))"
            " ORDER BY start_seq DESC, map_index DESC LIMIT 1",
            (state.job_id, state.rollbacks, json.dumps(undoable), json.dumps(if_started)),
        )
        if row is None:
            return None
        child = None if row[3] is None else JobId(row[3])
        return Place(
            row[0], row[1], None if row[2] is None else json.loads(row[2]), child, StepStatus(row[4])
        )

    def record_undo(self, state: RunState, place: Place, child_id: JobId) -> None:
        """The job that undoes the step is stored: the only one of this rollback."""
        self._runs.record_child(
            state.job_id, place.step, place.map_index, Role.UNDO, state.rollbacks, child_id
        )
        self._database.rows(
            "UPDATE workflow_steps SET undo_id=?, undo_message=NULL, undone_in=? WHERE job_id=? AND step_id=?"
            " AND map_index=?",
            (child_id, state.rollbacks, state.job_id, place.step, place.map_index),
        )

    def undone(self, state: RunState, step: str, map_index: int, succeeded: bool, why: str | None) -> None:
        """The undo of the step has ended so."""
        self._database.rows(
            "UPDATE workflow_steps SET status=?, undo_message=?, undone_in=? WHERE job_id=? AND step_id=?"
            " AND map_index=?",
            (
                "rolled_back" if succeeded else "rollback_failed", storable(why), state.rollbacks, state.job_id, step,
                map_index,
            ),
        )  # fmt: skip

    def all_undone(self, state: RunState) -> dict[str, bool]:
        """Whether each undo of this rollback succeeded; steps whose items were undone follow them."""
        self._database.rows(
            "UPDATE workflow_steps AS w SET status=CASE WHEN EXISTS(SELECT 1 FROM workflow_steps i WHERE"
            " i.job_id=w.job_id AND i.step_id=w.step_id AND i.map_index>=0 AND i.status='rollback_failed')"
            " THEN 'rollback_failed' ELSE 'rolled_back' END WHERE w.job_id=?1 AND w.map_index=-1"
            " AND w.items IS NOT NULL AND w.status IN('completed','rollback_failed') AND EXISTS(SELECT 1"
            " FROM workflow_steps i WHERE i.job_id=w.job_id AND i.step_id=w.step_id AND i.map_index>=0"
            " AND i.undone_in=?2)",
            (state.job_id, state.rollbacks),
        )
        rows = self._database.rows(
            "SELECT step_id, map_index, status FROM workflow_steps WHERE job_id=? AND undone_in=?",
            (state.job_id, state.rollbacks),
        )
        return {f"{row[0]}[{row[1]}]": row[2] == "rolled_back" for row in rows}
