from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.workflow_plans import (
    Action,
    DefinitionChoice,
    PlannedStep,
    RecordedStep,
    RetryPlan,
    RetryRequest,
    plan_retry,
)
from jobctl.model.workflow_states import RESET_BY_RETRY, StepStatus
from tests.support.graphs import Graph, closure, dags, layers

S = StepStatus
NEEDS: Graph = {
    "scan": (),
    "import": ("scan",),
    "thumbs": ("import",),
    "other": ("scan",),
    "end": ("thumbs", "other"),
}
STATUSES = {
    "scan": S.COMPLETED, "import": S.COMPLETED, "thumbs": S.FAILED, "other": S.COMPLETED, "end": S.UPSTREAM_FAILED,
}  # fmt: skip
CURRENT = DefinitionChoice.CURRENT


def recorded(statuses: dict[str, S]) -> dict[str, RecordedStep]:
    return {step: RecordedStep(status, f"hash of {step}") for step, status in statuses.items()}


def hashes(needs: Graph) -> dict[str, str]:
    return {step: f"hash of {step}" for step in needs}


def planned(request: RetryRequest, needs: Graph = NEEDS, **changed: str) -> RetryPlan:
    return plan_retry(request, recorded(STATUSES), needs, {**hashes(needs), **changed})


def test_what_failed_and_all_behind_it_runs_again_and_why_is_said() -> None:
    assert planned(RetryRequest()).steps == (
        PlannedStep("scan", Action.KEEP, S.COMPLETED, "completed"),
        PlannedStep("import", Action.KEEP, S.COMPLETED, "completed"),
        PlannedStep("thumbs", Action.RESET, S.FAILED, "failed"),
        PlannedStep("other", Action.KEEP, S.COMPLETED, "completed"),
        PlannedStep("end", Action.RESET, S.UPSTREAM_FAILED, "upstream_failed"),
    )


def test_from_a_step_it_and_all_behind_it_run_whatever_their_state() -> None:
    plan = planned(RetryRequest(from_step="import"))
    assert plan.runs == ("import", "thumbs", "end")
    assert plan.steps[1].reason == "asked for"
    assert plan.steps[2].reason == "behind import"
    assert planned(RetryRequest(from_step="other")).runs == ("other", "end")


def test_only_a_step_runs_alone() -> None:
    assert planned(RetryRequest(only_step="import")).runs == ("import",)


def test_the_current_definition_adds_what_changed_and_what_is_new() -> None:
    needs = {**NEEDS, "extra": ("scan",), "more": ("extra",)}
    del needs["other"]
    needs["end"] = ("thumbs",)
    plan = planned(RetryRequest(definition=CURRENT), needs, **{"import": "other hash"})
    assert plan.runs == ("import", "thumbs", "end", "extra", "more")
    assert plan.of(Action.NEW) == ("extra", "more")
    assert plan.of(Action.DROP) == ("other",)
    assert plan.of(Action.KEEP) == ("scan",)
    assert {step.id: step.reason for step in plan.steps}["import"] == "changed"


def test_new_steps_alone_are_worth_a_retry() -> None:
    done = recorded(dict.fromkeys(NEEDS, S.COMPLETED))
    needs = {**NEEDS, "extra": ()}
    assert plan_retry(RetryRequest(definition=CURRENT), done, needs, hashes(needs)).runs == ("extra",)
    with pytest.raises(StateConflictError, match="nothing to retry"):
        plan_retry(RetryRequest(), done, NEEDS, hashes(NEEDS))


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(NotFoundError, match="no such step: 'imprt'; did you mean import"):
        planned(RetryRequest(from_step="imprt"))
    with pytest.raises(NotFoundError):
        planned(RetryRequest(only_step="x"))
    with pytest.raises(BadInputError, match="--from and --only"):
        planned(RetryRequest("scan", "scan"))


@given(dags(), st.data())
def test_the_reset_set_is_that_of_a_naive_closure(needs: Graph, data: st.DataObject) -> None:
    ended = [status for status in S if status.is_terminal]
    statuses = {step: data.draw(st.sampled_from(ended)) for step in needs}
    known = closure(needs)
    seeds = {step for step, status in statuses.items() if status in RESET_BY_RETRY}
    expected = [step for step in needs if step in seeds or known[step] & seeds]
    if not expected:
        with pytest.raises(StateConflictError):
            plan_retry(RetryRequest(), recorded(statuses), needs, hashes(needs))
        return
    plan = plan_retry(RetryRequest(), recorded(statuses), needs, hashes(needs))
    assert list(plan.runs) == expected
    assert [step.id for step in plan.steps] == list(needs)


def test_seventy_steps_in_seven_full_layers_are_planned_at_once() -> None:
    needs = layers(10, 7)
    statuses = dict.fromkeys(needs, S.COMPLETED) | {"l0n0": S.FAILED}
    assert len(plan_retry(RetryRequest(), recorded(statuses), needs, hashes(needs)).runs) == 61
