from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.cron import CronLine
from jobctl.model.firings import Plan, ScheduleState, plan
from jobctl.model.schedule_rules import (
    AfterFinish,
    Around,
    At,
    Cron,
    Daily,
    Every,
    Manual,
    Reboot,
    Rule,
    Weekly,
)
from jobctl.model.schedules import Missed, Overlap, SchedulePolicy, jitter_offset
from jobctl.model.slots import Outcome, Reason, Slot

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOURLY, MINUTELY = Cron(("0 * * * *",)), Cron(("* * * * *",))
UTC_ZONE = ZoneInfo("UTC")


def _at(hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    """So long after noon."""
    return NOON + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _state(
    rule: Rule = HOURLY,
    cursor: datetime = NOON,
    missed: Missed = Missed.LATEST,
    overlap: Overlap = Overlap.SKIP,
    *,
    active: bool = False,
    pending: Sequence[datetime] = (),
) -> ScheduleState:
    return ScheduleState(
        rule,
        SchedulePolicy(missed=missed, overlap=overlap),
        Around(UTC_ZONE, active=active, started_at=NOON, life="7", boot_id="boot"),
        cursor,
        pending=tuple(Slot(due, was_pending=True) for due in pending),
    )


def _fired(found: Plan) -> list[datetime]:
    return [slot.due_at for slot in found.fires]


def _unfired(found: Plan) -> list[tuple[Outcome, Reason, int]]:
    return [(one.outcome, one.reason, one.count) for one in found.unfired]


# --- while the supervisor watches ---


def test_nothing_is_due_before_its_time() -> None:
    found = plan(_state(), _at(minutes=59), NOON)
    assert found == Plan(NOON, next_slot=_at(1), next_at=_at(1))


def test_a_slot_fires_once() -> None:
    found = plan(_state(), _at(1), NOON)
    assert _fired(found) == [_at(1)]
    assert (found.cursor, found.next_at) == (_at(1), _at(2))
    again = plan(_state(cursor=found.cursor), _at(1), NOON)
    assert (again.fires, again.unfired, again.cursor) == ((), (), _at(1))


def test_a_late_turn_misses_nothing() -> None:
    found = plan(_state(Every(600_000, NOON), missed=Missed.SKIP), _at(minutes=59), NOON)
    assert _fired(found) == [_at(minutes=10)]
    assert _unfired(found) == [(Outcome.SKIPPED, Reason.OVERLAP, 1)] * 4
    assert not any(slot.was_missed for slot in found.fires)


@pytest.mark.parametrize("missed", list(Missed))
def test_what_is_later_than_the_grace_is_no_flood(missed: Missed) -> None:
    """After hours of a full disk or of a lock; the supervisor watched all the time."""
    found = plan(_state(missed=missed, overlap=Overlap.ALLOW), _at(hours=7), NOON)
    assert _fired(found) == [_at(6), _at(7)]
    assert _unfired(found) == [(Outcome.MISSED, Reason.GRACE, 1)] * 5
    assert (found.cursor, found.next_at) == (_at(7), _at(8))


def test_a_slow_turn_is_within_any_grace() -> None:
    state = _state(Every(1000, NOON), overlap=Overlap.ALLOW)
    state = replace(state, policy=replace(state.policy, missed_grace_seconds=0.0))
    found = plan(state, _at(seconds=3), NOON)
    assert _fired(found) == [_at(seconds=second) for second in (1, 2, 3)]


def test_few_fire_at_once_and_the_rest_is_asked_for_again() -> None:
    state = replace(_state(Every(1000, NOON), missed=Missed.ALL, overlap=Overlap.ALLOW))
    fired: list[datetime] = []
    for _ in range(4):
        found = plan(state, _at(seconds=25), _at(seconds=20), most_fires=7)
        fired += _fired(found)
        state = replace(state, cursor=found.cursor)
        assert found.unfired == ()
    assert fired == [_at(seconds=second + 1) for second in range(25)]
    assert found.next_at == _at(seconds=26)


@pytest.mark.parametrize(
    "rule",
    [
        Daily(tuple((hour, 0) for hour in range(24))),
        Daily(tuple((hour, hour * 7 % 60) for hour in range(24))),
        Weekly((1, 2, 3, 4, 5), tuple((hour, minute) for hour in range(8, 18) for minute in (0, 30))),
    ],
)
@pytest.mark.parametrize("missed", list(Missed))
def test_many_times_a_day_cost_little(rule: Rule, missed: Missed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def counting(line: CronLine, after: datetime, zone: ZoneInfo) -> datetime | None:
        nonlocal asked
        asked += 1
        return next_after(line, after, zone)

    next_after = CronLine.next_after
    monkeypatch.setattr(CronLine, "next_after", counting)
    now = NOON + timedelta(days=20)
    found = plan(_state(rule, missed=missed), now, awake_since=now)
    assert len(found.unfired) > 100
    assert asked < 600  # each line for each slot, three times: 7,000 and more


def test_more_late_slots_than_the_cap_are_left_for_the_next_turn() -> None:
    found = plan(_state(Every(1000, NOON), overlap=Overlap.ALLOW), _at(hours=1), NOON)
    assert len(found.fires) == 100
    assert (found.cursor, found.next_at) == (_at(seconds=100), _at(seconds=101))


def test_the_jitter_shifts_what_fires_and_never_the_slot() -> None:
    state = replace(_state(), jitter_offset_ms=600_000)
    assert plan(state, _at(1, 9), NOON).next_at == _at(1, 10)
    found = plan(state, _at(1, 10), NOON)
    assert (_fired(found), found.next_slot, found.next_at) == ([_at(1)], _at(2), _at(2, 10))


def test_a_slot_whose_jitter_has_not_passed_is_not_missed() -> None:
    state = replace(_state(), jitter_offset_ms=600_000)
    found = plan(state, _at(1, 5), awake_since=_at(1, 5))
    assert (found.fires, found.unfired) == ((), ())
    assert found.next_at == _at(1, 10)


# --- bounds ---


def test_nothing_fires_before_the_start_and_the_start_itself_does() -> None:
    state = replace(_state(), policy=SchedulePolicy(start_at=_at(3)))
    assert plan(state, _at(2), NOON).next_at == _at(3)
    assert _fired(plan(state, _at(3), NOON)) == [_at(3)]


def test_an_interval_with_a_start_fires_at_it() -> None:
    start = _at(3)
    state = replace(_state(Every(60_000, start)), policy=SchedulePolicy(start_at=start))
    assert _fired(plan(state, start, NOON)) == [start]


def test_at_its_end_it_has_ended_and_a_slot_there_does_not_fire() -> None:
    state = replace(_state(), policy=SchedulePolicy(end_at=_at(2)))
    before = plan(state, _at(1), NOON)
    assert (_fired(before), before.next_at, before.has_ended) == ([_at(1)], None, True)
    after = plan(state, _at(2), NOON)
    assert (_fired(after), after.has_ended) == ([_at(1)], True)


def test_what_waits_keeps_a_schedule_from_having_ended() -> None:
    state = replace(_state(At(_at(1)), overlap=Overlap.QUEUE, active=True))
    found = plan(state, _at(1), NOON)
    assert (len(found.waits), found.has_ended) == (1, False)
    assert plan(_state(At(_at(1)), cursor=_at(1), pending=[_at(1)]), _at(2), NOON).has_ended


def test_a_schedule_by_hand_never_ends_nor_fires() -> None:
    assert plan(_state(Manual()), _at(9999), NOON) == Plan(NOON)


# --- missed while down or asleep ---


@pytest.mark.parametrize(
    ("missed", "fired", "reasons"),
    [
        (Missed.SKIP, [], [Reason.POLICY] * 5),
        (Missed.LATEST, [_at(5)], [Reason.GRACE] * 4),
        (Missed.ALL, [_at(5)], [Reason.GRACE] * 4),
    ],
)
def test_what_a_dead_supervisor_missed(missed: Missed, fired: list[datetime], reasons: list[Reason]) -> None:
    now = _at(5, 30)
    found = plan(_state(missed=missed), now, awake_since=now)
    assert _fired(found) == fired
    assert [one.reason for one in found.unfired] == reasons
    assert (found.cursor, found.next_at) == (_at(5), _at(6))
    assert all(slot.was_missed for slot in found.fires)


def test_within_the_grace_the_latest_stands_for_the_earlier_ones() -> None:
    now = _at(minutes=30, seconds=5)
    found = plan(_state(MINUTELY), now, awake_since=now)
    assert _fired(found) == [_at(minutes=30)]
    assert _unfired(found) == [(Outcome.MISSED, Reason.SUPERSEDED, 1)] * 29


def test_exactly_at_the_grace_it_still_runs() -> None:
    assert _fired(plan(_state(), _at(2) - timedelta(milliseconds=1), _at(1, 59))) == [_at(1)]
    assert _fired(plan(_state(At(_at(1))), _at(2), _at(2))) == [_at(1)]
    late = plan(_state(At(_at(1))), _at(2) + timedelta(milliseconds=1), _at(2))
    assert _unfired(late) == [(Outcome.MISSED, Reason.GRACE, 1)]
    assert late.has_ended


@pytest.mark.parametrize(("minutes", "runs"), [(0, 0), (1, 1), (59, 59), (240, 61)])
def test_all_run_within_the_grace(minutes: int, runs: int) -> None:
    now = _at(minutes=minutes, seconds=0.5) if minutes < 60 else _at(minutes=minutes)
    found = plan(
        _state(MINUTELY, missed=Missed.ALL, overlap=Overlap.ALLOW), now, now + timedelta(milliseconds=1)
    )
    assert len(found.fires) == runs
    assert sum(one.count for one in found.unfired) == minutes - runs


def test_beyond_the_cap_the_newest_run() -> None:
    state = _state(Every(10_000, NOON), missed=Missed.ALL, overlap=Overlap.ALLOW)
    now = _at(minutes=50, seconds=5)
    found = plan(state, now, awake_since=now)
    assert _fired(found) == [_at(minutes=50) - timedelta(seconds=10 * back) for back in reversed(range(100))]
    assert sum(one.count for one in found.unfired) == 200
    assert {one.reason for one in found.unfired} == {Reason.CAP}


def test_a_backlog_runs_one_after_the_other() -> None:
    now = _at(minutes=3, seconds=5)
    first = plan(_state(MINUTELY, missed=Missed.ALL), now, awake_since=now)
    assert _fired(first) == [_at(minutes=1)]
    assert [slot.due_at for slot in first.waits] == [_at(minutes=2), _at(minutes=3)]
    waiting = [slot.due_at for slot in first.waits]
    busy = plan(_state(MINUTELY, first.cursor, Missed.ALL, active=True, pending=waiting), now, now)
    assert (busy.fires, busy.waits, busy.unfired, busy.cancel_active) == ((), (), (), False)
    done = plan(_state(MINUTELY, first.cursor, Missed.ALL, pending=waiting), now, now)
    assert (_fired(done), done.fires[0].was_pending, done.waits) == ([_at(minutes=2)], True, ())


@pytest.mark.parametrize("missed", Missed)
@pytest.mark.parametrize(
    "rule", [MINUTELY, Cron(("* 9 * * *",)), Every(60_000, NOON), Cron(("* * 1 * *", "*/7 2 * * *"))]
)
def test_a_month_of_missed_minutes_costs_little(
    missed: Missed, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def counting(line: CronLine, after: datetime, zone: ZoneInfo) -> datetime | None:
        nonlocal asked
        asked += 1
        return next_after(line, after, zone)

    next_after = CronLine.next_after
    monkeypatch.setattr(CronLine, "next_after", counting)
    now = NOON + timedelta(days=30, seconds=5)
    found = plan(_state(rule, missed=missed), now, awake_since=now)
    assert asked < 2500  # walking through all would be 43,200
    assert len(found.fires) <= 1
    assert len(found.unfired) <= 203
    assert found.cursor <= now


def test_the_rest_is_one_row_with_its_count() -> None:
    now = NOON + timedelta(days=30, seconds=5)
    found = plan(_state(MINUTELY, missed=Missed.SKIP), now, awake_since=now)
    rest = found.unfired[-1]
    assert (len(found.unfired), rest.count, rest.is_exact) == (101, 43_100, True)
    assert (rest.due_at, rest.last_due_at) == (_at(minutes=101), NOON + timedelta(days=30))


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "* 9 * * *", "15 */3 1,2 * *", "*/20 1 * * *"]
    ),
    st.sampled_from(list(Missed)),
    st.integers(0, 40 * 24 * 60),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
)
def test_every_missed_slot_is_accounted_for_once(text: str, missed: Missed, minutes: int, zone: str) -> None:
    now = NOON + timedelta(minutes=minutes, seconds=5)
    state = _state(Cron((text,)), missed=missed, overlap=Overlap.ALLOW)
    state = replace(state, around=Around(ZoneInfo(zone)))
    found = plan(state, now, awake_since=now)
    total, is_exact = Cron((text,)).count_between(NOON, now, state.around, 10)
    assert is_exact
    assert len(found.fires) + sum(one.count for one in found.unfired) == total
    starts = [*_fired(found), *(one.due_at for one in found.unfired)]
    assert len(set(starts)) == len(starts)
    assert len(found.fires) <= {Missed.SKIP: 0, Missed.LATEST: 1, Missed.ALL: 100}[missed]


# --- clocks ---


@pytest.mark.parametrize("hours", [1, 24])
def test_a_clock_that_stepped_back_repeats_nothing(hours: int) -> None:
    cursor = plan(_state(MINUTELY), _at(minutes=1), NOON).cursor
    back = cursor - timedelta(hours=hours)
    found = plan(_state(MINUTELY, cursor), back, awake_since=back)
    assert (found.fires, found.unfired, found.cursor) == ((), (), cursor)
    assert found.next_at == cursor + timedelta(minutes=1)


@pytest.mark.parametrize("hours", [1, 24])
def test_a_clock_that_stepped_forward_misses(hours: int) -> None:
    now = _at(hours, 0.5)
    found = plan(_state(), now, awake_since=now)
    assert _fired(found) == [_at(hours)]
    assert len(found.unfired) == hours - 1


def test_a_cursor_far_ahead_is_taken_back_with_a_warning() -> None:
    found = plan(_state(cursor=_at(48)), _at(minutes=30), NOON)
    assert (found.cursor, found.next_at) == (_at(minutes=30), _at(1))
    assert found.warning is not None
    assert plan(_state(cursor=_at(24)), NOON, NOON).warning is None


# --- disabled ---


def test_a_disabled_schedule_owes_nothing_and_drops_what_waited() -> None:
    found = plan(replace(_state(pending=[_at(1)]), enabled=False), _at(5), NOON)
    assert _unfired(found) == [(Outcome.SKIPPED, Reason.DISABLED, 1)]
    assert (found.fires, found.next_at, found.has_ended) == ((), None, False)


def test_disabled_until_it_comes_back_without_debts() -> None:
    state = replace(_state(), enabled=False, disabled_until=_at(5, 30))
    assert plan(state, _at(5), NOON).next_at == _at(5, 30)
    back = plan(state, _at(5, 30), NOON)
    assert (back.enable, back.fires, back.unfired, back.next_at) == (True, (), (), _at(6))
    assert _fired(plan(state, _at(6), NOON)) == [_at(6)]


# --- overlap ---


def test_overlap_skip_leaves_a_row() -> None:
    found = plan(_state(active=True), _at(1), NOON)
    assert (found.fires, _unfired(found)) == ((), [(Outcome.SKIPPED, Reason.OVERLAP, 1)])
    assert found.cursor == _at(1)


def test_overlap_allow_fires_beside() -> None:
    assert _fired(plan(_state(overlap=Overlap.ALLOW, active=True), _at(2), NOON)) == [_at(1), _at(2)]


def test_overlap_queue_holds_one() -> None:
    first = plan(_state(overlap=Overlap.QUEUE, active=True), _at(1), NOON)
    assert [slot.due_at for slot in first.waits] == [_at(1)]
    second = plan(_state(cursor=_at(1), overlap=Overlap.QUEUE, active=True, pending=[_at(1)]), _at(2), NOON)
    assert (second.waits, _unfired(second)) == ((), [(Outcome.SKIPPED, Reason.OVERLAP, 1)])
    ended = plan(_state(cursor=_at(2), overlap=Overlap.QUEUE, pending=[_at(1)]), _at(2, 5), NOON)
    assert (_fired(ended), ended.fires[0].was_pending) == ([_at(1)], True)


def test_overlap_replace_ends_what_runs_and_then_fires() -> None:
    asks = plan(_state(overlap=Overlap.REPLACE, active=True), _at(1), NOON)
    assert (asks.cancel_active, asks.fires, [slot.due_at for slot in asks.waits]) == (True, (), [_at(1)])
    dying = _state(cursor=_at(1), overlap=Overlap.REPLACE, active=True, pending=[_at(1)])
    later = plan(dying, _at(2), NOON)
    assert (later.cancel_active, [slot.due_at for slot in later.waits]) == (True, [_at(2)])
    assert [(one.reason, one.was_pending) for one in later.unfired] == [(Reason.REPLACED, True)]
    ended = plan(_state(cursor=_at(2), overlap=Overlap.REPLACE, pending=[_at(2)]), _at(2, 1), NOON)
    assert (_fired(ended), ended.cancel_active) == ([_at(2)], False)


def test_of_several_late_slots_replace_fires_the_newest() -> None:
    found = plan(_state(Every(1_200_000, NOON), overlap=Overlap.REPLACE), _at(1), NOON)
    assert _fired(found) == [_at(1)]
    assert _unfired(found) == [(Outcome.SKIPPED, Reason.REPLACED, 1)] * 2


def test_a_catch_up_meets_an_adopted_job_as_any_slot_does() -> None:
    now = _at(1, 5)
    skipped = plan(_state(active=True), now, now)
    assert _unfired(skipped) == [(Outcome.SKIPPED, Reason.OVERLAP, 1)]
    replaced = plan(_state(overlap=Overlap.REPLACE, active=True), now, now)
    assert replaced.cancel_active


# --- kinds of their own ---


def test_after_finish_counts_from_the_end() -> None:
    rule = AfterFinish(60_000, NOON)
    assert plan(_state(rule), NOON, NOON).next_at == _at(minutes=1)
    found = plan(_state(rule), _at(minutes=1), NOON)
    assert (_fired(found), found.next_at) == ([_at(minutes=1)], None)
    running = _state(rule, found.cursor, active=True)
    assert plan(running, _at(2), NOON) == Plan(found.cursor)
    ended = replace(running, around=replace(running.around, active=False, last_ended_at=_at(2)))
    assert plan(ended, _at(2), NOON).next_at == _at(2, 1)


def test_after_finish_missed_for_long_is_counted_from_now_on() -> None:
    rule = AfterFinish(60_000, NOON)
    now = _at(48)
    found = plan(_state(rule, missed=Missed.ALL), now, awake_since=now)
    assert (_fired(found), _unfired(found)) == ([], [(Outcome.MISSED, Reason.GRACE, 1)])
    assert (found.cursor, found.next_at) == (now, now + timedelta(minutes=1))
    recent = plan(_state(rule, missed=Missed.ALL), _at(minutes=30), awake_since=_at(minutes=30))
    assert _fired(recent) == [_at(minutes=1)]


def test_reboot_fires_once_a_life_whatever_the_clock_says() -> None:
    ahead = _state(Reboot(), cursor=_at(24))  # the clock was ahead when the cursor was stored
    assert _fired(plan(ahead, _at(minutes=1), NOON)) == [NOON]
    state = _state(Reboot(), cursor=_at(-1))
    found = plan(state, _at(minutes=1), NOON)
    assert (_fired(found), found.settled_for, found.next_at) == ([NOON], "7", None)
    settled = replace(state, around=replace(state.around, settled_for="7"), cursor=found.cursor)
    assert plan(settled, _at(9), NOON).fires == ()
    reborn = replace(settled, around=replace(settled.around, life="8", started_at=_at(9)))
    assert _fired(plan(reborn, _at(9), _at(9))) == [_at(9)]


def test_reboot_once_per_boot_knows_the_boot() -> None:
    state = _state(Reboot(once_per_boot=True), cursor=_at(-1))
    found = plan(state, NOON, NOON)
    assert (_fired(found), found.settled_for) == ([NOON], "boot")
    settled = replace(state, around=replace(state.around, settled_for="boot", life="8", started_at=_at(1)))
    assert plan(settled, _at(1), _at(1)).fires == ()


# --- jitter ---


def test_the_offset_is_constant_and_below_the_jitter() -> None:
    offsets = [jitter_offset(f"schedule {number}", 300) for number in range(500)]
    assert offsets == [jitter_offset(f"schedule {number}", 300) for number in range(500)]
    assert all(timedelta() <= offset < timedelta(seconds=300) for offset in offsets)
    assert len(set(offsets)) > 490
    assert jitter_offset("x", 0) == timedelta()
