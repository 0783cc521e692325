"""Function jobs in real workers, under a supervisor that is turned by hand."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.queues import add_queue, set_queue
from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobId, JobStatus
from tests.support.function_stages import (
    ONE,
    TWO,
    all_ended,
    finish,
    gate,
    running_worker,
    warm_up,
    workers_of,
)
from tests.support.functions import add_toys, call, call_submission
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage with toys."""
    stage = Stage(tmp_path)
    add_toys(stage)
    try:
        yield stage
    finally:
        stage.close()


def test_a_call_gives_its_result_and_one_start_and_end(stage: Stage) -> None:
    job_id = call(stage, "add", {"a": 2, "b": 3})
    finish(stage, stage.supervise(settings=ONE), job_id)
    job = stage.job(job_id)
    assert (job.status, job.result, job.exit_code, job.attempt) == (JobStatus.COMPLETED, 5, 0, 1)
    assert stage.kinds(job_id) == ["submitted", "started", "completed"]
    (attempt,) = stage.attempts(job_id)
    assert attempt.pid is not None
    assert attempt.finished_at is not None
    assert not stage.attempt_path(job_id).exists()


def test_an_exception_is_the_error_and_its_traceback_is_kept(stage: Stage) -> None:
    job_id = call(stage, "fail", {"text": "no \x1b[31mgood"})
    finish(stage, stage.supervise(settings=ONE), job_id)
    job = stage.job(job_id)
    assert (job.status, job.exit_code, job.error) == (JobStatus.FAILED, 1, "ValueError: no \x1b[31mgood")
    assert "in fail" in (stage.store.functions.traceback(job_id, 1) or "")


def test_what_a_call_prints_is_in_its_own_log(stage: Stage) -> None:
    ids = [call(stage, "say", {"text": f"word {number}"}) for number in range(3)]
    finish(stage, stage.supervise(settings=ONE), *ids)
    assert [stage.output(job_id) for job_id in ids] == ["word 0\n", "word 1\n", "word 2\n"]


def test_progress_and_result_of_the_context_are_recorded(stage: Stage) -> None:
    job_id = call(stage, "steps", {"n": 4})
    finish(stage, stage.supervise(settings=ONE), job_id)
    job = stage.job(job_id)
    assert (job.progress.items_done, job.progress.items_total, job.result) == (4, 4, {"n": 4})


def test_directory_and_environment_are_of_the_job_alone(stage: Stage) -> None:
    elsewhere = stage.root / "elsewhere"
    elsewhere.mkdir()
    ids = [call(stage, "where", env={"COLOUR": "red"}, cwd=str(elsewhere)), call(stage, "where")]
    finish(stage, stage.supervise(settings=ONE), *ids)
    assert [stage.job(job_id).result for job_id in ids] == [
        [str(elsewhere), "red", str(ids[0])],
        [str(stage.root), None, str(ids[1])],
    ]


def test_one_worker_takes_calls_in_the_order_of_their_priority(stage: Stage) -> None:
    ledger = str(stage.root / "ledger")
    wanted = [5, 1, 9, 1, 5, 3]
    ids = [
        call(stage, "note", {"ledger": ledger, "text": f"{priority} {number}"}, priority=priority)
        for number, priority in enumerate(wanted)
    ]
    finish(stage, stage.supervise(settings=ONE), *ids)
    lines = Path(ledger).read_text().splitlines()
    assert lines == sorted(lines)
    assert {stage.job(job_id).result for job_id in ids} == {None}


def test_short_calls_are_handed_ahead_and_take_one_slot(stage: Stage) -> None:
    add_queue(stage.store, "narrow", 1, stage.clock)
    supervisor = stage.supervise(settings=TWO)
    for _ in range(3):
        finish(stage, supervisor, call(stage, "noop", queue="narrow"))
    ids = [call(stage, "noop", queue="narrow") for _ in range(40)]
    held = [0]

    def ended() -> bool:
        held.append(max((len(worker.hand) for worker in workers_of(supervisor)), default=0))
        assert stage.store.queues.running().get("narrow", 0) <= 1
        return all_ended(stage, ids)

    stage.turn_until(supervisor, ended)
    assert max(held) > 1
    assert {stage.job(job_id).attempt for job_id in ids} == {1}


def test_what_is_behind_a_long_call_is_recalled_and_not_burnt(stage: Stage) -> None:
    supervisor = stage.supervise(settings=TWO)
    for _ in range(3):
        finish(stage, supervisor, call(stage, "until_gone", {"gate": "/nonexistent"}))
    shut = gate(stage)
    add_queue(stage.store, "narrow", 1, stage.clock)
    ids = [call(stage, "until_gone", {"gate": str(shut)}, queue="narrow")]
    ids += [call(stage, "until_gone", {"gate": "/nonexistent"}, queue="narrow") for _ in range(5)]
    stage.turn_until(supervisor, lambda: any(len(w.hand) == 6 for w in workers_of(supervisor)))
    running_worker(stage, supervisor, ids[0])
    stage.turn_until(supervisor, lambda: stage.status(ids[5]) is JobStatus.QUEUED, tick=0.05)
    assert [stage.status(job_id) for job_id in ids] == [JobStatus.RUNNING, *[JobStatus.QUEUED] * 5]
    assert stage.store.queues.running()["narrow"] == 1
    shut.unlink()
    finish(stage, supervisor, *ids)
    assert {stage.job(job_id).attempt for job_id in ids} == {1}
    assert stage.kinds(ids[5]) == ["submitted", "started", "completed"]


@pytest.mark.parametrize(
    ("function", "args", "error"),
    [("die", {"code": 7}, "exit code 7"), ("crash", {}, "signal 11, SIGSEGV")],
)
def test_a_crash_fails_the_one_that_ran_and_none_behind_it(
    stage: Stage, function: str, args: dict[str, Any], error: str
) -> None:
    supervisor = stage.supervise(settings=ONE)
    warm_up(stage, supervisor)
    shut = gate(stage)
    blocker = call(stage, "until_gone", {"gate": str(shut)}, name="quick")
    ids = [call(stage, "noop", name="quick"), call(stage, function, args, name="quick")]
    ids += [call(stage, "noop", name="quick") for _ in range(10)]
    stage.turn_until(supervisor, lambda: any(len(w.hand) > 5 for w in workers_of(supervisor)))
    shut.unlink()
    finish(stage, supervisor, blocker, *ids, tick=0.01)
    failed = stage.job(ids[1])
    assert failed.status is JobStatus.FAILED
    assert f"the worker process ended ({error})" in (failed.error or "")
    others = [stage.job(job_id) for job_id in ids if job_id != ids[1]]
    assert {(job.status, job.attempt) for job in others} == {(JobStatus.COMPLETED, 1)}


def test_a_time_out_ends_the_call_and_the_next_one_gets_a_new_worker(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    shut = gate(stage)
    slow = call(stage, "until_gone", {"gate": str(shut)}, timeout_seconds=30.0)
    first = running_worker(stage, supervisor, slow)
    stage.clock.advance(31)
    finish(stage, supervisor, slow)
    assert stage.job(slow).status is JobStatus.TIMEOUT
    after = call(stage, "pid")
    finish(stage, supervisor, after, tick=0.1)
    assert stage.job(after).result != first.pid
    assert shut.exists()


def test_a_call_that_swallows_its_end_is_killed_after_its_grace(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    started = stage.root / "started"
    args = {"gate": str(gate(stage)), "started": str(started)}
    job_id = call(stage, "stubborn", args, grace_seconds=3.0)
    worker = running_worker(stage, supervisor, job_id)
    wait_until(started.exists)
    with stage.store.write():
        stage.store.transitions.request_cancel(job_id, None, None, "enough", stage.clock.now_ms())
    finish(stage, supervisor, job_id, tick=0.5)
    assert stage.job(job_id).status is JobStatus.CANCELLED
    assert worker.status == -signal.SIGKILL


def test_a_cancelled_call_that_has_not_begun_never_runs(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    warm_up(stage, supervisor)
    shut, ledger = gate(stage), stage.root / "ledger"
    first = call(stage, "until_gone", {"gate": str(shut)}, name="quick")
    second = call(stage, "note", {"ledger": str(ledger), "text": "ran"}, name="quick")
    stage.turn_until(supervisor, lambda: any(len(w.hand) == 2 for w in workers_of(supervisor)))
    with stage.store.write():
        stage.store.transitions.request_cancel(second, None, None, None, stage.clock.now_ms())
    stage.turn_until(supervisor, lambda: stage.status(second) is JobStatus.CANCELLED)
    shut.unlink()
    finish(stage, supervisor, first)
    assert not ledger.exists()


def test_a_failure_is_tried_again_as_its_policy_says(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    job_id = call(stage, "fail", retry=RetryPolicy(attempts=3, delay_seconds=1))
    finish(stage, supervisor, job_id, tick=1.0)
    outcomes = [(attempt.number, attempt.outcome) for attempt in stage.attempts(job_id)]
    assert outcomes == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert stage.store.functions.traceback(job_id, 2)


def test_a_pause_stops_the_worker_and_its_clock(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    shut = gate(stage)
    job_id = call(stage, "until_gone", {"gate": str(shut)}, timeout_seconds=100.0)
    running_worker(stage, supervisor, job_id)
    with stage.store.write():
        stage.store.transitions.request_pause(job_id, True, stage.clock.now_ms())
    stage.turn_until(supervisor, lambda: stage.job(job_id).reason == "paused")
    stage.clock.advance(500)
    supervisor.turn()
    assert stage.status(job_id) is JobStatus.RUNNING
    with stage.store.write():
        stage.store.transitions.request_pause(job_id, False, stage.clock.now_ms())
    shut.unlink()
    finish(stage, supervisor, job_id)
    assert stage.job(job_id).status is JobStatus.COMPLETED


def test_what_takes_too_much_memory_is_ended(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    job_id = call(stage, "eat", {"size": 300 << 20}, max_memory_bytes=100 << 20)
    finish(stage, supervisor, job_id, tick=0.5)
    assert (stage.job(job_id).status, stage.job(job_id).reason) == (JobStatus.FAILED, "memory")


def test_a_worker_is_replaced_after_its_number_of_jobs(stage: Stage) -> None:
    supervisor = stage.supervise(settings=replace(ONE, worker_jobs=3))
    ids = [call(stage, "pid") for _ in range(7)]
    finish(stage, supervisor, *ids, tick=0.05)
    pids = [stage.job(job_id).result for job_id in ids]
    assert sorted(Counter(pids).values()) == [1, 3, 3]
    stage.turn_until(supervisor, lambda: len(os.listdir(stage.home.workers)) == 1)


def test_a_reload_retires_the_workers_after_their_present_job(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    shut = gate(stage)
    job_id, before = call(stage, "until_gone", {"gate": str(shut)}), call(stage, "pid", priority=1)
    finish(stage, supervisor, before)
    running_worker(stage, supervisor, job_id)
    add_toys(stage, "def pid(): return 'changed'\n")
    supervisor.workers.use(ONE)
    after = call(stage, "pid")
    finish(stage, supervisor, after)
    assert stage.job(after).result == "changed"
    shut.unlink()
    finish(stage, supervisor, job_id)
    assert stage.job(job_id).result == "went"


def test_a_module_that_cannot_be_preloaded_fails_the_job_with_its_error(stage: Stage) -> None:
    supervisor = stage.supervise(settings=replace(ONE, preload=("no_such_module",)))
    job_id = call(stage, "noop")
    finish(stage, supervisor, job_id, tick=0.2)
    job = stage.job(job_id)
    assert (job.status, job.reason) == (JobStatus.FAILED, "spawn_error")
    assert "no_such_module" in (job.error or "")
    supervisor.workers.use(ONE)
    other = call(stage, "noop")
    finish(stage, supervisor, other)
    assert stage.job(other).status is JobStatus.COMPLETED


def test_an_interpreter_that_is_not_there_fails_the_job(stage: Stage) -> None:
    supervisor = stage.supervise(settings=replace(ONE, worker_python="/no/such/python"))
    job_id = call(stage, "noop")
    finish(stage, supervisor, job_id)
    assert "/no/such/python" in (stage.job(job_id).error or "")


def test_what_a_call_leaves_behind_is_ended(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    job_id = call(stage, "leave", {"seconds": 1000})
    finish(stage, supervisor, job_id)
    left = stage.job(job_id).result
    assert isinstance(left, int)
    assert all(entry.pid != left for entry in stage.processes())
    assert "strays_killed" in stage.kinds(job_id)


def test_commands_and_calls_share_the_slots_of_a_queue_by_priority(stage: Stage) -> None:
    set_queue(stage.store, "default", stage.clock, concurrency=1)
    supervisor = stage.supervise(settings=ONE)
    finish(stage, supervisor, call(stage, "noop"))
    ledger = stage.root / "ledger"
    ids: list[JobId] = []
    for number in range(3):
        ids.append(
            call(stage, "note", {"ledger": str(ledger), "text": f"{2 * number}"}, priority=2 + 2 * number)
        )
        ids.append(stage.shell(f"echo {2 * number + 1} >>ledger", priority=3 + 2 * number))
    finish(stage, supervisor, *ids)
    assert ledger.read_text().split() == ["0", "1", "2", "3", "4", "5"]


def test_calls_with_one_lock_never_overlap_and_are_not_handed_ahead(stage: Stage) -> None:
    supervisor = stage.supervise(settings=TWO)
    warm_up(stage, supervisor)
    ids = [call(stage, "noop", name="quick", lock_key="one") for _ in range(6)]

    def held_one() -> bool:
        running = [i for i in ids if stage.status(i) is JobStatus.RUNNING]
        assert len(running) <= 1
        return all_ended(stage, ids)

    stage.turn_until(supervisor, held_one)
    assert {stage.status(job_id) for job_id in ids} == {JobStatus.COMPLETED}


def test_calls_with_one_lock_that_are_all_queued_are_claimed_one_by_one(stage: Stage) -> None:
    supervisor = stage.supervise(settings=TWO)
    first = [call(stage, "noop", name=name) for name in ("warm", "up")]
    stage.turn_until(supervisor, lambda: len([w for w in workers_of(supervisor) if w.is_idle]) == 2)
    finish(stage, supervisor, *first)
    ids = [call(stage, "noop", lock_key="one") for _ in range(2)]
    with stage.store.write():  # as after a lock came free while both waited for something else
        stage.store.database.rows("UPDATE jobs SET state='queued', reason=NULL WHERE lock_key='one'")
    finish(stage, supervisor, *ids)
    spans = sorted((job.started_at or 0, job.finished_at or 0) for job in map(stage.job, ids))
    assert spans[0][1] <= spans[1][0]


def test_a_reserved_call_runs_in_a_private_life(stage: Stage) -> None:
    supervisor = stage.supervise(reserved=call_submission(stage, "add", {"a": 1, "b": 1}), settings=ONE)
    reservation = supervisor.reservation
    assert reservation is not None
    finish(stage, supervisor, reservation.job_id)
    assert stage.job(reservation.job_id).result == 2
