"""What a caller may ask for about stored jobs: cancel, retry, hold, release, pause, resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from jobctl.actions.batches import settle
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.events import Entity, EventKind
from jobctl.model.selectors import Selector, SelectorKind, parse_selector
from jobctl.model.states import TERMINAL, JobId, JobStatus, Reason
from jobctl.store import Store
from jobctl.store.jobs import Selected

WAITING = (JobStatus.CREATED, JobStatus.QUEUED)
RUNNING = (JobStatus.RUNNING,)
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
    PAUSING = "pausing"
    RESUMING = "resuming"


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
        store,
        selector,
        ACTIVE,
        "cancel",
        lambda jobs: _Cancelling(store, clock.now_ms(), options).all([job.id for job in jobs]),
    )


def retry(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """Ended jobs are queued again under the same id, with a fresh attempt budget.

    Of a batch those items are that did not complete, of a workflow those steps and what stands behind them.
    A bulk selector leaves completed jobs alone; one named outright runs again.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright has not ended.
    """
    now = clock.now_ms()

    def change(jobs: Iterable[Selected]) -> list[Done]:
        retried = []
        for job in jobs:
            if _is_step(store, job):
                continue
            if store.workflows.get(job.id) is not None:
                retried += _retry_workflow(store, job, clock)
            elif store.batches.get(job.id) is not None:
                if store.batches.retry(job.id, now, failed_only=False):
                    retried.append(job.id)
                elif job.outright:
                    raise StateConflictError(
                        "every item of the batch completed", job.id, "retry an item by its id"
                    )
            elif store.transitions.retry(job.id, now):
                retried.append(job.id)
        settle(store, now)
        statuses = store.jobs.statuses(retried)
        return [Done(job_id, statuses[job_id], Action.RETRIED) for job_id in retried]

    return _apply(store, selector, ENDED, "retry", change, bulk=UNSUCCESSFUL)


def _is_step(store: Store, job: Selected) -> bool:
    """Whether the job belongs to a workflow, which alone may have it run again."""
    run_id = store.workflows.run_of(job.id)
    if run_id is not None and job.outright:
        hint = f"retry it with its workflow: jobctl workflow retry {run_id}"
        raise StateConflictError("the job is a step of a workflow", job.id, hint)
    return run_id is not None


def _retry_workflow(store: Store, job: Selected, clock: Clock) -> list[JobId]:
    from jobctl.actions.workflow_retries import RetryWish, retry_workflow  # few jobs are workflows

    try:
        retry_workflow(store, job.id, RetryWish(), clock)
    except StateConflictError:
        if job.outright:
            raise
        return []
    return [job.id]


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


def pause(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """The processes of running jobs will be stopped, and with them the clock of the time-out.

    Of a batch its running items are. Of a workflow what runs is, and nothing of it starts before it goes on: no step,
    no further try, no undo command, no handler. Pausing a paused one changes nothing.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright does not run.
    """
    return _apply(store, selector, RUNNING, "pause", lambda jobs: _pause(store, clock, jobs, True))


def resume(store: Store, selector: Selector, clock: Clock) -> list[Done]:
    """The processes of paused jobs will go on, with the time they had left.

    Raises:
        NotFoundError: a job named outright does not exist.
        StateConflictError: a job named outright does not run, or is not paused.
    """
    return _apply(store, selector, RUNNING, "resume", lambda jobs: _pause(store, clock, jobs, False))


def _pause(store: Store, clock: Clock, jobs: Iterable[Selected], paused: bool) -> list[Done]:
    now, action = clock.now_ms(), Action.PAUSING if paused else Action.RESUMING
    done: dict[JobId, Done] = {}
    for job in jobs:
        # A run of a workflow has no process either, but starts nothing while it is paused.
        wanted = [job.id] if store.jobs.has_process(job.id) else [job.id, *store.jobs.descendants(job.id)]
        changed = [
            job_id
            for job_id in wanted
            if store.transitions.request_pause(job_id, paused, now)
            or store.run_pauses.set(job_id, paused, now)
        ]
        if job.outright and not changed:
            if not paused:
                hint = "see: jobctl explain" if job.reason is None else f"its reason is: {job.reason}"
                raise StateConflictError("cannot resume a job that is not paused", job.id, hint)
            changed = [job.id]
        done |= {job_id: Done(job_id, JobStatus.RUNNING, action) for job_id in changed}
    return [done[job_id] for job_id in sorted(done)]


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


def check_reason(text: str) -> str:
    """``text``, proven to be a reason to keep on record.

    Raises:
        BadInputError: ``E_REASON``.
    """
    shown = text.encode("utf-8", "replace").decode()
    if not shown.strip() or len(shown) > LONGEST_REASON:
        raise BadInputError("bad reason", shown, f"give 1 to {LONGEST_REASON} characters", "E_REASON")
    return shown


def end_jobs(store: Store, jobs: Iterable[JobId], options: CancelOptions, now: Milliseconds) -> list[Done]:
    """The jobs are cancelled or will be, with those submitted from inside them; in an open write transaction."""
    return _Cancelling(store, now, options).all(jobs)


class _Cancelling:
    """One cancellation of many jobs, in one transaction."""

    def __init__(self, store: Store, now: Milliseconds, options: CancelOptions | None) -> None:
        self._store = store
        self._options = options or CancelOptions()
        self._now = now
        self._done: dict[JobId, Done] = {}

    def all(self, jobs: Iterable[JobId]) -> list[Done]:
        for job_id in jobs:
            self._cancel(job_id)
            for child in self._store.jobs.open_descendants(job_id):
                self._cancel(child)
        settle(self._store, self._now)
        statuses = self._store.jobs.statuses(self._done)
        for job_id, status in statuses.items():
            if status is JobStatus.CANCELLED:  # a batch whose last items were cancelled by this
                self._done[job_id] = Done(job_id, status, Action.CANCELLED)
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
        check_known(selector, selected)
        if statuses == WAITING:
            selected = _with_items(store, selected)
        for job in selected:
            if job.outright and job.status not in statuses:
                hint = "it must be " + " or ".join(filter(None, (", ".join(statuses[:-1]), statuses[-1])))
                raise StateConflictError(f"cannot {verb} a {job.status.value} job", job.id, hint)
        done = change(
            [job for job in selected if job.status in (statuses if job.outright else bulk or statuses)]
        )
    if done:
        wake(store.home)
    return done


def _with_items(store: Store, selected: Iterable[Selected]) -> list[Selected]:
    """A batch that has not ended stands for its waiting items: holding it is holding them."""
    found: list[Selected] = []
    for job in selected:
        if job.status is JobStatus.RUNNING and store.batches.get(job.id) is not None:
            found += store.jobs.select(parse_selector(f"batch:{job.id}"), WAITING)
        else:
            found.append(job)
    return found


def check_known(selector: Selector, selected: Iterable[Selected]) -> None:
    """What the selector names outright exists.

    Raises:
        NotFoundError: it does not.
    """
    found = {job.id for job in selected}
    for part in selector.parts:
        if part.kind is SelectorKind.IDS and part.first == part.last and part.first not in found:
            raise NotFoundError("no such job", part.first, "see: jobctl list --all")
        if part.kind is SelectorKind.LAST and not any(job.outright for job in selected):
            raise NotFoundError("no job was submitted by hand yet", hint="submit one: jobctl submit -- CMD …")
