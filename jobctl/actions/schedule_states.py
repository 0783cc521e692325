"""What ``model.firings.plan`` needs to know of a stored schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobctl.actions.supervisors import running_supervisor
from jobctl.clock import Milliseconds, to_datetime, to_ms
from jobctl.errors import BadInputError
from jobctl.executors.processes import boot_id
from jobctl.model.firings import ScheduleState, plan
from jobctl.model.schedule_records import Schedule, ScheduleText, Trigger, instant_or_none
from jobctl.model.schedule_rules import AfterFinish, Around, Rule, rule_from_document
from jobctl.model.schedules import jitter_offset
from jobctl.model.slots import Reason, Slot
from jobctl.store import Store
from jobctl.store.schedules import OpenJob, Standing
from jobctl.zones import find_zone


@dataclass(frozen=True, slots=True)
class Watch:
    """The supervisor that asks."""

    started_at: datetime
    life: str
    boot_id: str


def offset_ms(schedule: Schedule) -> int:
    """How many milliseconds later than its slots the schedule fires."""
    return round(jitter_offset(schedule.name, schedule.text.policy.jitter_seconds).total_seconds() * 1000)


def stored_rule(text: ScheduleText) -> Rule:
    """The rule of a stored schedule.

    Raises:
        BadInputError: ``E_SCHEDULE``: another program wrote it, or a version of ours that knew more.
    """
    try:
        return rule_from_document(text.rule)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        hint = "give another one with: jobctl schedule edit"
        raise BadInputError("its stored rule cannot be read", dict(text.rule), hint, "E_SCHEDULE") from error


def schedule_state(
    store: Store, schedule: Schedule, open_jobs: Sequence[OpenJob], watch: Watch | None = None
) -> ScheduleState:
    """The schedule as it stands.

    Args:
        store: what else is known of it.
        schedule: as it was just read.
        open_jobs: its jobs that have not ended.
        watch: None where no supervisor asks.

    Raises:
        BadInputError: its zone is no longer known, or its rule cannot be read.
    """
    text = schedule.text
    ended = None if open_jobs else store.schedules.last_end(schedule.last_job_id)
    around = Around(
        zone=find_zone(text.timezone),
        active=bool(open_jobs),
        last_ended_at=instant_or_none(schedule.last_ended_at if ended is None else ended),
        started_at=None if watch is None else watch.started_at,
        life="" if watch is None else watch.life,
        boot_id="" if watch is None else watch.boot_id,
        settled_for=schedule.settled_for,
    )
    pending = store.schedules.pending(schedule.id) if schedule.waiting else []
    return ScheduleState(
        rule=stored_rule(text),
        policy=text.policy,
        around=around,
        cursor=to_datetime(schedule.cursor_at),
        jitter_offset_ms=offset_ms(schedule),
        enabled=schedule.enabled,
        disabled_until=instant_or_none(schedule.disabled_until),
        pending=tuple(
            Slot(to_datetime(fire.due_at), fire.trigger is Trigger.CATCH_UP, was_pending=True)
            for fire in pending
            if fire.due_at is not None
        ),
    )


def start_afresh(store: Store, schedule_id: int, now: Milliseconds) -> None:
    """The schedule owes nothing for the time up to now, and when it fires next is on record.

    Slots that waited are skipped. In an open write transaction.
    """
    schedule = store.schedules.by_id(schedule_id)
    if schedule is None:
        raise AssertionError("the schedule vanished inside a transaction")
    store.schedules.drop_pending(schedule_id, Reason.CHANGED, now)
    settled_for = _settled_for(store, stored_rule(schedule.text))
    follows_end = schedule.text.kind == AfterFinish.kind
    open_jobs = store.schedules.open_jobs(schedule.name)
    waiting = schedule.enabled and follows_end and bool(open_jobs)
    standing = Standing(now, None, waiting, settled_for=settled_for)
    store.schedules.stand(schedule_id, standing)
    fresh = store.schedules.by_id(schedule_id)
    if fresh is None:
        raise AssertionError("the schedule vanished inside a transaction")
    instant = to_datetime(now)
    outlook = plan(schedule_state(store, fresh, open_jobs), instant, instant)
    next_at = None if outlook.next_at is None else to_ms(outlook.next_at)
    standing = Standing(now, next_at, waiting, ended=outlook.has_ended, settled_for=settled_for)
    store.schedules.stand(schedule_id, standing)


def _settled_for(store: Store, rule: Rule) -> str | None:
    """The start that a rule of starts does not owe any more: it was added or changed after it."""
    life = running_supervisor(store)
    around = Around(find_zone("UTC"), life="" if life is None else str(life.id), boot_id=boot_id())
    return rule.start_key(around) or None
