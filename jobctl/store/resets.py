"""Runs that have ended and go on: retried from some steps, or rolled back by hand. What a caller's verb writes.

Each method expects an open write transaction; a supervisor does the rest when it looks at the run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jobctl.model.documents import Json, canonical_json
from jobctl.model.events import Entity, EventKind
from jobctl.model.states import JobId
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_runs import Answer
from jobctl.model.workflows import WorkflowDefinition
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.gates import Gates
from jobctl.store.undos import Undos

_EACH = "(SELECT value FROM json_each(?))"
_CLEARED = (
    "reason=NULL, cause=NULL, message=NULL, start_seq=NULL, when_result=NULL, exit_code=NULL, outputs=NULL,"
    " result=NULL, is_partial=0, child_id=NULL, undo_id=NULL, undo_message=NULL, undone_in=NULL, expires_at=NULL,"
    " decision=NULL, decided_by=NULL, ready_at=NULL, started_at=NULL, finished_at=NULL"
)
_TERMINAL = "status NOT IN('pending','ready','running','waiting')"


@dataclass(frozen=True, slots=True)
class Reset:
    """What a retry makes of a run."""

    bundle: WorkflowBundle
    """The definition that is followed."""
    params: Mapping[str, Json]
    steps: Sequence[str]
    """They are pending again."""
    kept_items: Collection[str] = ()
    """Of these among ``steps`` only the items run again that did not complete."""
    reused_runs: Mapping[str, JobId] = field(default_factory=dict)
    """These among ``steps`` go on with the run they started, which is reset too."""
    is_new_definition: bool = False


class Resets:
    """Reopens runs."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._gates = Gates(database, events)
        self._undos = Undos(database, events)

    # --- retry ---

    def retry(self, run_id: JobId, reset: Reset, definition_hash: str, now: int) -> bool:
        """The ended run goes on with its next attempt; False when it has not ended."""
        if not self._reopen(run_id, now, restarted=True):
            return False
        definition = reset.bundle.definition
        if reset.is_new_definition:
            self._redefine(run_id, reset.bundle)
        attempt = int(self._database.value("SELECT attempt+1 FROM workflows WHERE job_id=?", (run_id,)))
        whole = [step for step in reset.steps if step not in reset.kept_items]
        self._clear(run_id, whole)
        for step in reset.kept_items:
            self._clear_items(run_id, step, definition.step(step).parallel, attempt, now)
        self._count_needs(run_id, definition.needs, set(reset.steps))
        # Jobs of an earlier attempt that have not ended mean nothing to this one.
        self._database.rows("UPDATE workflow_jobs SET ended=1 WHERE workflow_id=? AND ended=0", (run_id,))
        seconds = definition.timeout_seconds
        self._database.rows(
            "UPDATE workflows SET attempt=?, definition_hash=?, params=?, max_parallel=?, phase='running', stop=NULL,"
            " end_status=NULL, end_reason=NULL, outcome=NULL, rollback=?, failure=?, rollback_wanted=0,"
            " rollback_by_hand=0, cancels_done=cancels_wanted, open=0, deadline_at=? WHERE job_id=?",
            (
                attempt, definition_hash, canonical_json(dict(reset.params)), definition.max_parallel,
                self._undos.state_of(run_id).value, self._first_failure(run_id, definition),
                None if seconds is None else now + round(seconds * 1000), run_id,
            ),
        )  # fmt: skip
        for step, child in reset.reused_runs.items():
            self._reuse(run_id, step, child, attempt, now)
        self._recount(run_id)
        self._tell(run_id)
        data = {"attempt": attempt, "steps": list(reset.steps)[:100], "count": len(reset.steps)}
        self._events.add(now, EventKind.WORKFLOW_RETRIED, Entity.WORKFLOW, run_id, data)
        self._events.add_rows([job_event(now, EventKind.JOB_RETRIED, run_id, {"by": "hand"})])
        self._gates.revive(run_id, now)
        return True

    def _first_failure(self, run_id: JobId, definition: WorkflowDefinition) -> str | None:
        """Of the steps that are not run again: the one that failed first."""
        rows = self._database.rows(
            "SELECT step_id FROM workflow_steps WHERE job_id=? AND map_index=-1 AND status IN('failed','timeout')"
            " ORDER BY finished_at, position",
            (run_id,),
        )
        return next((row[0] for row in rows if not definition.step(row[0]).continue_on_error), None)

    def _redefine(self, run_id: JobId, bundle: WorkflowBundle) -> None:
        """The steps are those of another definition; what is known of the ones that stay is kept."""
        hashes = bundle.spec_hashes
        self._database.rows(
            f"DELETE FROM workflow_steps WHERE job_id=? AND step_id NOT IN {_EACH}",
            (run_id, json.dumps(list(hashes))),
        )
        self._database.many(
            "INSERT INTO workflow_steps(job_id, step_id, position, spec_hash) VALUES(?,?,?,?)"
            " ON CONFLICT DO UPDATE SET position=excluded.position, spec_hash=excluded.spec_hash",
            ((run_id, step, position, hashes[step]) for position, step in enumerate(hashes)),
        )
        self._database.rows(
            "UPDATE workflow_steps AS i SET position=(SELECT w.position FROM workflow_steps w WHERE"
            " w.job_id=i.job_id AND w.step_id=i.step_id AND w.map_index=-1) WHERE job_id=? AND map_index>=0",
            (run_id,),
        )

    def _clear(self, run_id: JobId, steps: Sequence[str]) -> None:
        names = json.dumps(list(steps))
        self._database.rows(
            f"DELETE FROM workflow_steps WHERE job_id=? AND map_index>=0 AND step_id IN {_EACH}",
            (run_id, names),
        )
        self._database.rows(
            f"UPDATE workflow_steps SET status='pending', items=NULL, items_left=0, items_failed=0, {_CLEARED}"
            f" WHERE job_id=? AND map_index=-1 AND step_id IN {_EACH}",
            (run_id, names),
        )

    def _clear_items(self, run_id: JobId, step: str, at_once: int | None, attempt: int, now: int) -> None:
        """Items that did not complete run again, the first ``at_once`` as soon as there is room."""
        rows = self._database.rows(
            f"UPDATE workflow_steps SET status='pending', {_CLEARED} WHERE job_id=? AND step_id=? AND map_index>=0"
            " AND status<>'completed' RETURNING map_index",
            (run_id, step),
        )
        first = sorted(row[0] for row in rows)[:at_once]
        self._database.rows(
            "UPDATE workflow_steps SET status='ready', ready_at=? WHERE job_id=? AND step_id=?"
            f" AND map_index IN {_EACH}",
            (now, run_id, step, json.dumps(first)),
        )
        self._database.rows(
            "UPDATE workflow_steps SET status='running', reason=NULL, cause=NULL, message=NULL, outputs=NULL,"
            " is_partial=0, finished_at=NULL, items_left=?, items_failed=0, attempt=? WHERE job_id=? AND step_id=?"
            " AND map_index=-1",
            (len(rows), attempt, run_id, step),
        )

    def _count_needs(self, run_id: JobId, needs: Mapping[str, Sequence[str]], reset: Collection[str]) -> None:
        self._database.many(
            "UPDATE workflow_steps SET left_needs=? WHERE job_id=? AND step_id=? AND map_index=-1",
            ((len(reset & set(needs[step])), run_id, step) for step in reset),  # type: ignore[operator]
        )

    def _reuse(self, run_id: JobId, step: str, child: JobId, attempt: int, now: int) -> None:
        """The step goes on with the run it had started."""
        self._database.rows("UPDATE workflows SET open=open+1, starts=starts+1 WHERE job_id=?", (run_id,))
        self._database.rows(
            "UPDATE workflow_steps SET status='ready', child_id=?, attempt=?, ready_at=?, start_seq="
            "(SELECT starts FROM workflows WHERE job_id=?) WHERE job_id=? AND step_id=? AND map_index=-1",
            (child, attempt, now, run_id, run_id, step),
        )
        self._database.rows(
            "UPDATE workflow_jobs SET attempt=?, ended=0 WHERE job_id=? AND role='step'", (attempt, child)
        )

    def _recount(self, run_id: JobId) -> None:
        self._database.rows(
            "UPDATE workflows SET (steps, left, completed, failed)=(SELECT count(*),"
            f" count(*) FILTER (WHERE NOT ({_TERMINAL})), count(*) FILTER (WHERE status='completed'),"
            " count(*) FILTER (WHERE status IN('failed','timeout')) FROM workflow_steps s"
            " WHERE s.job_id=workflows.job_id AND s.map_index=-1) WHERE job_id=?",
            (run_id,),
        )

    # --- rollback ---

    def roll_back(self, run_id: JobId, now: int) -> bool:
        """The ended run undoes what it did, and ends as it had; False when it has not ended."""
        if not self._reopen(run_id, now, restarted=False):
            return False
        self._database.rows(
            "UPDATE workflows SET phase='rolling_back', rollback_by_hand=1, rollbacks=rollbacks+1,"
            " cancels_done=cancels_wanted WHERE job_id=?",
            (run_id,),
        )
        self._events.add(now, EventKind.WORKFLOW_ROLLING_BACK, Entity.WORKFLOW, run_id, {"by_hand": True})
        self._tell(run_id)
        return True

    def want_rollback(self, run_id: JobId) -> None:
        """However the open run ends, its completed steps are undone then."""
        self._database.rows("UPDATE workflows SET rollback_wanted=1 WHERE job_id=?", (run_id,))

    # --- approvals ---

    def answer(self, run_id: JobId, step: str, decision: Answer, by: str | None, now: int) -> bool:
        """What a person said to the step is on record; False when it does not wait for that (any more)."""
        row = self._database.row(
            "UPDATE workflow_steps SET decision=?, decided_by=? WHERE job_id=? AND step_id=? AND map_index=-1"
            " AND status='waiting' AND decision IS NULL AND ifnull(expires_at, 9e18)>? RETURNING 1",
            (decision.value, by, run_id, step, now),
        )
        if row is None:
            return False
        kind = EventKind.WORKFLOW_APPROVED if decision is Answer.APPROVED else EventKind.WORKFLOW_REJECTED
        self._events.add(now, kind, Entity.WORKFLOW, run_id, {"step": step, "by": by})
        self._tell(run_id)
        return True

    def _reopen(self, run_id: JobId, now: int, *, restarted: bool) -> bool:
        row = self._database.row(
            "UPDATE jobs SET state='running', reason=NULL, token=0, revision=revision+1, finished_at=NULL,"
            f" cancel_requested_at=NULL{', started_at=?1' if restarted else ''},"
            # Somebody else may have the key by now.
            " unique_key=CASE WHEN NOT EXISTS(SELECT 1 FROM jobs u WHERE u.unique_key=jobs.unique_key"
            " AND u.state IN('created','queued','running')) THEN unique_key END"
            " WHERE id=?2 AND ?1 IS NOT NULL AND kind='workflow' AND finished_at IS NOT NULL RETURNING id",
            (now, run_id),
        )
        if row is None:
            return False
        for table in ("job_progress", "cancel_requests"):
            self._database.rows(f"DELETE FROM {table} WHERE job_id=?", (run_id,))
        return True

    def _tell(self, run_id: JobId) -> None:
        self._database.rows("INSERT INTO workflow_news(workflow_id) VALUES(?)", (run_id,))
