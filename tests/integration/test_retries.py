"""Retries, time-outs and lost attempts under a supervisor turned by hand."""

from __future__ import annotations

import os
import signal

import pytest

from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import members
from jobctl.model.attempts import Outcome
from jobctl.model.specs import OnCrash, RetryPolicy
from jobctl.model.states import JobStatus
from tests.support.supervisors import Stage, starts_and_ends

CREATED, FAILED, QUEUED, TIMEOUT = JobStatus.CREATED, JobStatus.FAILED, JobStatus.QUEUED, JobStatus.TIMEOUT


@pytest.mark.parametrize(
    ("spread", "waits"),
    [(0.5, [10, 30, 60, 60]), (0.0, [9, 27, 54, 54]), (0.75, [10.5, 31.5, 63, 63])],
)
def test_the_delay_grows_to_its_cap_with_jitter_around_it(
    stage: Stage, spread: float, waits: list[float]
) -> None:
    policy = RetryPolicy(attempts=5, delay_seconds=10.0, backoff=3.0, max_delay_seconds=60.0)
    job_id = stage.shell("exit 1", retry=policy)
    supervisor = stage.supervise(spread=lambda: spread)
    for number, seconds in enumerate(waits, start=1):
        job = stage.turn_until_status(supervisor, job_id, CREATED)
        assert (job.reason, job.attempts_used) == ("retry", number)
        assert job.eligible_at == stage.clock.now_ms() + round(seconds * 1000)
        assert not supervisor.is_idle
        stage.clock.advance(seconds - 0.001)
        supervisor.turn()
        assert stage.status(job_id) is CREATED
        assert 0 < supervisor.pause_seconds() <= 0.001
        stage.clock.advance(0.001)
    job = stage.turn_until_status(supervisor, job_id, FAILED)
    assert (job.attempt, job.attempts_used, job.exit_code) == (5, 5, 1)
    assert [attempt.outcome for attempt in stage.attempts(job_id)] == [Outcome.FAILED] * 5
    assert starts_and_ends(stage.events(job_id)) == dict.fromkeys(range(1, 6), (1, 1))
    assert stage.kinds(job_id).count("retried") == 4


def test_every_attempt_keeps_its_code_and_its_log(stage: Stage) -> None:
    job_id = stage.shell(
        "echo attempt $JOBCTL_ATTEMPT; exit $((4 - JOBCTL_ATTEMPT))",
        retry=RetryPolicy(attempts=9, delay_seconds=0.0),
    )
    job = stage.turn_until_status(stage.supervise(), job_id, JobStatus.COMPLETED)
    assert job.attempt == 4
    assert [attempt.exit_code for attempt in stage.attempts(job_id)] == [3, 2, 1, 0]
    assert [stage.output(job_id, number) for number in (1, 4)] == ["attempt 1\n", "attempt 4\n"]


def test_only_the_codes_asked_for_are_retried(stage: Stage) -> None:
    policy = RetryPolicy(attempts=5, delay_seconds=0.0, retry_on=(75,))
    job_id = stage.shell("[ $JOBCTL_ATTEMPT = 1 ] && exit 75; exit 2", retry=policy)
    job = stage.turn_until_status(stage.supervise(), job_id, FAILED)
    assert (job.attempt, job.exit_code) == (2, 2)


def test_a_job_that_runs_too_long_ends_as_timeout(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", timeout_seconds=60.0)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.clock.advance(59)
    supervisor.turn()
    assert supervisor.active[job_id].kill is None
    stage.clock.advance(1)
    job = stage.turn_until_status(supervisor, job_id, TIMEOUT)
    assert (job.reason, job.signal) == ("timeout", "SIGTERM")
    assert stage.attempts(job_id)[0].outcome is Outcome.TIMEOUT
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_time_out_is_retried_while_attempts_are_left(stage: Stage) -> None:
    policy = RetryPolicy(attempts=2, delay_seconds=5.0)
    job_id = stage.submit("sleep", "1000", timeout_seconds=60.0, retry=policy)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.clock.advance(60)
    stage.turn_until_status(supervisor, job_id, CREATED)
    stage.clock.advance(5)
    stage.start(supervisor, job_id)
    stage.clock.advance(60)
    stage.turn_until_status(supervisor, job_id, TIMEOUT)
    assert [attempt.outcome for attempt in stage.attempts(job_id)] == [Outcome.TIMEOUT] * 2


def test_one_that_ignores_its_time_out_is_killed_after_its_grace(stage: Stage) -> None:
    job_id = stage.shell(
        "trap '' TERM; echo ready; while :; do sleep 0.01; done", timeout_seconds=60.0, grace_seconds=30.0
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.output(job_id) == "ready\n")
    stage.clock.advance(60)
    for _ in range(20):
        supervisor.turn()
    assert stage.status(job_id) is JobStatus.RUNNING
    stage.clock.advance(30)
    assert stage.turn_until_status(supervisor, job_id, TIMEOUT).signal == "SIGKILL"


def test_a_lost_attempt_is_started_again_three_times_outside_its_budget(stage: Stage) -> None:
    job_id = stage.shell("sleep 1000")
    supervisor = stage.supervise()
    for crashes in range(1, 5):
        pid = stage.start(supervisor, job_id)
        os.killpg(pid, signal.SIGKILL)
        stage.turn_until(supervisor, lambda crashes=crashes: stage.job(job_id).crashes == crashes)  # type: ignore[misc]
    job = stage.job(job_id)
    assert (job.status, job.reason, job.attempt, job.attempts_used) == (FAILED, "lost", 4, 0)
    assert [attempt.outcome for attempt in stage.attempts(job_id)] == [Outcome.LOST] * 4
    assert starts_and_ends(stage.events(job_id)) == dict.fromkeys(range(1, 5), (1, 1))
    assert stage.kinds(job_id).count("lost") == 3


def test_a_lost_attempt_fails_at_once_where_that_was_asked_for(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", on_crash=OnCrash.FAIL, retry=RetryPolicy(attempts=5))
    supervisor = stage.supervise()
    os.killpg(stage.start(supervisor, job_id), signal.SIGKILL)
    job = stage.turn_until_status(supervisor, job_id, FAILED)
    assert (job.reason, job.attempt) == ("lost", 1)
    assert "SIGKILL" in (job.error or "")


def test_the_death_of_the_shim_alone_ends_the_tree_before_another_attempt(stage: Stage) -> None:
    job_id = stage.shell("setsid sleep 1000 & sleep 1000")
    supervisor = stage.supervise()
    pid = stage.start(supervisor, job_id)
    tree = supervisor.active[job_id].tree
    stage.turn_until(supervisor, lambda: len(stage.processes()) >= 4)
    os.kill(pid, signal.SIGKILL)
    stage.turn_until(supervisor, lambda: stage.job(job_id).attempt == 2 and job_id in supervisor.active)
    assert members(ProcessTable.read(), tree) == []
    assert stage.attempts(job_id)[0].outcome is Outcome.LOST


def test_one_cancelled_while_lost_is_cancelled(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000")
    supervisor = stage.supervise()
    os.killpg(stage.start(supervisor, job_id), signal.SIGKILL)
    with stage.store.write():
        assert stage.store.transitions.request_cancel(job_id, None, None, None, 0)
    stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal)
    assert stage.status(job_id) is JobStatus.CANCELLED
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}
