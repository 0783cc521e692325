"""What a retried job brings back, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobctl.actions.jobs import retry
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from tests.support.supervisors import Stage


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


def test_the_needed_job_is_retried_all_the_same(stage: Stage) -> None:
    needed = stage.submit("false")
    dependent = stage.submit("true", unique_key="U", after=(Dependency(needed, Condition.SUCCESS),))
    stage.turn_until_status(stage.supervise(), needed, JobStatus.FAILED)
    assert stage.status(dependent) is JobStatus.CANCELLED
    stage.submit("true", unique_key="U", hold=True)
    retry(stage.store, parse_selector(str(needed)), stage.clock)
    assert stage.status(needed) is JobStatus.QUEUED
    assert stage.status(dependent) is JobStatus.CANCELLED


def test_a_retried_need_is_waited_for_again_beside_the_others(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    first = stage.submit("true")
    second = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    needs = (Dependency(first, Condition.ANY), Dependency(second, Condition.ANY))
    dependent = stage.submit("true", after=needs)
    supervisor = stage.supervise()
    for _ in range(2):
        stage.turn_until_status(supervisor, first, JobStatus.COMPLETED)
        assert stage.status(dependent) is JobStatus.CREATED
        retry(stage.store, parse_selector(str(first)), stage.clock)
    stage.turn_until_status(supervisor, first, JobStatus.COMPLETED)
    assert stage.status(dependent) is JobStatus.CREATED
    gate.unlink()
    stage.turn_until_status(supervisor, dependent, JobStatus.COMPLETED)


def test_of_several_cancelled_dependents_with_one_key_the_newest_waits_again(stage: Stage) -> None:
    needed = stage.submit("false")
    stage.turn_until_status(stage.supervise(), needed, JobStatus.FAILED)
    after = (Dependency(needed, Condition.SUCCESS),)
    older, newer = (stage.submit("true", unique_key="U", after=after) for _ in range(2))
    assert {stage.status(older), stage.status(newer)} == {JobStatus.CANCELLED}
    retry(stage.store, parse_selector(str(needed)), stage.clock)
    assert (stage.status(older), stage.status(newer)) == (JobStatus.CANCELLED, JobStatus.CREATED)
