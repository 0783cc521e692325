"""Runs of workflows as they stand: the whole, its steps, and what a caller hands in to start one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobctl.model.documents import Json
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_states import RollbackState, RunOutcome, StepStatus, Stop

LONGEST_MESSAGE = 2000
"""Characters of what is kept for people: an output of a MiB is no message."""
WHOLE = -1
"""The ``map_index`` of a step itself; its items of a ``foreach`` count from 0."""


class Phase(StrEnum):
    """What a run is doing."""

    RUNNING = "running"
    STOPPING = "stopping"
    """No step starts any more; what runs is being ended."""
    ROLLING_BACK = "rolling_back"
    HANDLERS = "handlers"
    """``on_failure``, then ``on_exit``."""
    ENDED = "ended"


class Role(StrEnum):
    """What a job of a run is there for."""

    STEP = "step"
    UNDO = "undo"
    ON_FAILURE = "on_failure"
    ON_EXIT = "on_exit"


@dataclass(frozen=True, slots=True)
class ChildJob:
    """A job of a run, and what it is there for."""

    job_id: JobId
    step: str
    """Empty for a handler."""
    map_index: int
    role: Role
    attempt: int
    """Of the run; of an undo command the number of the rollback."""

    @property
    def label(self) -> str:
        """``import``, ``import[3]``, or ``on_exit``."""
        return label_of(self.step, self.map_index) if self.step else self.role.value


class Answer(StrEnum):
    """What a person said to a step that asked."""

    APPROVED = "approved"
    REJECTED = "rejected"


class StepReason(StrEnum):
    """Why a step is as it is, where its job does not say it."""

    NEEDS = "needs"
    """Skipped: all that it needs was."""
    CONDITION = "condition"
    """Skipped: ``when`` is false. Failed: it has no value."""
    TEMPLATE = "template"
    """Failed: a ``${{ }}`` of it has no value."""
    OUTPUTS = "outputs"
    """Failed: it gave other outputs than it promises."""
    ITEMS_FAILED = "items_failed"
    APPROVAL = "approval"
    """Waits for a person."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Failed: nobody approved it in time."""
    REFUSED = "refused"
    """Failed: there is no such queue or resource, or nothing here can run it. Of a run: its definition is damaged."""
    ERROR = "error"
    """Cancelled: an error within jobctl ended the run; its message is that error."""
    RETRY = "retry"
    """Waits for its next attempt."""
    PARALLEL = "parallel"
    """Ready, but as many run already as may."""
    FAIL_FAST = "fail_fast"
    REQUESTED = "requested"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class WorkflowSubmission:
    """One run as a caller asks for it, checked and complete.

    ``parent`` is the job of kind ``workflow``: its queue, priority, environment, secrets, umask, grace and user are
    those of every step that says nothing else, its ``spec.cwd`` is what relative directories are seen from. Its
    retries and time-out are not looked at: those are the definition's.
    """

    parent: Submission
    bundle: WorkflowBundle
    params: Mapping[str, Json] = field(default_factory=dict)
    """Every parameter, bound."""


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A run as it stands. Instants in milliseconds UTC."""

    job_id: JobId
    name: str
    status: JobStatus
    reason: str | None
    phase: Phase
    attempt: int
    params: Mapping[str, Json]
    outcome: RunOutcome | None
    """Of a run that completed."""
    rollback: RollbackState
    stop: Stop | None
    """Why no further step starts."""
    failure: str | None
    """The step that failed first."""
    steps: int
    ended: int
    completed: int
    failed: int
    """Steps in ``failed`` or ``timeout``."""
    definition_hash: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    deadline_at: int | None
    parent_id: JobId | None = None
    """The run that this one is a step of, or the job that submitted it."""
    error: str | None = None
    """What made a supervisor give it up, if one did."""
    cancel_requested: bool = False
    """A caller wants it ended, and no supervisor has heeded that yet."""

    @property
    def summary(self) -> str:
        """In a few words: ``12 of 14 steps ended, 1 failed``."""
        text = f"{self.ended} of {self.steps} steps ended"
        if self.failed:
            text += f", {self.failed} failed"
        if self.rollback is not RollbackState.NONE:
            text += f", rolled back{' in part' if self.rollback is RollbackState.PARTIAL else ''}"
        return text


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step of a run, or one item of its ``foreach``. Instants in milliseconds UTC."""

    id: str
    map_index: int
    status: StepStatus
    reason: str | None
    cause: str | None
    """Of ``upstream_failed``: the step that failed first."""
    message: str | None
    """For people: what made it fail, what an approval asks, why it was skipped."""
    attempt: int
    """Of the run, when it was started last; 0 before."""
    attempts: int
    """How often it was tried in all, by whichever of its jobs; 1 for what has no tries, such as a question."""
    job_id: JobId | None
    """Of its newest job; of a step with ``workflow:`` the run."""
    job_attempt: int | None
    start_seq: int | None
    when_result: bool | None
    item: Json
    exit_code: int | None
    outputs: Mapping[str, Json]
    result: Json
    is_partial: bool
    spec_hash: str
    items: int | None
    """Of a ``foreach``, once the list is known."""
    items_left: int
    items_failed: int
    undo_id: JobId | None
    undo_message: str | None
    expires_at: int | None
    decision: Answer | None
    """What a person answered; of a step that waits still, no supervisor has heeded it yet."""
    decided_by: str | None
    ready_at: int | None
    started_at: int | None
    finished_at: int | None

    @property
    def label(self) -> str:
        """``import``, or ``import[3]`` for an item."""
        return label_of(self.id, self.map_index)

    @property
    def answer(self) -> str | None:
        """For people, of a step that waits still: what was answered, before a supervisor has heeded it."""
        if self.status is not StepStatus.WAITING or self.decision is None:
            return None
        return told_answer(self.decision, self.decided_by)


@dataclass(frozen=True, slots=True)
class HandlerRun:
    """A handler of the newest attempt of a run: its job as it stands."""

    name: str
    job_id: JobId
    status: JobStatus
    exit_code: int | None

    @property
    def has_failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.status.is_terminal and self.status is not JobStatus.COMPLETED

    @property
    def told(self) -> str:
        """``failed with exit 3 as job 12``."""
        code = f" with exit {self.exit_code}" if self.has_failed and self.exit_code else ""
        return f"{self.status.value}{code} as job {self.job_id}"


@dataclass(frozen=True, slots=True)
class FailedUndo:
    """An undo command that failed, of a run or of one within it."""

    path: str
    """The step from the run that was looked at: ``part/import``."""
    job_id: JobId | None
    """None: it could not even be started."""
    why: str

    @property
    def told(self) -> str:
        """``part/import: its undo, job 12, failed: exit 4``."""
        job = "" if self.job_id is None else f", job {self.job_id},"
        return f"{self.path}: its undo{job} failed: {self.why}"


def told_answer(answer: Answer, by: str | None) -> str:
    """What was said to a step, for people, while no supervisor has heeded it."""
    return f"answered: {answer.value} by {by or 'somebody'}; waits for the supervisor"


def shortened(message: str) -> str:
    """The message, cut where it is longer than anybody reads."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 2]} …"


def label_of(step: str, map_index: int) -> str:
    """``import``, or ``import[3]`` for an item."""
    return step if map_index == WHOLE else f"{step}[{map_index}]"
