"""Attempts: how one ended, and what becomes of its job then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobctl.model.specs import JobSpec, OnCrash
from jobctl.model.states import JobId, JobStatus, Reason

LOST_RETRIES = 3
"""How often a lost attempt is started again outside the attempt budget (DESIGN section 5)."""


class Outcome(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job; immutable once ``finished_at`` is set. Instants in milliseconds UTC."""

    job_id: JobId
    number: int
    pid: int | None
    started_at: int
    finished_at: int | None
    outcome: Outcome | None
    reason: str | None
    exit_code: int | None
    signal: str | None
    error: str | None
    cpu_seconds: float | None
    max_rss_bytes: int | None
    split_output: bool


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended, as far as the process side tells.

    ``outcome`` is the attempt's own; what becomes of the job is ``judge``'s to say.
    """

    outcome: Outcome
    reason: str | None
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    survivors: bool = False
    """Whether processes of it could not be killed: then nothing may be started beside them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a job when an attempt ends.

    ``status`` CREATED means: again, ``delay_seconds`` from now. ``burnt`` says whether the attempt counts
    against the budget, ``crashed`` whether it counts as lost.
    """

    status: JobStatus
    reason: str | None
    delay_seconds: float = 0.0
    burnt: bool = True
    crashed: bool = False


_FINAL = {
    Outcome.FAILED: JobStatus.FAILED,
    Outcome.CANCELLED: JobStatus.CANCELLED,
    Outcome.TIMEOUT: JobStatus.TIMEOUT,
    Outcome.LOST: JobStatus.FAILED,
}


def judge(end: AttemptEnd, spec: JobSpec, used: int, crashes: int, spread: float) -> Verdict:
    """Decide what follows an ended attempt (DESIGN section 5).

    Args:
        end: how it ended.
        spec: what was asked for.
        used: attempts spent before this one.
        crashes: attempts lost before this one.
        spread: a number in [0, 1) for the jitter of the back-off.
    """
    if end.outcome is Outcome.COMPLETED:
        return Verdict(JobStatus.COMPLETED, None)
    if end.survivors:
        return Verdict(_FINAL[end.outcome], end.reason)
    if end.outcome is Outcome.CANCELLED:
        return _judge_cancelled(end, spec)
    if end.outcome is Outcome.LOST:
        return _judge_lost(spec, crashes)
    final = JobStatus.TIMEOUT if end.outcome is Outcome.TIMEOUT else JobStatus.FAILED
    retriable = end.reason != Reason.SPAWN_ERROR and spec.retry.allows(used + 1, end.exit_code)
    if not retriable:
        return Verdict(final, end.reason)
    return Verdict(JobStatus.CREATED, Reason.RETRY, spec.retry.delay_after(used + 1, spread))


def _judge_cancelled(end: AttemptEnd, spec: JobSpec) -> Verdict:
    if end.reason != Reason.STOPPED:
        return Verdict(JobStatus.CANCELLED, end.reason)
    if spec.on_crash is OnCrash.FAIL:
        return Verdict(JobStatus.FAILED, Reason.STOPPED, burnt=False)
    return Verdict(JobStatus.QUEUED, None, burnt=False)


def _judge_lost(spec: JobSpec, crashes: int) -> Verdict:
    if spec.on_crash is OnCrash.FAIL or crashes >= LOST_RETRIES:
        return Verdict(JobStatus.FAILED, Reason.LOST, burnt=False, crashed=True)
    return Verdict(JobStatus.QUEUED, Reason.LOST, burnt=False, crashed=True)
