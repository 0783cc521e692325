"""What a supervisor keeps in memory of a run: its definition, read once, and the data its expressions look up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from jobctl.clock import to_datetime
from jobctl.errors import NotFoundError
from jobctl.model.documents import Json
from jobctl.model.expressions import Reference
from jobctl.model.jobs import Job
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobKind
from jobctl.model.step_jobs import RunFacts
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_graphs import children_of
from jobctl.model.workflows import StepDefinition, StepKind, UndoIf
from jobctl.store import Store
from jobctl.store.runs import RunState

MOST_PLANS = 64
NO_ITEM: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """The unchanging part of a run."""

    bundle: WorkflowBundle
    facts: RunFacts
    steps: Mapping[str, StepDefinition]
    children: Mapping[str, list[str]]
    undoable: tuple[str, ...]
    """Steps that a rollback takes back once they completed."""
    undoable_if_started: tuple[str, ...]
    created_at: int


class Plans:
    """The plans of the runs at hand, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[JobId, str], Plan] = {}

    def of(self, state: RunState) -> Plan:
        """The plan of the run."""
        key = state.job_id, state.definition_hash
        if key not in self._known:
            if len(self._known) >= MOST_PLANS:
                self._known.clear()
            self._known[key] = self._read(state.job_id)
        return self._known[key]

    def forget(self, state: RunState) -> None:
        """The run has ended."""
        self._known.pop((state.job_id, state.definition_hash), None)

    def _read(self, run_id: JobId) -> Plan:
        job = self._store.jobs.get(run_id)
        if job is None:
            raise NotFoundError("no such workflow", run_id)
        bundle = self._store.workflows.bundle(run_id)
        definition = bundle.definition
        base = base_of(job, self._store.jobs.environment_of(run_id))
        undoable = tuple(step.id for step in definition.steps if can_undo(bundle, step))
        started = tuple(
            step.id for step in definition.steps if step.undo is not None and step.undo_if is UndoIf.STARTED
        )
        return Plan(
            bundle,
            RunFacts(run_id, base, definition),
            {step.id: step for step in definition.steps},
            children_of(definition.needs),
            undoable,
            started,
            job.created_at,
        )


def base_of(job: Job, environment: Mapping[str, str]) -> Submission:
    """What the caller asked for when he started the run, as its jobs take it over."""
    spec = replace(job.spec, command=(), shell=None)
    return Submission(
        job.name, spec, environment, job.queue, job.priority, JobKind.WORKFLOW, job.type, job.category, job.user,
        job.tags,
    )  # fmt: skip


def can_undo(bundle: WorkflowBundle, step: StepDefinition) -> bool:
    """Whether a rollback can take the step back: it says how, or the workflow it starts can."""
    if step.undo is not None:
        return True
    if step.kind is not StepKind.WORKFLOW or step.target is None:
        return False
    part = bundle.parts[step.target]
    return any(can_undo(part, below) for below in part.definition.steps)


def names_for(
    store: Store,
    plan: Plan,
    state: RunState,
    references: Iterable[Reference],
    more: Mapping[str, Json] = NO_ITEM,
) -> dict[str, Json]:
    """The data that ``references`` look up; nothing else is read.

    Args:
        store: in the transaction that moves the run.
        plan: of the run.
        state: of the run.
        references: what the texts look up.
        more: further names: ``item``.
    """
    found: dict[str, Json] = dict(more)
    wanted: set[str | None] = set()
    for reference in references:
        match reference.path[0]:
            case "steps":
                wanted.add(reference.step)
            case "params" if "params" not in found:
                found["params"] = json.loads(state.params)
            case "env" if "env" not in found:
                found["env"] = {**plan.facts.base.environment, **plan.facts.base.spec.env}
            case "run" if "run" not in found:
                found["run"] = _run_names(plan, state)
            case "failure":
                found["failure"] = _failure_names(store, state)
            case _:
                pass
    if wanted:
        rows = store.steps.known(state.job_id, None if None in wanted else [one for one in wanted if one])
        found["steps"] = {step: _step_names(row) for step, row in rows.items()}
    return found


def _run_names(plan: Plan, state: RunState) -> Json:
    started = to_datetime(plan.created_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": state.job_id, "name": plan.facts.definition.name, "attempt": state.attempt, "started_at": started
    }  # fmt: skip


def _step_names(row: tuple[object, ...]) -> Json:
    status, reason, exit_code, outputs, child_id, attempt, result = row[:7]
    return {
        "status": str(status), "reason": reason, "exit_code": exit_code, "job_id": child_id, "attempt": attempt,
        "outputs": {} if outputs is None else json.loads(str(outputs)),
        "result": None if result is None else json.loads(str(result)),
    }  # fmt: skip


def _failure_names(store: Store, state: RunState) -> Json:
    """Of the step that failed first; a run that was out of time before any did has none."""
    row = store.steps.known(state.job_id, [state.failure]).get(state.failure) if state.failure else None
    if row is None:
        status = "failed" if state.end_status is None else state.end_status.value
        reason = state.end_reason or status
        return {"step": "", "status": status, "reason": reason, "exit_code": None, "message": reason}
    return {
        "step": state.failure, "status": row[0], "reason": row[1], "exit_code": row[2],
        "message": row[8] or row[1] or "",
    }  # fmt: skip
