"""Removing jobs: rows first, in transactions of at most 1,000, then their files. Running ones never are."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jobctl.actions.batches import settle
from jobctl.actions.jobs import check_known
from jobctl.actions.spools import unspool
from jobctl.actions.statistics import count_up
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock
from jobctl.errors import BadInputError, StateConflictError
from jobctl.model.homes import Home
from jobctl.model.selectors import Selector
from jobctl.model.states import TERMINAL, JobId, JobStatus, Reason
from jobctl.store import Store
from jobctl.store.removals import Removed

MOST_AT_ONCE = 1000
"""Jobs a transaction."""
REMOVABLE = tuple(status for status in JobStatus if status is not JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """Which ended jobs go: all criteria that are given have to hold."""

    older_than_seconds: float | None = None
    statuses: tuple[JobStatus, ...] = ()
    keep: int | None = None
    """So many of the newest stay."""


def remove(store: Store, selector: Selector, clock: Clock) -> list[Removed]:
    """The jobs are gone with their logs and attempts; waiting ones, and what waits for them, are cancelled first.

    What is named outright goes in one transaction, the rest of a bulk selection in several. Of a bulk selection,
    running jobs stay.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright runs.
    """
    count_up(store, clock.now_ms())
    with store.write():
        selected = store.jobs.select(selector, REMOVABLE)
        check_known(selector, selected)
        for job in selected:
            if job.outright and job.status is JobStatus.RUNNING:
                hint = f"end it first: jobctl cancel {job.id}"
                raise StateConflictError("cannot remove a running job", job.id, hint)
            if job.outright:
                _check_unneeded(store, job.id)
        wanted = [job.id for job in selected if job.status in REMOVABLE]
        outright = [job.id for job in selected if job.outright]
        parts = store.removals.parts(outright)
        removed = _remove(store, outright, clock)
    forget_files(store, removed)
    named = set(outright)
    for batch in _batches([job_id for job_id in wanted if job_id not in named]):
        with store.write():
            parts += store.removals.parts(batch)
            more = _remove(store, batch, clock)
        forget_files(store, more)
        removed += more
    removed += _remove_parts(store, parts, removed, clock)
    if removed:
        wake(store.home)
    return sorted(removed, key=lambda one: one.id)


def _remove_parts(
    store: Store, parts: Iterable[JobId], removed: Iterable[Removed], clock: Clock
) -> list[Removed]:
    """The ended jobs of runs that are gone are gone, too."""
    known = {one.id for one in removed}
    found: list[Removed] = []
    for batch in _batches([job_id for job_id in parts if job_id not in known]):
        with store.write():
            gone = store.removals.remove(batch, clock.now_ms())
        forget_files(store, gone)
        found += [replace(one, is_part=True) for one in gone]
    return found


def _check_unneeded(store: Store, job_id: JobId) -> None:
    """The job is no run that is a step of one that has not ended: that may have to undo what it did.

    Raises:
        StateConflictError: it is.
    """
    above = store.workflows.run_of(job_id)
    if above is None or store.workflows.get(job_id) is None:
        return
    if not store.jobs.statuses([above]).get(above, JobStatus.COMPLETED).is_terminal:
        hint = f"end that first: jobctl workflow cancel {above}"
        raise StateConflictError(f"the run is a step of workflow {above}, which has not ended", job_id, hint)


def count_removable(store: Store, selector: Selector) -> int:
    """How many jobs ``remove`` would take."""
    return sum(job.status in REMOVABLE for job in store.jobs.select(selector, REMOVABLE))


def prunable(store: Store, request: PruneRequest, clock: Clock) -> list[JobId]:
    """The ended jobs that ``request`` means, oldest first; not those whose parent has not ended.

    Raises:
        BadInputError: no criterion, or a state that jobs have before they end.
    """
    if request == PruneRequest():
        hint = "give --older-than, --status or --keep; to remove every ended job: --keep 0"
        raise BadInputError("prune needs criteria", hint=hint, code="E_USAGE")
    for status in request.statuses:
        if status not in TERMINAL:
            hint = "it removes ended jobs; see: jobctl remove"
            raise BadInputError("prune does not take jobs that are", status.value, hint, "E_STATUS")
    before = None
    if request.older_than_seconds is not None:
        before = clock.now_ms() - round(request.older_than_seconds * 1000)
    return store.removals.prunable(request.statuses or tuple(TERMINAL), before, request.keep or 0)


def prune(store: Store, job_ids: Sequence[JobId], clock: Clock) -> Iterator[list[Removed]]:
    """The ended ones of ``job_ids`` are gone, rows and files; yields what went after each step."""
    count_up(store, clock.now_ms())
    for batch in _batches(job_ids):
        with store.write():
            removed = store.removals.remove(batch, clock.now_ms())
        forget_files(store, removed)
        yield removed
    wake(store.home)


def statuses_of(removed: Iterable[Removed]) -> dict[str, int]:
    """How many were in each state."""
    counted = Counter(one.status for one in removed)
    return {status.value: counted[status] for status in JobStatus if counted[status]}


def forget_files(store: Store, removed: Iterable[Removed]) -> None:
    """The directories and the kept standard input of removed jobs are gone; after the commit."""
    for one in removed:
        remove_directory(store.home, one.id)
        if one.stdin is not None and one.stdin.startswith(f"{store.home.spool}/"):
            unspool(store, one.stdin)


def remove_directory(home: Home, job_id: int) -> None:
    """Nothing of the job is left below ``runs``, as far as permissions allow."""
    path = home.job(job_id)
    if os.path.lexists(path):
        shutil.rmtree(path, ignore_errors=True)


def _remove(store: Store, job_ids: Sequence[JobId], clock: Clock) -> list[Removed]:
    """In an open write transaction."""
    if not job_ids:
        return []
    now = clock.now_ms()
    statuses = store.jobs.statuses(job_ids)
    for job_id in job_ids:
        if not statuses.get(job_id, JobStatus.COMPLETED).is_terminal:
            store.transitions.cancel_waiting(job_id, Reason.REQUESTED, now)
    settle(store, now)
    return store.removals.remove(job_ids, now)


def _batches(job_ids: Sequence[JobId]) -> Iterator[Sequence[JobId]]:
    for start in range(0, len(job_ids), MOST_AT_ONCE):
        yield job_ids[start : start + MOST_AT_ONCE]
