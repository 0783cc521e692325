"""What a caller may want of a run of a workflow: cancel, roll back, approve, reject. All of it is only written.

A supervisor draws the consequences; none has to run meanwhile.
"""

from __future__ import annotations

from jobctl.actions.jobs import CancelOptions, Done, cancel
from jobctl.actions.supervisors import wake
from jobctl.actions.workflow_retries import one_workflow
from jobctl.actions.workflow_steps import find_step
from jobctl.clock import Clock
from jobctl.errors import StateConflictError
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Answer
from jobctl.model.workflow_states import RollbackState, StepStatus
from jobctl.store import Store

_NO_ROLLBACK = -1
"""The number of none: whatever was undone in one is not passed over."""


def cancel_workflow(
    store: Store, job_id: JobId, clock: Clock, *, rollback: bool = False, options: CancelOptions | None = None
) -> list[Done]:
    """No step of the run starts any more and what runs will be ended; with ``rollback``, what it did is undone then.

    Raises:
        NotFoundError: there is no such run.
        StateConflictError: it has ended.
    """
    with store.write():
        run = one_workflow(store, job_id)
        if run.status.is_terminal:
            hint = f"undo what it did with: jobctl workflow rollback {job_id}"
            what = f"the workflow has ended already, it is {run.status.value}"
            raise StateConflictError(what, job_id, hint)
        if rollback:
            store.resets.want_rollback(job_id)
        done = cancel(store, parse_selector(str(job_id)), clock, options)
    wake(store.home)
    return done


def roll_back_workflow(store: Store, job_id: JobId, clock: Clock) -> None:
    """The completed steps of the ended run will be undone, the last one started first; it stays ended as it did.

    Raises:
        NotFoundError: there is no such run.
        StateConflictError: it has not ended, or everything is undone already.
    """
    with store.write():
        run = one_workflow(store, job_id)
        if run.rollback is RollbackState.COMPLETE and run.status.is_terminal:
            undo_if = store.workflows.bundle(job_id).undo_if
            if store.undos.next_undo(job_id, _NO_ROLLBACK, undo_if) is None:
                hint = f"run it again with: jobctl workflow retry {job_id}"
                raise StateConflictError("the workflow is rolled back already", job_id, hint)
        if not store.resets.roll_back(job_id, clock.now_ms()):
            hint = f"end it first with: jobctl workflow cancel {job_id} --rollback"
            raise StateConflictError(f"cannot roll back a {run.status.value} workflow", job_id, hint)
    wake(store.home)


def approve_step(store: Store, job_id: JobId, step: str, clock: Clock, by: str | None = None) -> None:
    """The step completes; see ``_answer``."""
    _answer(store, job_id, step, Answer.APPROVED, by, clock)


def reject_step(store: Store, job_id: JobId, step: str, clock: Clock, by: str | None = None) -> None:
    """The step fails; see ``_answer``."""
    _answer(store, job_id, step, Answer.REJECTED, by, clock)


def _answer(store: Store, job_id: JobId, step: str, decision: Answer, by: str | None, clock: Clock) -> None:
    """What ``by`` said to the step, which may be one of a run within (``part/confirm``), is on record.

    Raises:
        NotFoundError: there is no such run or step.
        StateConflictError: the step waits for no approval (any more).
    """
    with store.write():
        run_id, found = find_step(store, job_id, step)
        now = clock.now_ms()
        if not store.resets.answer(run_id, found.id, decision, by, now):
            expired = found.expires_at is not None and found.expires_at <= now
            hint = "its time has run out" if expired else f"it is {found.status.value}"
            if found.status is StepStatus.WAITING and not expired:
                hint = f"{found.decided_by or 'somebody'} has answered already"
            raise StateConflictError("the step waits for no approval", step, hint)
    wake(store.home)
