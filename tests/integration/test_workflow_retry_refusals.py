"""Retries that could not do what they are asked for: refused before they burn an attempt; and steps taken away."""

from __future__ import annotations

import pytest

from jobctl.actions.workflow_retries import RetryWish, plan_workflow_retry, retry_workflow
from jobctl.errors import StateConflictError
from jobctl.model.states import JobStatus
from jobctl.model.workflow_plans import Action, DefinitionChoice, RetryRequest
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, bundle, run_workflow

FLOW = """
    steps:
      - {id: a, run: "false"}
      - {id: b, needs: a, run: "true"}
      - {id: c, needs: b, trigger: all_done, run: "true"}
      - {id: d, run: "true"}
      - {id: off, when: "false", run: "true"}
      - {id: behind, needs: off, run: "true"}
"""


def refusal(made: Watched, request: RetryRequest, text: str | None = None) -> StateConflictError:
    """Why neither the plan nor the retry is made; the run is as it was."""
    wish = RetryWish(request, current=None if text is None else bundle(text))
    with pytest.raises(StateConflictError) as planned:
        plan_workflow_retry(made.stage.store, made.id, wish)
    with pytest.raises(StateConflictError) as done:
        retry_workflow(made.stage.store, made.id, wish, made.stage.clock)
    assert str(planned.value) == str(done.value)
    assert (made.run.status, made.run.attempt) == (JobStatus.FAILED, 1)
    return planned.value


def test_a_step_behind_a_failed_need_is_not_retried_alone_in_vain(stage: Stage) -> None:
    made = run_workflow(stage, FLOW)
    for request in (RetryRequest(only_step="b"), RetryRequest(from_step="b")):
        told = refusal(made, request)
        assert told.message == "the step would not run: needs a, which failed: 'b'"
        assert told.hint == f"retry what it needs: jobctl workflow retry {made.id} --from a"
    told = refusal(made, RetryRequest(only_step="behind"))
    assert told.message == "the step would not run: all of its needs were skipped: 'behind'"


def test_a_step_that_runs_however_its_needs_ended_is_retried_alone(stage: Stage) -> None:
    made = run_workflow(stage, FLOW)
    for step in ("a", "c", "d"):
        wish = RetryWish(RetryRequest(only_step=step))
        assert plan_workflow_retry(stage.store, made.id, wish).runs == (step,)


def test_the_root_of_a_long_chain_is_named(stage: Stage) -> None:
    text = "steps:\n- {id: s0, run: 'false'}\n" + "".join(
        f"- {{id: s{n}, needs: s{n - 1}, run: 'true'}}\n" for n in range(1, 5)
    )
    made = run_workflow(stage, text)
    told = refusal(made, RetryRequest(only_step="s4"))
    assert told.message == "the step would not run: needs s3, which could not run because s0 failed: 's4'"
    assert told.hint.endswith("--from s0")


def test_a_definition_with_further_changes_is_not_followed_for_one_step_alone(stage: Stage) -> None:
    made = run_workflow(stage, FLOW)
    text = FLOW.replace("{id: d,", "{id: d, needs: fresh,") + "      - {id: fresh, run: 'true'}\n"
    told = refusal(made, RetryRequest(None, "d", DefinitionChoice.CURRENT), text)
    assert told.message == ("the current definition is not the recorded one elsewhere, too (new): 'fresh'")
    assert told.hint == "leave out --only"


def test_the_failed_step_was_taken_away_and_the_run_completes(stage: Stage) -> None:
    text = "steps:\n- {id: a, run: echo a >> ledger}\n- {id: bad, needs: a, run: 'false'}\n"
    made = run_workflow(stage, text)
    assert made.run.status is JobStatus.FAILED
    wish = RetryWish(
        RetryRequest(definition=DefinitionChoice.CURRENT),
        current=bundle(text.splitlines()[0] + "\n" + text.splitlines()[1]),
    )
    plan = plan_workflow_retry(stage.store, made.id, wish)
    assert (plan.runs, plan.of(Action.DROP), plan.of(Action.KEEP)) == ((), ("bad",), ("a",))
    retry_workflow(stage.store, made.id, wish, stage.clock)
    made.end()
    assert (made.run.status, made.run.attempt, made.statuses) == (JobStatus.COMPLETED, 2, {"a": "completed"})
    assert (stage.root / "ledger").read_text() == "a\n"
    with pytest.raises(StateConflictError, match="nothing to retry"):
        plan_workflow_retry(stage.store, made.id, wish)
