"""Pausing and resuming running trees, under supervisors turned by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from jobctl.actions.jobs import cancel, pause, resume, retry
from jobctl.errors import StateConflictError
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import members
from jobctl.model.lives import StopMode
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId, JobStatus
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage

TREE = (
    "sleep 1000 & (setsid sleep 1000 &) ; touch ready;"
    " while [ -e gate ]; do echo tick >>ticks; sleep 0.01; done; kill $! ; exit 7"
)
COMPLETED, RUNNING, FAILED = JobStatus.COMPLETED, JobStatus.RUNNING, JobStatus.FAILED


def ask(stage: Stage, verb: object, job_id: JobId) -> None:
    verb(stage.store, parse_selector(str(job_id)), stage.clock)  # type: ignore[operator]


def start_tree(
    stage: Stage, supervisor: Supervisor, text: str = TREE, timeout_seconds: float | None = None
) -> JobId:
    """A job with some processes runs until ``gate`` is gone."""
    (stage.root / "gate").touch()
    job_id = stage.shell(text, timeout_seconds=timeout_seconds)
    stage.start(supervisor, job_id)
    stage.turn_until(supervisor, (stage.root / "ready").exists)
    return job_id


def turn_clock(stage: Stage, supervisor: Supervisor, until: Callable[[], object]) -> None:
    """The supervisor turned, a quarter of a second apart by its clock, until it was so."""

    def later() -> object:
        stage.clock.advance(0.25)
        return until()

    stage.turn_until(supervisor, later)


def states(supervisor: Supervisor, job_id: JobId) -> set[str]:
    """The states that the processes of a running job are in."""
    return {entry.state for entry in members(ProcessTable.read(), supervisor.active[job_id].tree)}


def paused_tree(stage: Stage, supervisor: Supervisor, timeout_seconds: float | None = None) -> JobId:
    """A job that is on record as paused."""
    job_id = start_tree(stage, supervisor, timeout_seconds=timeout_seconds)
    ask(stage, pause, job_id)
    stage.turn_until(supervisor, lambda: stage.job(job_id).paused_at is not None)
    return job_id


def test_a_paused_tree_stands_still_and_goes_on_when_resumed(stage: Stage) -> None:
    supervisor = stage.supervise()
    job_id = paused_tree(stage, supervisor)
    job = stage.job(job_id)
    assert (job.status, job.reason, job.paused_at) == (RUNNING, "paused", stage.clock.now_ms())
    assert states(supervisor, job_id) == {"T"}
    shim = ProcessTable.read().entries[supervisor.active[job_id].pid or 0]
    assert shim.state != "T", "the shim goes on"
    ticks = (stage.root / "ticks").stat().st_size
    stage.clock.advance(60)
    ask(stage, resume, job_id)
    stage.turn_until(supervisor, lambda: stage.job(job_id).paused_at is None)
    assert (stage.job(job_id).reason, stage.job(job_id).paused_ms) == (None, 60_000)
    stage.turn_until(supervisor, lambda: (stage.root / "ticks").stat().st_size > ticks)
    (stage.root / "gate").unlink()
    assert stage.turn_until_status(supervisor, job_id, FAILED).exit_code == 7
    assert [kind for kind in stage.kinds(job_id) if "pause" in kind or "resume" in kind] == [
        "pause_requested", "paused", "resume_requested", "resumed",
    ]  # fmt: skip


def test_a_tree_that_forks_all_the_time_is_stopped_as_well(stage: Stage) -> None:
    supervisor = stage.supervise()
    text = "touch ready; while :; do (setsid sleep 0.01 &) ; sleep 0.001 & sleep 0.002; echo x >>ticks; done"
    job_id = start_tree(stage, supervisor, text)
    stage.turn_until(supervisor, (stage.root / "ticks").exists)
    ask(stage, pause, job_id)
    stage.turn_until(supervisor, lambda: stage.job(job_id).paused_at is not None)
    assert states(supervisor, job_id) == {"T"}


def test_a_tree_stopped_between_vfork_and_exec_comes_to_a_stand(stage: Stage) -> None:
    """The parent waits uninterruptibly until the child has opened the FIFO: were it left stopped, for ever."""
    supervisor = stage.supervise()
    os.mkfifo(stage.root / "fifo")
    spawn = (
        "import os; open('ready', 'w').close(); pid = os.posix_spawn('/bin/sleep', ['sleep', '1000'], os.environ,"
        " file_actions=[(os.POSIX_SPAWN_OPEN, 5, 'fifo', os.O_RDONLY, 0)]); os.waitpid(pid, 0)"
    )
    job_id = stage.submit(sys.executable, "-c", spawn)
    stage.start(supervisor, job_id)
    stage.turn_until(supervisor, (stage.root / "ready").exists)
    stage.turn_until(supervisor, lambda: "D" in states(supervisor, job_id))
    ask(stage, pause, job_id)
    stage.turn_until(supervisor, lambda: "T" in states(supervisor, job_id))
    assert stage.job(job_id).paused_at is None
    fifo = os.open(stage.root / "fifo", os.O_RDWR)
    try:
        stage.turn_until(supervisor, lambda: stage.job(job_id).paused_at is not None)
    finally:
        os.close(fifo)
    assert states(supervisor, job_id) == {"T"}


def test_the_clock_of_the_time_out_stands_still_and_goes_on_with_what_is_left(stage: Stage) -> None:
    supervisor = stage.supervise()
    job_id = paused_tree(stage, supervisor, timeout_seconds=30.0)
    stage.clock.advance(1000)
    supervisor.turn()
    supervisor.turn()
    assert stage.status(job_id) is RUNNING
    ask(stage, resume, job_id)
    stage.turn_until(supervisor, lambda: stage.job(job_id).paused_at is None)
    stage.clock.advance(29)
    supervisor.turn()
    assert supervisor.active[job_id].kill is None
    stage.clock.advance(2)
    stage.turn_until_status(supervisor, job_id, JobStatus.TIMEOUT)


def test_an_adopted_paused_job_stays_paused_and_counts_right(stage: Stage) -> None:
    first = stage.supervise()
    job_id = start_tree(stage, first, timeout_seconds=30.0)
    stage.clock.advance(10)
    ask(stage, pause, job_id)
    stage.turn_until(first, lambda: stage.job(job_id).paused_at is not None)
    stage.kill(first)
    stage.clock.advance(500)
    second = stage.supervise()
    second.turn()
    assert states(second, job_id) == {"T"}
    assert (stage.job(job_id).reason, second.active[job_id].deadline) == ("paused", None)
    ask(stage, resume, job_id)
    stage.turn_until(second, lambda: stage.job(job_id).paused_at is None)
    stage.kill(second)
    stage.clock.advance(15)
    third = stage.supervise()
    third.turn()
    assert third.active[job_id].kill is None, "25 of 30 seconds have passed"
    stage.clock.advance(6)
    turn_clock(stage, third, lambda: stage.status(job_id) is JobStatus.TIMEOUT)


def test_a_wish_made_while_no_supervisor_runs_is_fulfilled_by_the_next(stage: Stage) -> None:
    first = stage.supervise()
    job_id = start_tree(stage, first)
    stage.kill(first)
    ask(stage, pause, job_id)
    second = stage.supervise()
    stage.turn_until(second, lambda: stage.job(job_id).paused_at is not None)
    stage.kill(second)
    ask(stage, resume, job_id)
    third = stage.supervise()
    stage.turn_until(third, lambda: stage.job(job_id).paused_at is None)
    (stage.root / "gate").unlink()
    turn_clock(stage, third, lambda: stage.status(job_id) is FAILED)


def test_a_paused_job_can_be_cancelled(stage: Stage) -> None:
    supervisor = stage.supervise()
    job_id = paused_tree(stage, supervisor)
    ask(stage, cancel, job_id)
    job = stage.turn_until_status(supervisor, job_id, JobStatus.CANCELLED)
    assert job.reason == "requested"
    assert not stage.processes()


def test_a_paused_job_that_is_stopped_with_the_supervisor_runs_unpaused_next_time(stage: Stage) -> None:
    supervisor = stage.supervise()
    job_id = paused_tree(stage, supervisor)
    supervisor.stop(StopMode.NOW)
    stage.turn_until(supervisor, lambda: supervisor.finished)
    assert stage.status(job_id) is JobStatus.QUEUED
    stage.kill(supervisor)
    stage.start(stage.supervise(), job_id)
    job = stage.job(job_id)
    assert (job.pause_wanted, job.paused_at, job.paused_ms, job.reason) == (False, None, 0, None)


def test_a_job_killed_while_it_is_paused_ends(stage: Stage) -> None:
    supervisor = stage.supervise()
    job_id = paused_tree(stage, supervisor, timeout_seconds=30.0)
    for entry in members(ProcessTable.read(), supervisor.active[job_id].tree):
        os.kill(entry.pid, 9)
    job = stage.turn_until_status(supervisor, job_id, FAILED)
    assert job.signal == "SIGKILL"
    retry(stage.store, parse_selector(str(job_id)), stage.clock)
    (stage.root / "gate").unlink()
    stage.turn_until_status(supervisor, job_id, FAILED)
    assert stage.job(job_id).exit_code == 7


def test_only_running_jobs_are_paused_and_only_paused_ones_resumed(stage: Stage) -> None:
    waiting = stage.submit("true", hold=True)
    for verb in (pause, resume):
        with pytest.raises(StateConflictError, match=f"cannot {verb.__name__} a created job"):
            ask(stage, verb, waiting)
    everything = parse_selector("all")
    assert pause(stage.store, everything, stage.clock) == []
    supervisor = stage.supervise()
    job_id = start_tree(stage, supervisor)
    with pytest.raises(StateConflictError, match="not paused"):
        ask(stage, resume, job_id)
    assert resume(stage.store, everything, stage.clock) == []
    assert [done.id for done in pause(stage.store, everything, stage.clock)] == [job_id]
    assert [done.id for done in pause(stage.store, parse_selector(str(job_id)), stage.clock)] == [job_id]
    (stage.root / "gate").unlink()
