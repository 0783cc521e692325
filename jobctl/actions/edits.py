"""Changing jobs that wait: where they queue, how urgent they are, how they are limited and tried again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jobctl.actions.queues import check_queue
from jobctl.actions.selections import one_job
from jobctl.actions.submissions import MOST_ATTEMPTS, parse_backoff
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock
from jobctl.errors import BadInputError, StateConflictError
from jobctl.model.durations import parse_duration
from jobctl.model.jobs import Job
from jobctl.model.names import check_name, check_priority, parse_whole
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobStatus
from jobctl.store import Store

_WAITING = (JobStatus.CREATED, JobStatus.QUEUED)


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What is to change, as written; None leaves it as it is."""

    name: str | None = None
    queue: str | None = None
    priority: str | None = None
    timeout: str | None = None
    grace: str | None = None
    attempts: str | None = None
    retry_delay: str | None = None
    backoff: str | None = None
    max_delay: str | None = None


def edit(store: Store, text: str, request: EditRequest, clock: Clock) -> Job:
    """The waiting job that ``text`` selects is as asked for; returns it. All of it changes or nothing does.

    Raises:
        BadInputError: nothing to change, or a value is wrong.
        NotFoundError: no such job or queue.
        StateConflictError: the job runs or has ended, or the queue takes no new jobs.
    """
    if request == EditRequest():
        raise BadInputError("nothing to change", hint="give one of the options", code="E_USAGE")
    row = _row_changes(request)
    with store.write():
        job = one_job(store, text)
        if job.status not in _WAITING:
            hint = "only a waiting job can be edited: created or queued"
            raise StateConflictError(f"cannot edit a {job.status.value} job", job.id, hint)
        if request.queue is not None and request.queue != job.queue:
            _check_open(store, request.queue)
        store.jobs.edit(job.id, row, _spec(job.spec, request), clock.now_ms())
        changed = store.jobs.get(job.id)
    wake(store.home)
    if changed is None:
        raise AssertionError("the job vanished inside a transaction")
    return changed


def _row_changes(request: EditRequest) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if request.name is not None:
        changes["name"] = check_name(request.name)
    if request.queue is not None:
        changes["queue"] = request.queue
    if request.priority is not None:
        changes["priority"] = check_priority(request.priority)
    return changes


def _check_open(store: Store, name: str) -> None:
    check_queue(store, name)
    if any(queue.name == name and queue.draining for queue in store.queues.limits()):
        hint = f"let it take jobs again with: jobctl queue resume {name}"
        raise StateConflictError("the queue is draining", name, hint)


def _spec(spec: JobSpec, request: EditRequest) -> JobSpec:
    retry = spec.retry
    if request.attempts is not None:
        retry = replace(retry, attempts=parse_whole(request.attempts, "attempts", 1, MOST_ATTEMPTS))
    if request.backoff is not None:
        retry = replace(retry, backoff=parse_backoff(request.backoff))
    if request.retry_delay is not None:
        retry = replace(retry, delay_seconds=_seconds(request.retry_delay, "retry delay"))
    if request.max_delay is not None:
        retry = replace(retry, max_delay_seconds=_seconds(request.max_delay, "max delay"))
    if retry.delay_seconds > retry.max_delay_seconds and (request.retry_delay or request.max_delay):
        given = request.retry_delay or request.max_delay
        hint = f"the max delay is {retry.max_delay_seconds:g}s, the retry delay {retry.delay_seconds:g}s"
        raise BadInputError("retry delay exceeds max delay", given, hint, "E_DURATION")
    changed = replace(spec, retry=retry)
    if request.timeout is not None:
        changed = replace(changed, timeout_seconds=_seconds(request.timeout, "timeout") or None)
    if request.grace is not None:
        changed = replace(changed, grace_seconds=_seconds(request.grace, "grace"))
    return changed


def _seconds(text: str, what: str) -> float:
    return parse_duration(text, what, allow_zero=True)
