"""A job as it stands."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.progress import Progress
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobKind, JobStatus, LifeId, Token


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

    @property
    def max_attempts(self) -> int:
        """The attempt budget: asked for, plus what retries by hand granted anew."""
        return self.spec.retry.attempts
