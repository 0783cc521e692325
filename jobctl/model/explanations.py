"""Why a job is not running, or why it ended so: facts in, one line a reason out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobctl.model.batches import Batch
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.durations import format_duration
from jobctl.model.jobs import Job
from jobctl.model.queues import Queue
from jobctl.model.sizes import format_size
from jobctl.model.states import JobId, JobKind, JobStatus, Reason

_NAMED = 5
_WANTED = {
    Condition.SUCCESS: "to complete",
    Condition.ANY: "to end",
    Condition.FAILURE: "to fail",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason: ``code`` for scripts, ``message`` for people, ``facts`` for both."""

    code: str
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """A resource that the job needs, and who has some of it: (id, name, amount)."""

    name: str
    wanted: int
    total: int
    users: Sequence[tuple[JobId, str, int]] = ()

    @property
    def used(self) -> int:
        """How much running jobs have."""
        return sum(amount for _, _, amount in self.users)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known around a job. Instants in milliseconds UTC; ``at`` writes one for people."""

    job: Job
    now: int
    queue: Queue | None = None
    running: int = 0
    holders: Sequence[tuple[JobId, str]] = ()
    ahead: int = 0
    needs: Sequence[tuple[Dependency, JobStatus | None]] = ()
    lock_holder: tuple[JobId, str] | None = None
    resources: Sequence[ResourceFacts] = ()
    supervisor: bool = True
    draining: bool = False
    reserved: bool = False
    batch: Batch | None = None
    """The batch the job is, or is an item of."""
    next_start_at: int | None = None
    """When the rate of the queue allows the next start."""
    cancel_reason: str | None = None
    place: str | None = None
    """Where in the code the exception came from that ended it."""
    instants: Mapping[int, str] = field(default_factory=dict)

    def at(self, instant: int) -> str:
        """The instant for people."""
        wait = instant - self.now
        shown = self.instants.get(instant, str(instant))
        return f"{shown} (in {format_duration(max(1, round(wait / 1000)))})" if wait > 0 else shown


def explain(facts: Facts) -> list[Cause]:
    """Every reason, the most decisive first; never empty."""
    status = facts.job.status
    if status is JobStatus.RUNNING:
        return list(_running(facts))
    if status.is_terminal:
        return list(_ended(facts))
    return list(_waiting(facts))


# --- waiting ---


def _waiting(facts: Facts) -> Iterator[Cause]:
    job = facts.job
    if facts.reserved:
        yield Cause("reserved", "reserved for the jobctl run that submitted it")
    match job.reason:
        case Reason.HOLD:
            yield Cause("hold", f"held; let it go with: jobctl release {job.id}")
            yield from _needs(facts)
        case Reason.DEPENDENCY:
            yield from _needs(facts)
        case Reason.TIME if job.eligible_at is not None:
            yield Cause("time", f"not before {facts.at(job.eligible_at)}", {"eligible_at": job.eligible_at})
        case Reason.RETRY if job.eligible_at is not None:
            yield _retry(facts, job.eligible_at)
        case Reason.LOCK:
            yield _lock(facts)
        case Reason.RESOURCE:
            yield from _resources(facts)
        case Reason.BATCH if facts.batch is not None:
            yield _turn(facts.batch)
        case _ if job.status is JobStatus.CREATED:
            yield Cause(job.reason or "created", f"waits: {job.reason}")
    yield from _eligible_later(facts)
    yield from _lane(facts)


def _eligible_later(facts: Facts) -> Iterator[Cause]:
    """A job that waits for something else and whose time has not come either."""
    at = facts.job.eligible_at
    if at is not None and at > facts.now and facts.job.reason in (Reason.HOLD, Reason.DEPENDENCY):
        yield Cause("time", f"not before {facts.at(at)}", {"eligible_at": at})


def _needs(facts: Facts) -> Iterator[Cause]:
    for need, status in facts.needs:
        if status is None or status.is_terminal:
            continue
        message = f"waits for job {need.needs} {_WANTED[need.condition]}; it is {status.value}"
        yield Cause("dependency", message, {"job_id": need.needs, "condition": need.condition.value})


def _retry(facts: Facts, at: int) -> Cause:
    job = facts.job
    used = f"attempt {job.attempts_used} of {job.max_attempts} {_last_end(job)}"
    return Cause("retry", f"{used}; tried again at {facts.at(at)}", {"retry_at": at})


def _last_end(job: Job) -> str:
    if job.signal is not None:
        return f"ended by signal {job.signal}"
    return "failed" if job.exit_code is None else f"ended with exit {job.exit_code}"


def _lock(facts: Facts) -> Cause:
    holder = facts.lock_holder
    if holder is None:
        return Cause("lock", f"waits for the lock {facts.job.lock_key}, which is free; it is next")
    message = f"lock {facts.job.lock_key} held by job {holder[0]} ({holder[1]})"
    return Cause("lock", message, {"lock": facts.job.lock_key, "job_id": holder[0]})


def _resources(facts: Facts) -> Iterator[Cause]:
    short = [one for one in facts.resources if one.total - one.used < one.wanted]
    for one in short or facts.resources:
        users = _jobs([(job_id, name) for job_id, name, _ in one.users])
        if one in short:
            by = f" by {users}" if users else ""
            message = f"needs {one.wanted} of resource {one.name}: {one.used} of {one.total} in use{by}"
        else:
            message = f"needs {one.wanted} of resource {one.name}: others that need it go first"
        ids = [job_id for job_id, _, _ in one.users]
        yield Cause(
            "resource",
            message,
            {
                "resource": one.name,
                "wanted": one.wanted,
                "used": one.used,
                "total": one.total,
                "job_ids": ids,
            },
        )


def _turn(batch: Batch) -> Cause:
    at_once = batch.queued + batch.running
    message = f"batch {batch.job_id} runs at most {batch.max_parallel} items at once; {at_once} go first"
    return Cause("batch", message, {"batch_id": batch.job_id, "max_parallel": batch.max_parallel})


def _lane(facts: Facts) -> Iterator[Cause]:
    """What the queue and the supervisor have against it."""
    job, queue = facts.job, facts.queue
    queued = job.status is JobStatus.QUEUED
    if job.reason == Reason.LOST and queued:
        yield Cause("lost", f"its attempt was lost in a crash ({_times(job.crashes)}); it is queued again")
    if queue is not None and queue.paused:
        hint = f"jobctl queue resume {queue.name}"
        yield Cause(
            "queue_paused", f"queue {queue.name} is paused; resume it with: {hint}", {"queue": queue.name}
        )
    elif queue is not None and queued:
        yield from _slots(facts, queue)
    if not facts.supervisor and not facts.reserved:
        yield Cause("no_supervisor", "no supervisor runs; start one with: jobctl up")
    elif facts.draining and queued:
        yield Cause("draining", "the supervisor is stopping and starts nothing more")


def _slots(facts: Facts, queue: Queue) -> Iterator[Cause]:
    known = {"queue": queue.name, "concurrency": queue.concurrency, "running": facts.running}
    if queue.free_slots(facts.running) == 0:
        holders = _jobs(facts.holders, facts.running)
        message = (
            f"no free slot in queue {queue.name}: {facts.running} of {queue.concurrency} taken by {holders}"
        )
        yield Cause("no_slot", message, {**known, "job_ids": [job_id for job_id, _ in facts.holders]})
    if facts.next_start_at is not None:
        rate = "" if queue.rate is None else f" ({queue.rate.count} in {format_duration(queue.rate.seconds)})"
        message = f"queue {queue.name} is at its rate{rate}; next start at {facts.at(facts.next_start_at)}"
        yield Cause("rate", message, {"queue": queue.name, "next_start_at": facts.next_start_at})
    if facts.ahead:
        jobs = "1 job goes" if facts.ahead == 1 else f"{facts.ahead} jobs go"
        yield Cause("behind", f"{jobs} first in queue {queue.name}", {"ahead": facts.ahead})
    elif queue.free_slots(facts.running) and facts.next_start_at is None and facts.supervisor:
        yield Cause("ready", "nothing stands in its way; it starts at once")


# --- running ---


def _running(facts: Facts) -> Iterator[Cause]:
    job, batch = facts.job, facts.batch
    if job.kind is JobKind.BATCH and batch is not None:
        counts = {name: getattr(batch, name) for name in ("created", "queued", "running")}
        shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        yield Cause(
            "items", f"{batch.total - batch.ended} of {batch.total} items have not ended: {shown}", counts
        )
        if not batch.running:
            yield from _lane(facts)
    elif job.reason == Reason.PAUSED:
        yield Cause("paused", f"paused; let it go on with: jobctl resume {job.id}")
    else:
        yield Cause("running", f"it runs (attempt {job.attempt})", {"attempt": job.attempt})
    if job.cancel_requested_at is not None:
        yield Cause("cancelling", f"it is being cancelled{_because(facts.cancel_reason)}")
    if not facts.supervisor and not facts.reserved and job.kind is not JobKind.BATCH:
        yield Cause("no_supervisor", "no supervisor watches it; start one with: jobctl up")


# --- ended ---


def _ended(facts: Facts) -> Iterator[Cause]:
    job = facts.job
    yield _end(facts)
    if job.crashes and job.reason != Reason.LOST:
        yield Cause("lost", f"attempts lost in a crash: {job.crashes}", {"crashes": job.crashes})
    if job.attempts_used > 1 and job.status is not JobStatus.COMPLETED:
        yield Cause("attempts", f"{job.attempts_used} of {job.max_attempts} attempts were used")
    if job.error and job.reason != Reason.SPAWN_ERROR:
        yield Cause("error", job.error)
    if facts.place is not None:
        yield Cause("place", f"raised at {facts.place}", {"place": facts.place})


def _end(facts: Facts) -> Cause:
    job, batch = facts.job, facts.batch
    if job.kind is JobKind.BATCH and batch is not None:
        return Cause(job.reason or job.status.value, f"{batch.summary}{_because(facts.cancel_reason)}")
    match job.reason:
        case Reason.TIMEOUT:
            limit = job.spec.timeout_seconds
            after = "" if limit is None else f" after {format_duration(limit)}"
            return Cause("timeout", f"ran into its time-out{after}", {"timeout_seconds": limit})
        case Reason.MEMORY:
            return _memory(job)
        case Reason.SPAWN_ERROR:
            return Cause("spawn_error", f"could not be started: {job.error or 'unknown error'}")
        case Reason.LOST:
            return Cause("lost", f"lost in a crash ({_times(job.crashes)})", {"crashes": job.crashes})
        case Reason.STOPPED:
            return Cause("stopped", "the supervisor was stopped while it ran (--on-crash fail)")
        case Reason.DEPENDENCY:
            return _unmet(facts)
        case Reason.REPLACED:
            return Cause("replaced", "a newer job with the same unique key replaced it")
        case Reason.REQUESTED:
            return Cause("requested", f"cancelled on request{_because(facts.cancel_reason)}")
        case Reason.MAX_FAILURES:
            return Cause("max_failures", "too many items of its batch failed, so the rest was cancelled")
    if job.status is JobStatus.COMPLETED:
        return Cause("completed", f"completed with exit {job.exit_code or 0}", {"exit_code": job.exit_code})
    if job.signal is not None:
        return Cause(
            "signal", f"ended by signal {job.signal}", {"signal": job.signal, "exit_code": job.exit_code}
        )
    if job.exit_code is not None:
        return Cause("exit", f"ended with exit {job.exit_code}", {"exit_code": job.exit_code})
    return Cause(
        job.reason or job.status.value, f"{job.status.value} ({job.reason or 'no reason on record'})"
    )


def _memory(job: Job) -> Cause:
    limit, peak = job.spec.max_memory_bytes, job.max_rss_bytes
    text = "killed over its memory limit"
    if limit is not None:
        text += f" of {format_size(limit)}"
    if peak is not None:
        text += f"; it had {format_size(peak)}"
    return Cause("memory", text, {"max_memory_bytes": limit, "max_rss_bytes": peak})


def _unmet(facts: Facts) -> Cause:
    for need, status in facts.needs:
        if status is None:
            return Cause("dependency", f"job {need.needs}, which it needed, is gone", {"job_id": need.needs})
        if status.is_terminal and not need.condition.is_met_by(status):
            message = f"needed job {need.needs} {_WANTED[need.condition]}; it ended {status.value}"
            return Cause("dependency", message, {"job_id": need.needs, "condition": need.condition.value})
    return Cause("dependency", "a job it needed did not end as it must")


def _because(reason: str | None) -> str:
    return "" if not reason else f": {reason}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _jobs(named: Sequence[tuple[JobId, str]], count: int | None = None) -> str:
    shown = ", ".join(f"job {job_id} ({name})" for job_id, name in named[:_NAMED])
    more = (len(named) if count is None else count) - min(len(named), _NAMED)
    return shown + (f" and {more} more" if more > 0 else "")
