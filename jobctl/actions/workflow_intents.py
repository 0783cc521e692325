"""What a caller may want of a run of a workflow: cancel, roll back, approve, reject. All of it is only written.

A supervisor draws the consequences; none has to run meanwhile.
"""

from __future__ import annotations

from jobctl.actions.jobs import CancelOptions, Done, cancel
from jobctl.actions.supervisors import wake
from jobctl.actions.workflow_retries import one_workflow
from jobctl.clock import Clock
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.problems import did_you_mean
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Decision, StepRun
from jobctl.model.workflow_states import StepStatus
from jobctl.store import Store


def one_step(store: Store, job_id: JobId, step: str) -> StepRun:
    """The step of the run.

    Raises:
        NotFoundError: there is no such run, or it has no such step.
    """
    one_workflow(store, job_id)
    found = store.workflows.step(job_id, step)
    if found is None:
        known = [one.id for one in store.workflows.steps(job_id)]
        raise NotFoundError("no such step", step, did_you_mean(step, known[:100]))
    return found


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
        if run.status.is_terminal and rollback:
            hint = f"undo what it did with: jobctl workflow rollback {job_id}"
            raise StateConflictError(f"cannot cancel a {run.status.value} workflow", job_id, hint)
        if rollback:
            store.resets.want_rollback(job_id)
        done = cancel(store, parse_selector(str(job_id)), clock, options)
    wake(store.home)
    return done


def roll_back_workflow(store: Store, job_id: JobId, clock: Clock) -> None:
    """The completed steps of the ended run will be undone, the last one started first; it stays ended as it did.

    Raises:
        NotFoundError: there is no such run.
        StateConflictError: it has not ended.
    """
    with store.write():
        run = one_workflow(store, job_id)
        if not store.resets.roll_back(job_id, clock.now_ms()):
            hint = f"end it first with: jobctl workflow cancel {job_id} --rollback"
            raise StateConflictError(f"cannot roll back a {run.status.value} workflow", job_id, hint)
    wake(store.home)


def approve_step(store: Store, job_id: JobId, step: str, clock: Clock, by: str | None = None) -> None:
    """The step completes; see ``_answer``."""
    _answer(store, job_id, step, Decision.APPROVED, by, clock)


def reject_step(store: Store, job_id: JobId, step: str, clock: Clock, by: str | None = None) -> None:
    """The step fails; see ``_answer``."""
    _answer(store, job_id, step, Decision.REJECTED, by, clock)


def _answer(store: Store, job_id: JobId, step: str, decision: Decision, by: str | None, clock: Clock) -> None:
    """What ``by`` said to the step is on record.

    Raises:
        NotFoundError: there is no such run or step.
        StateConflictError: the step waits for no approval (any more).
    """
    with store.write():
        found = one_step(store, job_id, step)
        now = clock.now_ms()
        if not store.resets.answer(job_id, step, decision, by, now):
            expired = found.expires_at is not None and found.expires_at <= now
            hint = "its time has run out" if expired else f"it is {found.status.value}"
            if found.status is StepStatus.WAITING and not expired:
                hint = f"{found.decided_by or 'somebody'} has answered already"
            raise StateConflictError("the step waits for no approval", step, hint)
    wake(store.home)
