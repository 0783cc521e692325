"""Retries of runs of workflows: the plan of one, and carrying it out.

What completed stays. Of a failed step with ``foreach`` the items that did not complete run again, and the retry of a
failed ``workflow:`` step reaches into the run it started.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.documents import Json
from jobctl.model.parameters import bind, read_value, unknown_parameter
from jobctl.model.states import JobId
from jobctl.model.workflow_bundles import WorkflowBundle, check_bundle
from jobctl.model.workflow_plans import DefinitionChoice, RecordedStep, RetryPlan, RetryRequest, plan_retry
from jobctl.model.workflow_runs import StepRun, WorkflowRun
from jobctl.model.workflow_states import NeedState, StepStatus, decide
from jobctl.model.workflows import StepDefinition, WorkflowDefinition
from jobctl.store import Store
from jobctl.store.resets import Reset

_FAILURES = (StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class RetryWish:
    """What a caller wants tried again."""

    request: RetryRequest = RetryRequest()  # noqa: RUF009  (it is frozen)
    params: Mapping[str, Json] | None = None
    """``--set``: by name, texts of a command line."""
    current: WorkflowBundle | None = None
    """For ``DefinitionChoice.CURRENT``: the workflow as its file says now."""


def one_workflow(store: Store, job_id: JobId) -> WorkflowRun:
    """The run with this id.

    Raises:
        NotFoundError: there is none.
    """
    found = store.workflows.get(job_id)
    if found is None:
        raise NotFoundError("no such workflow run", job_id, "see: jobctl workflow list")
    return found


def plan_workflow_retry(store: Store, job_id: JobId, wish: RetryWish) -> RetryPlan:
    """What a retry would do; nothing is changed.

    Raises:
        NotFoundError: there is no such run or step.
        BadInputError: ``--from`` and ``--only``, or a parameter is wrong.
        StateConflictError: the run has not ended, or there is nothing to do.
    """
    run = one_workflow(store, job_id)
    if run.parent_id is not None and store.workflows.get(run.parent_id) is not None:
        hint = f"retry the whole: jobctl workflow retry {run.parent_id}"
        raise StateConflictError("the run is a step of another one", job_id, hint)
    return _plan(store, run, wish)


def _plan(store: Store, run: WorkflowRun, wish: RetryWish) -> RetryPlan:
    job_id = run.job_id
    if not run.status.is_terminal:
        hint = f"cancel it first with: jobctl workflow cancel {job_id}"
        raise StateConflictError(f"cannot retry a {run.status.value} workflow", job_id, hint)
    bundle = _bundle(store, job_id, wish)
    definition = bundle.definition
    _params(store, run, definition, wish)
    steps = {step.id: step for step in store.workflows.steps(job_id)}
    undone = _undoable(store, job_id)
    recorded = {
        step.id: RecordedStep(step.status, step.spec_hash, step.id in undone) for step in steps.values()
    }
    plan = plan_retry(wish.request, recorded, definition.needs, bundle.spec_hashes)
    _check_readiness(job_id, wish.request, plan, definition, steps)
    return plan


def _undoable(store: Store, job_id: JobId) -> Collection[str]:
    try:
        return store.workflows.bundle(job_id).undo_if
    except BadInputError:
        return ()  # of a damaged definition nothing can be undone; a current one may still be followed


def _check_readiness(
    job_id: JobId,
    request: RetryRequest,
    plan: RetryPlan,
    definition: WorkflowDefinition,
    steps: Mapping[str, StepRun],
) -> None:
    """The step that was named will run: what it needs, as far as that stays as it is, lets it.

    Raises:
        StateConflictError: the attempt would be burnt for nothing.
    """
    named = request.only_step or request.from_step
    if named is None:
        return
    again, definitions = set(plan.runs), {step.id: step for step in definition.steps}
    needs = definitions[named].needs
    if not again.isdisjoint(needs):
        return  # what it needs runs again before it; so does what is new
    states = [_need_state(definitions[need], steps[need]) for need in needs]
    decision = decide(definitions[named].trigger, states)
    if decision.status is StepStatus.READY:
        return
    blocking = next((state for state in states if state.blocks), None)
    cause = next(iter(needs), named) if blocking is None else blocking.root_cause
    why = decision.message if blocking is None else f"needs {blocking.id}, which {_ended(blocking)}"
    hint = f"retry what it needs: jobctl workflow retry {job_id} --from {cause}"
    raise StateConflictError(f"the step would not run: {why}", named, hint)


def _need_state(definition: StepDefinition, step: StepRun) -> NeedState:
    return NeedState(step.id, step.status, definition.continue_on_error, definition.optional, step.cause)


def _ended(need: NeedState) -> str:
    match need.status:
        case StepStatus.FAILED:
            return "failed"
        case StepStatus.TIMEOUT:
            return "ran out of time"
        case StepStatus.UPSTREAM_FAILED:
            return f"could not run because {need.root_cause} failed"
        case _:
            return f"was {need.status.value.replace('_', ' ')}"


def retry_workflow(store: Store, job_id: JobId, wish: RetryWish, clock: Clock) -> RetryPlan:
    """The run goes on under the same id with the steps of the plan; what completed and is not named stays.

    Of a failed step with ``foreach`` the items that did not complete run again, and the retry of a failed
    ``workflow:`` step reaches into the run it started.

    Raises: as ``plan_workflow_retry``.
    """
    with store.write():
        plan = plan_workflow_retry(store, job_id, wish)
        _retry(store, one_workflow(store, job_id), wish, plan, clock.now_ms())
    wake(store.home)
    return plan


def _retry(store: Store, run: WorkflowRun, wish: RetryWish, plan: RetryPlan, now: Milliseconds) -> None:
    bundle = _bundle(store, run.job_id, wish)
    in_place = _in_place(store, run, wish, plan, bundle)
    kept = [
        step.id for step in in_place if step.items is not None and _has_open_items(store, run.job_id, step.id)
    ]
    reused = {} if wish.params else _reusable(store, in_place, now)
    is_new = wish.request.definition is DefinitionChoice.CURRENT
    reset = Reset(
        bundle,
        _params(store, run, bundle.definition, wish),
        plan.runs,
        kept,
        reused,
        is_new_definition=is_new,
    )
    digest = store.workflows.record_definition(bundle) if is_new else run.definition_hash
    store.resets.retry(run.job_id, reset, digest, now)


def _in_place(
    store: Store, run: WorkflowRun, wish: RetryWish, plan: RetryPlan, bundle: WorkflowBundle
) -> list[StepRun]:
    """Failed steps that nothing in front of them makes run as if for the first time."""
    again = set(plan.runs)
    hashes = bundle.spec_hashes
    return [
        step
        for step in store.workflows.steps(run.job_id)
        if step.id in again
        and step.status in _FAILURES
        and step.id != wish.request.from_step
        and step.spec_hash == hashes[step.id]
        and again.isdisjoint(bundle.definition.step(step.id).needs)
    ]


def _has_open_items(store: Store, job_id: JobId, step: str) -> bool:
    return any(item.status is not StepStatus.COMPLETED for item in store.workflows.items(job_id, step))


def _reusable(store: Store, steps: list[StepRun], now: Milliseconds) -> dict[str, JobId]:
    """The runs that steps had started, each of them retried; those with nothing to retry start anew."""
    found: dict[str, JobId] = {}
    for step in steps:
        below = None if step.job_id is None or step.items is not None else store.workflows.get(step.job_id)
        if below is None:
            continue
        wish = RetryWish()
        try:
            plan = _plan(store, below, wish)
        except StateConflictError:
            continue  # nothing in it is to be retried
        _retry(store, below, wish, plan, now)
        found[step.id] = below.job_id
    return found


def _bundle(store: Store, job_id: JobId, wish: RetryWish) -> WorkflowBundle:
    if wish.request.definition is DefinitionChoice.ORIGINAL:
        return store.workflows.bundle(job_id)
    if wish.current is None:
        raise StateConflictError(
            "the workflow was not started from a file", job_id, "retry it with its original definition"
        )
    check_bundle(wish.current)
    return wish.current


def _params(
    store: Store, run: WorkflowRun, definition: WorkflowDefinition, wish: RetryWish
) -> dict[str, Json]:
    """The recorded parameters, with those that are given anew."""
    home = store.jobs.environment_of(run.job_id).get("HOME") or "/"
    known = {parameter.name: parameter for parameter in definition.params}
    values = {name: value for name, value in run.params.items() if name in known}
    for name, text in (wish.params or {}).items():
        if name not in known:
            raise unknown_parameter(name, known)
        values[name] = read_value(known[name], text, home, texts=True)
    return bind(definition.params, values, home, texts=False)
