"""Events: facts that happened, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase

from jobctl.errors import BadInputError


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
    JOB_PROGRESS_IGNORED = "job.progress_ignored"
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
    DEFINITION_ADDED = "definition.added"
    DEFINITION_CHANGED = "definition.changed"
    DEFINITION_GONE = "definition.gone"
    SCHEDULE_ADDED = "schedule.added"
    SCHEDULE_CHANGED = "schedule.changed"
    SCHEDULE_REMOVED = "schedule.removed"
    SCHEDULE_ENABLED = "schedule.enabled"
    SCHEDULE_DISABLED = "schedule.disabled"
    SCHEDULE_FIRED = "schedule.fired"
    SCHEDULE_SKIPPED = "schedule.skipped"
    SCHEDULE_MISSED = "schedule.missed"
    SCHEDULE_FAILED = "schedule.failed"
    SCHEDULE_ENDED = "schedule.ended"
    SCHEDULE_CAUGHT_UP = "schedule.caught_up"
    SCHEDULE_DELAYED = "schedule.delayed"
    """Descriptors or memory are wanting: it is tried again each second."""
    SCHEDULE_BROKEN = "schedule.broken"
    DAEMON_ADDED = "daemon.added"
    DAEMON_EDITED = "daemon.edited"
    DAEMON_REMOVED = "daemon.removed"
    DAEMON_START_REQUESTED = "daemon.start_requested"
    DAEMON_STOP_REQUESTED = "daemon.stop_requested"
    DAEMON_RESTART_REQUESTED = "daemon.restart_requested"
    DAEMON_WAITING = "daemon.waiting"
    DAEMON_STARTED = "daemon.started"
    DAEMON_ADOPTED = "daemon.adopted"
    DAEMON_READY = "daemon.ready"
    DAEMON_STOPPING = "daemon.stopping"
    DAEMON_ENDED = "daemon.ended"
    """A generation ended, for whatever reason."""
    DAEMON_STOPPED = "daemon.stopped"
    DAEMON_EXITED = "daemon.exited"
    """It ended, and its policy says that this is all."""
    DAEMON_BACKED_OFF = "daemon.backed_off"
    DAEMON_FAILED = "daemon.failed"
    """It was given up."""
    DAEMON_STRAYS_KILLED = "daemon.strays_killed"
    DAEMON_LOG_FAILED = "daemon.log_failed"
    """Its output cannot be taken into its log now; nothing is lost, it is tried again."""
    DAEMON_HEALTHY = "daemon.healthy"
    DAEMON_UNHEALTHY = "daemon.unhealthy"
    SUPERVISOR_STARTED = "supervisor.started"
    SUPERVISOR_DRAINING = "supervisor.draining"
    SUPERVISOR_STOPPED = "supervisor.stopped"
    SUPERVISOR_LOST = "supervisor.lost"
    SUPERVISOR_RELOADED = "supervisor.reloaded"
    SUPERVISOR_RELOAD_REFUSED = "supervisor.reload_refused"
    SUPERVISOR_START_REFUSED = "supervisor.start_refused"
    SUPERVISOR_CLOCK_JUMPED = "supervisor.clock_jumped"


def check_pattern(text: str) -> str:
    """``text``, proven to be like at least one kind: ``job.*``, ``*.failed``, ``job.started``.

    Batches are jobs: ``batch.*`` is a pattern, though no kind is like it.

    Raises:
        BadInputError: ``E_KIND``: no event could ever be of it; says which was probably meant.
    """
    if text.startswith("batch.") or any(fnmatchcase(kind, text) for kind in EventKind):
        return text
    near = get_close_matches(text[:60], [*EventKind, *(f"{entity}.*" for entity in Entity)], 1)
    hint = f"did you mean {near[0]}?" if near else f"for example: {EventKind.JOB_FAILED} or job.*"
    raise BadInputError("no kind of event is like", text, hint, "E_KIND")


class Entity(StrEnum):
    """What an event is about."""

    JOB = "job"
    WORKFLOW = "workflow"
    QUEUE = "queue"
    DEFINITION = "definition"
    SCHEDULE = "schedule"
    DAEMON = "daemon"
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
