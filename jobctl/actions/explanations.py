"""Gathers what ``explain`` needs to know of a job."""

from __future__ import annotations

import math

from jobctl.actions.supervisors import running_supervisor
from jobctl.actions.tracebacks import shown_traceback
from jobctl.clock import Milliseconds
from jobctl.model.batches import Batch
from jobctl.model.events import Entity, EventKind
from jobctl.model.explanations import Cause, Facts, ResourceFacts, explain
from jobctl.model.jobs import Job
from jobctl.model.queues import Queue
from jobctl.model.states import JobKind
from jobctl.model.tracebacks import last_own_line
from jobctl.store import Store
from jobctl.views.instants import wall


def explain_job(store: Store, job: Job, now: Milliseconds) -> list[Cause]:
    """Every reason why the job is not running, or why it ended as it did."""
    if job.kind is JobKind.WORKFLOW:
        from jobctl.actions.workflows import explain_workflow  # only workflows pay for their model

        return explain_workflow(store, job)
    return explain(facts_of(store, job, now))


def facts_of(store: Store, job: Job, now: Milliseconds) -> Facts:
    """What is known around the job; of an ended one no queue and no holders."""
    blockers = store.blockers
    waits = not job.status.is_terminal
    queue = (
        next((queue for queue in store.queues.limits() if queue.name == job.queue), None) if waits else None
    )
    running, holders = blockers.slot_holders(job.queue) if waits else (0, [])
    statuses = store.jobs.statuses(need.needs for need in job.after)
    life = running_supervisor(store) if waits else None
    next_start = _next_start(queue, now)
    return Facts(
        job,
        now,
        queue=queue,
        running=running,
        holders=holders,
        ahead=blockers.ahead(job.queue, job.priority, job.id) if waits else 0,
        needs=[(need, statuses.get(need.needs)) for need in job.after],
        lock_holder=None if job.lock_key is None or not waits else blockers.lock_holder(job.lock_key),
        resources=_resources(store, job) if waits else (),
        supervisor=life is not None,
        draining=life is not None and (life.draining or life.stop_requested is not None),
        reserved=blockers.reserved(job.id),
        batch=_batch(store, job),
        next_start_at=next_start,
        cancel_reason=blockers.cancel_reason(job.id) or _told_reason(store, job),
        place=None if waits else last_own_line(shown_traceback(store, job)),
        instants={at: wall(at) for at in (job.eligible_at, next_start) if at is not None},
    )


def _next_start(queue: Queue | None, now: Milliseconds) -> Milliseconds | None:
    if queue is None or queue.rate is None:
        return None
    tokens = queue.starts_allowed(now)
    return None if tokens >= 1 else now + math.ceil(queue.rate.seconds_until_one(tokens) * 1000)


def _resources(store: Store, job: Job) -> list[ResourceFacts]:
    totals = store.queues.resources() if job.resources else {}
    return [
        ResourceFacts(
            name,
            use.amount,
            totals.get(name, 0),
            [(holder.id, holder.name, amount) for holder, amount in store.blockers.resource_holders(name)],
        )
        for name, use in job.resources.items()
    ]


def _batch(store: Store, job: Job) -> Batch | None:
    if job.kind is JobKind.BATCH:
        return store.batches.get(job.id)
    return None if job.parent_id is None else store.batches.get(job.parent_id)


def _told_reason(store: Store, job: Job) -> str | None:
    """The reason on record of a job that was cancelled while it waited."""
    events = store.events.about(Entity.JOB, job.id) if job.cancel_requested_at is None else []
    for event in reversed(events):
        if event.kind == EventKind.JOB_CANCEL_REQUESTED and isinstance(event.data, dict):
            return str(event.data.get("reason") or "") or None
    return None
