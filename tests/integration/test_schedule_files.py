"""Schedules of ``jobctl.yaml`` and of definitions: applied, changed, gone, back; fired with their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.configurations import apply_configuration
from jobctl.actions.schedules import disable_schedule, enable_schedule
from jobctl.errors import BadInputError, StateConflictError
from jobctl.model.configurations import parse_configuration
from jobctl.model.events import Entity
from tests.support.schedules import MINUTE, Timetable
from tests.support.supervisors import Stage

FILE = """
jobs:
  greet:
    command: echo hello ${{ params.who }}
    parameters: {who: {required: true}, times: {type: int, default: 1}}
schedules:
  s: {every: 10m, tz: UTC, job: greet, with: {who: you, times: 3}}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def table(stage: Stage) -> Timetable:
    return Timetable(stage)


def apply(stage: Stage, text: str) -> list[str]:
    """What applying the file changed, as ``reload`` prints it."""
    return [
        str(change)
        for change in apply_configuration(stage.store, parse_configuration(text, "f"), stage.clock)
    ]


def test_a_schedule_of_the_file_runs_its_definition_with_its_parameters(
    stage: Stage, table: Timetable
) -> None:
    assert "schedule s: added" in apply(stage, FILE)
    assert apply(stage, FILE) == []
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    (job_id,) = table.jobs()
    job = stage.job(job_id)
    assert (job.name, job.submitted_by, job.spec.shell) == ("greet", "schedule:s", "echo hello 'you'")
    assert job.spec.cwd == stage.home.path


def test_applying_it_again_does_not_move_the_slots(stage: Stage, table: Timetable) -> None:
    apply(stage, FILE)
    due = table.get().next_at
    stage.clock.advance(4 * MINUTE)
    assert apply(stage, FILE) == []
    assert table.get().next_at == due


def test_one_that_changed_owes_nothing(stage: Stage, table: Timetable) -> None:
    apply(stage, FILE)
    stage.clock.advance(25 * MINUTE)
    assert apply(stage, FILE.replace("every: 10m", "every: 20m")) == ["schedule s: changed"]
    stage.supervise().turn()
    assert table.fires() == []
    assert table.get().text.expression == "20m"


def test_one_that_is_gone_is_disabled_keeps_its_history_and_comes_back(
    stage: Stage, table: Timetable
) -> None:
    apply(stage, FILE)
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    table.end_jobs()
    jobs = FILE.partition("schedules:")[0]
    assert apply(stage, jobs) == ["schedule s: gone from the file; disabled"]
    assert apply(stage, jobs) == []
    stage.clock.advance(30 * MINUTE)
    supervisor.turn()
    assert (table.get().enabled, len(table.fires())) == (False, 1)
    with pytest.raises(StateConflictError, match="gone from the file"):
        enable_schedule(stage.store, "s", stage.clock)
    assert apply(stage, FILE) == ["schedule s: is back; enabled"]
    supervisor.turn()
    assert len(table.fires()) == 1
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert len(table.fires()) == 2


def test_one_disabled_by_hand_stays_so_when_the_file_is_applied(stage: Stage, table: Timetable) -> None:
    apply(stage, FILE)
    disable_schedule(stage.store, "s", None, stage.clock)
    apply(stage, FILE)
    apply(stage, FILE.replace("10m", "20m"))
    assert not table.get().enabled


def test_the_file_disables_and_enables(stage: Stage, table: Timetable) -> None:
    apply(stage, FILE.replace("tz: UTC", "tz: UTC, disabled: true"))
    assert (table.get().enabled, table.get().disabled_reason) == (False, "disabled in the file")
    assert apply(stage, FILE) == ["schedule s: changed"]
    assert table.get().enabled


def test_a_command_of_its_own_and_the_schedule_of_a_job(stage: Stage, table: Timetable) -> None:
    apply(
        stage,
        "jobs:\n  tidy: {command: [echo, tidy], schedule: every 10m}\n"
        "schedules:\n  own: {every: 10m, command: [echo, own], priority: 2, overlap: allow}\n",
    )
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    tidy, own = stage.job(table.jobs("tidy")[0]), stage.job(table.jobs("own")[0])
    assert (tidy.spec.command, tidy.name) == (("echo", "tidy"), "tidy")
    assert (own.spec.command, own.name, own.priority) == (("echo", "own"), "own", 2)


def test_a_definition_that_is_gone_fails_the_slot_and_not_the_schedule(
    stage: Stage, table: Timetable
) -> None:
    apply(stage, FILE)
    with stage.store.write():
        stage.store.definitions.retire("greet", stage.clock.now_ms())
    supervisor = stage.supervise()
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    ((outcome, reason),) = table.told()
    assert (outcome, "the definition is gone from the file: 'greet'" in (reason or "")) == ("failed", True)
    kinds = [event.kind for event in stage.store.events.about(Entity.SCHEDULE, "s")]
    assert kinds[-1] == "schedule.failed"
    apply(stage, FILE)
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    assert [outcome for outcome, _ in table.told()] == ["failed", "fired"]


def test_a_broken_schedule_changes_nothing(stage: Stage) -> None:
    with pytest.raises(BadInputError):
        apply(stage, FILE.replace("every: 10m", "cron: 0 0 31 2 *"))
    assert stage.store.schedules.list() == []


def test_a_broken_one_of_the_file_is_mended_there_and_stays_gone_when_it_is_gone(
    stage: Stage, table: Timetable
) -> None:
    apply(stage, FILE)
    with stage.store.write():
        stage.store.database.rows("UPDATE schedules SET timezone='No/Where'")
    supervisor = stage.supervise()
    supervisor.turn()
    assert "unknown time zone" in (table.get().broken or "")
    assert apply(stage, FILE) == []
    assert apply(stage, FILE.replace("10m", "20m")) == ["schedule s: changed"]
    assert (table.get().broken, table.get().enabled, table.get().text.timezone) == (None, True, "UTC")
    with stage.store.write():
        stage.store.database.rows("UPDATE schedules SET timezone='No/Where'")
    stage.clock.step(10)
    supervisor.turn()
    jobs = FILE.partition("schedules:")[0]
    assert apply(stage, jobs) == ["schedule s: gone from the file; disabled"]
    stage.kill(supervisor)
    stage.supervise().turn()
    assert table.get().disabled_reason == "gone from the file"
    assert apply(stage, FILE) == ["schedule s: is back; enabled"]
    assert (table.get().broken, table.get().enabled, table.get().text.timezone) == (None, True, "UTC")
