"""How runs end when callers and failures cross: cancel while it stops, rolls back or runs handlers; runs within."""

from __future__ import annotations

import pytest

from jobctl.actions.jobs import CancelOptions
from jobctl.actions.removals import remove
from jobctl.actions.workflow_intents import cancel_workflow, roll_back_workflow
from jobctl.actions.workflow_retries import RetryWish, retry_workflow
from jobctl.actions.workflows import explain_workflow_step
from jobctl.errors import StateConflictError
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from jobctl.model.workflow_plans import RetryRequest
from jobctl.model.workflow_runs import Phase, Role
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle, run_workflow

GATED = "while [ -e gate ]; do sleep 0.01; done"


def ledger(stage: Stage) -> list[str]:
    path = stage.root / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def until(stage: Stage, text: str, phase: Phase) -> tuple[Watched, Supervisor]:
    """A run in that phase whose last job of it waits at the gate."""
    (stage.root / "gate").touch()
    made = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()

    def at_the_gate() -> bool:
        children = stage.store.workflows.children(made.id)
        return made.run.phase is phase and stage.status(children[-1].job_id) is JobStatus.RUNNING

    stage.turn_until(supervisor, at_the_gate)
    return made, supervisor


# --- handlers and undo commands ---


def test_a_rollback_that_is_asked_for_while_a_handler_runs_is_done(stage: Stage) -> None:
    made, supervisor = until(
        stage,
        f"""
        steps: [{{id: a, run: "true", undo: "echo undone >> ledger"}}]
        on_exit: {GATED}; echo bye >> ledger
        """,
        Phase.HANDLERS,
    )
    cancel_workflow(stage.store, made.id, stage.clock, rollback=True)
    supervisor.turn()
    (stage.root / "gate").unlink()
    run = made.end(supervisor)
    assert (run.status, run.rollback) == (JobStatus.COMPLETED, "complete")
    assert ledger(stage) == ["bye", "undone"]
    assert made.of_role(Role.ON_EXIT) == ["on_exit"]


UNDOING = f"""
    rollback: on_failure
    steps:
      - {{id: a, run: "true", undo: "{GATED}; echo undone >> ledger"}}
      - {{id: b, needs: a, run: "false"}}
"""


def test_a_plain_cancel_leaves_an_undo_alone_however_often(stage: Stage) -> None:
    made, supervisor = until(stage, UNDOING, Phase.ROLLING_BACK)
    for _ in range(3):
        cancel_workflow(stage.store, made.id, stage.clock)
        supervisor.turn()
    (stage.root / "gate").unlink()
    run = made.end(supervisor)
    assert (run.status, run.rollback, ledger(stage)) == (JobStatus.FAILED, "complete", ["undone"])


@pytest.mark.parametrize("options", [CancelOptions(grace_seconds=0), CancelOptions(signal=9)])
def test_a_cancel_for_now_ends_an_undo_and_says_so(stage: Stage, options: CancelOptions) -> None:
    made, supervisor = until(stage, UNDOING, Phase.ROLLING_BACK)
    cancel_workflow(stage.store, made.id, stage.clock, options=options)
    run = made.end(supervisor, tick=1)
    assert (run.status, run.rollback, made.statuses["a"]) == (
        JobStatus.FAILED, "partial", "rollback_failed",
    )  # fmt: skip


# --- fail_fast and cancel ---


def test_a_cancel_of_a_run_that_fails_already_hurries_nothing_and_keeps_its_end(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            fail_fast: true
            rollback: on_failure
            steps:
              - {id: done, run: "true", undo: "echo undone >> ledger"}
              - id: slow
                run: |
                  trap 'while [ -e gate ]; do sleep 0.01; done; echo cleaned >> ledger; exit 3' TERM
                  touch up; while :; do sleep 0.01; done
              - {id: bad, needs: done, run: "while [ ! -e up ]; do sleep 0.01; done; false"}
            """,
        ),
    )
    (stage.root / "gate").touch()
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.run.phase is Phase.STOPPING)
    cancel_workflow(stage.store, made.id, stage.clock)
    for _ in range(10):
        supervisor.turn()
    requests = "SELECT requests FROM cancel_requests WHERE job_id=?"
    assert stage.store.database.value(requests, (made.job("slow"),)) == 1
    (stage.root / "gate").unlink()
    run = made.end(supervisor)
    assert (run.status, run.stop, run.rollback) == (JobStatus.FAILED, "fail_fast", "complete")
    assert ledger(stage) == ["cleaned", "undone"]


def test_a_second_cancel_hurries_what_runs(stage: Stage) -> None:
    made, supervisor = until(
        stage,
        "steps: [{id: a, run: \"trap '' TERM; while [ -e gate ]; do sleep 0.01; done\"}]",
        Phase.RUNNING,
    )
    for requests in (1, 2):
        cancel_workflow(stage.store, made.id, stage.clock)
        supervisor.turn()
        found = "SELECT requests FROM cancel_requests WHERE job_id=?"
        assert stage.store.database.value(found, (made.job("a"),)) == requests
    assert made.end(supervisor, tick=1).status is JobStatus.CANCELLED


# --- runs within ---

BELOW = """
name: below
steps:
  - {id: x, run: "true", undo: "echo x >> ledger"}
  - {id: y, needs: x, run: "true", undo: "echo y >> ledger"}
  - {id: z, needs: y, run: LAST}
"""
ABOVE = """
rollback: [on_failure, on_cancel]
steps:
  - {id: a, run: "true", undo: "echo a >> ledger"}
  - {id: part, needs: a, workflow: below}
"""


def test_what_completed_in_a_failed_run_within_is_undone_in_reverse(stage: Stage) -> None:
    made = run_workflow(stage, ABOVE, parts={"below": bundle(BELOW.replace("LAST", '"false"'))})
    assert ledger(stage) == ["y", "x", "a"]
    assert made.run.rollback == "complete"
    assert made.statuses == {"a": "rolled_back", "part": "rolled_back"}
    inner = Watched(stage, made.job("part"))
    assert inner.statuses == {"x": "rolled_back", "y": "rolled_back", "z": "failed"}
    assert (inner.run.status, inner.run.rollback) == (JobStatus.FAILED, "complete")


def test_what_completed_in_a_cancelled_run_within_a_run_within_is_undone(stage: Stage) -> None:
    (stage.root / "gate").touch()
    inmost = bundle(BELOW.replace("LAST", f'"{GATED}"'))
    middle = bundle(
        "name: middle\nsteps: [{id: m, run: 'true', undo: echo m >> ledger},"
        " {id: part, needs: m, workflow: below}]",
        {"below": inmost},
    )
    made = Watched(stage, add_workflow(stage, ABOVE, parts={"below": middle}))
    supervisor = stage.supervise()

    def at_the_gate() -> bool:
        row = stage.store.database.value("SELECT state FROM jobs WHERE name='below/z'")
        return bool(row == "running")

    stage.turn_until(supervisor, at_the_gate)
    cancel_workflow(stage.store, made.id, stage.clock)
    run = made.end(supervisor, tick=1)
    assert (run.status, run.rollback) == (JobStatus.CANCELLED, "complete")
    assert ledger(stage) == ["y", "x", "m", "a"]


def test_items_that_are_runs_are_looked_into_however_they_ended(stage: Stage) -> None:
    text = ABOVE.replace("{id: part, needs: a, workflow: below}", "{id: part, needs: a, foreach: [0, 7], parallel: 1,"
                         " workflow: below, with: {n: '${{ item }}'}}")  # fmt: skip
    inner = "params: {n: {type: int}}\n" + BELOW.replace("LAST", '"exit ${{ params.n }}"').replace(
        "echo y", "echo y ${{ params.n }}"
    )
    made = run_workflow(stage, text, parts={"below": bundle(inner)})
    assert ledger(stage) == ["y 7", "x", "y 0", "x", "a"]
    assert (made.run.rollback, made.item_statuses) == ("complete", {"part": ["rolled_back"] * 2})


def test_a_failed_run_within_with_nothing_to_undo_stays_failed(stage: Stage) -> None:
    inner = "name: below\nsteps: [{id: z, run: 'false'}, {id: w, needs: z, run: 'true', undo: 'true'}]"
    made = run_workflow(stage, ABOVE, parts={"below": bundle(inner)})
    assert (made.run.rollback, made.statuses) == ("complete", {"a": "rolled_back", "part": "failed"})


def test_a_failing_undo_within_makes_the_whole_partial(stage: Stage) -> None:
    inner = BELOW.replace("LAST", '"false"').replace("echo y >> ledger", "exit 4")
    made = run_workflow(stage, ABOVE, parts={"below": bundle(inner)})
    assert (made.run.rollback, made.statuses["part"], ledger(stage)) == (
        "partial", "rollback_failed", ["x", "a"],
    )  # fmt: skip


def test_a_run_within_that_rolled_back_by_itself_is_not_undone_twice(stage: Stage) -> None:
    inner = "rollback: on_failure\n" + BELOW.replace("LAST", '"false"')
    made = run_workflow(stage, ABOVE, parts={"below": bundle(inner)})
    assert (made.run.rollback, ledger(stage)) == ("complete", ["y", "x", "a"])


def test_a_run_within_is_not_removed_while_the_whole_may_have_to_undo_it(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            "steps: [{id: part, workflow: below}, {id: ask, needs: part, approve: Go on?}]",
            parts={"below": bundle(BELOW.replace("LAST", '"true"'))},
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["ask"] == "waiting")
    part = made.job("part")
    with pytest.raises(StateConflictError, match=f"a step of workflow {made.id}, which has not ended"):
        remove(stage.store, parse_selector(str(part)), stage.clock)
    cancel_workflow(stage.store, made.id, stage.clock)
    made.end(supervisor)
    removed = remove(stage.store, parse_selector(str(part)), stage.clock)
    assert [one.id for one in removed if not one.is_part] == [part]
    assert sum(one.is_part for one in removed) == 3


# --- rollback once more ---


def test_what_is_rolled_back_is_not_rolled_back_again(stage: Stage) -> None:
    made = run_workflow(stage, UNDOING.replace(GATED, "true"))
    with pytest.raises(StateConflictError, match="rolled back already") as caught:
        roll_back_workflow(stage.store, made.id, stage.clock)
    assert caught.value.exit_code == 4
    assert (made.run.rollback, ledger(stage)) == ("complete", ["undone"])


def test_a_rollback_that_failed_in_part_can_be_tried_again(stage: Stage) -> None:
    text = UNDOING.replace(GATED, "test -e mended")
    made = run_workflow(stage, text.replace("; echo", " && echo"))
    assert made.run.rollback == "partial"
    (stage.root / "mended").touch()
    roll_back_workflow(stage.store, made.id, stage.clock)
    assert (made.end().rollback, ledger(stage)) == ("complete", ["undone"])


RETRIED = """
    rollback: on_failure
    steps:
      - {id: a, run: "true", undo: "echo a >> ledger"}
      - {id: b, needs: a, run: "test -e mended"}
      - {id: other, run: "true", undo: "echo other >> ledger"}
      - {id: late, run: "false", needs: other}
    on_failure: echo first ${{ failure.step }} >> told
"""


def test_what_stays_rolled_back_is_still_told_after_a_retry_of_a_part(stage: Stage) -> None:
    made = run_workflow(stage, RETRIED)
    assert made.run.rollback == "complete"
    (stage.root / "mended").touch()
    retry_workflow(stage.store, made.id, RetryWish(RetryRequest(from_step="other")), stage.clock)
    run = made.end()
    assert run.rollback == "complete"
    assert made.statuses["a"] == "rolled_back"


def test_a_failed_branch_beside_the_retried_one_is_named_as_the_failure(stage: Stage) -> None:
    made = run_workflow(stage, RETRIED.replace("rollback: on_failure", ""))
    (stage.root / "mended").touch()
    (stage.root / "told").unlink()
    retry_workflow(stage.store, made.id, RetryWish(RetryRequest(from_step="b")), stage.clock)
    run = made.end()
    assert (run.failure, made.statuses["b"], (stage.root / "told").read_text()) == (
        "late", "completed", "first late\n",
    )  # fmt: skip


def test_that_an_undone_step_had_failed_is_still_known(stage: Stage) -> None:
    text = "rollback: on_failure\nsteps: [{id: a, run: exit 3, undo: echo a >> ledger, undo_if: started}]"
    made = run_workflow(stage, text)
    assert (made.statuses["a"], made.step("a").exit_code, ledger(stage)) == ("rolled_back", 3, ["a"])
    told = explain_workflow_step(stage.store, stage.job(made.id), "a").causes[0].message
    assert told.startswith("failed with exit 3")
    assert "then rolled back" in told
