"""Jobs and attempts: their states, what was asked for, and what follows when an attempt ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from jobctl.model.progress import Progress

JobId = NewType("JobId", int)
LifeId = NewType("LifeId", int)
Token = NewType("Token", int)
"""Fences writes about one claim: a write with an older token changes nothing."""

LOST_RETRIES = 3
"""How often a lost attempt is started again outside the attempt budget (DESIGN section 5)."""


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


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMEOUT})


class Reason(StrEnum):
    """Why a job is not running, or why it ended as it did."""

    HOLD = "hold"
    TIME = "time"
    RETRY = "retry"
    LOST = "lost"
    TIMEOUT = "timeout"
    SPAWN_ERROR = "spawn_error"
    EXIT = "exit"
    SIGNAL = "signal"
    REQUESTED = "requested"
    STOPPED = "stopped"


class JobKind(StrEnum):
    """What a job runs."""

    COMMAND = "command"
    FUNCTION = "function"
    BATCH = "batch"
    WORKFLOW = "workflow"


class Outcome(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"


class OnCrash(StrEnum):
    """What becomes of a job whose attempt was lost or stopped by jobctl itself."""

    RETRY = "retry"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is followed by another one.

    ``retry_on`` limits it to these exit codes; empty means every failure and time-out.
    """

    attempts: int = 1
    delay_seconds: float = 5.0
    backoff: float = 2.0
    max_delay_seconds: float = 3600.0
    retry_on: tuple[int, ...] = ()

    def allows(self, used: int, exit_code: int | None) -> bool:
        """Whether a failure that makes ``used`` attempts spent may be tried again."""
        if used >= self.attempts:
            return False
        return not self.retry_on or exit_code in self.retry_on

    def delay_after(self, used: int, spread: float) -> float:
        """Seconds to wait after the ``used``-th failure: exponential, capped, ± 10 % jitter.

        Args:
            used: failures so far, from 1.
            spread: a number in [0, 1) that places the delay within the jitter.
        """
        try:
            delay = self.delay_seconds * self.backoff ** (used - 1)
        except OverflowError:
            delay = self.max_delay_seconds
        return min(delay, self.max_delay_seconds) * (0.9 + 0.2 * spread)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What was asked for: the part of a job that its attempts read and that never changes by itself.

    Strings of ``command`` and ``cwd`` may hold lone surrogates for bytes that are not UTF-8 (PEP 383).
    """

    command: tuple[str, ...] = ()
    shell: str | None = None
    cwd: str = "/"
    umask: int = 0o022
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: tuple[str, ...] = ()
    stdin: str | None = None
    split_output: bool = False
    keep_children: bool = False
    on_crash: OnCrash = OnCrash.RETRY
    timeout_seconds: float | None = None
    grace_seconds: float = 10.0
    retry: RetryPolicy = RetryPolicy()
    nice: int = 0

    def argv(self) -> tuple[str, ...]:
        """The argument vector an attempt executes."""
        return self.command if self.shell is None else ("/bin/sh", "-c", self.shell)


@dataclass(frozen=True, slots=True)
class Submission:
    """One job as a caller asks for it, checked and complete, before it has an id."""

    name: str
    spec: JobSpec
    environment: Mapping[str, str]
    queue: str = "default"
    priority: int = 5
    kind: JobKind = JobKind.COMMAND
    type: str | None = None
    category: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    meta: object = None
    parent_id: JobId | None = None
    submitted_by: str | None = None
    hold: bool = False
    eligible_at: int | None = None
    reserved: bool = False


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
