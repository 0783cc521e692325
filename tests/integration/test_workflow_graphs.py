"""Random workflows moved through the store, without processes: their ends are what the rules of the model say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobctl.model.states import JobId
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_runs import WorkflowSubmission
from jobctl.model.workflow_states import NeedState, StepEnd, StepStatus, decide, end_of
from jobctl.model.workflows import StepDefinition, StepKind, Trigger, WorkflowDefinition
from jobctl.supervisor.workflows import Workflows
from tests.support.clocks import ManualClock
from tests.support.recorded_workflows import NAMES, recorded_workflow
from tests.support.supervisors import PATIENCE, Premises, submission


@dataclass(frozen=True)
class Made:
    """A workflow, and which of its steps fail when they run."""

    steps: tuple[StepDefinition, ...]
    failing: frozenset[str]


@st.composite
def workflows(draw: st.DrawFn) -> Made:
    """Up to 10 steps; each may need any before it."""
    steps = []
    for number in range(draw(st.integers(1, 10))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        steps.append(
            StepDefinition(
                f"s{number}", StepKind.RUN, run="true", needs=tuple(f"s{need}" for need in sorted(needs)),
                when=draw(st.sampled_from((None, None, None, "false", "run.name > 1"))),
                trigger=draw(st.sampled_from((Trigger.NONE_FAILED, Trigger.NONE_FAILED, *Trigger)))
                if needs else Trigger.NONE_FAILED,
                continue_on_error=draw(st.booleans()), optional=draw(st.booleans()),
            )
        )  # fmt: skip
    failing = draw(st.sets(st.sampled_from([step.id for step in steps])))
    return Made(tuple(steps), frozenset(failing))


def expected(made: Made) -> dict[str, StepStatus]:
    """What becomes of each step, by the rules alone."""
    found: dict[str, StepStatus] = {}
    causes: dict[str, str | None] = {}
    known = {step.id: step for step in made.steps}
    for step in made.steps:
        needs = [
            NeedState(need, found[need], known[need].continue_on_error, known[need].optional, causes[need])
            for need in step.needs
        ]
        decision = decide(step.trigger, needs, None if step.when is None else lambda: False)
        status = decision.status
        if status is StepStatus.SKIPPED and decision.reason == "condition" and step.when != "false":
            status = StepStatus.FAILED
        if status is StepStatus.READY:
            status = StepStatus.FAILED if step.id in made.failing else StepStatus.COMPLETED
        found[step.id], causes[step.id] = status, decision.cause
    return found


def run_without_processes(premises: Premises, made: Made) -> JobId:
    """The run has ended; every job ended as it was told, in no particular order."""
    definition = WorkflowDefinition("random", made.steps)
    database, engine = premises.store.database, Workflows(premises.store)
    engine.slice_seconds = PATIENCE
    with premises.store.write():
        parent = submission(premises.root, name="random")
        run = premises.store.workflows.submit(WorkflowSubmission(parent, WorkflowBundle(definition)), 1).id
        while True:
            engine.advance(2)
            rows = database.rows("SELECT id, step FROM jobs WHERE workflow_id=? AND state='queued'", (run,))
            if not rows and not engine.more:
                return run
            for job_id, step in rows:
                state = "failed" if step in made.failing else "completed"
                database.rows("UPDATE jobs SET state=?, finished_at=3 WHERE id=?", (state, job_id))


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    """One store for all examples: making one costs more than a run."""
    found = Premises(tmp_path, ManualClock())
    try:
        yield found
    finally:
        found.store.close()


@given(workflows())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_step_ends_as_the_rules_say(premises: Premises, made: Made) -> None:
    run_id = run_without_processes(premises, made)
    wanted = expected(made)
    steps = premises.store.workflows.steps(run_id)
    assert {step.id: step.status for step in steps} == wanted
    end = end_of([StepEnd(wanted[step.id], step.continue_on_error) for step in made.steps])
    run = premises.store.workflows.get(run_id)
    assert run is not None
    assert (run.status, run.reason, run.outcome) == (end.status, end.reason, end.outcome)
    assert (run.ended, run.steps) == (len(made.steps), len(made.steps))
    assert run.completed == list(wanted.values()).count(StepStatus.COMPLETED)
    assert run.failed == list(wanted.values()).count(StepStatus.FAILED)
    started = [step.id for step in steps if step.job_id is not None]
    assert len(premises.store.workflows.children(run_id)) == len(started)


def test_every_oracle_of_the_recorded_workflows_holds(premises: Premises) -> None:
    checked = 0
    for name in NAMES[:3]:
        recorded = recorded_workflow(name)
        steps = tuple(
            StepDefinition(step, StepKind.RUN, run="true", needs=needs)
            for step, needs in recorded.needs.items()
        )
        for oracle in recorded.oracles:
            run_id = run_without_processes(premises, Made(steps, frozenset({oracle.fail})))
            statuses = [step.status.value for step in premises.store.workflows.steps(run_id)]
            assert statuses.count("upstream_failed") == oracle.upstream_failed
            assert statuses.count("completed") == oracle.completed
            checked += 1
    assert checked > 5


_HARMLESS = ("SCAN n", "SCAN workflow_news", "SCAN CONSTANT ROW")


def parameter_count(sql: str) -> int:
    """How many values the statement takes: each ``?`` one, each ``?1`` the first of them."""
    numbers = re.findall(r"\?(\d*)", sql)
    return max((int(number) for number in numbers if number), default=numbers.count(""))


def test_the_hot_statements_scan_no_table(premises: Premises) -> None:
    database = premises.store.database
    connection = database.peewee.connection()
    statements: dict[str, None] = {}

    def note(_: object, sql: str, __: object) -> bool:
        statements[sql] = None
        return True

    chain = tuple(
        StepDefinition(f"s{number}", StepKind.RUN, run="true", needs=(f"s{number - 1}",) if number else ())
        for number in range(3)
    )
    connection.exec_trace = note
    run_without_processes(premises, Made(chain, frozenset({"s1"})))
    premises.store.runs.next_due()
    connection.exec_trace = None
    hot = [sql for sql in statements if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
    steps = [
        (sql, row[3])
        for sql in hot
        for row in database.rows(f"EXPLAIN QUERY PLAN {sql}", ("1",) * parameter_count(sql))
    ]
    assert len(steps) > 20
    # The news are taken whole, and what is new never lies there for long.
    scans = [found for found in steps if found[1].startswith("SCAN") and "INDEX" not in found[1]]
    assert [found for found in scans if found[1] not in _HARMLESS] == []
