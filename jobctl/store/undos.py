"""Undo commands of steps, as a supervisor runs them; every method that writes expects its open write transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Role
from jobctl.model.workflow_states import RollbackState, StepStatus, is_undone, rollback_state
from jobctl.model.workflows import UndoIf
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.runs import Runs, RunState
from jobctl.store.steps import StepPlace, storable

_HIGHEST = 2**62
_PAGE = 32


class Undos:
    """What a rollback has still to undo, and has undone."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._runs = Runs(database, events)

    def next_undo(
        self, run_id: JobId, rollback: int, undo_if: Mapping[str, UndoIf], below: int | None = None
    ) -> StepPlace | None:
        """The step or item that was started last among those the rollback has still to undo.

        Args:
            run_id: the run.
            rollback: its number.
            undo_if: whose undo runs when, by step.
            below: only what was started before this; without it what was undone is passed over again.
        """
        for place in self._started(run_id, rollback, _HIGHEST if below is None else below):
            policy = undo_if.get(place.step)
            if policy is not None and is_undone(place.status, policy, was_started=True):
                return place
        return None

    def _started(self, run_id: JobId, rollback: int, below: int) -> Iterator[StepPlace]:
        while True:
            rows = self._database.rows(
                "SELECT step_id, map_index, item, child_id, status, start_seq FROM workflow_steps"
                " INDEXED BY workflow_steps_started WHERE job_id=? AND start_seq IS NOT NULL AND start_seq<?"
                " AND undone_in IS NOT ? AND items IS NULL"
                " AND status IN('completed','rollback_failed','failed','timeout','cancelled')"
                " ORDER BY start_seq DESC LIMIT ?",
                (run_id, below, rollback, _PAGE),
            )
            for step, index, item, child, status, sequence in rows:
                yield StepPlace(
                    step, index, None if item is None else json.loads(item),
                    None if child is None else JobId(child), StepStatus(status), sequence,
                )  # fmt: skip
            if len(rows) < _PAGE:
                return
            below = rows[-1][5]

    def started_as(self, run_id: JobId, step: str, map_index: int) -> int | None:
        """The number of the start of the step or item."""
        found: int | None = self._database.value(
            "SELECT start_seq FROM workflow_steps WHERE job_id=? AND step_id=? AND map_index=?",
            (run_id, step, map_index),
        )
        return found

    def record_undo(self, state: RunState, place: StepPlace, child_id: JobId) -> None:
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

    def settle_items(self, state: RunState) -> None:
        """Steps whose items were undone in this rollback follow them."""
        self._database.rows(
            "UPDATE workflow_steps AS w SET status=CASE WHEN EXISTS(SELECT 1 FROM workflow_steps i WHERE"
            " i.job_id=w.job_id AND i.step_id=w.step_id AND i.map_index>=0 AND i.status='rollback_failed')"
            " THEN 'rollback_failed' ELSE 'rolled_back' END WHERE w.job_id=?1 AND w.map_index=-1"
            " AND w.items IS NOT NULL AND w.status IN('completed','rollback_failed') AND EXISTS(SELECT 1"
            " FROM workflow_steps i WHERE i.job_id=w.job_id AND i.step_id=w.step_id AND i.map_index>=0"
            " AND i.undone_in=?2)",
            (state.job_id, state.rollbacks),
        )

    def state_of(self, run_id: JobId) -> RollbackState:
        """What all rollbacks of the run have done so far."""
        rows = self._database.rows(
            "SELECT DISTINCT status FROM workflow_steps WHERE job_id=? AND status IN('rolled_back','rollback_failed')",
            (run_id,),
        )
        return rollback_state({StepStatus(row[0]) for row in rows})
