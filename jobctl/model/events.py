"""Events: facts that happened, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """Every kind of event this version writes."""

    JOB_SUBMITTED = "job.submitted"
    JOB_QUEUED = "job.queued"
    JOB_STARTED = "job.started"
    JOB_PROGRESS = "job.progress"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    JOB_TIMEOUT = "job.timeout"
    JOB_RETRIED = "job.retried"
    JOB_LOST = "job.lost"
    JOB_ADOPTED = "job.adopted"
    JOB_HELD = "job.held"
    JOB_RELEASED = "job.released"
    JOB_CANCEL_REQUESTED = "job.cancel_requested"
    JOB_STRAYS_KILLED = "job.strays_killed"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_PAUSE_REQUESTED = "job.pause_requested"
    JOB_RESUME_REQUESTED = "job.resume_requested"
    JOB_LOG_CUT = "job.log_cut"
    JOB_LOG_UNCAPPED = "job.log_uncapped"
    JOB_PATTERN_DROPPED = "job.pattern_dropped"
    JOB_EDITED = "job.edited"
    JOB_REMOVED = "job.removed"
    WORKFLOW_STARTED = "workflow.started"
    WORKFLOW_STEP_STARTED = "workflow.step_started"
    WORKFLOW_STEP_WAITING = "workflow.step_waiting"
    WORKFLOW_STEP_ENDED = "workflow.step_ended"
    WORKFLOW_STEP_UNDOING = "workflow.step_undoing"
    WORKFLOW_STEP_UNDONE = "workflow.step_undone"
    WORKFLOW_STOPPING = "workflow.stopping"
    WORKFLOW_ROLLING_BACK = "workflow.rolling_back"
    WORKFLOW_HANDLER_STARTED = "workflow.handler_started"
    WORKFLOW_HANDLER_ENDED = "workflow.handler_ended"
    WORKFLOW_COMPLETED = "workflow.completed"
    WORKFLOW_FAILED = "workflow.failed"
    WORKFLOW_CANCELLED = "workflow.cancelled"
    WORKFLOW_TIMEOUT = "workflow.timeout"
    WORKFLOW_RETRIED = "workflow.retried"
    WORKFLOW_APPROVED = "workflow.approved"
    WORKFLOW_REJECTED = "workflow.rejected"
    QUEUE_ADDED = "queue.added"
    QUEUE_CHANGED = "queue.changed"
    QUEUE_PAUSED = "queue.paused"
    QUEUE_DRAINING = "queue.draining"
    QUEUE_RESUMED = "queue.resumed"
    QUEUE_REMOVED = "queue.removed"
    SUPERVISOR_STARTED = "supervisor.started"
    SUPERVISOR_DRAINING = "supervisor.draining"
    SUPERVISOR_STOPPED = "supervisor.stopped"
    SUPERVISOR_LOST = "supervisor.lost"
    SUPERVISOR_RELOADED = "supervisor.reloaded"
    SUPERVISOR_RELOAD_REFUSED = "supervisor.reload_refused"
    SUPERVISOR_START_REFUSED = "supervisor.start_refused"


class Entity(StrEnum):
    """What an event is about."""

    JOB = "job"
    WORKFLOW = "workflow"
    QUEUE = "queue"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event; ``id`` is the cursor of ``events --follow``, ``at`` in milliseconds UTC."""

    id: int
    at: int
    kind: str
    entity: str
    entity_id: int | str
    data: object
