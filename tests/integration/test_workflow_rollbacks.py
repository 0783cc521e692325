"""Rollbacks, cancellations and approvals of workflows: what is undone, in which order, and what still runs."""

from __future__ import annotations

import pytest

from jobctl.actions.jobs import CancelOptions, cancel, retry
from jobctl.actions.workflow_intents import approve_step, cancel_workflow, reject_step, roll_back_workflow
from jobctl.errors import NotFoundError, StateConflictError
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from jobctl.model.workflow_runs import Role
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import ENVIRONMENT, Stage
from tests.support.workflows import Watched, add_workflow, bundle, ended, run_workflow

UNDO = """
    rollback: [on_failure, on_cancel]
    steps:
      - id: a
        run: echo n=5 >> "$JOBCTL_OUTPUT"
        outputs: {n: int}
        undo: echo a ${{ steps.a.outputs.n }} >> undone
      - {id: b, needs: a, foreach: [x, y], run: "echo did ${{ item }}", undo: "echo b ${{ item }} >> undone"}
      - {id: c, needs: b, run: exit 3, undo: echo c >> undone}
      - {id: d, needs: c, run: "true", undo: echo d >> undone}
    on_exit: echo bye >> undone
"""


def undone(stage: Stage) -> list[str]:
    path = stage.root / "undone"
    return path.read_text().splitlines() if path.exists() else []


def test_completed_steps_are_undone_in_the_reverse_order_of_their_starts(stage: Stage) -> None:
    made = run_workflow(stage, UNDO)
    assert undone(stage) == ["b y", "b x", "a 5", "bye"]
    assert made.statuses == {"a": "rolled_back", "b": "rolled_back", "c": "failed", "d": "upstream_failed"}
    assert (made.run.status, made.run.rollback, made.run.phase) == (JobStatus.FAILED, "complete", "ended")
    assert made.of_role(Role.UNDO) == ["b[1]", "b[0]", "a"]
    assert stage.job(made.step("a").undo_id or made.id).name == "flow/a:undo"


def test_a_failing_undo_is_told_and_the_others_go_on(stage: Stage) -> None:
    made = run_workflow(stage, UNDO.replace('"echo b ${{ item }} >> undone"', "exit 4"))
    assert undone(stage) == ["a 5", "bye"]
    assert made.statuses["b"] == "rollback_failed"
    assert made.item_statuses["b"] == ["rollback_failed", "rollback_failed"]
    assert (made.run.status, made.run.rollback) == (JobStatus.FAILED, "partial")


def test_an_undo_may_be_for_what_was_only_started(stage: Stage) -> None:
    text = "rollback: on_failure\nsteps: [{id: a, run: 'false', undo: echo a >> undone, undo_if: started}]"
    made = run_workflow(stage, text)
    assert (undone(stage), made.statuses, made.run.failure) == (["a"], {"a": "rolled_back"}, "a")


def test_an_undo_has_its_own_retry(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            rollback: on_failure
            steps:
              - id: a
                run: "true"
                undo: {run: test $JOBCTL_ATTEMPT = 2, retry: {times: 2, delay: 1}}
              - {id: b, needs: a, run: "false"}
            """,
        ),
    )
    assert made.end(tick=0.5).rollback == "complete"
    assert stage.job(made.step("a").undo_id or made.id).attempt == 2


def test_nothing_is_undone_unless_asked_for(stage: Stage) -> None:
    made = run_workflow(stage, UNDO.replace("rollback: [on_failure, on_cancel]", ""))
    assert undone(stage) == ["bye"]
    assert made.run.rollback == "none"


def test_a_run_is_rolled_back_by_hand_with_no_supervisor_about(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, UNDO.replace("rollback: [on_failure, on_cancel]", "")))
    supervisor = stage.supervise()
    made.end(supervisor)
    stage.kill(supervisor)
    roll_back_workflow(stage.store, made.id, stage.clock)
    assert (made.run.status, made.run.phase) == (JobStatus.RUNNING, "rolling_back")
    with pytest.raises(StateConflictError):
        roll_back_workflow(stage.store, made.id, stage.clock)
    made.end()
    assert undone(stage) == ["bye", "b y", "b x", "a 5"]
    assert (made.run.status, made.run.reason, made.run.rollback) == (
        JobStatus.FAILED, "steps_failed", "complete",
    )  # fmt: skip


def test_a_rollback_reaches_into_the_workflows_that_were_steps(stage: Stage) -> None:
    below = bundle("name: below\nsteps: [{id: one, run: 'true', undo: echo one >> undone}]")
    text = """
    rollback: on_failure
    steps:
      - {id: part, workflow: below.yaml}
      - {id: bad, needs: part, run: "false"}
    """
    made = run_workflow(stage, text, parts={"below.yaml": below})
    assert undone(stage) == ["one"]
    assert (made.statuses["part"], made.run.rollback) == ("rolled_back", "complete")
    inner = Watched(stage, made.job("part"))
    assert (inner.run.status, inner.run.rollback) == (JobStatus.COMPLETED, "complete")


# --- cancel ---

WAITING = """
    rollback: on_cancel
    steps:
      - {id: done, run: "true", undo: echo done >> undone}
      - id: slow
        needs: done
        run: "while [ -e gate ]; do sleep 0.01; done"
      - {id: next, needs: slow, run: "true"}
    on_failure: echo failed >> undone
    on_exit: echo bye >> undone
"""


def slow_run(stage: Stage, text: str = WAITING) -> tuple[Watched, Supervisor]:
    (stage.root / "gate").touch()
    made = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    return made, supervisor


def test_a_cancelled_run_starts_nothing_more_but_what_was_asked_for(stage: Stage) -> None:
    made, supervisor = slow_run(stage)
    done = cancel(stage.store, parse_selector(str(made.id)), stage.clock, CancelOptions(reason="enough"))
    assert [one.id for one in done] == [made.id]
    run = made.end(supervisor)
    assert ended(JobStatus.CANCELLED, run)
    assert made.statuses == {"done": "rolled_back", "slow": "cancelled", "next": "cancelled"}
    assert undone(stage) == ["done", "bye"]
    assert made.step("next").reason == "requested"


def test_cancelling_with_rollback_undoes_whatever_the_file_says(stage: Stage) -> None:
    made, supervisor = slow_run(stage, WAITING.replace("rollback: on_cancel", ""))
    cancel_workflow(stage.store, made.id, stage.clock, rollback=True)
    assert made.end(supervisor).rollback == "complete"
    assert undone(stage) == ["done", "bye"]
    with pytest.raises(StateConflictError, match="rollback"):
        cancel_workflow(stage.store, made.id, stage.clock, rollback=True)


def test_cancelling_before_any_supervisor_was_about_starts_no_step(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, WAITING))
    cancel_workflow(stage.store, made.id, stage.clock)
    assert made.end().status is JobStatus.CANCELLED
    assert set(made.statuses.values()) == {"cancelled"}
    assert made.of_role(Role.STEP) == []
    assert undone(stage) == ["bye"]


def test_cancelling_reaches_the_workflows_within_and_their_handlers_run(stage: Stage) -> None:
    (stage.root / "gate").touch()
    below = bundle(WAITING.replace("echo bye", "echo inner") + "\n    name: below\n")
    text = "steps: [{id: part, workflow: b.yaml}, {id: next, needs: part, run: 'true'}]\non_exit: echo outer >> undone"
    made = Watched(stage, add_workflow(stage, text, parts={"b.yaml": below}))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.step("part").job_id is not None)
    inner = Watched(stage, made.job("part"))
    stage.turn_until(supervisor, lambda: inner.statuses["slow"] == "running")
    cancel(stage.store, parse_selector(str(made.id)), stage.clock)
    made.end(supervisor)
    assert made.statuses == {"part": "cancelled", "next": "cancelled"}
    assert undone(stage) == ["done", "inner", "outer"]


def test_cancelling_the_job_of_a_step_cancels_the_step_alone(stage: Stage) -> None:
    made, supervisor = slow_run(stage)
    cancel(stage.store, parse_selector(str(made.job("slow"))), stage.clock)
    run = made.end(supervisor)
    assert made.statuses == {"done": "rolled_back", "slow": "cancelled", "next": "upstream_failed"}
    assert (run.status, run.reason) == (JobStatus.CANCELLED, "steps_cancelled")


def test_the_job_of_a_step_is_not_retried_by_itself(stage: Stage) -> None:
    made = run_workflow(stage, "steps: [{id: bad, run: 'false'}]")
    with pytest.raises(StateConflictError, match=f"jobctl workflow retry {made.id}"):
        retry(stage.store, parse_selector(str(made.job("bad"))), stage.clock)
    assert [one.id for one in retry(stage.store, parse_selector("@failed"), stage.clock)] == [made.id]
    assert made.run.attempt == 2


# --- approvals ---

ASKING = """
    steps:
      - {id: scan, run: 'echo n=4 >> "$JOBCTL_OUTPUT"', outputs: {n: int}}
      - {id: confirm, needs: scan, approve: {prompt: "Publish ${{ steps.scan.outputs.n }}?", expires: 3600}}
      - {id: publish, needs: confirm, run: "true"}
"""


def asking_run(stage: Stage) -> tuple[Watched, Supervisor]:
    made = Watched(stage, add_workflow(stage, ASKING))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["confirm"] == "waiting")
    return made, supervisor


def test_a_step_waits_for_a_person_without_a_process(stage: Stage) -> None:
    made, supervisor = asking_run(stage)
    step = made.step("confirm")
    assert (step.reason, step.message, step.job_id) == ("approval", "Publish 4?", None)
    stage.turn_until(supervisor, lambda: supervisor.is_idle)
    assert stage.store.jobs.left_waiting() == ["1 waiting for an approval"]
    stage.kill(supervisor)
    approve_step(stage.store, made.id, "confirm", stage.clock, "ada")
    assert made.end().status is JobStatus.COMPLETED
    assert (made.step("confirm").decided_by, made.step("confirm").message) == ("ada", "approved by ada")
    with pytest.raises(StateConflictError):
        approve_step(stage.store, made.id, "confirm", stage.clock)


def test_a_rejected_step_fails(stage: Stage) -> None:
    made, supervisor = asking_run(stage)
    reject_step(stage.store, made.id, "confirm", stage.clock, "ada")
    with pytest.raises(StateConflictError, match="ada has answered"):
        approve_step(stage.store, made.id, "confirm", stage.clock)
    made.end(supervisor)
    assert (made.statuses["confirm"], made.step("confirm").reason) == ("failed", "rejected")
    assert made.statuses["publish"] == "upstream_failed"


def test_an_approval_expires_by_itself(stage: Stage) -> None:
    made, supervisor = asking_run(stage)
    stage.turn_until(supervisor, lambda: supervisor.is_idle)
    assert stage.store.runs.next_due() == made.step("confirm").expires_at
    stage.clock.advance(3601)
    with pytest.raises(StateConflictError, match="run out"):
        approve_step(stage.store, made.id, "confirm", stage.clock)
    made.end(supervisor)
    assert (made.statuses["confirm"], made.step("confirm").reason) == ("failed", "expired")


def test_there_is_nothing_to_approve_in_what_is_not_there(stage: Stage) -> None:
    made, _ = asking_run(stage)
    for job_id, step in ((made.id, "confrm"), (made.id + 999, "confirm")):
        with pytest.raises(NotFoundError):
            approve_step(stage.store, type(made.id)(job_id), step, stage.clock)
    with pytest.raises(StateConflictError, match="it is completed"):
        approve_step(stage.store, made.id, "scan", stage.clock)


def test_bytes_that_are_not_text_stop_no_supervisor(stage: Stage) -> None:
    text = """
    steps:
      - {id: ask, approve: {prompt: "Take ${{ env.ODD }}?"}}
      - {id: wrong, when: "env.ODD > 3", run: "true"}
      - {id: miss, run: "echo ${{ env['x' if env.ODD == 'x' else env.ODD] }}"}
      - {id: good, run: ["printf", "%s", "${{ env.ODD }}"]}
    """
    made = Watched(stage, add_workflow(stage, text, environment={**ENVIRONMENT, "ODD": "a\udcff"}))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["good"] == "completed")
    assert made.step("ask").message == "Take a\\udcff?"
    assert (made.statuses["wrong"], made.statuses["miss"]) == ("failed", "failed")
    assert (stage.attempt_path(made.job("good")) / "output.log").read_bytes() == b"a\xff"
