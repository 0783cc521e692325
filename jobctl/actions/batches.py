"""What a caller may ask for about batches: submit, retry, read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jobctl.actions.admissions import check_submissions
from jobctl.actions.hooks import add_hooks
from jobctl.actions.requests import JobRequest
from jobctl.actions.selections import one_job
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.batches import Batch, BatchSubmission, Item, item_name, items_of
from jobctl.model.jobs import Job
from jobctl.model.selectors import SelectorKind
from jobctl.model.specs import OnDuplicate, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.store import Store
from jobctl.store.submissions import Stored

MOST_FAILED_SHOWN = 100
MOST_PARALLEL = 100_000


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch with its job and the first of its items that failed."""

    batch: Batch
    job: Job
    failed: list[Job]


def batch_submission(
    builder: SubmissionBuilder, request: JobRequest, items: Sequence[str]
) -> BatchSubmission:
    """What the builder makes of the request, shared out between the parent and one child an item.

    Raises:
        BadInputError: something is wrong with the request or with an item.
        NotFoundError: there is no such queue.
    """
    whole = builder.build(request)
    made = items_of(items, request.command, request.shell)
    return shared_out(whole, made)


def shared_out(whole: Submission, items: Sequence[Item]) -> BatchSubmission:
    """The batch of ``items`` that have ``whole`` in common: its name, unique key and hooks are the parent's."""
    parent = replace(
        whole,
        spec=replace(whole.spec, stdin=None),
        kind=JobKind.BATCH,
        hold=False,
        eligible_at=None,
        after=(),
        lock_key=None,
        resources={},
    )
    child = replace(
        whole,
        name=item_name(whole.name),
        spec=replace(whole.spec, on_success=None, on_failure=None),
        unique_key=None,
        on_duplicate=OnDuplicate.RETURN,
    )
    return BatchSubmission(parent, child, items)


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


def selected_batch(store: Store, text: str) -> Job:
    """The one job that ``text`` selects, which should be a batch; ``last`` is the newest batch.

    Raises:
        BadInputError: no selector, or it selects several jobs.
        NotFoundError: there is no such job.
    """
    newest = store.batches.list(1) if text == SelectorKind.LAST.value else []
    return one_job(store, str(newest[0].job_id) if newest else text)


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
    """The jobs with each batch and workflow replaced by the jobs below it: it prints nothing itself."""
    known = {job.id: job for job in jobs}
    found = (known.get(job_id) or store.jobs.get(job_id) for job_id in item_ids(store, jobs))
    return [job for job in found if job is not None]


def item_ids(store: Store, jobs: Iterable[Job]) -> list[JobId]:
    """The ids of ``with_items``, each once; of a workflow within a workflow those of its own jobs."""
    found: dict[JobId, None] = {}
    for job in jobs:
        if job.kind is JobKind.BATCH:
            found |= dict.fromkeys(store.batches.items(job.id))
        elif job.kind is JobKind.WORKFLOW:
            found |= dict.fromkeys(_jobs_of_run(store, job.id))
        else:
            found[job.id] = None
    return list(found)


def _jobs_of_run(store: Store, run_id: JobId) -> Iterator[JobId]:
    for child in store.workflows.children(run_id):
        if store.workflows.get(child.job_id) is None:
            yield child.job_id
        else:
            yield from _jobs_of_run(store, child.job_id)
