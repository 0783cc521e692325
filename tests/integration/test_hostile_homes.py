"""Homes in which jobs, users or crashes left what nobody expects: the supervisor goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from jobctl.actions.jobs import cancel
from jobctl.model.attempts import Outcome
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobStatus
from tests.support.supervisors import PATIENCE, Stage
from tests.support.waiting import wait_until

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


def test_a_life_that_died_before_its_commit_does_not_stop_the_next_one(stage: Stage) -> None:
    stage.submit("true")
    directory = stage.home.life(1)
    os.makedirs(directory)
    os.mkfifo(f"{directory}/wake")
    open(f"{directory}/lock", "w").close()
    supervisor = stage.supervise()
    assert supervisor.lifeline.id == 1


def test_a_malformed_secrets_file_fails_the_jobs_that_need_it_and_no_other(stage: Stage) -> None:
    with open(stage.home.secrets, "w") as file:
        file.write("this is no assignment\n")
    os.chmod(stage.home.secrets, 0o600)
    needy = stage.submit("true", secret_env=("MY_TOKEN",))
    other = stage.submit("true")
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, other, COMPLETED)
    job = stage.turn_until_status(supervisor, needy, FAILED)
    assert job.reason == "spawn_error"
    assert "secrets.env" in (job.error or "")


@pytest.mark.parametrize("name", ["exit", "pid", "lock"])
@pytest.mark.parametrize("kind", ["directory", "fifo", "missing"])
def test_records_that_a_job_replaced_end_it_and_nothing_else(stage: Stage, name: str, kind: str) -> None:
    path = f'"$(dirname "$JOBCTL_RESULT")/{name}"'
    make = {"directory": f"mkdir {path}", "fifo": f"mkfifo {path}", "missing": "true"}[kind]
    job_id = stage.shell(f"rm -rf {path}; {make}; exit 3")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id) in (FAILED, COMPLETED))
    stage.kill(supervisor)
    other = stage.submit("true")
    stage.turn_until_status(stage.supervise(), other, COMPLETED)


def test_a_job_whose_directory_vanished_is_never_started_beside_itself(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    supervisor = stage.supervise()
    pid = stage.start(supervisor, job_id)
    stage.kill(supervisor)
    shutil.rmtree(stage.attempt_path(job_id).parent)
    following = stage.supervise()

    def started_anew() -> bool:
        return bool(stage.attempts(job_id)[-1].number == 2)

    stage.turn_until(following, started_anew, tick=0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert stage.attempts(job_id)[0].outcome is Outcome.LOST
    gate.unlink()
    stage.turn_until_status(following, job_id, COMPLETED)


def test_an_end_before_the_cancellation_stands(stage: Stage) -> None:
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done; exit 3")
    gate = stage.root / "gate"
    gate.touch()
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.kill(supervisor)
    exit_record = stage.attempt_path(job_id) / "exit"
    gate.unlink()
    wait_until(lambda: exit_record.read_text().startswith("3"), seconds=PATIENCE)
    ended = stage.clock.now_ms() - 60_000
    os.utime(exit_record, ns=(ended * 1_000_000, ended * 1_000_000))
    cancel(stage.store, parse_selector(str(job_id)), stage.clock)
    job = stage.turn_until_status(stage.supervise(), job_id, FAILED)
    assert (job.reason, job.exit_code) == ("exit", 3)


def test_what_one_attempt_reported_is_not_taken_for_the_next_ones(stage: Stage) -> None:
    text = (
        "if [ -e again ]; then exit 0; fi; : >again; "
        'echo 1 >"$JOBCTL_RESULT"; echo "90 first" >>"$JOBCTL_PROGRESS"; exit 1'
    )
    job_id = stage.shell(text, retry=RetryPolicy(attempts=2, delay_seconds=0))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id) is COMPLETED, tick=0.25)
    job = stage.job(job_id)
    assert (job.result, job.progress.percent, job.progress.message) == (None, None, None)
