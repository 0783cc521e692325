"""Schedules fired by supervisors turned by hand, under a clock set by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.queues import add_queue, remove_queue, set_paused
from jobctl.actions.schedules import disable_schedule, enable_schedule
from jobctl.model.events import Entity, EventKind
from jobctl.model.lives import StopMode
from jobctl.model.states import JobStatus
from jobctl.settings import Settings
from jobctl.store.database import Database
from jobctl.supervisor.scheduler import Scheduler
from tests.chaos.schedule_year import live_a_year
from tests.support.schedules import DAY, HOUR, MINUTE, Timetable, milliseconds
from tests.support.supervisors import Stage, submission


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def table(stage: Stage) -> Timetable:
    return Timetable(stage)


def test_a_due_slot_becomes_a_job_once(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", job={"type": "report"})
    supervisor = stage.supervise()
    supervisor.turn()
    assert table.jobs() == []
    stage.clock.advance(10 * MINUTE)
    due = stage.clock.now_ms()
    for _ in range(3):
        supervisor.turn()
    (job_id,) = table.jobs()
    job = stage.job(job_id)
    assert (job.submitted_by, job.name, job.type) == ("schedule:s", "s", "report")
    (fire,) = table.fires()
    assert (fire.due_at, fire.outcome, fire.trigger, fire.job_id, fire.late_ms) == (
        due,
        "fired",
        "slot",
        job_id,
        0,
    )
    schedule = table.get()
    assert (schedule.runs, schedule.last_job_id, schedule.last_status) == (1, job_id, JobStatus.QUEUED)
    assert schedule.next_at == due + 600_000
    kinds = [event.kind for event in stage.store.events.about(Entity.SCHEDULE, "s")]
    assert kinds == ["schedule.added", "schedule.fired"]


def test_the_loop_sleeps_until_the_slot_and_not_at_all_when_it_is_due(stage: Stage, table: Timetable) -> None:
    supervisor = stage.supervise()
    supervisor.turn()
    supervisor.turn()
    assert supervisor.scheduler is not None
    assert supervisor.scheduler.pause_seconds() is None
    table.add(every="10m")
    supervisor.turn()
    assert supervisor.scheduler.pause_seconds() == 30.0
    stage.clock.advance(599.75)
    supervisor.turn()
    assert supervisor.scheduler.pause_seconds() == 0.25
    stage.clock.advance(0.25)
    assert supervisor.scheduler.pause_seconds() == 0.0
    supervisor.turn()
    assert supervisor.scheduler.pause_seconds() == 30.0


@pytest.mark.parametrize(
    ("missed", "down", "runs", "reasons"),
    [
        ("skip", 25 * MINUTE, 0, {"policy": 2}),
        ("latest", 25 * MINUTE, 1, {"superseded": 1}),
        ("all", 25 * MINUTE, 2, {}),
        ("skip", 3 * HOUR + MINUTE, 0, {"policy": 18}),
        ("latest", 3 * HOUR + MINUTE, 1, {"grace": 12, "superseded": 5}),
        ("all", 3 * HOUR + MINUTE, 6, {"grace": 12}),
        ("latest", 9 * MINUTE, 0, {}),
        ("all", 9 * MINUTE, 0, {}),
    ],
)
def test_slots_of_the_time_without_a_supervisor(
    stage: Stage, table: Timetable, missed: str, down: int, runs: int, reasons: dict[str, int]
) -> None:
    table.add(every="10m", missed=missed, overlap="allow")
    stage.clock.advance(down)
    supervisor = stage.supervise()
    supervisor.turn()
    supervisor.turn()
    assert len(table.jobs()) == runs
    told: dict[str, int] = {}
    for fire in table.fires():
        if fire.outcome == "missed":
            told[fire.reason or ""] = told.get(fire.reason or "", 0) + fire.count
    assert told == reasons
    assert table.get().missed_count == sum(reasons.values())
    assert {fire.trigger.value for fire in table.fires() if fire.outcome == "fired"} <= {"catch-up"}
    events = [
        event
        for event in stage.store.events.about(Entity.SCHEDULE, "s")
        if event.kind == "schedule.caught_up"
    ]
    expected = [{"ran": runs, "missed": sum(reasons.values())}] if runs or reasons else []
    assert [event.data for event in events] == expected


def test_what_is_caught_up_is_capped_and_counted(stage: Stage, table: Timetable) -> None:
    table.add(every="1s", missed="all", overlap="allow", missed_grace="30d")
    stage.clock.advance(DAY + 0.5)
    supervisor = stage.supervise()
    for turns in range(1, 11):
        supervisor.turn()
        assert len(table.jobs()) == 10 * turns
    assert len(table.fires()) <= 202
    assert table.get().runs + table.get().missed_count == DAY
    assert table.get().next_at == stage.clock.now_ms() + 500


def test_overlap_skip_leaves_a_row_with_the_reason(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="skip")
    supervisor = stage.supervise()
    for _ in range(3):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert table.told() == [("fired", None), ("skipped", "overlap"), ("skipped", "overlap")]
    assert table.get().skipped == 2
    table.end_jobs()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert table.told()[-1] == ("fired", None)


def test_overlap_queue_holds_one_slot(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="queue")
    supervisor = stage.supervise()
    for _ in range(3):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert table.told() == [("fired", None), ("pending", None), ("skipped", "overlap")]
    table.end_jobs()
    supervisor.turn()
    assert table.told() == [("fired", None), ("fired", None), ("skipped", "overlap")]
    assert len(table.jobs()) == 2
    assert [fire.late_ms for fire in table.fires()] == [0, 600_000, None]
    table.end_jobs()
    supervisor.turn()
    assert len(table.jobs()) == 2


def test_overlap_allow_does_not_care(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    supervisor = stage.supervise()
    for _ in range(3):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert [stage.status(job_id) for job_id in table.jobs()] == [JobStatus.QUEUED] * 3


def test_overlap_replace_cancels_what_waits_at_once(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="replace")
    supervisor = stage.supervise()
    for _ in range(2):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert [stage.status(job_id).value for job_id in table.jobs()] == ["cancelled", "queued"]
    assert table.told() == [("fired", None), ("fired", None)]


def test_overlap_replace_ends_what_runs_waits_and_starts(stage: Stage, table: Timetable) -> None:
    set_paused(stage.store, "default", False, stage.clock)
    gate = stage.root / "gate"
    gate.touch()
    shell = f"while [ -e {gate} ]; do sleep 0.01; done"
    table.add(every="10m", overlap="replace", job={"command": None, "shell": shell})
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    (first,) = table.jobs()
    stage.start(supervisor, first)
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert table.told() == [("fired", None), ("pending", None)]
    stage.turn_until(supervisor, lambda: len(table.jobs()) == 2, tick=0.1)
    assert stage.status(first) is JobStatus.CANCELLED
    assert table.told() == [("fired", None), ("fired", None)]
    gate.unlink()
    stage.turn_until_status(supervisor, table.jobs()[1], JobStatus.COMPLETED)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, DAY, -DAY])
def test_a_clock_that_is_set_fires_no_slot_twice(stage: Stage, table: Timetable, seconds: int) -> None:
    table.add(every="10m", overlap="allow", missed="all", missed_grace="2d")
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    stage.clock.step(seconds)
    supervisor.turn()
    assert EventKind.SUPERVISOR_CLOCK_JUMPED.value in [event.kind for event in stage.store.events.after(0)]
    for _ in range(7 if seconds < 0 else 2):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    stage.clock.step(-seconds)
    for _ in range(4):
        supervisor.turn()
        stage.clock.advance(10 * MINUTE)
    dues = [fire.due_at for fire in table.fires()]
    assert len(dues) == len(set(dues))
    ended = table.get()
    assert ended.next_at is not None
    assert 0 <= ended.next_at - stage.clock.now_ms() <= DAY * 1000 + 600_000


def test_slots_missed_by_a_clock_far_ahead_fire_once_it_is_right_again(
    stage: Stage, table: Timetable
) -> None:
    table.add(every="10m", overlap="allow", missed="latest")
    supervisor = stage.supervise()
    supervisor.turn()
    start = stage.clock.now_ms()
    stage.clock.step(3 * DAY)
    supervisor.turn()
    assert table.get().missed_count > 400
    stage.clock.step(-3 * DAY)
    for _ in range(7):
        supervisor.turn()
        stage.clock.advance(10 * MINUTE)
    dues = [due for due in table.fired() if due < start + DAY * 1000]
    assert dues == [start + 600_000 * number for number in range(1, 7)]
    assert table.get().missed_count == sum(fire.count for fire in table.fires() if fire.outcome == "missed")


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("latest", 1), ("all", 6)])
def test_a_suspended_machine_has_missed_slots(stage: Stage, table: Timetable, missed: str, runs: int) -> None:
    table.add(every="10m", overlap="allow", missed=missed, missed_grace="59m")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.step(8 * HOUR + MINUTE)
    supervisor.turn()
    assert len(table.jobs()) == runs
    assert table.get().runs + table.get().missed_count == 48
    jumps = [event for event in stage.store.events.after(0) if event.kind == "supervisor.clock_jumped"]
    assert [event.data for event in jumps] == [{"seconds": 28860.0}]


def test_a_slow_turn_makes_late_and_not_missed(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow", missed="skip")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.advance(25 * MINUTE)
    supervisor.turn()
    assert [fire.late_ms for fire in table.fires()] == [900_000, 300_000]
    assert [fire.trigger.value for fire in table.fires()] == ["slot", "slot"]


@pytest.mark.parametrize(
    ("start", "wall", "expected"),
    [
        # New York, the clocks skip 02:00-03:00: at the end of the gap.
        ("2027-03-13T12:00+00:00", "02:30", ["2027-03-14T07:00+00:00", "2027-03-15T06:30+00:00"]),
        # They show 01:00-02:00 twice: the first time only.
        ("2026-10-31T12:00+00:00", "01:30", ["2026-11-01T05:30+00:00", "2026-11-02T06:30+00:00"]),
    ],
)
def test_days_on_which_the_clocks_change(
    stage: Stage, table: Timetable, start: str, wall: str, expected: list[str]
) -> None:
    stage.clock.advance((milliseconds(start) - stage.clock.now_ms()) / 1000)
    table.add(daily=wall, tz="America/New_York", overlap="allow")
    supervisor = stage.supervise()
    for _ in range(4 * 46):
        supervisor.turn()
        stage.clock.advance(15 * MINUTE)
    assert table.fired() == [milliseconds(text) for text in expected]


def test_an_edited_schedule_owes_nothing(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    stage.clock.advance(25 * MINUTE)
    table.edit(every="20m")
    supervisor = stage.supervise()
    supervisor.turn()
    assert table.fires() == []
    stage.clock.advance(20 * MINUTE)
    supervisor.turn()
    assert len(table.jobs()) == 1


def test_a_schedule_owes_nothing_for_the_time_it_was_disabled(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    supervisor = stage.supervise()
    disable_schedule(stage.store, "s", None, stage.clock)
    stage.clock.advance(HOUR)
    supervisor.turn()
    enable_schedule(stage.store, "s", stage.clock)
    supervisor.turn()
    assert table.fires() == []
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert len(table.jobs()) == 1


def test_one_disabled_until_comes_back_by_itself(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    supervisor = stage.supervise()
    until = stage.clock.now_ms() + HOUR * 1000
    disable_schedule(stage.store, "s", "2023-11-14T23:13:20Z", stage.clock)
    assert table.get().disabled_until == until
    for _ in range(5):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert not table.get().enabled
    assert table.fires() == []
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert table.get().enabled
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert table.fired() == [until + 600_000]


def test_disabling_skips_what_waits(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="queue")
    supervisor = stage.supervise()
    for _ in range(2):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    disable_schedule(stage.store, "s", None, stage.clock)
    table.end_jobs()
    supervisor.turn()
    assert table.told() == [("fired", None), ("skipped", "disabled")]


def test_reboot_is_once_a_supervisor(stage: Stage, table: Timetable) -> None:
    table.add(reboot=True, overlap="allow")
    for lives in (1, 2):
        supervisor = stage.supervise()
        for _ in range(3):
            supervisor.turn()
            stage.clock.advance(HOUR)
        assert len(table.jobs()) == lives
        stage.kill(supervisor)


def test_reboot_added_while_a_supervisor_runs_waits_for_the_next_one(stage: Stage, table: Timetable) -> None:
    supervisor = stage.supervise()
    supervisor.turn()
    table.add(reboot=True)
    supervisor.turn()
    assert table.jobs() == []
    stage.kill(supervisor)
    stage.supervise().turn()
    assert len(table.jobs()) == 1


def test_after_finish_counts_from_the_end(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", after_finish=True)
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    stage.clock.advance(7 * MINUTE)
    supervisor.turn()
    assert (len(table.jobs()), table.get().next_at) == (1, None)
    table.end_jobs()
    ended = stage.clock.now_ms()
    supervisor.turn()
    assert table.get().next_at == ended + 600_000
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert len(table.jobs()) == 2


def test_a_queue_that_has_gone_fails_the_slot_and_not_the_schedule(stage: Stage, table: Timetable) -> None:
    add_queue(stage.store, "gpu", 1, stage.clock)
    table.add(every="10m", job={"queue": "gpu"})
    remove_queue(stage.store, "gpu", stage.clock)
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    ((outcome, reason),) = table.told()
    assert outcome == "failed"
    assert reason is not None
    assert "no such queue: 'gpu'" in reason
    add_queue(stage.store, "gpu", 1, stage.clock)
    set_paused(stage.store, "gpu", True, stage.clock)
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert [outcome for outcome, _ in table.told()] == ["failed", "fired"]


def test_after_finish_goes_on_after_a_slot_that_failed(stage: Stage, table: Timetable) -> None:
    add_queue(stage.store, "gpu", 1, stage.clock)
    table.add(every="10m", after_finish=True, job={"queue": "gpu"})
    remove_queue(stage.store, "gpu", stage.clock)
    supervisor = stage.supervise()
    for _ in range(3):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert [outcome for outcome, _ in table.told()] == ["failed"] * 3


def test_a_job_with_its_unique_key_skips_the_slot(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow", job={"unique": "one"})
    supervisor = stage.supervise()
    for _ in range(2):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    assert table.told() == [("fired", None), ("skipped", f"job {table.jobs()[0]} has its unique key")]
    assert (table.get().runs, table.get().skipped) == (1, 1)


def test_one_that_says_at_once_for_ever_does_not_spin(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    supervisor = stage.supervise()
    supervisor.turn()
    with stage.store.write():
        stage.store.database.rows("UPDATE schedules SET next_at=1")
    supervisor.turn()
    supervisor.turn()
    assert supervisor.pause_seconds() > 0
    assert table.fires() == []


def test_two_that_look_at_the_same_slot_fire_it_once(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    life = stage.supervise().lifeline.id
    both = [Scheduler(stage.store, life, stage.clock, Settings()) for _ in range(2)]
    for _ in range(3):
        stage.clock.advance(10 * MINUTE)
        assert all(one.wants_turn() for one in both)
        for one in both:
            one.consider()
        for one in both:
            with stage.store.write():
                one.fire(stage.clock.now_ms())
            one.committed()
    assert len(table.jobs()) == 3


def test_a_scheduler_whose_life_has_ended_leaves_the_slot_to_the_next(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow")
    life = stage.supervise().lifeline.id
    stale = Scheduler(stage.store, life, stage.clock, Settings())
    with stage.store.write():
        stage.store.lives.end(life, "lost", stage.clock.now_ms())
    stage.clock.advance(10 * MINUTE)
    stale.consider()
    with stage.store.write():
        stale.fire(stage.clock.now_ms())
    stale.committed()
    assert table.jobs() == []
    assert not stale.wants_turn()


def test_a_busy_store_only_delays_the_slot(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    supervisor = stage.supervise()
    supervisor.turn()
    other = Database(stage.home.store)
    stage.clock.advance(10 * MINUTE)
    with other.write():
        supervisor.turn()
        assert table.jobs() == []
        assert supervisor.pause_seconds() > 0
    other.close()
    supervisor.turn()
    assert len(table.fired()) == 1


def test_a_private_life_fires_nothing(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    stage.clock.advance(25 * MINUTE)
    private = stage.supervise(reserved=submission(stage.root, "true"))
    private.turn()
    assert table.fires() == []


def test_a_draining_supervisor_fires_nothing(stage: Stage, table: Timetable) -> None:
    table.add(every="10m")
    supervisor = stage.supervise()
    supervisor.turn()
    supervisor.stop(StopMode.DRAIN)
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert table.fires() == []


def test_one_that_is_over_is_kept_as_ended(stage: Stage, table: Timetable) -> None:
    table.add(at="2023-11-14T23:00:00Z")
    supervisor = stage.supervise()
    supervisor.turn()
    stage.clock.advance(HOUR)
    supervisor.turn()
    table.end_jobs()
    supervisor.turn()
    assert len(table.jobs()) == 1
    assert (table.get().ended, table.get().next_at) == (True, None)
    assert "schedule.ended" in [event.kind for event in stage.store.events.about(Entity.SCHEDULE, "s")]


def test_jitter_shifts_every_slot_by_the_same(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", jitter="5m", overlap="allow")
    supervisor = stage.supervise()
    began = stage.clock.now_ms()
    at = []
    for _ in range(40):
        before = len(table.jobs())
        supervisor.turn()
        at += [stage.clock.now_ms()] if len(table.jobs()) > before else []
        stage.clock.advance(MINUTE)
    assert [fire.due_at for fire in table.fires()] == [
        began + 600_000 * (number + 1) for number in range(len(at))
    ]
    assert len({(instant - began) % 600_000 for instant in at}) == 1
    assert at[0] - began - 600_000 < 5 * MINUTE * 1000 + MINUTE * 1000


def test_a_job_runs_with_the_environment_of_the_supervisor(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_paused(stage.store, "default", False, stage.clock)
    monkeypatch.setenv("OF_THE_SUPERVISOR", "yes")
    out = stage.root / "out"
    shell = f'echo "$OF_THE_SUPERVISOR $MINE" >{out}'
    table.add(every="10m", job={"command": None, "shell": shell, "env": {"MINE": "too"}})
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    stage.turn_until_status(supervisor, table.jobs()[0], JobStatus.COMPLETED)
    assert out.read_text() == "yes too\n"
    stored = stage.store.database.value("SELECT body FROM environments")
    assert "OF_THE_SUPERVISOR" not in json.loads(stored)


def test_pruned_rows_let_no_slot_come_again(stage: Stage, table: Timetable) -> None:
    table.add(every="10m", overlap="allow", missed="all", missed_grace="30d")
    supervisor = stage.supervise()
    for _ in range(5):
        stage.clock.advance(10 * MINUTE)
        supervisor.turn()
    with stage.store.write():
        assert stage.store.schedules.prune(stage.clock.now_ms() + 1, 500) == 5
    stage.clock.step(-HOUR)
    supervisor.turn()
    stage.kill(supervisor)
    stage.supervise().turn()
    assert len(table.jobs()) == 5
    assert table.fires() == []


def test_two_weeks_with_the_changes_of_ten_zones(tmp_path: Path) -> None:
    """The whole year: ``python -m tests.chaos.schedule_year``."""
    weeks = live_a_year(tmp_path / "home", 40, 14, 1, "2026-03-25T00:00+00:00")
    assert weeks.problems == []
    assert weeks.fires > 300
