"""States of steps, and the rules by which they are entered: readiness, the outcome of a run, what is rolled back.

The rules are those of notes/workflows.md section 2. A decision is made once, when every need has ended; it is stored
with its reason and never made again. A failure has a state of its own downstream (``upstream_failed``), so that
no skip hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from jobctl.errors import EvaluationError
from jobctl.model.states import JobStatus, Reason
from jobctl.model.workflows import Rollback, Trigger, UndoIf


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    """Not all of its needs have ended."""
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    """For an approval, or for the next attempt."""
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UPSTREAM_FAILED = "upstream_failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"

    @property
    def is_terminal(self) -> bool:
        """Whether only a rollback or a retry leaves this state."""
        return self in _TERMINAL

    @property
    def is_failure(self) -> bool:
        """Whether what needs this step cannot count on it."""
        return self in _FAILURES


_FAILURES = frozenset(
    {StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.CANCELLED, StepStatus.UPSTREAM_FAILED}
)
_ROLLED_BACK = frozenset({StepStatus.ROLLED_BACK, StepStatus.ROLLBACK_FAILED})
_TERMINAL = _FAILURES | _ROLLED_BACK | {StepStatus.COMPLETED, StepStatus.SKIPPED}
RESET_BY_RETRY = _FAILURES | _ROLLED_BACK
"""What ``workflow retry`` runs again, with everything behind it."""


@dataclass(frozen=True, slots=True)
class NeedState:
    """How a step that another one needs has ended."""

    id: str
    status: StepStatus
    continue_on_error: bool = False
    optional: bool = False
    cause: str | None = None
    """Of ``UPSTREAM_FAILED``: the step that failed first."""

    @property
    def blocks(self) -> bool:
        """Whether it failed and was not allowed to, or was rolled back: then it is as if it had never run."""
        return self.status in _ROLLED_BACK or (self.status.is_failure and not self.continue_on_error)

    @property
    def is_live(self) -> bool:
        """Whether work may go on from it: completed, allowed to fail, or skipped and optional."""
        if self.status is StepStatus.COMPLETED:
            return True
        if self.status is StepStatus.SKIPPED:
            return self.optional
        return self.status.is_failure and self.continue_on_error

    @property
    def root_cause(self) -> str:
        """The step that failed first."""
        return self.cause or self.id


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a step whose needs have all ended."""

    status: StepStatus
    """``READY``, ``SKIPPED``, ``UPSTREAM_FAILED``, or ``FAILED`` for a condition without a value."""
    reason: str | None = None
    """Of ``SKIPPED`` ``needs`` or ``condition``; of ``FAILED`` ``condition``."""
    cause: str | None = None
    """Of ``UPSTREAM_FAILED``: the step that failed first."""
    message: str = ""
    """The same for people: ``transform failed``."""


READY = Decision(StepStatus.READY)


def decide(
    trigger: Trigger, needs: Iterable[NeedState], condition: Callable[[], bool] | None = None
) -> Decision:
    """What becomes of a step, from how its needs ended and what its ``when`` says.

    Args:
        trigger: the step's.
        needs: each of them, in the order of the file; all have ended.
        condition: whether ``when`` holds; None where there is none. Asked only if the needs allow a start; an
            EvaluationError fails the step, it never skips it.
    """
    states = tuple(needs)
    if any(not state.status.is_terminal for state in states):
        raise AssertionError("a need has not ended")
    decision = _by_needs(trigger, states)
    if decision is not READY or condition is None:
        return decision
    try:
        holds = condition()
    except EvaluationError as error:
        return Decision(StepStatus.FAILED, "condition", None, f"when: {error}")
    return READY if holds else Decision(StepStatus.SKIPPED, "condition", None, "when is false")


def _by_needs(trigger: Trigger, states: tuple[NeedState, ...]) -> Decision:
    if trigger is Trigger.ALL_DONE:
        return READY
    if trigger is Trigger.ANY_FAILED:
        if any(state.status.is_failure for state in states):
            return READY
        return Decision(StepStatus.SKIPPED, "needs", None, "none of its needs failed")
    for state in states:
        if state.blocks:
            how = f"{state.root_cause} failed" if state.cause else f"{state.id}: {state.status.value}"
            return Decision(StepStatus.UPSTREAM_FAILED, None, state.root_cause, how)
    live = [state.is_live for state in states]
    if trigger is Trigger.STRICT:
        skipped = [state.id for state in states if state.status is StepStatus.SKIPPED]
        if skipped:
            return Decision(StepStatus.SKIPPED, "needs", None, f"{skipped[0]} was skipped")
    elif states and not any(live):
        return Decision(StepStatus.SKIPPED, "needs", None, "all of its needs were skipped")
    return READY


class RunOutcome(StrEnum):
    """How well a completed workflow went."""

    CLEAN = "clean"
    PARTIAL = "partial"
    """Something failed that was allowed to."""


class RollbackState(StrEnum):
    """What a rollback did."""

    NONE = "none"
    COMPLETE = "complete"
    PARTIAL = "partial"
    """An undo command failed; the others ran."""


class Stop(StrEnum):
    """Why no further step of a run starts."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    FAIL_FAST = "fail_fast"


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, for the outcome of the whole."""

    status: StepStatus
    continue_on_error: bool = False
    is_partial: bool = False
    """Some of its items failed within the tolerance, or its sub-workflow was partial."""


@dataclass(frozen=True, slots=True)
class WorkflowEnd:
    """How a run ended."""

    status: JobStatus
    reason: Reason | None = None
    outcome: RunOutcome | None = None
    """Only of a completed one."""


def end_of(steps: Iterable[StepEnd], stop: Stop | None = None) -> WorkflowEnd:
    """How a run ended whose steps have all ended, before any rollback. Handlers never change it.

    A workflow that was cancelled or ran out of time is that, even if a step failed too; a failure that a later
    step cleaned up after is a failure still.
    """
    if stop is Stop.CANCEL:
        return WorkflowEnd(JobStatus.CANCELLED, Reason.REQUESTED)
    if stop is Stop.TIMEOUT:
        return WorkflowEnd(JobStatus.TIMEOUT, Reason.TIMEOUT)
    ends = tuple(steps)
    unforgiven = {end.status for end in ends if end.status.is_failure and not end.continue_on_error}
    # What could not run because another step was cancelled has not failed by itself.
    if unforgiven and unforgiven - {StepStatus.UPSTREAM_FAILED} != {StepStatus.CANCELLED}:
        return WorkflowEnd(JobStatus.FAILED, Reason.STEPS_FAILED)
    if unforgiven:
        return WorkflowEnd(JobStatus.CANCELLED, Reason.STEPS_CANCELLED)
    partial = any(end.is_partial or end.status.is_failure for end in ends)
    return WorkflowEnd(JobStatus.COMPLETED, None, RunOutcome.PARTIAL if partial else RunOutcome.CLEAN)


def wants_rollback(policy: frozenset[Rollback], status: JobStatus) -> bool:
    """Whether a run that ended so rolls back by itself. Out of time counts as a failure."""
    if status is JobStatus.CANCELLED:
        return Rollback.ON_CANCEL in policy
    return status in (JobStatus.FAILED, JobStatus.TIMEOUT) and Rollback.ON_FAILURE in policy


def is_undone(status: StepStatus, undo_if: UndoIf, *, was_started: bool) -> bool:
    """Whether a rollback runs the undo command of a step that has one."""
    if status in (StepStatus.COMPLETED, StepStatus.ROLLBACK_FAILED):
        return True
    started = undo_if is UndoIf.STARTED and was_started
    return started and status in (StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.CANCELLED)


def rollback_state(statuses: Collection[StepStatus]) -> RollbackState:
    """What rollbacks have done to a run whose steps stand so; another one with nothing to do changes nothing."""
    if StepStatus.ROLLBACK_FAILED in statuses:
        return RollbackState.PARTIAL
    return RollbackState.COMPLETE if StepStatus.ROLLED_BACK in statuses else RollbackState.NONE
