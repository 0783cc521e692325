"""When a schedule fires next, and why it did or did not at an instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobctl.actions.schedule_runs import one_schedule
from jobctl.actions.schedule_states import offset_ms, schedule_state
from jobctl.actions.schedules import GONE, terms_of
from jobctl.actions.supervisors import running_supervisor
from jobctl.clock import Clock, to_datetime, to_ms
from jobctl.errors import BadInputError, StateConflictError
from jobctl.model.explanations import Cause
from jobctl.model.schedule_lint import explain_match
from jobctl.model.schedule_records import Fire, Schedule, ScheduleSource
from jobctl.model.schedule_rules import MILLISECOND, Around
from jobctl.model.schedules import Overlap, ScheduleTerms
from jobctl.model.states import JobId
from jobctl.store import Store
from jobctl.zones import zone_or_utc

MOST_SLOTS = 1000
_MOST_FIRES = 20


@dataclass(frozen=True, slots=True)
class Situation:
    """A schedule and what goes on around it."""

    schedule: Schedule
    running: tuple[JobId, ...]
    pending: tuple[Fire, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a schedule fires or does not: as it stands, its rule at the instant, what became of slots there."""

    schedule: Schedule
    at: datetime | None
    causes: tuple[Cause, ...]
    match: tuple[str, ...] = ()
    fires: tuple[Fire, ...] = ()


def situation_of(store: Store, name: str) -> Situation:
    """The schedule, what runs of it and which slots wait.

    Raises:
        NotFoundError: no such schedule.
    """
    schedule = one_schedule(store, name)
    running = tuple(job.id for job in store.schedules.open_jobs(name))
    return Situation(schedule, running, tuple(store.schedules.pending(schedule.id)))


def listed_schedules(
    store: Store, *, type: str | None = None, user: str | None = None, everything: bool = False
) -> list[Schedule]:
    """The schedules of a type and of a user, what is due next first; ended ones and those gone on request only."""
    return [
        one
        for one in store.schedules.list()
        if type in (None, one.text.type)
        and user in (None, one.text.user)
        and (everything or not ((one.ended and one.enabled) or one.disabled_reason == GONE))
    ]


def next_fires(
    terms: ScheduleTerms,
    after: datetime,
    count: int,
    offset_milliseconds: int = 0,
    around: Around | None = None,
) -> list[datetime]:
    """The next instants at which it fires, later than ``after``: fewer than ``count`` when it ends before.

    They come from the rule itself, so they are what will fire.
    """
    found: list[datetime] = []
    for instant in _fires(
        terms, after, timedelta(milliseconds=offset_milliseconds), around or Around(terms.zone)
    ):
        if len(found) >= min(count, MOST_SLOTS):
            break
        found.append(instant)
    return found


def _fires(terms: ScheduleTerms, after: datetime, offset: timedelta, around: Around) -> Iterator[datetime]:
    policy, rule = terms.policy, terms.rule
    floor = after - offset
    if policy.start_at is not None:
        floor = max(floor, policy.start_at - MILLISECOND)
    slot = rule.next_after(floor, around)
    while slot is not None and (policy.end_at is None or slot < policy.end_at):
        yield slot + offset
        slot = rule.next_after(slot, around) if rule.is_series else None


def next_of(
    store: Store, name: str, after: datetime | None, count: int, clock: Clock
) -> tuple[Schedule, list[datetime]]:
    """The schedule and when it fires next; of a disabled one when it would from its return on, else from now.

    Raises:
        NotFoundError: no such schedule.
        StateConflictError: it is broken.
    """
    schedule = one_schedule(store, name)
    trouble = _trouble(schedule)
    if trouble is not None:
        raise StateConflictError(f"the schedule cannot fire: {trouble}", name, _mend(schedule))
    now = to_datetime(clock.now_ms())
    floor = now if after is None else after
    if after is None and schedule.disabled_until is not None:
        floor = max(now, to_datetime(schedule.disabled_until))
    state = schedule_state(store, schedule, store.schedules.open_jobs(name))
    settled = state.cursor + timedelta(milliseconds=state.jitter_offset_ms)
    floor = max(floor, settled) if after is None else floor
    return schedule, next_fires(terms_of(schedule.text), floor, count, state.jitter_offset_ms, state.around)


def why(store: Store, name: str, at: datetime | None, clock: Clock) -> Answer:
    """Why the schedule fires or does not: now, or at an instant.

    Raises:
        NotFoundError: no such schedule.
    """
    schedule, now = one_schedule(store, name), clock.now_ms()
    causes = [*_state_causes(store, schedule), *_overlap_causes(store, schedule)]
    if at is None:
        if not causes:
            causes = [_next_cause(schedule)]
        return Answer(schedule, None, tuple(causes), fires=tuple(store.schedules.fires(schedule.id, 3)))
    offset = offset_ms(schedule)
    match: list[str] = []
    if _trouble(schedule) is None:
        terms = terms_of(schedule.text)
        match = explain_match(terms.rule, at.astimezone(UTC) - timedelta(milliseconds=offset), terms.zone)
    first = to_ms(at) - offset
    last = first + (59_999 if at.second == 0 and at.microsecond == 0 else 999)
    fires = store.schedules.fires_between(schedule.id, first, last)[:_MOST_FIRES]
    if to_ms(at) <= now:
        causes = [*_broken_causes(schedule), *_past_causes(schedule, to_ms(at))]
    return Answer(schedule, at, tuple(causes), tuple(match), tuple(fires))


def _trouble(schedule: Schedule) -> str | None:
    """Why its rule means nothing here, whether a supervisor has noticed or not."""
    try:
        terms_of(schedule.text)
    except BadInputError as error:
        return str(error)
    return schedule.broken


def _mend(schedule: Schedule) -> str:
    if schedule.source is ScheduleSource.FILE:
        return "change it in jobctl.yaml, then: jobctl reload"
    return f"change it with: jobctl schedule edit {schedule.name}"


def _broken_causes(schedule: Schedule) -> Iterator[Cause]:
    trouble = _trouble(schedule)
    if trouble is not None:
        yield Cause("broken", f"it is broken: {trouble}; {_mend(schedule)}", {"broken": trouble})


def _state_causes(store: Store, schedule: Schedule) -> Iterator[Cause]:
    yield from _broken_causes(schedule)
    if not schedule.enabled:
        until = schedule.disabled_until
        message = "it is disabled" + (f": {schedule.disabled_reason}" if schedule.disabled_reason else "")
        message += (
            f"; enable it with: jobctl schedule enable {schedule.name}"
            if until is None
            else f" until {_shown(schedule, until)}"
        )
        yield Cause("disabled", message, {"disabled_until": until})
    elif schedule.ended:
        yield Cause("ended", "it has ended: no slot will ever come")
    if running_supervisor(store) is None:
        yield Cause("no_supervisor", "no supervisor runs; start one with: jobctl up")


def _overlap_causes(store: Store, schedule: Schedule) -> Iterator[Cause]:
    overlap, open_jobs = schedule.text.policy.overlap, store.schedules.open_jobs(schedule.name)
    if not open_jobs or overlap is Overlap.ALLOW:
        return
    becomes = {
        Overlap.SKIP: "what is due meanwhile is skipped",
        Overlap.QUEUE: "one slot waits for its end",
        Overlap.REPLACE: "the next slot ends it",
    }[overlap]
    job = open_jobs[0]
    message = f"job {job.id} is {job.status.value}: {becomes} (overlap {overlap.value})"
    yield Cause("overlap", message, {"job_ids": [one.id for one in open_jobs], "overlap": overlap.value})
    for fire in store.schedules.pending(schedule.id):
        if fire.due_at is not None:
            yield Cause(
                "pending",
                f"the slot of {_shown(schedule, fire.due_at)} waits for it",
                {"due_at": fire.due_at},
            )


def _next_cause(schedule: Schedule) -> Cause:
    if schedule.next_fire_at is None:
        words = {
            "manual": f"it runs by hand only: jobctl schedule run {schedule.name}",
            "reboot": "it runs at the next start of the supervisor",
            "after_finish": "it runs after the end of its last job",
        }
        return Cause("waiting", words.get(schedule.text.kind, "nothing is due"))
    return Cause(
        "next", f"next at {_shown(schedule, schedule.next_fire_at)}", {"next_at": schedule.next_fire_at}
    )


def _past_causes(schedule: Schedule, at: int) -> list[Cause]:
    """What was known of the schedule then; its present state says nothing of it."""
    if at < schedule.created_at:
        return [Cause("too_early", f"it was added later, at {_shown(schedule, schedule.created_at)}")]
    if at < schedule.updated_at:
        changed = _shown(schedule, schedule.updated_at)
        return [Cause("changed", f"it was changed later, at {changed}; what follows is by its present rule")]
    if not schedule.enabled:
        return [Cause("disabled", f"it has been disabled since {_shown(schedule, schedule.updated_at)}")]
    return []


def _shown(schedule: Schedule, instant: int) -> str:
    zone = zone_or_utc(schedule.text.timezone)
    wall = to_datetime(instant).astimezone(zone)
    return f"{wall:%Y-%m-%d %H:%M:%S %z} {zone.key}"
