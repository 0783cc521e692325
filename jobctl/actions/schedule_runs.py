"""From a schedule to the job it runs: at its time (the scheduler asks) or by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobctl.actions.admissions import check_submissions
from jobctl.actions.callers import CallerContext
from jobctl.actions.definitions import definition_submission
from jobctl.actions.functions import Functions
from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.actions.requests import JobRequest, request_of
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.events import Entity, EventKind
from jobctl.model.schedule_records import DEFAULT_UMASK, Fire, Schedule, Trigger
from jobctl.model.schedules import Overlap
from jobctl.model.selectors import parse_selector
from jobctl.model.slots import Outcome
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.schedules import OpenJob


@dataclass(frozen=True, slots=True)
class Ran:
    """A run by hand: its job, and the jobs it waits for or replaces."""

    job_id: JobId
    is_new: bool
    behind: tuple[JobId, ...] = ()


def scheduled_job(store: Store, schedule: Schedule, settings: Settings, now: Milliseconds) -> Submission:
    """The job of one run, with the supervisor's environment and the schedule's directory.

    Raises:
        BadInputError: its directory or another file is gone, or a parameter no longer fits its definition.
        NotFoundError: its queue or its definition is gone.
    """
    template: Mapping[str, Any] = schedule.text.template
    job = templated_job(store, template, settings, now, schedule.name)
    return replace(job, submitted_by=schedule.submitter, parent_id=None)


def templated_job(
    store: Store, template: Mapping[str, Any], settings: Settings, now: Milliseconds, name: str
) -> Submission:
    """The job that a template makes, named ``name`` unless it says otherwise; see ``scheduled_job``."""
    caller = CallerContext(
        str(template.get("cwd", "/")), {}, int(template.get("umask", DEFAULT_UMASK)), now, store.home.path
    )
    builder = SubmissionBuilder(
        caller,
        settings,
        store.queues.names,
        functions=lambda: Functions(store.home, settings, store.signatures.get),
        waits=False,
    )
    request = request_of(template.get("job", {}), JobRequest())
    if "definition" in template:
        return definition_submission(
            store, template["definition"], template.get("parameters", {}), builder, request
        )
    return builder.build(replace(request, name=request.name or name, supervisor_env=True))


def typed_request(
    store: Store, find: Callable[[], Functions] | None, request: JobRequest, now: Milliseconds
) -> JobRequest:
    """The request with its arguments as its function wants them; what was looked at for that is kept.

    Args:
        store: open, in no transaction.
        find: gives what may be called; None where nothing may be.
        request: one that calls nothing stays as it is.
        now: milliseconds UTC.

    Raises:
        BadInputError: no such function, it may not be called, or they do not fit.
    """
    if request.call is None or find is None:
        return request
    functions = find()
    typed = functions.typed(request)
    if functions.learned:
        with store.write():
            store.signatures.put(functions.learned.values(), now)
    return typed


def run_schedule(store: Store, name: str, settings: Settings, clock: Clock, *, force: bool = False) -> Ran:
    """A job of the schedule is stored now; its slots stay as they are.

    What has not ended of it counts as when it is due: ``skip`` refuses, ``queue`` waits for it (one may), ``replace``
    ends it and waits, ``allow`` does not care, as ``force`` does.

    Raises:
        NotFoundError: no such schedule, or what it needs is gone.
        StateConflictError: a job of it has not ended.
    """
    now = clock.now_ms()
    # Its files may be on a mount that hangs: they are looked at while others can write.
    job = scheduled_job(store, one_schedule(store, name), settings, now)
    with store.write():
        schedule = one_schedule(store, name)
        behind = () if force else _make_room(store, schedule, clock)
        if behind:
            job = replace(job, after=tuple(Dependency(job_id, Condition.ANY) for job_id in behind))
        stored = store.submissions.submit(check_submissions(store, [job]), now)[0]
        if stored.is_new:
            fire = Fire(None, now, Outcome.FIRED, Trigger.MANUAL, job_id=stored.id, late_ms=0)
            store.schedules.decide(schedule.id, fire)
            store.schedules.note_run(schedule.id, stored.id, now)
            data = {"job_id": stored.id, "trigger": Trigger.MANUAL.value}
            store.events.add(now, EventKind.SCHEDULE_FIRED, Entity.SCHEDULE, schedule.name, data)
    wake(store.home)
    return Ran(stored.id, stored.is_new, behind)


def _make_room(store: Store, schedule: Schedule, clock: Clock) -> tuple[JobId, ...]:
    """The jobs that the new one is to wait for, as the schedule's ``overlap`` says."""
    overlap = schedule.text.policy.overlap
    open_jobs = store.schedules.open_jobs(schedule.name)
    if not open_jobs or overlap is Overlap.ALLOW:
        return ()
    waits = any(_waits_for_another(store, job) for job in open_jobs)
    if overlap is Overlap.SKIP or (overlap is Overlap.QUEUE and waits):
        oldest = open_jobs[0]
        why = "another run waits already" if overlap is Overlap.QUEUE else f"it is {oldest.status.value}"
        hint = f"{why}; run it all the same with: jobctl schedule run {schedule.name} --force"
        raise StateConflictError("a job of the schedule has not ended: job", oldest.id, hint)
    ids = [job.id for job in open_jobs]
    if overlap is Overlap.REPLACE:
        options = CancelOptions(reason=f"replaced by a run by hand of the schedule {schedule.name}")
        cancel(store, parse_selector(",".join(map(str, ids))), clock, options)
    return tuple(ids)


def _waits_for_another(store: Store, job: OpenJob) -> bool:
    found = store.jobs.get(job.id) if job.status is JobStatus.CREATED else None
    return found is not None and bool(found.after)


def one_schedule(store: Store, name: str) -> Schedule:
    """The schedule of this name.

    Raises:
        NotFoundError: there is none; says which was probably meant.
    """
    found = store.schedules.get(name)
    if found is None:
        raise unknown_schedule(name, store.schedules.names())
    return found


def unknown_schedule(name: str, known: list[str]) -> NotFoundError:
    """The error for a schedule that does not exist."""
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(name, known, 1)
    return NotFoundError(
        "no such schedule", name, f"did you mean {near[0]}?" if near else "see: jobctl schedule list --all"
    )
