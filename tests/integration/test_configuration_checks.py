"""What a file says that fits, does not fit or is odd beside a store: ``validate``, ``reload`` and ``up`` agree."""

from __future__ import annotations

import pytest

from jobctl.actions.configuration_checks import check_here, find_warnings
from jobctl.actions.configurations import apply_configuration
from jobctl.actions.schedules import moment, schedule_text
from jobctl.errors import BadFileError
from jobctl.model.configurations import Configuration, parse_configuration
from jobctl.model.schedule_records import Schedule, ScheduleSource
from jobctl.model.schedule_texts import parse_schedule
from tests.support.supervisors import Stage

PASSED = """
schedules:
  once: {at: '2020-01-01 09:00', tz: UTC, command: [true]}
  over: {daily: '09:00', tz: UTC, end: '2020-01-01 09:00', command: [true]}
  fine: {daily: '09:00', tz: UTC, command: [true]}
"""


def read(text: str) -> Configuration:
    return parse_configuration(text, "jobctl.yaml")


def apply(stage: Stage, text: str) -> list[str]:
    return [str(change) for change in apply_configuration(stage.store, read(text), stage.clock)]


def warned(stage: Stage, text: str) -> list[str]:
    return find_warnings(stage.store, read(text), stage.clock.now_ms())


def places(error: BadFileError) -> list[tuple[object, object]]:
    return [(one["line"], one["column"]) for one in error.problems]


def schedule(stage: Stage, name: str) -> Schedule:
    found = stage.store.schedules.get(name)
    assert found is not None
    return found


def test_times_that_have_passed_end_their_schedules_and_refuse_no_file(stage: Stage) -> None:
    check_here(stage.store, read(PASSED), stage.clock.now_ms())
    assert warned(stage, PASSED) == [
        "jobctl.yaml:3:3: schedule once: its time has passed (2020-01-01 09:00): it has ended and never fires",
        "jobctl.yaml:4:3: schedule over: its end has passed (2020-01-01 09:00): it has ended and never fires",
    ]
    apply(stage, PASSED)
    assert [schedule(stage, name).ended for name in ("once", "over", "fine")] == [True, True, False]
    assert apply(stage, PASSED) == []


def test_an_ended_entry_may_change_go_and_return(stage: Stage) -> None:
    apply(stage, PASSED)
    changed = PASSED.replace("[true]", "[false]")
    assert len(apply(stage, changed)) == 3
    apply(stage, "")
    assert apply(stage, changed) == [
        f"schedule {name}: is back; enabled" for name in ("once", "over", "fine")
    ]
    assert schedule(stage, "once").ended


def test_every_missing_thing_is_told_with_its_place(stage: Stage) -> None:
    text = (
        "queues: {gpus: {}}\n"
        "jobs:\n"
        "  a: {command: x, queue: gpu}\n"
        "  b: {command: x, resources: {tpu: 1}}\n"
        "schedules:\n"
        "  s: {every: 1h, command: x, queue: nope}\n"
        "daemons:\n"
        "  d: {command: x, depends_on: e}\n"
    )
    for refuse in (
        lambda: check_here(stage.store, read(text), 0),
        lambda: apply_configuration(stage.store, read(text), stage.clock),
    ):
        with pytest.raises(BadFileError) as caught:
            refuse()
        assert places(caught.value) == [(3, 26), (4, 36), (6, 37), (8, 31)]
        assert caught.value.exit_code == 2
    with pytest.raises(BadFileError, match="did you mean gpus"):
        check_here(None, read("queues: {gpus: {}}\njobs: {a: {command: x, queue: gpu}}"), 0)


def test_what_the_store_has_need_not_be_in_the_file(stage: Stage) -> None:
    stage.store.queues.add("gpu", 1, 0)
    text = "jobs: {a: {command: x, queue: gpu}}"
    check_here(stage.store, read(text), 0)
    with pytest.raises(BadFileError):
        check_here(None, read(text), 0)


def test_a_time_that_the_clocks_skip_is_told_with_its_place(stage: Stage) -> None:
    text = "schedules:\n  s: {at: '2030-03-31 02:30', tz: Europe/Berlin, command: x}\n"
    with pytest.raises(BadFileError) as caught:
        check_here(None, read(text), 0)
    assert places(caught.value) == [(2, 11)]


def test_a_schedule_of_the_command_line_is_taken_over_and_that_is_said(stage: Stage) -> None:
    now = stage.clock.now_ms()
    times = {"every": "5m"}
    with stage.store.write():
        text = schedule_text(parse_schedule(times, moment(now)), {"job": {"command": ["true"]}}, times)
        stage.store.schedules.add("poll", text, ScheduleSource.COMMAND_LINE, now)
    file = "schedules: {poll: {every: 9m, command: [true]}}"
    assert warned(stage, file) == [
        "jobctl.yaml:1:13: schedule poll: it takes the place of the one that was added on the command line (every 5m)"
    ]
    assert apply(stage, file) == ["schedule poll: taken over from the command line (it was: every 5m)"]
    assert warned(stage, file) == []
    event = stage.store.events.after(0)[-1]
    assert isinstance(event.data, dict)
    assert (event.kind, event.data["was"]) == ("schedule.changed", "every 5m")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schedules: {s: {cron: '* 9 * * *', command: x}}", "fires 60 times"),
        ("jobs: {s: {schedule: '*/35 * * * *', command: x}}", "gaps of 35"),
        ("schedules: {s: {cron: '0 0 31 * *', command: x}}", "day 31"),
        ("schedules: {s: {every: 5m, jitter: 1d, command: x}}", "jitter 1d is longer than the 5m"),
        ("jobs: {s: {command: [sh, -c, 'echo ${{ params.x }}'], parameters: {x: 1}}}", "sh reads a value"),
        ("jobs: {s: {command: 'sh -c \"echo ${{ params.x }}\"', parameters: {x: 1}}}", "sh reads a value"),
    ],
)  # fmt: skip
def test_what_is_odd_is_a_warning(stage: Stage, text: str, said: str) -> None:
    (found,) = warned(stage, text)
    assert found.startswith("jobctl.yaml:1:")
    assert said in found
    apply(stage, text)
