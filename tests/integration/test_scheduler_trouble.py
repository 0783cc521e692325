"""Schedules that cannot be carried out, and turns that end before all is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl import zones
from jobctl.actions import schedule_runs
from jobctl.actions.schedule_answers import next_of, why
from jobctl.actions.schedules import disable_schedule, enable_schedule
from jobctl.clock import to_datetime
from jobctl.errors import StateConflictError, UnusableError
from jobctl.model.events import Entity
from jobctl.supervisor import scheduler as module
from jobctl.views.schedules import schedule_fields, state_of
from tests.support.schedules import DAY, HOUR, MINUTE, Timetable
from tests.support.supervisors import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def table(stage: Stage) -> Timetable:
    return Timetable(stage)


def spoil(stage: Stage, name: str, **columns: str) -> None:
    """The row of the schedule says something that no verb would write."""
    with stage.store.write():
        for column, value in columns.items():
            stage.store.database.rows(f"UPDATE schedules SET {column}=? WHERE name=?", (value, name))


def told(stage: Stage, kind: str, name: str = "s") -> list[Any]:
    """What the events of that kind say."""
    return [event.data for event in stage.store.events.about(Entity.SCHEDULE, name) if event.kind == kind]


# --- broken ---


def test_a_broken_schedule_is_on_record_and_the_others_go_on(stage: Stage, table: Timetable) -> None:
    table.add("broken", every="10m")
    table.add("fine", every="10m")
    spoil(stage, "broken", rule='{"kind":"lunar"}')
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    for _ in range(3):
        supervisor.turn()
        stage.clock.step(10)
    assert len(table.jobs("fine")) == 1
    broken = table.get("broken")
    assert broken.enabled  # what its owner wants stays as it is
    assert (state_of(broken), broken.next_fire_at) == ("broken", None)
    assert "its stored rule cannot be read" in (broken.broken or "")
    assert [data["reason"] for data in told(stage, "schedule.broken", "broken")] == [broken.broken]
    supervisor.turn()
    assert supervisor.pause_seconds() > 0


def test_a_bug_of_ours_is_told_with_its_place(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(every="10m")
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)

    def buggy(*_: object, **__: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(schedule_runs, "templated_job", buggy)
    supervisor.turn()
    (data,) = told(stage, "schedule.broken")
    assert data["reason"] == "AttributeError: no such thing"
    assert data["traceback"][-1].endswith("in buggy")
    assert table.fires() == []


def test_a_disabled_one_is_left_alone_whatever_is_wrong_with_it(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    disable_schedule(stage.store, "s", None, stage.clock)
    table.add("later", every="10m")
    disable_schedule(stage.store, "later", "2023-11-15T00:13:20Z", stage.clock)
    for name in ("s", "later"):
        spoil(stage, name, timezone="No/Where")
    before = table.get(), table.get("later")
    supervisor = stage.supervise()
    for _ in range(3):
        supervisor.turn()
        stage.clock.step(10)
    assert (table.get(), table.get("later")) == before
    assert told(stage, "schedule.broken") == []
    stage.clock.advance(2 * HOUR)
    supervisor.turn()
    assert "unknown time zone" in (table.get("later").broken or "")


def test_a_zone_that_vanished_is_shown_in_utc_and_can_be_replaced(stage: Stage, table: Timetable) -> None:
    table.add(daily="03:00", tz="Europe/Berlin")
    spoil(stage, "s", timezone="No/Where")
    supervisor = stage.supervise()
    supervisor.turn()
    now = stage.clock.now_ms()
    shown = dict(schedule_fields(table.get(), [], [], now))
    assert shown["state"] == "broken: unknown time zone: 'No/Where'; " + shown["state"].partition("; ")[2]
    assert shown["zone"] == "No/Where, which this machine does not know: times are in UTC"
    for at in (None, to_datetime(now - 1000), to_datetime(now + 1000)):
        assert "broken" in {cause.code for cause in why(stage.store, "s", at, stage.clock).causes}
    with pytest.raises(StateConflictError, match="schedule edit s"):
        next_of(stage.store, "s", None, 3, stage.clock)
    edited = table.edit(tz="UTC")
    assert (edited.broken, edited.text.timezone, edited.enabled) == (None, "UTC", True)
    assert edited.next_fire_at is not None
    supervisor.turn()
    stage.clock.advance((edited.next_fire_at - stage.clock.now_ms()) / 1000)
    supervisor.turn()
    assert len(table.jobs()) == 1


def test_a_broken_one_is_tried_again_by_the_next_supervisor_and_by_enable(
    stage: Stage, table: Timetable
) -> None:
    for name in ("a", "b"):
        table.add(name, every="10m", overlap="allow")
        spoil(stage, name, timezone="No/Where")
    supervisor = stage.supervise()
    supervisor.turn()
    spoil(stage, "a", timezone="UTC")
    spoil(stage, "b", timezone="UTC")
    assert enable_schedule(stage.store, "b", stage.clock).broken is None
    supervisor.turn()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert (len(table.jobs("a")), len(table.jobs("b"))) == (0, 1)
    stage.kill(supervisor)
    stage.supervise().turn()
    assert table.get("a").broken is None
    assert len(table.jobs("a")) == 1


# --- shortages ---


def test_without_descriptors_for_a_zone_it_is_tried_again_and_told_once(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(cron="*/10 * * * *", tz="Asia/Tokyo")
    supervisor = stage.supervise()
    supervisor.turn()

    def none_left(name: str) -> None:
        raise OSError(24, "Too many open files", name)

    stage.clock.advance(10 * MINUTE)
    with monkeypatch.context() as patched:
        patched.setattr(zones, "ZoneInfo", none_left)
        for _ in range(3):
            supervisor.turn()
            assert 0 < supervisor.pause_seconds() <= 1
            stage.clock.advance(1)
    assert (table.get().broken, table.get().enabled, table.fires()) == (None, True, [])
    (data,) = told(stage, "schedule.delayed")
    assert "Too many open files" in data["reason"]
    supervisor.turn()
    assert [fire.late_ms for fire in table.fires()] == [203_000]


@pytest.mark.parametrize("error", [MemoryError(), ImportError("croniter"), OSError(23, "table overflow")])
def test_a_job_that_cannot_be_made_for_want_of_something_is_made_later(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table.add(every="10m")
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)

    def refused(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(schedule_runs, "templated_job", refused)
        supervisor.turn()
    assert table.fires() == []
    stage.clock.advance(1)
    supervisor.turn()
    assert [fire.outcome for fire in table.fires()] == ["fired"]


@pytest.mark.parametrize("rolled_back", [True, False])
def test_a_store_that_fails_in_the_middle_loses_and_repeats_nothing(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch, *, rolled_back: bool
) -> None:
    """After an IOERR or without memory SQLite may roll back by itself: what follows must not run outside of it."""
    table.add("a", every="10m")
    table.add("b", every="10m")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.advance(10 * MINUTE)

    def failing(*_: object, **__: object) -> None:
        if rolled_back:
            supervisor.store.database.rows("ROLLBACK")
        raise UnusableError("reading or writing the store failed (disk I/O error)", "x")

    with monkeypatch.context() as patched:
        patched.setattr(supervisor.store.submissions, "submit", failing)
        supervisor.turn()
    assert [len(table.fires(name)) for name in ("a", "b")] == [0, 0]
    assert "disk I/O error" in (supervisor.trouble or "")
    supervisor.turn()
    assert [len(table.fired(name)) for name in ("a", "b")] == [1, 1]
    assert (supervisor.trouble, table.get("a").broken) == (None, None)


# --- a turn ends before all is done ---


def test_more_than_a_page_that_wait_for_an_end_are_all_served(stage: Stage, table: Timetable) -> None:
    names = [f"a{number:02}" for number in range(3 * module.MOST_A_TURN + 1)]
    for name in names:
        table.add(name, every="2h", after_finish=True)
    supervisor = stage.supervise()
    stage.clock.advance(2 * HOUR)
    for _ in range(9):
        supervisor.turn()
    for name in names:
        table.end_jobs(name)
    supervisor.turn()
    while supervisor.pause_seconds() == 0.0:
        supervisor.turn()
    assert not any(table.get(name).waiting for name in names)
    assert all(table.get(name).next_at is not None for name in names)


def test_a_turn_without_time_goes_through_with_one_schedule_and_none_is_left_out(
    stage: Stage, table: Timetable
) -> None:
    names = [f"a{number:02}" for number in range(12)]
    for name in names:
        table.add(name, every="10m", missed="all", overlap="allow")
    stage.clock.advance(25 * MINUTE)
    supervisor = stage.supervise()
    assert supervisor.scheduler is not None
    supervisor.scheduler.slice_seconds = 0.0
    served = []
    while supervisor.scheduler.wants_turn():
        before = sum(len(table.jobs(name)) for name in names)
        supervisor.turn()
        served.append(sum(len(table.jobs(name)) for name in names) - before)
    assert max(served) == 2
    assert [len(table.fired(name)) for name in names] == [2] * 12


def test_what_was_planned_before_a_change_is_not_carried_out(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    table.add("gone", every="10m")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.advance(10 * MINUTE)
    scheduler = supervisor.scheduler
    assert scheduler is not None
    scheduler.consider()
    disable_schedule(stage.store, "s", None, stage.clock)
    with stage.store.write():
        stage.store.schedules.remove(table.get("gone").id)
    supervisor.turn()
    assert (table.fires(), table.jobs("gone")) == ([], [])


def test_pruned_rows_let_no_slot_come_again_after_a_clock_that_was_days_ahead(
    stage: Stage, table: Timetable
) -> None:
    table.add(every="1s", overlap="allow", missed="skip")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.step(3 * DAY)
    for _ in range(20):
        stage.clock.advance(1)
        supervisor.turn()
    ahead = table.fired()
    with stage.store.write():
        assert stage.store.schedules.trim(table.get().id, 10_000, 10_000) > 20
    stage.clock.step(-3 * DAY)
    for _ in range(30):
        stage.clock.advance(1)
        supervisor.turn()
    assert len(table.fired()) > 20  # it goes on at once
    stage.clock.step(3 * DAY - 60)
    for _ in range(90):
        stage.clock.advance(1)
        supervisor.turn()
    assert set(ahead).isdisjoint(table.fired())
    assert len(table.jobs()) == len(ahead) + len(table.fired())


def test_what_is_gone_from_the_file_cannot_be_disabled_until(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    with stage.store.write():
        stage.store.schedules.disable(table.get().id, None, "gone from the file", stage.clock.now_ms())
    with pytest.raises(StateConflictError, match="gone from the file"):
        disable_schedule(stage.store, "s", "2023-11-15T00:13:20Z", stage.clock)
    disable_schedule(stage.store, "s", None, stage.clock)
    supervisor = stage.supervise()
    stage.clock.advance(HOUR)
    supervisor.turn()
    assert (table.get().enabled, table.get().disabled_reason) == (False, "gone from the file")
