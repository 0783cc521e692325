"""A job as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobctl.model.dependencies import Dependency
from jobctl.model.progress import Progress
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobKind, JobStatus, LifeId, Token


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """How much of a resource a job needs, and the indices its newest attempt was given."""

    amount: int
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in the store. Instants in milliseconds UTC."""

    id: JobId
    name: str
    status: JobStatus
    reason: str | None
    queue: str
    priority: int
    kind: JobKind
    type: str | None
    category: str | None
    user: str | None
    tags: tuple[str, ...]
    meta: object
    parent_id: JobId | None
    workflow_id: JobId | None
    step: str | None
    submitted_by: str | None
    unique_key: str | None
    lock_key: str | None
    spec: JobSpec
    attempt: int
    attempts_used: int
    crashes: int
    life_id: LifeId | None
    token: Token | None
    revision: int
    created_at: int
    eligible_at: int | None
    queued_at: int | None
    started_at: int | None
    finished_at: int | None
    cancel_requested_at: int | None
    exit_code: int | None
    signal: str | None
    error: str | None
    result: object
    cpu_seconds: float | None
    max_rss_bytes: int | None
    progress: Progress
    pause_wanted: bool = False
    paused_at: int | None = None
    """Since when the running attempt is stopped."""
    paused_ms: int = 0
    """How long the attempt was stopped before."""
    usual_seconds: float | None = None
    """How long jobs of this name took lately, where that was asked for."""
    after: tuple[Dependency, ...] = ()
    """What it needs of other jobs, met or not."""
    resources: Mapping[str, ResourceUse] = field(default_factory=dict)
    definition: str | None = None
    """The name of the definition it was made from."""

    @property
    def max_attempts(self) -> int:
        """The attempt budget: asked for, plus what retries by hand granted anew."""
        return self.spec.retry.attempts
