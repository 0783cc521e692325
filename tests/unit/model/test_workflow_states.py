from __future__ import annotations

from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import EvaluationError
from jobctl.model.expressions import Expression
from jobctl.model.states import JobStatus, Reason
from jobctl.model.workflow_graphs import ordered
from jobctl.model.workflow_states import (
    READY,
    Decision,
    NeedState,
    RollbackState,
    RunOutcome,
    StepEnd,
    StepStatus,
    Stop,
    WorkflowEnd,
    decide,
    end_of,
    is_undone,
    rollback_state,
    wants_rollback,
)
from jobctl.model.workflows import Rollback, Trigger, UndoIf
from tests.support.graphs import Graph, closure, dags
from tests.support.recorded_workflows import NAMES, recorded_workflow

S = StepStatus
ENDED = [status for status in S if status.is_terminal]


def need(
    status: S, name: str = "a", *, allowed: bool = False, optional: bool = False, cause: str | None = None
) -> NeedState:
    return NeedState(name, status, allowed, optional, cause)


def table(trigger: Trigger, *needs: NeedState) -> tuple[S, str | None, str | None]:
    found = decide(trigger, needs)
    return found.status, found.reason, found.cause


SKIPPED_NEEDS = (S.SKIPPED, "needs", None)
GO = (S.READY, None, None)


@pytest.mark.parametrize(
    ("needs", "normal", "strict", "failed"),
    [
        ([], GO, GO, SKIPPED_NEEDS),
        ([need(S.COMPLETED)], GO, GO, SKIPPED_NEEDS),
        ([need(S.SKIPPED)], SKIPPED_NEEDS, SKIPPED_NEEDS, SKIPPED_NEEDS),
        ([need(S.SKIPPED, optional=True)], GO, SKIPPED_NEEDS, SKIPPED_NEEDS),
        ([need(S.SKIPPED), need(S.COMPLETED, "b")], GO, SKIPPED_NEEDS, SKIPPED_NEEDS),
        ([need(S.SKIPPED), need(S.SKIPPED, "b")], SKIPPED_NEEDS, SKIPPED_NEEDS, SKIPPED_NEEDS),
        ([need(S.FAILED)], (S.UPSTREAM_FAILED, None, "a"), (S.UPSTREAM_FAILED, None, "a"), GO),
        ([need(S.TIMEOUT)], (S.UPSTREAM_FAILED, None, "a"), (S.UPSTREAM_FAILED, None, "a"), GO),
        ([need(S.CANCELLED)], (S.UPSTREAM_FAILED, None, "a"), (S.UPSTREAM_FAILED, None, "a"), GO),
        ([need(S.FAILED, allowed=True)], GO, GO, GO),
        ([need(S.FAILED), need(S.SKIPPED, "b")], (S.UPSTREAM_FAILED, None, "a"), (S.UPSTREAM_FAILED, None, "a"), GO),
        ([need(S.SKIPPED), need(S.FAILED, "b")], (S.UPSTREAM_FAILED, None, "b"), (S.UPSTREAM_FAILED, None, "b"), GO),
        (
            [need(S.UPSTREAM_FAILED, cause="root")],
            (S.UPSTREAM_FAILED, None, "root"), (S.UPSTREAM_FAILED, None, "root"), GO,
        ),
        ([need(S.ROLLED_BACK)], (S.UPSTREAM_FAILED, None, "a"), (S.UPSTREAM_FAILED, None, "a"), SKIPPED_NEEDS),
    ],
)  # fmt: skip
def test_the_needs_decide(needs: list[NeedState], normal: object, strict: object, failed: object) -> None:
    assert table(Trigger.NONE_FAILED, *needs) == normal
    assert table(Trigger.STRICT, *needs) == strict
    assert table(Trigger.ANY_FAILED, *needs) == failed
    assert table(Trigger.ALL_DONE, *needs) == GO


def test_a_false_condition_skips_and_one_without_a_value_fails() -> None:
    done = [need(S.COMPLETED)]
    assert decide(Trigger.NONE_FAILED, done, lambda: True) == READY
    assert decide(Trigger.NONE_FAILED, done, lambda: False) == Decision(
        S.SKIPPED, "condition", None, "when is false"
    )
    broken = Expression.parse("params.x > 1")
    found = decide(Trigger.NONE_FAILED, done, lambda: broken.holds({"params": {}}))
    assert (found.status, found.reason) == (S.FAILED, "condition")
    assert found.message == "when: params has no key: 'x'; it is empty"


@pytest.mark.parametrize("status", [S.FAILED, S.SKIPPED])
def test_a_condition_is_not_asked_where_the_needs_say_no(status: S) -> None:
    def asked() -> bool:
        raise EvaluationError("asked")

    assert decide(Trigger.NONE_FAILED, [need(status)], asked).reason != "condition"


def test_a_need_that_has_not_ended_is_a_bug_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        decide(Trigger.ALL_DONE, [need(S.RUNNING)])


def oracle(trigger: Trigger, needs: list[NeedState]) -> S:
    """The rules again, written as sentences over sets."""
    bad = {S.FAILED, S.TIMEOUT, S.CANCELLED, S.UPSTREAM_FAILED}
    void = {S.ROLLED_BACK, S.ROLLBACK_FAILED}
    fatal = [one for one in needs if one.status in void or (one.status in bad and not one.continue_on_error)]
    live = [
        one for one in needs
        if one.status == S.COMPLETED or (one.status == S.SKIPPED and one.optional)
        or (one.status in bad and one.continue_on_error)
    ]  # fmt: skip
    if trigger == Trigger.ALL_DONE:
        return S.READY
    if trigger == Trigger.ANY_FAILED:
        return S.READY if {one.status for one in needs} & bad else S.SKIPPED
    if fatal:
        return S.UPSTREAM_FAILED
    if trigger == Trigger.STRICT:
        return S.SKIPPED if S.SKIPPED in {one.status for one in needs} else S.READY
    return S.READY if live or not needs else S.SKIPPED


def test_every_pair_of_ends_is_decided_as_the_rules_say() -> None:
    states = [
        NeedState("a", status, allowed, optional)
        for status, allowed, optional in product(ENDED, (False, True), (False, True))
    ]
    for trigger in Trigger:
        for pair in product(states, states):
            assert decide(trigger, pair).status is oracle(trigger, list(pair)), (trigger, pair)


@given(dags(), st.data())
def test_no_failure_is_laundered_and_every_step_gets_one_decision(needs: Graph, data: st.DataObject) -> None:
    """A run in miniature, by the rules alone: who fails and whose condition is false is drawn."""
    failing = data.draw(st.sets(st.sampled_from(sorted(needs)), max_size=2))
    false = data.draw(st.sets(st.sampled_from(sorted(needs)), max_size=2))
    ends: dict[str, NeedState] = {}
    for step in ordered(needs):
        condition = partial(false.isdisjoint, {step})
        found = decide(Trigger.NONE_FAILED, [ends[one] for one in needs[step]], condition)
        status = found.status
        if status is S.READY:
            status = S.FAILED if step in failing else S.COMPLETED
        ends[step] = NeedState(step, status, cause=found.cause)
    known = closure(needs)
    for step, end in ends.items():
        if end.status is S.UPSTREAM_FAILED:
            assert end.cause in known[step]
            assert ends[str(end.cause)].status is S.FAILED
        if end.status is S.COMPLETED:
            assert all(ends[one].status in (S.COMPLETED, S.SKIPPED) for one in needs[step])
            assert not needs[step] or any(ends[one].status is S.COMPLETED for one in needs[step])
        if any(ends[one].status in (S.FAILED, S.UPSTREAM_FAILED) for one in needs[step]):
            assert end.status is S.UPSTREAM_FAILED


@pytest.mark.parametrize("name", NAMES)
def test_one_failure_blocks_as_many_steps_as_recorded(name: str) -> None:
    recorded = recorded_workflow(name)
    order = ordered(recorded.needs)
    for known in recorded.oracles:
        ends: dict[str, NeedState] = {}
        for step in order:
            found = decide(Trigger.NONE_FAILED, [ends[one] for one in recorded.needs[step]])
            done = S.FAILED if step == known.fail else S.COMPLETED
            ends[step] = NeedState(step, done if found == READY else found.status, cause=found.cause)
        statuses = [end.status for end in ends.values()]
        assert statuses.count(S.UPSTREAM_FAILED) == known.upstream_failed
        assert statuses.count(S.COMPLETED) == known.completed
        assert {end.cause for end in ends.values()} <= {None, known.fail}


def test_how_a_run_ends() -> None:
    done, skipped = StepEnd(S.COMPLETED), StepEnd(S.SKIPPED)
    clean = WorkflowEnd(JobStatus.COMPLETED, None, RunOutcome.CLEAN)
    partial = WorkflowEnd(JobStatus.COMPLETED, None, RunOutcome.PARTIAL)
    assert end_of([done, skipped]) == clean
    assert end_of([]) == clean
    assert end_of([done, StepEnd(S.FAILED, continue_on_error=True)]) == partial
    assert end_of([StepEnd(S.COMPLETED, is_partial=True)]) == partial
    failed = WorkflowEnd(JobStatus.FAILED, Reason.STEPS_FAILED)
    assert end_of([done, StepEnd(S.FAILED), StepEnd(S.UPSTREAM_FAILED)]) == failed
    assert end_of([done, StepEnd(S.TIMEOUT), StepEnd(S.CANCELLED)], Stop.FAIL_FAST) == failed
    assert end_of([StepEnd(S.CANCELLED)]) == WorkflowEnd(JobStatus.CANCELLED, Reason.STEPS_CANCELLED)
    assert end_of([StepEnd(S.FAILED)], Stop.CANCEL) == WorkflowEnd(JobStatus.CANCELLED, Reason.REQUESTED)
    assert end_of([StepEnd(S.CANCELLED)], Stop.TIMEOUT) == WorkflowEnd(JobStatus.TIMEOUT, Reason.TIMEOUT)


@pytest.mark.parametrize(
    ("policy", "status", "wanted"),
    [
        ((), JobStatus.FAILED, False), (("on_failure",), JobStatus.FAILED, True),
        (("on_failure",), JobStatus.TIMEOUT, True), (("on_failure",), JobStatus.CANCELLED, False),
        (("on_cancel",), JobStatus.CANCELLED, True), (("on_cancel",), JobStatus.FAILED, False),
        (("on_failure", "on_cancel"), JobStatus.COMPLETED, False),
    ],
)  # fmt: skip
def test_when_a_run_rolls_back_by_itself(policy: tuple[str, ...], status: JobStatus, wanted: bool) -> None:
    assert wants_rollback(frozenset(map(Rollback, policy)), status) is wanted


def test_whose_undo_runs() -> None:
    started = {status for status in S if is_undone(status, UndoIf.STARTED, was_started=True)}
    assert started == {S.COMPLETED, S.ROLLBACK_FAILED, S.FAILED, S.TIMEOUT, S.CANCELLED}
    assert {status for status in S if is_undone(status, UndoIf.COMPLETED, was_started=True)} == {
        S.COMPLETED, S.ROLLBACK_FAILED,
    }  # fmt: skip
    assert not is_undone(S.CANCELLED, UndoIf.STARTED, was_started=False)


def test_what_a_rollback_did() -> None:
    assert rollback_state({S.COMPLETED}) is RollbackState.NONE
    assert rollback_state({S.COMPLETED, S.ROLLED_BACK}) is RollbackState.COMPLETE
    assert rollback_state({S.ROLLED_BACK, S.ROLLBACK_FAILED}) is RollbackState.PARTIAL
