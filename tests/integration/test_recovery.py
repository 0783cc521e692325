"""What a supervisor does with what dead ones left; deaths are simulated in this process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.errors import StoreBusyError
from jobctl.executors.attempts import EXIT_BLANK, PID_BLANK
from jobctl.model.attempts import Outcome
from jobctl.model.lives import StopMode
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import OnCrash
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from tests.support.supervisors import Stage, starts_and_ends, submission

COMPLETED, FAILED, QUEUED, RUNNING = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
)


def claimed_only(stage: Stage, job_id: JobId) -> None:
    """A life claimed the job and died before it started anything."""
    supervisor = stage.supervise()
    with supervisor.store.write():
        claims, _ = supervisor.dispatcher.claim(stage.clock.now_ms())
    assert [claim.job_id for claim in claims] == [job_id]
    stage.kill(supervisor)


def started_then_killed(stage: Stage, job_id: JobId) -> int:
    """The job was started by a life that is dead now; the pid of its shim."""
    supervisor = stage.supervise()
    pid = stage.start(supervisor, job_id)
    stage.kill(supervisor)
    return pid


def test_a_running_job_is_adopted_and_ends_with_its_true_code(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done; echo '7' >$JOBCTL_RESULT; exit 7")
    pid = started_then_killed(stage, job_id)
    stage.clock.advance(30)
    supervisor = stage.supervise()
    supervisor.turn()
    assert supervisor.active[job_id].pid == pid
    assert stage.kinds(job_id) == ["submitted", "started", "adopted"]
    (stage.root / "gate").unlink()
    stage.clock.advance(5)
    stage.turn_until(supervisor, lambda: stage.status(job_id) is FAILED, tick=0.25)
    job = stage.job(job_id)
    assert (job.exit_code, job.attempt, job.result) == (7, 1, 7)
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}
    assert stage.attempts(job_id)[0].pid == pid


def test_a_job_that_ended_meanwhile_gets_its_code_and_the_time_of_its_record(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done; exit 7")
    pid = started_then_killed(stage, job_id)
    (stage.root / "gate").unlink()
    os.waitpid(pid, 0)
    ended_at = stage.clock.now_ms() + 12_345
    os.utime(stage.attempt_path(job_id) / "exit", ns=(0, ended_at * 1_000_000))
    stage.clock.advance(3600)
    supervisor = stage.supervise()
    supervisor.turn()
    job = stage.job(job_id)
    assert (job.status, job.exit_code, job.finished_at) == (FAILED, 7, ended_at)
    assert stage.kinds(job_id) == ["submitted", "started", "failed"]


def test_a_start_that_never_got_on_record_is_put_on_record_once(stage: Stage) -> None:
    job_id = stage.submit("true")
    supervisor = stage.supervise()
    supervisor.turn()  # claimed and started; its start would be recorded by the next turn
    assert stage.attempts(job_id) == []
    stage.kill(supervisor)
    following = stage.supervise()
    stage.turn_until(following, lambda: stage.status(job_id) is COMPLETED, tick=0.25)
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_claim_that_never_started_goes_back_and_burns_nothing(stage: Stage) -> None:
    job_id = stage.submit("true")
    claimed_only(stage, job_id)
    assert stage.status(job_id) is RUNNING
    job = stage.turn_until_status(stage.supervise(), job_id, COMPLETED)
    assert (job.attempt, job.attempts_used) == (1, 1)
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_half_made_attempt_directory_is_made_anew(stage: Stage) -> None:
    job_id = stage.submit("true")
    claimed_only(stage, job_id)
    path = stage.attempt_path(job_id)
    path.mkdir(parents=True)
    (path / "pid").write_bytes(PID_BLANK)
    (path / "exit").write_bytes(EXIT_BLANK)
    (path / "lock").touch()
    stage.turn_until_status(stage.supervise(), job_id, COMPLETED)


def test_a_claim_that_never_started_is_cancelled_if_that_was_asked_for(stage: Stage) -> None:
    job_id = stage.submit("true")
    claimed_only(stage, job_id)
    cancel(stage.store, parse_selector(str(job_id)), stage.clock, CancelOptions())
    stage.supervise().turn()
    assert stage.status(job_id) is JobStatus.CANCELLED
    assert stage.attempts(job_id) == []


@pytest.mark.parametrize(("policy", "status"), [(OnCrash.RETRY, RUNNING), (OnCrash.FAIL, FAILED)])
def test_a_job_that_vanished_without_a_record_is_lost(
    stage: Stage, policy: OnCrash, status: JobStatus
) -> None:
    job_id = stage.submit("sleep", "1000", on_crash=policy)
    pid = started_then_killed(stage, job_id)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    stage.turn_until_status(stage.supervise(), job_id, status)
    assert stage.attempts(job_id)[0].outcome is Outcome.LOST
    assert stage.job(job_id).attempts_used == 0


def test_members_that_outlived_their_shim_are_ended_before_the_job_starts_again(stage: Stage) -> None:
    job_id = stage.shell("setsid sleep 1000 & sleep 1000")
    pid = started_then_killed(stage, job_id)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    orphans = {entry.pid for entry in stage.processes()}
    assert orphans
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.job(job_id).attempt == 2 and job_id in supervisor.active)
    assert not orphans & {entry.pid for entry in stage.processes()}


def test_a_cancellation_that_was_under_way_is_carried_on(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000")
    started_then_killed(stage, job_id)
    cancel(stage.store, parse_selector(str(job_id)), stage.clock, CancelOptions())
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal, tick=0.25)
    assert stage.status(job_id) is JobStatus.CANCELLED


def test_a_time_out_counts_the_time_without_a_supervisor(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", timeout_seconds=60.0)
    started_then_killed(stage, job_id)
    stage.clock.advance(61)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal, tick=0.25)
    assert stage.status(job_id) is JobStatus.TIMEOUT


def test_the_queue_limit_holds_before_anything_is_taken_over(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_concurrency("default", 1, 0)
    first, second = stage.submit("sleep", "1000"), stage.submit("sleep", "1000")
    started_then_killed(stage, first)
    supervisor = stage.supervise()
    for _ in range(5):
        supervisor.turn()
    assert sorted(supervisor.active) == [first]
    assert stage.status(second) is QUEUED


def test_a_stale_writer_changes_nothing(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done; exit 3")
    stale = stage.supervise()
    stage.start(stale, job_id)
    token = stage.job(job_id).token
    claim = stale.active[job_id].claim
    following_store = stage.store
    with following_store.write():
        fresh = following_store.claims.take_over(claim, stale.lifeline.id, stale.lifeline.next_token())
    assert fresh is not None
    (stage.root / "gate").unlink()
    stage.turn_until(stale, lambda: not stale.active)
    job = stage.job(job_id)
    assert (job.status, job.finished_at, job.exit_code) == (RUNNING, None, None)
    assert job.token != token
    assert stage.attempts(job_id)[0].finished_at is None
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 0)}


@contextmanager
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"


def test_a_stranger_whose_pid_was_written_into_the_record_is_never_signalled(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", grace_seconds=0.0)
    started_then_killed(stage, job_id)
    with stranger() as foreign:
        (stage.attempt_path(job_id) / "pid").write_text(f"{foreign.pid}\n")
        supervisor = stage.supervise()
        supervisor.turn()
        cancel(stage.store, parse_selector(str(job_id)), stage.clock, CancelOptions())
        stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal, tick=0.25)
        assert stage.status(job_id) is JobStatus.CANCELLED
        assert lives(foreign.pid)
    assert stage.processes() == []


def test_a_stranger_that_has_the_pid_of_a_dead_shim_is_never_signalled(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", on_crash=OnCrash.FAIL)
    pid = started_then_killed(stage, job_id)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with stranger() as foreign:
        (stage.attempt_path(job_id) / "pid").write_text(f"{foreign.pid}\n")
        job = stage.turn_until_status(stage.supervise(), job_id, FAILED)
        assert job.reason == "lost"
        assert lives(foreign.pid)


@pytest.mark.parametrize("fails", [2, 3])
def test_a_store_that_is_busy_in_the_middle_of_a_recovery_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """The first write takes over from one life, the second from another, the third buries both."""
    ids = []
    for _ in range(2):
        private = stage.supervise(reserved=submission(stage.root, "sleep", "1000"))
        assert private.reservation is not None
        ids.append(private.reservation.job_id)
        stage.start(private, ids[-1])
        stage.kill(private)
    supervisor = stage.supervise()
    real, calls = supervisor.store.write, iter(range(1, 1000))

    @contextmanager
    def write() -> Iterator[None]:
        if next(calls) == fails:
            raise StoreBusyError("the store is busy")
        with real():
            yield

    monkeypatch.setattr(supervisor.store, "write", write)
    stage.turn_until(supervisor, lambda: sorted(supervisor.active) == ids)
    for job_id in ids:
        cancel(stage.store, parse_selector(str(job_id)), stage.clock, CancelOptions())
    stage.turn_until(supervisor, lambda: not supervisor.active, tick=0.25)
    assert {stage.status(job_id) for job_id in ids} == {JobStatus.CANCELLED}


def test_a_life_that_dies_while_another_supervises_is_taken_over(stage: Stage) -> None:
    up = stage.supervise()
    up.turn()
    private = stage.supervise(reserved=submission(stage.root, "sleep", "1000"))
    assert private.reservation is not None
    job_id = private.reservation.job_id
    pid = stage.start(private, job_id)
    up.turn()
    assert not up.active
    stage.kill(private)
    stage.clock.advance(2)
    up.turn()
    assert up.active[job_id].pid == pid
    with Store.open(stage.home, stage.clock) as store:
        assert [life.id for life in store.lives.unended()] == [up.lifeline.id]
    assert len(list(Path(stage.home.lives).iterdir())) == 1


def test_a_job_that_was_being_stopped_when_its_supervisor_died_goes_back_unburnt(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    supervisor.stop(StopMode.NOW)
    supervisor.turn()
    stage.kill(supervisor)
    following = stage.supervise()
    gate.unlink()
    job = stage.turn_until_status(following, job_id, COMPLETED)
    assert (job.attempt, job.attempts_used) == (2, 1)
    first = stage.attempts(job_id)[0]
    assert (first.outcome, first.reason) == (Outcome.CANCELLED, "stopped")
