"""Runs of workflows as rows: submitted and read. What a supervisor writes is in ``store.steps``.

A run is a job of kind ``workflow``, ``running`` without a life while it has not ended; it holds no slot. Its steps are
rows; a step has a job of its own from the moment it may start.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from dataclasses import replace
from typing import Any

from jobctl.model.documents import Json, canonical_json
from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobKind, JobStatus
from jobctl.model.workflow_bundles import WorkflowBundle, bundle_of, check_bundle
from jobctl.model.workflow_runs import (
    WHOLE,
    Answer,
    ChildJob,
    FailedUndo,
    HandlerRun,
    Phase,
    Role,
    StepReason,
    StepRun,
    WorkflowRun,
    WorkflowSubmission,
)
from jobctl.model.workflow_states import RollbackState, RunOutcome, StepStatus, Stop
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.gates import Gates
from jobctl.store.submissions import Stored, Submissions

_RUN = (
    "SELECT w.job_id, j.name, j.state, j.reason, w.phase, w.attempt, w.params, w.outcome, w.rollback, w.stop,"
    " w.failure, w.steps, w.steps-w.left, w.completed, w.failed, w.definition_hash, j.created_at, j.started_at,"
    " j.finished_at, w.deadline_at, j.parent_id, w.end_reason,"
    " w.cancels_wanted>w.cancels_done AND j.finished_at IS NULL FROM workflows w JOIN jobs j ON j.id=w.job_id"
)
# A step with a job stands where its job does: a claim or a back-off writes no row of the workflow.
_STEP = (
    "SELECT s.step_id, s.map_index, CASE WHEN s.status='ready' AND j.state='running' THEN 'running'"
    " WHEN s.status='ready' AND j.state='created' AND j.reason='retry' THEN 'waiting' ELSE s.status END,"
    " CASE WHEN s.status='ready' AND s.child_id IS NULL THEN 'parallel' WHEN s.status='ready' THEN j.reason"
    " ELSE s.reason END, s.cause, s.message, s.attempt, s.child_id, j.attempt, s.start_seq, s.when_result, s.item,"
    " ifnull(s.exit_code, j.exit_code), s.outputs, s.result, s.is_partial, s.spec_hash, s.items, s.items_left,"
    " s.items_failed, s.undo_id, s.undo_message, s.expires_at, s.decided_by, s.ready_at,"
    " ifnull(s.started_at, ifnull((SELECT min(a.started_at) FROM attempts a WHERE a.job_id=s.child_id),"
    " j.started_at)), s.finished_at, max(ifnull((SELECT sum(k.attempt) FROM workflow_jobs c JOIN jobs k"
    " ON k.id=c.job_id WHERE c.workflow_id=s.job_id AND c.step_id=s.step_id AND c.map_index=s.map_index"
    " AND c.role='step'), 0), s.attempt>0), s.decision"
    " FROM workflow_steps s LEFT JOIN jobs j ON j.id=s.child_id"
)
_GIVEN_UP = (StepReason.REFUSED, StepReason.ERROR)
# A step that is undone by undoing the run it started has that run as its undo; one with items stands for them.
_FAILED_UNDOS = (
    "WITH RECURSIVE within(run, path, place) AS (SELECT ?1, '', '' UNION ALL"
    " SELECT s.child_id, within.path||s.step_id||iif(s.map_index<0, '', '['||s.map_index||']')||'/',"
    " within.place||printf('%05d.%05d/', s.position, s.map_index+1)"
    " FROM within CROSS JOIN workflow_steps s ON s.job_id=within.run AND s.status='rollback_failed'"
    " CROSS JOIN workflows w ON w.job_id=s.child_id AND w.job_id=s.undo_id)"
    " SELECT within.path||s.step_id||iif(s.map_index<0, '', '['||s.map_index||']'), s.undo_id, s.undo_message"
    " FROM within CROSS JOIN workflow_steps s ON s.job_id=within.run AND s.status='rollback_failed'"
    " AND s.items IS NULL AND (s.undo_id IS NULL OR s.undo_id IS NOT s.child_id)"
    " ORDER BY within.place||printf('%05d.%05d', s.position, s.map_index+1)"
)
_CHILD = "SELECT job_id, step_id, map_index, role, attempt FROM workflow_jobs"


class Workflows:
    """The workflows table and its steps; writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._submissions = Submissions(database, events)
        self._gates = Gates(database, events)

    # --- reading ---

    def get(self, job_id: int) -> WorkflowRun | None:
        """The run with this id."""
        row = self._database.row(f"{_RUN} WHERE w.job_id=?", (job_id,))
        if row is None:
            return None
        run = _run(row)
        return run if row[21] not in _GIVEN_UP else replace(run, error=self._error_of(job_id))

    def _error_of(self, job_id: int) -> str | None:
        found: str | None = self._database.value(
            "SELECT json_extract(data,'$.error') FROM events WHERE entity='workflow' AND entity_id=?"
            f" AND kind='{EventKind.WORKFLOW_STOPPING}' ORDER BY id DESC LIMIT 1",
            (job_id,),
        )
        return found

    def list(self, limit: int | None = None, *, with_parts: bool = True) -> builtins.list[WorkflowRun]:
        """Every run, newest first; those that are steps of others too, unless not ``with_parts``."""
        whole = (
            "" if with_parts else " WHERE NOT EXISTS(SELECT 1 FROM workflows p WHERE p.job_id=j.parent_id)"
        )
        rows = self._database.rows(
            f"{_RUN}{whole} ORDER BY w.job_id DESC LIMIT ?", (-1 if limit is None else limit,)
        )
        return [_run(row) for row in rows]

    def bundle(self, job_id: int) -> WorkflowBundle:
        """The recorded definition of a run, with those of the workflows its steps start.

        Raises:
            BadInputError: ``E_WORKFLOW``: what is stored is damaged, or this version cannot read it.
        """
        text = self._database.value(
            "SELECT d.body FROM workflows w JOIN workflow_definitions d ON d.hash=w.definition_hash"
            " WHERE w.job_id=?",
            (job_id,),
        )
        return bundle_of(json.loads(text))

    def steps(self, job_id: int) -> builtins.list[StepRun]:
        """The steps of a run, in the order of the file; without their items."""
        rows = self._database.rows(
            f"{_STEP} WHERE s.job_id=? AND s.map_index={WHOLE} ORDER BY s.position", (job_id,)
        )
        return [_step(row) for row in rows]

    def step(self, job_id: int, step: str, map_index: int = WHOLE) -> StepRun | None:
        """One step, or one item of it."""
        row = self._database.row(
            f"{_STEP} WHERE s.job_id=? AND s.step_id=? AND s.map_index=?", (job_id, step, map_index)
        )
        return None if row is None else _step(row)

    def items(self, job_id: int, step: str) -> builtins.list[StepRun]:
        """The items of a step with ``foreach``, in their order."""
        rows = self._database.rows(
            f"{_STEP} WHERE s.job_id=? AND s.step_id=? AND s.map_index>{WHOLE} ORDER BY s.map_index",
            (job_id, step),
        )
        return [_step(row) for row in rows]

    def children(self, job_id: int) -> builtins.list[ChildJob]:
        """Every job of a run, oldest first: those of earlier attempts, undo commands and handlers too."""
        rows = self._database.rows(
            f"{_CHILD} WHERE workflow_id=? ORDER BY job_id, role",
            (job_id,),
        )
        return [ChildJob(JobId(row[0]), row[1], row[2], Role(row[3]), row[4]) for row in rows]

    def handlers(self, job_id: int) -> builtins.list[HandlerRun]:
        """The handlers of the newest attempt of a run, in the order of their starts."""
        rows = self._database.rows(
            "SELECT c.role, c.job_id, j.state, j.exit_code FROM workflow_jobs c JOIN jobs j ON j.id=c.job_id"
            " JOIN workflows w ON w.job_id=c.workflow_id AND w.attempt=c.attempt"
            " WHERE c.workflow_id=? AND c.role IN('on_failure','on_exit') ORDER BY c.job_id",
            (job_id,),
        )
        return [HandlerRun(row[0], JobId(row[1]), JobStatus(row[2]), row[3]) for row in rows]

    def failed_undos(self, job_id: int) -> builtins.list[FailedUndo]:
        """The undo commands of a run and of those within it that failed, in the order of their files."""
        return [
            FailedUndo(row[0], None if row[1] is None else JobId(row[1]), row[2] or "no reason on record")
            for row in self._database.rows(_FAILED_UNDOS, (job_id,))
        ]

    def child(self, job_id: int) -> ChildJob | None:
        """What a job is to the run it belongs to."""
        row = self._database.row(
            "SELECT job_id, step_id, map_index, role, attempt FROM workflow_jobs WHERE job_id=? ORDER BY role LIMIT 1",
            (job_id,),
        )
        return None if row is None else ChildJob(JobId(row[0]), row[1], row[2], Role(row[3]), row[4])

    def run_of(self, job_id: int) -> JobId | None:
        """The run that a job belongs to, if it does."""
        found: JobId | None = self._database.value("SELECT workflow_id FROM jobs WHERE id=?", (job_id,))
        return found

    # --- new ones ---

    def submit(self, workflow: WorkflowSubmission, now: int) -> Stored:
        """The run and its steps are stored; or the run there is with the same unique key.

        Nothing starts before a supervisor has looked at it. A run that replaces another one is ``created`` until
        that has ended, undo commands and handlers included.

        Raises:
            BadInputError: the definition of a ``workflow:`` step is missing.
        """
        check_bundle(workflow.bundle)
        stored = self._submissions.submit(
            [replace(workflow.parent, kind=JobKind.WORKFLOW, hold=True, after=())], now
        )[0]
        if not stored.is_new:
            return stored
        self._insert(stored.id, workflow, now)
        return stored

    def _insert(self, job_id: JobId, workflow: WorkflowSubmission, now: int) -> None:
        definition = workflow.bundle.definition
        digest = self.record_definition(workflow.bundle)
        self._database.rows(
            "INSERT INTO workflows(job_id, definition_hash, params, max_parallel, steps, left)"
            " VALUES(?,?,?,?,?,?)",
            (
                job_id, digest, canonical_json(dict(workflow.params)), definition.max_parallel,
                len(definition.steps), len(definition.steps),
            ),
        )  # fmt: skip
        hashes = workflow.bundle.spec_hashes
        self._database.many(
            "INSERT INTO workflow_steps(job_id, step_id, position, spec_hash, left_needs) VALUES(?,?,?,?,?)",
            (
                (job_id, step.id, position, hashes[step.id], len(set(step.needs)))
                for position, step in enumerate(definition.steps)
            ),
        )
        # It was held until now, so that nothing could make it a job for a slot.
        self._database.rows("UPDATE jobs SET reason='dependency' WHERE id=? AND state='created'", (job_id,))
        self._gates.settle(job_id, now)

    def record_definition(self, bundle: WorkflowBundle) -> str:
        """The hash of the definition, whose text is stored once."""
        body = canonical_json(bundle.document())
        digest = hashlib.sha256(body.encode()).hexdigest()
        self._database.rows(
            "INSERT INTO workflow_definitions(hash, body) VALUES(?,?) ON CONFLICT DO NOTHING", (digest, body)
        )
        return digest


def _run(row: tuple[Any, ...]) -> WorkflowRun:
    return WorkflowRun(
        job_id=JobId(row[0]), name=row[1], status=JobStatus(row[2]), reason=row[3], phase=Phase(row[4]),
        attempt=row[5], params=json.loads(row[6]), outcome=None if row[7] is None else RunOutcome(row[7]),
        rollback=RollbackState(row[8]), stop=None if row[9] is None else Stop(row[9]), failure=row[10],
        steps=row[11], ended=row[12], completed=row[13], failed=row[14], definition_hash=row[15],
        created_at=row[16], started_at=row[17], finished_at=row[18], deadline_at=row[19],
        parent_id=None if row[20] is None else JobId(row[20]), cancel_requested=bool(row[22]),
    )  # fmt: skip


def _step(row: tuple[Any, ...]) -> StepRun:
    return StepRun(
        id=row[0], map_index=row[1], status=StepStatus(row[2]), reason=row[3], cause=row[4], message=row[5],
        attempt=row[6], attempts=row[27],
        job_id=None if row[7] is None else JobId(row[7]), job_attempt=row[8], start_seq=row[9],
        when_result=None if row[10] is None else bool(row[10]), item=_json(row[11]), exit_code=row[12],
        outputs=_json(row[13]) or {}, result=_json(row[14]), is_partial=bool(row[15]), spec_hash=row[16],  # type: ignore[arg-type]
        items=row[17], items_left=row[18], items_failed=row[19],
        undo_id=None if row[20] is None else JobId(row[20]), undo_message=row[21], expires_at=row[22],
        decision=None if row[28] is None else Answer(row[28]), decided_by=row[23],
        ready_at=row[24], started_at=row[25], finished_at=row[26],
    )  # fmt: skip


def _json(text: str | None) -> Json:
    found: Json = None if text is None else json.loads(text)
    return found
