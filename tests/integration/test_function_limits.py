"""What jobs have in common holds for function jobs too: hooks, keys, resources, rates, allowed modules."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.actions.queues import add_queue
from jobctl.executors.functions import WorkerDirectory
from jobctl.executors.trees import Tree
from jobctl.model.calls import Call
from jobctl.model.queues import parse_rate
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobStatus, Token, WorkerId
from jobctl.settings import Settings
from jobctl.store.transitions import Claim
from jobctl.supervisor.kept_worker import Held, KeptWorker
from tests.support.calls import Calls
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
from tests.support.functions import add_toys, call
from tests.support.supervisors import Site, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage with toys."""
    stage = Stage(tmp_path)
    add_toys(stage)
    try:
        yield stage
    finally:
        stage.close()


@pytest.mark.parametrize(("function", "hook"), [("noop", "on_success"), ("fail", "on_failure")])
def test_the_end_of_a_call_runs_its_hook(stage: Stage, function: str, hook: str) -> None:
    job_id = call(stage, function, on_success="echo went", on_failure="echo broke")
    supervisor = stage.supervise(settings=ONE)
    finish(stage, supervisor, job_id)
    stage.turn_until(
        supervisor, lambda: all(one.status.is_terminal for one in stage.store.jobs.hooks_of(job_id))
    )
    (found,) = stage.store.jobs.hooks_of(job_id)
    assert (found.name, found.status) == (f"{function}:{hook}", JobStatus.COMPLETED)
    assert stage.output(found.id) == ("went\n" if hook == "on_success" else "broke\n")


def test_a_unique_call_is_there_once_until_it_has_ended(stage: Stage) -> None:
    first, again = (call(stage, "noop", unique_key="one") for _ in range(2))
    assert again == first
    finish(stage, stage.supervise(settings=ONE), first)
    assert call(stage, "noop", unique_key="one") != first


def test_calls_that_share_a_resource_never_run_together_and_are_not_handed_ahead(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_resources({"gpu": 1})
    supervisor = stage.supervise(settings=TWO)
    warm_up(stage, supervisor)
    ids = [call(stage, "noop", name="quick", resources={"gpu": 1}) for _ in range(5)]
    held: list[int] = []

    def ended() -> bool:
        held.append(sum(stage.status(job_id) is JobStatus.RUNNING for job_id in ids))
        return all_ended(stage, ids)

    stage.turn_until(supervisor, ended)
    assert max(held) == 1
    assert {stage.job(job_id).status for job_id in ids} == {JobStatus.COMPLETED}


def test_a_rate_holds_for_calls(stage: Stage) -> None:
    add_queue(stage.store, "slow", 5, stage.clock, rate=parse_rate("2/min"))
    supervisor = stage.supervise(settings=TWO)
    warm_up(stage, supervisor)
    ids = [call(stage, "noop", name="quick", queue="slow") for _ in range(4)]
    finish(stage, supervisor, *ids[:2])
    for _ in range(20):
        supervisor.turn()
    assert [stage.status(job_id) for job_id in ids[2:]] == [JobStatus.QUEUED] * 2
    finish(stage, supervisor, *ids, tick=1.0)
    first, *_, last = (stage.job(job_id).started_at or 0 for job_id in ids)
    assert last - first >= 30_000


def test_a_worker_that_has_grown_is_replaced(stage: Stage) -> None:
    supervisor = stage.supervise(settings=replace(ONE, worker_memory=1 << 20))
    ids = [call(stage, "pid") for _ in range(2)]
    finish(stage, supervisor, *ids)
    assert len({stage.job(job_id).result for job_id in ids}) == 2


def test_a_module_that_was_taken_off_the_list_is_not_called(stage: Stage) -> None:
    ledger = stage.root / "ledger"
    job_id = call(stage, "note", {"ledger": str(ledger), "text": "ran"})
    finish(stage, stage.supervise(settings=Settings(max_workers=1)), job_id)
    job = stage.job(job_id)
    assert (job.status, job.reason, job.exit_code) == (JobStatus.FAILED, "spawn_error", 126)
    assert "functions of this module may not be called: 'toys'" in (job.error or "")
    assert stage.kinds(job_id) == ["submitted", "started", "failed"]
    assert not ledger.exists()


def test_a_module_that_the_file_has_just_listed_is_called(stage: Stage) -> None:
    # Who submits right after a reload may be faster than the supervisor's own reading of the file.
    Path(stage.home.path, "jobctl.yaml").write_text("settings: {modules: [toys]}\n")
    job_id = call(stage, "noop")
    finish(stage, stage.supervise(settings=Settings(max_workers=1)), job_id)
    assert stage.job(job_id).status is JobStatus.COMPLETED


def test_what_ended_calls_were_given_is_not_kept_by_their_worker(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    big = "secret" * 1000
    warm_up(stage, supervisor)
    ids = [call(stage, "say", {"text": big}, name="quick") for _ in range(3)]
    shut = gate(stage)
    ids.append(call(stage, "until_gone", {"gate": str(shut)}, name="quick"))
    finish(stage, supervisor, *ids[:3])
    running_worker(stage, supervisor, ids[3])
    (worker,) = workers_of(supervisor)
    orders = Path(worker.directory.orders_path)
    assert (
        orders.read_bytes().count(b"secret") < 1000
    )  # what is left of the block that the last one begins in
    shut.unlink()
    finish(stage, supervisor, ids[3])
    supervisor.turn()
    assert orders.stat().st_size == 0
    after = call(stage, "add", {"a": 1, "b": 1})
    finish(stage, supervisor, after)
    assert (stage.job(after).result, stage.job(after).attempt) == (2, 1)


def test_a_start_is_told_once_however_often_it_is_adopted(stage: Stage) -> None:
    shut = gate(stage)
    job_id = call(stage, "until_gone", {"gate": str(shut)})
    first = stage.supervise(settings=ONE)
    running_worker(stage, first, job_id)
    stage.kill(first)
    second = stage.supervise(settings=ONE)
    stage.turn_until(second, lambda: stage.kinds(job_id).count("adopted") == 1)
    stage.kill(second)
    third = stage.supervise(settings=ONE)
    stage.turn_until(third, lambda: stage.kinds(job_id).count("adopted") == 2)
    shut.unlink()
    finish(stage, third, job_id, tick=0.1)
    assert stage.kinds(job_id) == ["submitted", "started", "adopted", "adopted", "completed"]


def test_a_full_pipe_takes_the_rest_later_and_in_order(tmp_path: Path) -> None:
    directory = WorkerDirectory(str(tmp_path))
    Path(directory.orders_path).touch()
    read, write = os.pipe()
    os.set_blocking(write, False)
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    worker = KeptWorker(WorkerId(1), directory, Tree(None, None, None, 0, b""))
    worker.ready, worker._pipe = True, write
    spec = JobSpec(call=Call("toys:noop", {}))
    jobs = [
        (Held(Claim(JobId(n), 1, Token(n), 0, 0, 0, spec, None), n), b"order %d\n" % n)
        for n in range(1, 1001)
    ]
    try:
        worker.hand_over(jobs)
        assert (worker.has_unsent, worker.takes_jobs) == (True, False)
        heard = b""
        while worker.has_unsent:
            heard += os.read(read, 4096)
            worker.flush()
        heard += os.read(read, 4096)
        orders = Path(directory.orders_path).read_bytes()
    finally:
        worker.close()
        os.close(read)
    lines = [list(map(int, line.split())) for line in heard.splitlines()]
    assert [line[0] for line in lines] == list(range(1, 1001))
    assert [orders[at : at + size] for *_, at, size in lines] == [order for _, order in jobs]


def test_show_tells_the_traceback(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = call(stage, "fail", {"text": "no \x1b[31mgood"})
    finish(stage, stage.supervise(settings=ONE), job_id)
    jobctl = Calls(stage.home.path, capsys, monkeypatch)
    (attempt,) = json.loads(jobctl("show", str(job_id), "--json").out)["attempts"]
    assert attempt["traceback"] == stage.store.functions.traceback(job_id, 1)
    assert "in fail" in attempt["traceback"]
    text = jobctl("show", str(job_id)).out
    assert "traceback\n" in text
    assert "ValueError: no \\x1b[31mgood" in text.partition("traceback\n")[2]


def test_down_leave_running_leaves_a_call_to_the_next_supervisor(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        add_toys(site)
        Path(site.home.path, "jobctl.yaml").write_text("settings: {modules: [toys]}\n")
        shut = tmp_path / "gate"
        shut.touch()
        job_id = call(site, "until_gone", {"gate": str(shut)})
        first = site.up()
        site.wait_for(lambda: site.attempts(job_id))
        assert site.finish(site.spawn("down", "--leave-running")) == 0
        assert site.finish(first) == 0
        assert site.status(job_id) is JobStatus.RUNNING
        second = site.up()
        site.wait_for(lambda: "adopted" in site.kinds(job_id))
        shut.unlink()
        job = site.wait_status(job_id)
        assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "went", 1)
        assert site.kinds(job_id) == ["submitted", "started", "adopted", "completed"]
        assert site.finish(site.spawn("down")) == 0
        assert site.finish(second) == 0
    finally:
        site.close()
