"""The states of DESIGN section 5, why a job is in one, and the ids that tie rows together."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", int)
LifeId = NewType("LifeId", int)
WorkerId = NewType("WorkerId", int)
Token = NewType("Token", int)
"""Fences writes about one claim: a write with an older token changes nothing."""


class JobStatus(StrEnum):
    """The states of DESIGN section 5."""

    CREATED = "created"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"

    @property
    def is_terminal(self) -> bool:
        """Whether only a retry leaves this state."""
        return self in TERMINAL


ACTIVE = (JobStatus.CREATED, JobStatus.QUEUED, JobStatus.RUNNING)
"""The states of jobs that have not ended."""

TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMEOUT})


class Reason(StrEnum):
    """Why a job is not running, or why it ended as it did."""

    HOLD = "hold"
    TIME = "time"
    RETRY = "retry"
    DEPENDENCY = "dependency"
    LOCK = "lock"
    RESOURCE = "resource"
    PAUSED = "paused"
    MEMORY = "memory"
    LOST = "lost"
    TIMEOUT = "timeout"
    SPAWN_ERROR = "spawn_error"
    EXIT = "exit"
    SIGNAL = "signal"
    REQUESTED = "requested"
    REPLACED = "replaced"
    STOPPED = "stopped"
    BATCH = "batch"
    """An item waits until fewer of its batch run (``--max-parallel``)."""
    MAX_FAILURES = "max_failures"
    """An item was cancelled because too many of its batch failed."""
    ITEMS_FAILED = "items_failed"
    ITEMS_CANCELLED = "items_cancelled"
    OUTPUTS = "outputs"
    """An attempt completed, but wrote more to ``$JOBCTL_OUTPUT`` than is read."""
    STEPS_FAILED = "steps_failed"
    STEPS_CANCELLED = "steps_cancelled"


class JobKind(StrEnum):
    """What a job runs."""

    COMMAND = "command"
    FUNCTION = "function"
    BATCH = "batch"
    WORKFLOW = "workflow"
