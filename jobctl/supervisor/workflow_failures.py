"""Runs that nothing can move on: a damaged definition, a bug. They are given up, one by one, with what is wrong.

No step starts any more and what runs is ended; the run fails once that is over. No undo command and no handler runs:
they are part of what cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobctl.actions.hooks import add_hooks
from jobctl.actions.jobs import CancelOptions, end_jobs
from jobctl.clock import Milliseconds
from jobctl.errors import BadInputError
from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_runs import Phase, Role, StepReason, shortened
from jobctl.store import Store
from jobctl.store.runs import ChildEnd, RunState
from jobctl.supervisor.bugs import frames_of
from jobctl.supervisor.workflow_events import workflow_event
from jobctl.supervisor.workflow_finishes import finish_without_outputs


def give_up(
    store: Store,
    run_id: JobId,
    ends: Iterable[ChildEnd | None],
    error: Exception | None,
    now: Milliseconds,
) -> None:
    """The run ends as failed as soon as its jobs have ended; in the transaction of a turn.

    Args:
        store: the supervisor's own.
        run_id: the run.
        ends: of its jobs, news among them of other things.
        error: what is wrong; None: it has been given up before.
        now: milliseconds UTC.
    """
    state = store.runs.load(run_id)
    if state is None or state.phase is Phase.ENDED:
        return
    for end in ends:
        if end is not None:
            _take(store, state, end, now)
    if error is not None:
        _stop(store, state, error, now)
    if not store.runs.open_children(run_id):
        _end(store, state, now)
    state.left, state.completed, state.failed = store.runs.count_steps(run_id)
    store.runs.save(state)


def _take(store: Store, state: RunState, end: ChildEnd, now: Milliseconds) -> None:
    state.open = max(0, state.open - 1)
    if end.role is Role.STEP:
        place = (end.step, end.map_index)
        store.steps.end(state.job_id, place, finish_without_outputs(end), now, child_id=end.job_id)


def _stop(store: Store, state: RunState, error: Exception, now: Milliseconds) -> None:
    """What is wrong is on record, in the run's events and with each step that did not run because of it."""
    is_ours = isinstance(error, BadInputError)
    reason = StepReason.REFUSED if is_ours else StepReason.ERROR
    told = shortened(str(error) if is_ours else f"{type(error).__name__}: {error}")
    store.steps.cancel_all(state.job_id, reason, told, now, started=False)
    children = store.runs.open_children(state.job_id)
    end_jobs(store, children, CancelOptions(reason=f"the workflow was given up: {reason.value}"), now)
    state.phase, state.end_status, state.end_reason = Phase.STOPPING, JobStatus.FAILED, reason
    data: dict[str, object] = {"reason": reason.value, "error": told}
    if not is_ours:
        data["traceback"] = frames_of(error)
    store.runs.add_events([workflow_event(now, EventKind.WORKFLOW_STOPPING, state.job_id, data)])
    store.runs.save(state)


def _end(store: Store, state: RunState, now: Milliseconds) -> None:
    state.phase, state.open = Phase.ENDED, 0
    store.steps.cancel_all(state.job_id, state.end_reason or StepReason.ERROR, None, now, started=True)
    data: dict[str, object] = {"reason": state.end_reason}
    run = store.workflows.get(state.job_id)
    if run is not None and run.error is not None:
        data["error"] = run.error
    store.runs.end_run(state, data, now)
    store.runs.add_events([workflow_event(now, EventKind.WORKFLOW_FAILED, state.job_id, data)])
    add_hooks(store, [state.job_id], now)
