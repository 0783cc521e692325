"""What a schedule is given besides its times: files that may hang, variables that may be secret."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.requests import JobRequest
from jobctl.actions.schedule_runs import run_schedule
from jobctl.actions.schedules import ScheduleCaller, ScheduleRequest, add_schedule, edit_schedule
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.errors import BadInputError
from jobctl.model.configurations import parse_configuration
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from tests.support.schedules import MINUTE, Timetable, caller
from tests.support.supervisors import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def table(stage: Stage) -> Timetable:
    return Timetable(stage)


def test_an_env_file_that_became_a_fifo_fails_the_slot_and_stops_nothing(
    stage: Stage, table: Timetable, tmp_path: Path
) -> None:
    path = tmp_path / "job.env"
    path.write_text("A=1\n")
    table.add(every="10m", job={"env_file": str(path)})
    supervisor = stage.supervise()
    path.unlink()
    os.mkfifo(path)
    stage.clock.advance(10 * MINUTE)
    supervisor.turn()
    ((outcome, reason),) = table.told()
    assert outcome == "failed"
    assert "no regular file" in str(reason)
    assert table.get().enabled


def test_all_look_at_the_files_of_a_schedule_while_others_can_write(
    stage: Stage, table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a hung mount looking takes for ever."""
    seen, build = [], SubmissionBuilder.build

    def watched(self: SubmissionBuilder, job: JobRequest) -> Submission:
        seen.append(stage.store.database.peewee.connection().in_transaction)
        return build(self, job)

    monkeypatch.setattr(SubmissionBuilder, "build", watched)
    table.add(every="10m")
    table.edit(every="20m")
    run_schedule(stage.store, "s", Settings(), stage.clock)
    table.end_jobs()
    stage.clock.advance(20 * MINUTE)
    supervisor = stage.supervise()
    for _ in range(3):
        supervisor.turn()
    assert len(table.jobs()) == 2
    assert seen == [False] * 4


SECRET = JobRequest(env={"API_TOKEN": "s3cret"})


def test_a_secret_over_a_definition_that_was_not_applied_yet_is_refused(
    stage: Stage, table: Timetable
) -> None:
    configuration = parse_configuration("jobs: {j: {command: x, queue: q}}\nqueues: {q: {}}", "f")
    who = ScheduleCaller(caller(stage.store, stage.clock).context, Settings(), configuration)

    def add(job: JobRequest) -> None:
        request = ScheduleRequest({"every": "10m"}, job, "j")
        add_schedule(stage.store, "s", request, who, stage.clock, disabled=False)

    with pytest.raises(BadInputError, match="secret values are not stored"):
        add(SECRET)
    assert stage.store.schedules.names() == []
    add(JobRequest(env={"LEVEL": "1"}, queue="q"))
    with pytest.raises(BadInputError, match="secret values are not stored"):
        edit_schedule(stage.store, "s", ScheduleRequest({}, SECRET), who, stage.clock)
    assert table.get().text.template["job"]["env"] == {"LEVEL": "1"}
