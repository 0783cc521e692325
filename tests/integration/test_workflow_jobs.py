"""A workflow is a job: what waits for it, its hooks, what removals and private lives make of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobctl.actions.jobs import cancel, pause, resume
from jobctl.actions.removals import PruneRequest, prunable, remove
from jobctl.actions.workflow_retries import RetryWish, retry_workflow
from jobctl.errors import StateConflictError
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from tests.support.supervisors import Stage, submission
from tests.support.workflows import Watched, add_workflow, run_workflow

SLOW = """
    steps:
      - {id: quick, run: "true"}
      - {id: slow, needs: quick, run: "while [ -e gate ]; do sleep 0.01; done"}
"""


def slow_run(stage: Stage) -> Watched:
    (stage.root / "gate").touch()
    return Watched(stage, add_workflow(stage, SLOW))


@pytest.mark.parametrize(
    ("command", "condition", "status"),
    [
        ("true", Condition.SUCCESS, JobStatus.COMPLETED),
        ("false", Condition.SUCCESS, JobStatus.CANCELLED),
        ("false", Condition.FAILURE, JobStatus.COMPLETED),
    ],
)
def test_jobs_wait_for_a_workflow(
    stage: Stage, command: str, condition: Condition, status: JobStatus
) -> None:
    made = Watched(stage, add_workflow(stage, f"steps: [{{id: a, run: '{command}'}}]"))
    behind = stage.submit("true", after=(Dependency(made.id, condition),))
    supervisor = stage.supervise()
    made.end(supervisor)
    assert stage.turn_until_status(supervisor, behind, status).reason in (None, "dependency")


def test_a_workflow_has_hooks_as_a_job_has(stage: Stage) -> None:
    made = Watched(
        stage, add_workflow(stage, "steps: [{id: a, run: 'false'}]", on_failure="echo $JOBCTL_HOOK_STATUS")
    )
    supervisor = stage.supervise()
    made.end(supervisor)
    (hook,) = stage.store.jobs.hooks_of(made.id)
    stage.turn_until_status(supervisor, hook.id, JobStatus.COMPLETED)
    assert stage.output(hook.id) == "failed\n"
    assert [job.id for job in stage.store.jobs.hooks_of(made.job("a"))] == []


def test_a_workflow_takes_no_slot_and_waits_for_those_of_its_steps(stage: Stage) -> None:
    stage.store.database.rows("UPDATE queues SET concurrency=1")
    made = slow_run(stage)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    assert stage.store.queues.running() == {"default": 1}
    assert not supervisor.is_idle
    (stage.root / "gate").unlink()
    assert made.end(supervisor).status is JobStatus.COMPLETED
    stage.turn_until(supervisor, lambda: supervisor.is_idle)


def test_pausing_a_workflow_pauses_what_runs_of_it(stage: Stage) -> None:
    made = slow_run(stage)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    stage.start(supervisor, made.job("slow"))
    pause(stage.store, parse_selector(str(made.id)), stage.clock)
    stage.turn_until(supervisor, lambda: stage.job(made.job("slow")).reason == "paused", tick=0.1)
    resume(stage.store, parse_selector(str(made.id)), stage.clock)
    (stage.root / "gate").unlink()
    assert made.end(supervisor, tick=0.1).status is JobStatus.COMPLETED


def test_what_a_step_submitted_ends_with_the_workflow(stage: Stage) -> None:
    made = slow_run(stage)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    below = stage.submit("sleep", "600", parent_id=made.job("slow"), hold=True)
    cancel(stage.store, parse_selector(str(made.id)), stage.clock)
    made.end(supervisor)
    assert stage.status(below) is JobStatus.CANCELLED


def test_nothing_of_an_open_workflow_is_pruned(stage: Stage) -> None:
    made = slow_run(stage)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    assert prunable(stage.store, PruneRequest(keep=0), stage.clock) == []
    with pytest.raises(StateConflictError, match="running"):
        remove(stage.store, parse_selector(str(made.id)), stage.clock)
    (stage.root / "gate").unlink()
    made.end(supervisor)
    assert len(prunable(stage.store, PruneRequest(keep=0), stage.clock)) == 3


def test_a_private_life_leaves_workflows_alone(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, "steps: [{id: a, run: 'true'}]"))
    private = stage.supervise(reserved=replace(submission(stage.root, "true"), name="mine"))
    reservation = private.reservation
    assert reservation is not None
    stage.turn_until_status(private, reservation.job_id, JobStatus.COMPLETED)
    assert made.statuses == {"a": "pending"}
    assert made.end().status is JobStatus.COMPLETED


def test_outputs_outlive_the_jobs_that_gave_them(stage: Stage) -> None:
    text = """
    steps:
      - {id: a, run: 'echo n=3 >> "$JOBCTL_OUTPUT"', outputs: {n: int}}
      - {id: b, needs: a, run: 'test -e mended && echo ${{ steps.a.outputs.n }}'}
    """
    made = run_workflow(stage, text)
    remove(stage.store, parse_selector(str(made.job("a"))), stage.clock)
    (stage.root / "mended").touch()
    retry_workflow(stage.store, made.id, RetryWish(), stage.clock)
    assert made.end().status is JobStatus.COMPLETED
    assert made.output("b") == "3\n"
