"""Retries of workflows: what runs again, what is kept, with other parameters, another definition, and further in."""

from __future__ import annotations

import pytest

from jobctl.actions.workflow_intents import cancel_workflow
from jobctl.actions.workflow_retries import RetryWish, plan_workflow_retry, retry_workflow
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.states import JobStatus
from jobctl.model.workflow_plans import DefinitionChoice, RetryRequest
from jobctl.model.workflow_runs import Role
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle, run_workflow

FLOW = """
    params: {word: {default: one}}
    steps:
      - {id: a, run: "echo a ${{ params.word }} >> ledger"}
      - {id: b, needs: a, run: "echo b ${{ params.word }} >> ledger; test -e mended"}
      - {id: c, needs: b, run: "echo c >> ledger"}
      - {id: d, run: "echo d >> ledger"}
    on_exit: echo bye >> ledger
"""


def ledger(stage: Stage) -> list[str]:
    """What was written since this was asked last."""
    path = stage.root / "ledger"
    found = path.read_text().splitlines()
    path.write_text("")
    return found


def failed_run(stage: Stage, text: str = FLOW) -> Watched:
    made = run_workflow(stage, text)
    assert made.run.status is JobStatus.FAILED
    ledger(stage)
    return made


def again(made: Watched, wish: RetryWish | None = None) -> None:
    """The run was retried and has ended."""
    (made.stage.root / "mended").touch()
    retry_workflow(made.stage.store, made.id, wish or RetryWish(), made.stage.clock)
    assert made.run.status is JobStatus.RUNNING
    made.end()


def test_a_retry_runs_what_failed_and_what_stands_behind_it(stage: Stage) -> None:
    made = failed_run(stage)
    again(made)
    assert ledger(stage) == ["b one", "c", "bye"]
    assert (made.run.status, made.run.attempt, made.run.failure) == (JobStatus.COMPLETED, 2, None)
    assert set(made.statuses.values()) == {"completed"}
    assert [child.attempt for child in stage.store.workflows.children(made.id) if child.step == "b"] == [1, 2]
    assert made.of_role(Role.ON_EXIT) == ["on_exit", "on_exit"]


def test_the_plan_changes_nothing(stage: Stage) -> None:
    made = failed_run(stage)
    plan = plan_workflow_retry(stage.store, made.id, RetryWish())
    assert plan.runs == ("b", "c")
    assert (made.run.attempt, made.run.status) == (1, JobStatus.FAILED)


def test_from_a_step_everything_behind_it_runs_again(stage: Stage) -> None:
    made = failed_run(stage)
    again(made, RetryWish(RetryRequest(from_step="a")))
    assert ledger(stage) == ["a one", "b one", "c", "bye"]


def test_only_one_step_runs_again(stage: Stage) -> None:
    made = failed_run(stage)
    again(made, RetryWish(RetryRequest(only_step="d")))
    assert ledger(stage) == ["d", "bye"]
    assert made.statuses == {"a": "completed", "b": "failed", "c": "upstream_failed", "d": "completed"}
    assert made.run.status is JobStatus.FAILED


def test_other_parameters_hold_from_then_on(stage: Stage) -> None:
    made = failed_run(stage)
    again(made, RetryWish(params={"word": "two"}))
    assert ledger(stage) == ["b two", "c", "bye"]
    assert dict(made.run.params) == {"word": "two"}
    with pytest.raises(BadInputError, match="unknown parameter"):
        retry_workflow(stage.store, made.id, RetryWish(params={"wrd": "x"}), stage.clock)


def test_the_current_definition_resets_what_changed_and_what_is_new(stage: Stage) -> None:
    made = failed_run(stage)
    text = FLOW.replace("echo d >>", "echo e >>").replace("test -e mended", "true")
    text = text.replace("    on_exit", '      - {id: new, needs: a, run: "echo new >> ledger"}\n    on_exit')
    wish = RetryWish(RetryRequest(definition=DefinitionChoice.CURRENT), current=bundle(text))
    again(made, wish)
    assert sorted(ledger(stage)) == ["b one", "bye", "c", "e", "new"]
    assert made.run.status is JobStatus.COMPLETED
    assert (made.run.steps, made.run.ended, list(made.statuses)) == (5, 5, ["a", "b", "c", "d", "new"])


def test_a_step_that_the_current_definition_lacks_is_dropped(stage: Stage) -> None:
    made = failed_run(stage)
    text = "\n".join(line for line in FLOW.splitlines() if "id: d" not in line)
    again(made, RetryWish(RetryRequest(definition=DefinitionChoice.CURRENT), current=bundle(text)))
    assert list(made.statuses) == ["a", "b", "c"]
    assert ledger(stage) == ["b one", "c", "bye"]


def test_rolled_back_steps_run_again(stage: Stage) -> None:
    text = FLOW.replace("params:", "rollback: on_failure\n    params:").replace(
        'a ${{ params.word }} >> ledger"}', 'a ${{ params.word }} >> ledger", undo: echo undo a >> ledger}'
    )
    made = run_workflow(stage, text)
    assert sorted(ledger(stage)) == ["a one", "b one", "bye", "d", "undo a"]
    again(made)
    assert ledger(stage) == ["a one", "b one", "c", "bye"]
    assert (made.run.rollback, made.step("a").undo_id) == ("none", None)


def test_each_rollback_undoes_once(stage: Stage) -> None:
    text = """
    rollback: on_failure
    steps:
      - {id: a, run: "true", undo: echo undo a >> ledger}
      - {id: b, needs: a, run: "false"}
    """
    made = run_workflow(stage, text)
    again(made)
    assert ledger(stage) == ["undo a", "undo a"]
    assert made.of_role(Role.UNDO) == ["a", "a"]


def test_items_that_completed_are_kept(stage: Stage) -> None:
    text = """
    steps:
      - id: each
        foreach: [x, y, z]
        parallel: 1
        run: 'echo ${{ item }} >> ledger; test ${{ item }} != y || test -e mended'
      - {id: next, needs: each, run: echo next >> ledger}
    """
    made = failed_run(stage, text)
    assert made.item_statuses == {"each": ["completed", "failed", "completed"]}
    again(made)
    assert ledger(stage) == ["y", "next"]
    assert made.run.status is JobStatus.COMPLETED
    again(made, RetryWish(RetryRequest(from_step="each")))
    assert ledger(stage) == ["x", "y", "z", "next"]


def test_a_retry_reaches_into_the_workflow_that_failed(stage: Stage) -> None:
    below = bundle("""
    name: below
    steps:
      - {id: one, run: echo one >> ledger}
      - {id: two, needs: one, run: echo two >> ledger; test -e mended}
    """)
    text = """
    steps:
      - {id: part, workflow: below.yaml}
      - {id: next, needs: part, run: echo next >> ledger}
    """
    made = run_workflow(stage, text, parts={"below.yaml": below})
    inner = made.job("part")
    ledger(stage)
    with pytest.raises(StateConflictError, match=f"workflow retry {made.id}"):
        retry_workflow(stage.store, inner, RetryWish(), stage.clock)
    again(made)
    assert ledger(stage) == ["two", "next"]
    assert made.job("part") == inner
    assert Watched(stage, inner).run.attempt == 2
    again(made, RetryWish(RetryRequest(from_step="part")))
    assert ledger(stage) == ["one", "two", "next"]
    assert made.job("part") != inner


def test_a_retry_of_what_has_not_ended_or_has_nothing_to_do_is_refused(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, "steps: [{id: a, run: 'true'}]"))
    with pytest.raises(StateConflictError, match="running"):
        retry_workflow(stage.store, made.id, RetryWish(), stage.clock)
    made.end()
    with pytest.raises(StateConflictError, match="nothing to retry"):
        retry_workflow(stage.store, made.id, RetryWish(), stage.clock)
    with pytest.raises(NotFoundError):
        retry_workflow(stage.store, made.id, RetryWish(RetryRequest(from_step="zz")), stage.clock)
    assert made.run.status is JobStatus.COMPLETED


def test_a_retry_of_a_cancelled_run_runs_what_was_cancelled(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, FLOW))
    cancel_workflow(stage.store, made.id, stage.clock)
    made.end()
    ledger(stage)
    again(made)
    assert sorted(ledger(stage)) == ["a one", "b one", "bye", "c", "d"]
    assert made.run.status is JobStatus.COMPLETED
