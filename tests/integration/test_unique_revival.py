"""A dependent whose unique key somebody took stays cancelled when what it needs is retried."""

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
