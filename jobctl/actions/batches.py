"""What a caller may ask for about batches: submit, retry, read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobctl.actions.admissions import check_submissions
from jobctl.actions.hooks import add_hooks
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.batches import Batch, BatchSubmission
from jobctl.model.jobs import Job
from jobctl.model.states import JobId, JobKind
from jobctl.store import Store
from jobctl.store.submissions import Stored

MOST_FAILED_SHOWN = 100


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch with its job and the first of its items that failed."""

    batch: Batch
    job: Job
    failed: list[Job]


def submit_batch(store: Store, batch: BatchSubmission, clock: Clock) -> Stored:
    """The parent and all its items are on disk and the supervisor awake, or (on any error) nothing is stored.

    Raises:
        NotFoundError: a queue or a needed job has gone since it was checked.
        StateConflictError: a queue is draining, or a unique key is taken and duplicates are to be refused.
        BadInputError: more of a resource is asked for than there is.
    """
    with store.write():
        parent = check_submissions(store, [batch.parent, batch.child])[0]
        stored = store.batches.submit(replace(batch, parent=parent), clock.now_ms())
        settle(store, clock.now_ms())
    wake(store.home)
    return stored


def settle(store: Store, now: Milliseconds) -> None:
    """Batches are as their items demand, and the hooks of those that ended are stored; in a write transaction."""
    ended = store.batches.settle(now)
    if ended:
        add_hooks(store, ended, now)


def one_batch(store: Store, job_id: JobId) -> Batch:
    """The batch with this id.

    Raises:
        NotFoundError: there is none.
    """
    found = store.batches.get(job_id)
    if found is None:
        raise NotFoundError("no such batch", job_id, "see: jobctl batch list")
    return found


def retry_items(store: Store, job_id: JobId, clock: Clock, *, failed_only: bool) -> int:
    """Items that did not complete are queued again; returns how many.

    Raises:
        NotFoundError: there is no such batch.
        StateConflictError: there is nothing to retry.
    """
    with store.write():
        batch = one_batch(store, job_id)
        count = store.batches.retry(job_id, clock.now_ms(), failed_only=failed_only)
        if not count:
            raise StateConflictError("no item of the batch to retry", job_id, batch.summary)
        settle(store, clock.now_ms())
    wake(store.home)
    return count


def batch_report(store: Store, job: Job, limit: int = MOST_FAILED_SHOWN) -> BatchReport:
    """What is known of a batch.

    Raises:
        NotFoundError: the job is no batch.
    """
    batch = one_batch(store, job.id)
    failed = [found for item in store.batches.failed_items(job.id, limit) if (found := store.jobs.get(item))]
    return BatchReport(batch, job, failed)


def list_batches(store: Store) -> list[tuple[Batch, Job]]:
    """Every batch with its job, newest first."""
    return [(batch, job) for batch in store.batches.list() if (job := store.jobs.get(batch.job_id))]


def with_items(store: Store, jobs: list[Job]) -> list[Job]:
    """The jobs with each batch replaced by its items: a batch prints nothing itself."""
    found: dict[JobId, Job] = {}
    for job in jobs:
        ids = store.batches.items(job.id) if job.kind is JobKind.BATCH else [job.id]
        for job_id in ids:
            one = store.jobs.get(job_id) if job_id != job.id else job
            if one is not None:
                found[job_id] = one
    return list(found.values())
