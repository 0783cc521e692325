"""What a caller asks for: how a job runs, when it is tried again, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from jobctl.model.dependencies import Dependency
from jobctl.model.states import JobId, JobKind

if TYPE_CHECKING:
    from jobctl.model.calls import Call


class OnCrash(StrEnum):
    """What becomes of a job whose attempt was lost or stopped by jobctl itself."""

    RETRY = "retry"
    FAIL = "fail"


class OnDuplicate(StrEnum):
    """What a submit does when a job with its unique key has not ended."""

    RETURN = "return"
    REJECT = "reject"
    REPLACE = "replace"


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
    call: Call | None = None
    """The Python function it calls; then there is neither a command nor a shell line."""
    cwd: str = "/"
    umask: int = 0o022
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: tuple[str, ...] = ()
    supervisor_env: bool = False
    """Whether the environment of the supervisor at start is the ground that ``env`` is laid on."""
    stdin: str | None = None
    split_output: bool = False
    keep_children: bool = False
    on_crash: OnCrash = OnCrash.RETRY
    timeout_seconds: float | None = None
    grace_seconds: float = 10.0
    retry: RetryPolicy = RetryPolicy()
    nice: int = 0
    max_memory_bytes: int | None = None
    """The whole tree's resident memory; more ends the attempt with the reason ``memory``."""
    max_log_bytes: int | None = None
    """None: the setting ``log_cap``."""
    progress_from: str | None = None
    """A regular expression on the output whose groups tell the progress."""
    on_success: str | None = None
    """A shell line of the user's, run as a job of its own after this one."""
    on_failure: str | None = None
    hook_of: JobId | None = None
    """The ended job this one is a hook of: it gets that job as JSON (its own ``meta``) on standard input."""
    item: str | None = None
    """What an item of a batch is about, as it was given."""

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
    workflow_id: JobId | None = None
    step: str | None = None
    """Of which run it is a job, and for which of its steps."""
    submitted_by: str | None = None
    hold: bool = False
    eligible_at: int | None = None
    reserved: bool = False
    after: tuple[Dependency, ...] = ()
    unique_key: str | None = None
    on_duplicate: OnDuplicate = OnDuplicate.RETURN
    lock_key: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    definition: str | None = None
    """The name of the definition it was made from."""
