"""What a caller may ask for about stored jobs: cancel, retry, hold, release."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.events import Entity, EventKind
from jobctl.model.selectors import Selector, SelectorKind
from jobctl.model.states import TERMINAL, JobId, JobStatus, Reason
from jobctl.store import Store
from jobctl.store.jobs import Selected

WAITING = (JobStatus.CREATED, JobStatus.QUEUED)
ACTIVE = (*WAITING, JobStatus.RUNNING)
ENDED = tuple(status for status in JobStatus if status in TERMINAL)
UNSUCCESSFUL = tuple(status for status in ENDED if status is not JobStatus.COMPLETED)
LONGEST_REASON = 500
LARGEST_SIGNAL = 64


class Action(StrEnum):
    """What a verb did to a job."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    RETRIED = "retried"
    HELD = "held"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a job, and its status since."""

    id: JobId
    status: JobStatus
    action: Action


@dataclass(frozen=True, slots=True)
class CancelOptions:
    """How running jobs are ended; None leaves it to what each job says itself."""

    grace_seconds: float | None = None
    signal: int | None = None
    reason: str | None = None


def cancel(
    store: Store, selector: Selector, clock: Clock, options: CancelOptions | None = None
) -> list[Done]:
    """Waiting jobs are cancelled, running ones will be ended; so are the jobs submitted from inside them.

    Asked again for a running job, it is hurried.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright has ended.
    """
    return _apply(
        store, selector, ACTIVE, "cancel", lambda jobs: _Cancelling(store, clock, options).all(jobs)
    )


def retry(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """Ended jobs are queued again under the same id, with a fresh attempt budget.

    A bulk selector leaves completed jobs alone; one named outright runs again.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright has not ended.
    """
    now = clock.now_ms()

    def change(jobs: Iterable[Selected]) -> list[Done]:
        return [
            Done(job.id, JobStatus.QUEUED, Action.RETRIED)
            for job in jobs
            if store.transitions.retry(job.id, now)
        ]

    return _apply(store, selector, ENDED, "retry", change, bulk=UNSUCCESSFUL)


def hold(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """Waiting jobs do not start before they are released; holding a held one changes nothing.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright no longer waits.
    """
    now = clock.now_ms()

    def change(jobs: Iterable[Selected]) -> list[Done]:
        done = []
        for job in jobs:
            if store.transitions.hold(job.id, now) or job.outright:
                done.append(Done(job.id, JobStatus.CREATED, Action.HELD))
        return done

    return _apply(store, selector, WAITING, "hold", change)


def release(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """Held jobs are queued, or wait for their time if that lies ahead.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright is not held.
    """
    now = clock.now_ms()

    def change(jobs: Iterable[Selected]) -> list[Done]:
        released = []
        for job in jobs:
            if store.transitions.release(job.id, now):
                released.append(job.id)
            elif job.outright:
                why = f"it waits for: {job.reason}" if job.reason else "it waits for a slot only"
                raise StateConflictError("cannot release a job that is not held", job.id, why)
        statuses = store.jobs.statuses(released)
        return [Done(job_id, statuses[job_id], Action.RELEASED) for job_id in released]

    return _apply(store, selector, WAITING, "release", change)


def count_active(store: Store, selector: Selector) -> int:
    """How many jobs that have not ended ``selector`` names; without their children."""
    return sum(job.status in ACTIVE for job in store.jobs.select(selector, ACTIVE))


def parse_signal(text: str) -> int:
    """The number of the signal that ``TERM``, ``SIGTERM`` or ``15`` names.

    Raises:
        BadInputError: ``E_SIGNAL``.
    """
    import signal

    name = text.upper().removeprefix("SIG")
    if name.isascii() and name.isdigit() and len(name) <= 3 and 1 <= int(name) <= LARGEST_SIGNAL:
        return int(name)
    found = getattr(signal, f"SIG{name}", None) if name.isidentifier() else None
    if not isinstance(found, signal.Signals):
        raise BadInputError("no such signal", text, "examples: TERM, INT, USR1, 9", "E_SIGNAL")
    return int(found)


class _Cancelling:
    """One cancellation of many jobs, in one transaction."""

    def __init__(self, store: Store, clock: Clock, options: CancelOptions | None) -> None:
        self._store = store
        self._options = options or CancelOptions()
        self._now: Milliseconds = clock.now_ms()
        self._done: dict[JobId, Done] = {}

    def all(self, jobs: Iterable[Selected]) -> list[Done]:
        for job in jobs:
            self._cancel(job.id)
            for child in self._store.jobs.descendants(job.id):
                self._cancel(child)
        return [self._done[job_id] for job_id in sorted(self._done)]

    def _cancel(self, job_id: JobId) -> None:
        """The job is cancelled or will be; nothing changes when it has ended."""
        if job_id in self._done:
            return
        options, moves = self._options, self._store.transitions
        if moves.request_cancel(job_id, options.grace_seconds, options.signal, options.reason, self._now):
            self._done[job_id] = Done(job_id, JobStatus.RUNNING, Action.CANCELLING)
        elif moves.cancel_waiting(job_id, Reason.REQUESTED, self._now):
            self._done[job_id] = Done(job_id, JobStatus.CANCELLED, Action.CANCELLED)
            if options.reason is not None:
                data = {"reason": options.reason}
                self._store.events.add(self._now, EventKind.JOB_CANCEL_REQUESTED, Entity.JOB, job_id, data)


def _apply(
    store: Store,
    selector: Selector,
    statuses: tuple[JobStatus, ...],
    verb: str,
    change: Callable[[Iterable[Selected]], list[Done]],
    *,
    bulk: tuple[JobStatus, ...] | None = None,
) -> list[Done]:
    """What ``selector`` names in one of ``statuses`` was changed in one transaction, or nothing was."""
    with store.write():
        selected = store.jobs.select(selector, statuses)
        _check_known(selector, selected)
        for job in selected:
            if job.outright and job.status not in statuses:
                hint = f"it must be {', '.join(statuses[:-1])} or {statuses[-1]}"
                raise StateConflictError(f"cannot {verb} a {job.status.value} job", job.id, hint)
        done = change(
            [job for job in selected if job.status in (statuses if job.outright else bulk or statuses)]
        )
    if done:
        wake(store.home)
    return done


def _check_known(selector: Selector, selected: Iterable[Selected]) -> None:
    found = {job.id for job in selected}
    for part in selector.parts:
        if part.kind is SelectorKind.IDS and part.first == part.last and part.first not in found:
            raise NotFoundError("no such job", part.first, "see: jobctl list --all")
        if part.kind is SelectorKind.LAST and not any(job.outright for job in selected):
            raise NotFoundError("no job was submitted by hand yet", hint="submit one: jobctl submit -- CMD …")
