"""Storing what was asked for: each submission proven to fit the store, then all of them on disk or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from jobctl.actions.submissions import unknown_queue
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.selectors import Selector, SelectorKind, parse_selector
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, LifeId
from jobctl.store import Store
from jobctl.store.submissions import Stored


def needed_jobs(store: Store, text: str) -> list[JobId]:
    """The ids that ``--after text`` stands for; of a name only the newest job.

    Raises:
        BadInputError: it is no selector.
        NotFoundError: a part of it matches nothing.
    """
    found: dict[JobId, None] = {}
    for part in parse_selector(text).parts:
        matches = [job.id for job in store.jobs.select(Selector((part,)))]
        if not matches:
            raise NotFoundError("no such job", str(part), "see: jobctl list --all")
        found |= dict.fromkeys(matches[-1:] if part.kind is SelectorKind.NAME else matches)
    return list(found)


def submit(
    store: Store, submissions: Sequence[Submission], clock: Clock, life: LifeId | None = None
) -> list[JobId]:
    """The ids of ``submissions``, all stored; see ``store_jobs``."""
    return [stored.id for stored in store_jobs(store, submissions, clock, life)]


def store_jobs(
    store: Store, submissions: Sequence[Submission], clock: Clock, life: LifeId | None = None
) -> list[Stored]:
    """All of ``submissions`` are on disk and the supervisor awake, or (on any error) none is stored.

    Raises:
        NotFoundError: a queue or a needed job has gone since it was checked.
        StateConflictError: a queue is draining, or a unique key is taken and duplicates are to be refused.
        BadInputError: more of a resource is asked for than there is.
    """
    with store.write():
        checked = check_submissions(store, submissions)
        stored = store.submissions.submit(checked, clock.now_ms(), life)
    wake(store.home)
    return stored


def check_submissions(store: Store, submissions: Sequence[Submission]) -> list[Submission]:
    """``submissions``, proven to fit the store as it is in the open write transaction; see ``store_jobs``."""
    _check_queues(store, submissions)
    _check_needs(store, submissions)
    _check_resources(store, submissions)
    return _with_known_parents(store, submissions)


def _check_queues(store: Store, submissions: Iterable[Submission]) -> None:
    known = {queue.name: queue for queue in store.queues.limits()}
    for name in {submission.queue for submission in submissions}:
        if name not in known:
            raise unknown_queue(name, known)
        if known[name].draining:
            raise StateConflictError(
                "the queue is draining", name, f"let it take jobs again with: jobctl queue resume {name}"
            )


def _check_needs(store: Store, submissions: Iterable[Submission]) -> None:
    needed = {need.needs for submission in submissions for need in submission.after}
    missing = needed.difference(store.jobs.statuses(needed)) if needed else set()
    if missing:
        raise NotFoundError("no such job", min(missing), "see: jobctl list --all")


def _check_resources(store: Store, submissions: Iterable[Submission]) -> None:
    wanted = {(name, amount) for job in submissions for name, amount in job.resources.items()}
    totals = store.queues.resources() if wanted else {}
    for name, amount in sorted(wanted):
        error = resource_error(name, amount, totals)
        if error is not None:
            raise error


def resource_error(name: str, amount: int, totals: Mapping[str, int]) -> BadInputError | None:
    """Why there is not so much of the resource; None: there is."""
    if name not in totals:
        known = ", ".join(sorted(totals)) or "none"
        hint = f"name it under resources: in jobctl.yaml (known: {known})"
        return BadInputError("no such resource", name, hint, "E_RESOURCE")
    if amount > totals[name]:
        what = f"there are {totals[name]} of the resource {name}, fewer than"
        return BadInputError(what, amount, "ask for less", "E_RESOURCE")
    return None


def _with_known_parents(store: Store, submissions: Sequence[Submission]) -> list[Submission]:
    """A parent that is not (or no longer) in this store is none."""
    parents = {job.parent_id for job in submissions if job.parent_id is not None}
    missing = parents.difference(store.jobs.statuses(parents))
    return [replace(job, parent_id=None) if job.parent_id in missing else job for job in submissions]
