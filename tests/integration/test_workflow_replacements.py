"""Runs that replace another one (``--on-duplicate replace``): they wait until it has ended, with its handlers."""

from __future__ import annotations

import pytest

from jobctl.actions.explanations import explain_job
from jobctl.actions.jobs import cancel
from jobctl.actions.workflow_retries import RetryWish, retry_workflow
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import OnDuplicate
from jobctl.model.states import JobStatus
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow

FLOW = """
    timeout: 100
    rollback: on_cancel
    steps:
      - {id: a, run: "true", undo: "echo undone ${{ run.id }} >> ledger"}
      - {id: b, needs: a, run: "echo began ${{ run.id }} >> ledger; while [ -e gate ]; do sleep 0.01; done"}
    on_exit: echo bye ${{ run.id }} >> ledger
"""


def ledger(stage: Stage) -> list[str]:
    return (stage.root / "ledger").read_text().splitlines()


def replacing(stage: Stage) -> Watched:
    return Watched(stage, add_workflow(stage, FLOW, unique_key="k", on_duplicate=OnDuplicate.REPLACE))


@pytest.fixture
def old(stage: Stage) -> Watched:
    """A run in the middle of its second step."""
    (stage.root / "gate").touch()
    return Watched(stage, add_workflow(stage, FLOW, unique_key="k"))


def until_it_runs(made: Watched, supervisor: Supervisor) -> None:
    made.stage.turn_until(supervisor, lambda: (made.stage.root / "ledger").exists())


def test_no_step_of_the_new_run_starts_before_the_old_one_has_ended(stage: Stage, old: Watched) -> None:
    supervisor = stage.supervise()
    until_it_runs(old, supervisor)
    new = replacing(stage)
    job = stage.job(new.id)
    assert (job.status, job.reason, new.run.deadline_at) == (JobStatus.CREATED, "dependency", None)
    told = explain_job(stage.store, job, stage.clock.now_ms())[0]
    assert f"it starts once workflow {old.id}, which it replaces, has ended" in told.message
    stage.clock.advance(1)
    old.end(supervisor)
    (stage.root / "gate").unlink()
    assert new.end(supervisor).status is JobStatus.COMPLETED
    assert ledger(stage) == [
        f"began {old.id}", f"undone {old.id}", f"bye {old.id}", f"began {new.id}", f"bye {new.id}",
    ]  # fmt: skip
    assert (new.run.started_at or 0) >= (old.run.finished_at or 0)
    assert new.run.deadline_at == (new.run.started_at or 0) + 100_000


def test_a_kill_while_the_new_run_waits_loses_nothing(stage: Stage, old: Watched) -> None:
    supervisor = stage.supervise()
    until_it_runs(old, supervisor)
    new = replacing(stage)
    stage.kill(supervisor)
    (stage.root / "gate").unlink()
    second = stage.supervise()
    old.end(second)
    stage.kill(second)
    assert new.end().status is JobStatus.COMPLETED


def test_the_next_one_waits_for_what_still_runs_too(stage: Stage, old: Watched) -> None:
    supervisor = stage.supervise()
    until_it_runs(old, supervisor)
    second, third = replacing(stage), replacing(stage)
    assert (second.run.status, second.run.reason, second.run.phase) == (
        JobStatus.CANCELLED, "replaced", "ended",
    )  # fmt: skip
    assert third.run.status is JobStatus.CREATED
    old.end(supervisor)
    (stage.root / "gate").unlink()
    third.end(supervisor)
    assert ledger(stage)[-2:] == [f"began {third.id}", f"bye {third.id}"]
    assert f"began {second.id}" not in ledger(stage)


def test_a_run_that_waits_is_cancelled_without_a_supervisor_and_can_be_retried(
    stage: Stage, old: Watched
) -> None:
    supervisor = stage.supervise()
    until_it_runs(old, supervisor)
    new = replacing(stage)
    cancel(stage.store, parse_selector(str(new.id)), stage.clock)
    assert (new.run.status, new.run.phase, new.run.ended) == (JobStatus.CANCELLED, "ended", 2)
    assert set(new.statuses.values()) == {"cancelled"}
    old.end(supervisor)
    (stage.root / "gate").unlink()
    retry_workflow(stage.store, new.id, RetryWish(), stage.clock)
    assert new.end(supervisor).status is JobStatus.COMPLETED


def test_with_nothing_to_replace_a_run_begins_at_once(stage: Stage) -> None:
    new = replacing(stage)
    assert (new.run.status, new.run.reason) == (JobStatus.RUNNING, None)
    assert new.run.deadline_at == stage.clock.now_ms() + 100_000
