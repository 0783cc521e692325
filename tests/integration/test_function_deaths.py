"""Function jobs whose supervisor, worker or both die; supervisors are turned by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.model.specs import OnCrash
from jobctl.model.states import JobStatus
from tests.support.function_stages import (
    ONE,
    finish,
    gate,
    running_worker,
    warm_up,
    workers_of,
)
from tests.support.functions import add_toys, call
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


def test_a_dead_supervisor_leaves_its_worker_to_the_next_one(stage: Stage) -> None:
    first = stage.supervise(settings=ONE)
    warm_up(stage, first)
    shut = gate(stage)
    ids = [call(stage, "until_gone", {"gate": str(shut)}, name="quick")]
    ids += [call(stage, "add", {"a": n, "b": 0}, name="quick") for n in range(5)]
    stage.turn_until(first, lambda: any(len(w.hand) == 6 for w in workers_of(first)))
    worker = running_worker(stage, first, ids[0])
    stage.kill(first)
    second = stage.supervise(settings=ONE)
    stage.turn_until(second, lambda: ids[0] in second.active)
    assert "adopted" in stage.kinds(ids[0])
    assert [w.pid for w in second.workers.kept.values() if not w.is_child] == [worker.pid]
    shut.unlink()
    finish(stage, second, *ids, tick=0.1)
    assert stage.job(ids[0]).result == "went"
    assert [stage.job(job_id).result for job_id in ids[1:]] == list(range(5))
    assert {stage.job(job_id).attempt for job_id in ids} == {1}
    stage.turn_until(second, lambda: worker.number not in second.workers.kept, tick=0.3)
    assert not Path(stage.home.worker(worker.number)).exists()


def test_an_end_that_nobody_recorded_is_found_in_the_journal(stage: Stage) -> None:
    first = stage.supervise(settings=ONE)
    shut = gate(stage)
    job_id = call(stage, "until_gone", {"gate": str(shut)})
    worker = running_worker(stage, first, job_id)
    stage.kill(first)
    shut.unlink()
    stage.clock.advance(1)
    wait_until(lambda: not worker.directory.is_held())
    second = stage.supervise(settings=ONE)
    finish(stage, second, job_id)
    assert (stage.job(job_id).status, stage.job(job_id).result) == (JobStatus.COMPLETED, "went")
    assert len(stage.attempts(job_id)) == 1
    assert stage.kinds(job_id).count("started") == 1


@pytest.mark.parametrize(("policy", "status"), [(OnCrash.RETRY, "completed"), (OnCrash.FAIL, "failed")])
def test_when_both_die_the_begun_one_is_lost_and_the_others_are_not_burnt(
    stage: Stage, policy: OnCrash, status: str
) -> None:
    first = stage.supervise(settings=ONE)
    warm_up(stage, first)
    shut = gate(stage)
    ids = [call(stage, "until_gone", {"gate": str(shut)}, name="quick", on_crash=policy)]
    ids += [call(stage, "noop", name="quick") for _ in range(4)]
    stage.turn_until(first, lambda: any(len(w.hand) == 5 for w in workers_of(first)))
    worker = running_worker(stage, first, ids[0])
    stage.kill(first)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    shut.unlink()
    second = stage.supervise(settings=ONE)
    finish(stage, second, *ids, tick=0.1)
    assert stage.attempts(ids[0])[0].outcome == "lost"
    assert stage.status(ids[0]).value == status
    assert {stage.job(job_id).attempt for job_id in ids[1:]} == {1}


def test_a_worker_killed_by_somebody_fails_only_what_it_ran(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    job_id = call(stage, "until_gone", {"gate": str(gate(stage))})
    worker = running_worker(stage, supervisor, job_id)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    finish(stage, supervisor, job_id)
    assert (stage.job(job_id).reason, stage.job(job_id).signal) == ("signal", "SIGKILL")
