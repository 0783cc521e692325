"""How a step ends, from how its job, its run or its items did."""

from __future__ import annotations

import json
from collections.abc import Mapping

from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.states import JobId, JobKind, JobStatus
from jobctl.model.step_outputs import typed_outputs
from jobctl.model.workflow_runs import StepReason
from jobctl.model.workflow_states import StepStatus
from jobctl.model.workflows import StepDefinition
from jobctl.store import Store
from jobctl.store.runs import ChildEnd
from jobctl.store.steps import Finish

MOST_COLLECTED_BYTES = 16 * 1024 * 1024
"""Of the outputs of all items of a step together, as they are stored."""
_STATUSES = {
    JobStatus.COMPLETED: StepStatus.COMPLETED,
    JobStatus.FAILED: StepStatus.FAILED,
    JobStatus.CANCELLED: StepStatus.CANCELLED,
    JobStatus.TIMEOUT: StepStatus.TIMEOUT,
}


def finish_of_job(store: Store, step: StepDefinition, end: ChildEnd, home: str) -> Finish:
    """What the end of a child makes of its step; ``home`` is what ``~`` stands for."""
    if end.kind is JobKind.WORKFLOW:
        return _finish_of_run(store, end)
    status = _STATUSES[end.status]
    if status is not StepStatus.COMPLETED:
        return Finish(status, end.reason, end.error, exit_code=end.exit_code, started_at=end.started_at)
    try:
        if end.outputs_problem is not None:
            raise BadInputError(end.outputs_problem)
        given = end.result if end.kind is JobKind.FUNCTION else None
        outputs = typed_outputs(end.outputs, step.outputs, home, given)
    except BadInputError as error:
        return Finish(
            StepStatus.FAILED, StepReason.OUTPUTS, str(error), exit_code=end.exit_code, started_at=end.started_at
        )  # fmt: skip
    return Finish(
        status, exit_code=end.exit_code, outputs=outputs, result=end.result, started_at=end.started_at
    )


def finish_without_outputs(end: ChildEnd) -> Finish:
    """The same where nobody can tell what the step promised."""
    return Finish(
        _STATUSES[end.status], end.reason, end.error, exit_code=end.exit_code, started_at=end.started_at
    )


def _finish_of_run(store: Store, end: ChildEnd) -> Finish:
    """A step is as the run it started: in part completed counts as completed, all skipped as skipped."""
    below = store.workflows.get(end.job_id)
    if below is None:
        return Finish(_STATUSES[end.status], end.reason, None, started_at=end.started_at)
    if end.status is not JobStatus.COMPLETED:
        why = f": {below.error or below.failure}" if below.error or below.failure else ""
        where = f"run {below.job_id}{why}"
        return Finish(_STATUSES[end.status], end.reason, where, started_at=end.started_at)
    if below.steps and not below.completed and not below.failed:
        why = f"every step of run {below.job_id} was skipped"
        return Finish(StepStatus.SKIPPED, StepReason.CONDITION, why, started_at=end.started_at)
    return Finish(StepStatus.COMPLETED, is_partial=below.outcome == "partial", started_at=end.started_at)


def finish_of_items(
    store: Store, run_id: JobId, step: StepDefinition, counts: tuple[int, int], stopped: StepReason | None
) -> Finish:
    """What the ends of all its items make of a step.

    Args:
        store: in the transaction that moves the run.
        run_id: of the run.
        step: the step.
        counts: how many items it has, and how many failed.
        stopped: why the run starts no further steps, if so.
    """
    items, failures = counts
    told = f"{failures} of {items} items failed" if failures else None
    if failures > step.tolerate.of(items):
        return Finish(StepStatus.FAILED, StepReason.ITEMS_FAILED, told)
    if store.steps.has_cancelled_item(run_id, step.id):
        return Finish(StepStatus.CANCELLED, stopped or StepReason.REQUESTED)
    outputs: Mapping[str, Json] = {}
    if step.outputs:
        try:
            outputs = _collected(store, run_id, step)
        except BadInputError as error:
            return Finish(StepStatus.FAILED, StepReason.OUTPUTS, str(error))
    return Finish(StepStatus.COMPLETED, None, told, outputs=outputs, is_partial=failures > 0)


def _collected(store: Store, run_id: JobId, step: StepDefinition) -> Mapping[str, Json]:
    """By name the outputs of the items, in their order; none of an item that did not complete.

    Raises:
        BadInputError: they are too large together.
    """
    found: dict[str, list[Json]] = {name: [] for name in step.outputs}
    size = 0
    for outputs in store.steps.item_outputs(run_id, step.id):
        for name, values in found.items():
            value = outputs.get(name)
            size += len(json.dumps(value)) + 1
            values.append(value)
        if size > MOST_COLLECTED_BYTES:
            what = f"the outputs of its items are larger than {MOST_COLLECTED_BYTES // 1024**2} MiB together"
            raise BadInputError(what, None, "hand on files and name them")
    return dict(found)
