"""Workflows whose supervisor is killed, at every turn and between them: each step once, each undo once, in order."""

from __future__ import annotations

import pytest

from jobctl.actions.removals import remove
from jobctl.executors.base import AttemptOrder, StartedProcess
from jobctl.model.events import Entity
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from jobctl.model.workflow_runs import Role
from tests.support.supervisors import RecordingExecutor, Stage, starts_and_ends
from tests.support.waiting import wait_until
from tests.support.workflows import Watched, add_workflow, bundle

FLOW = """
    rollback: on_failure
    steps:
      - {id: a, run: echo a >> ledger, undo: echo undo a >> ledger}
      - {id: b, needs: a, run: echo b >> ledger, undo: echo undo b >> ledger}
      - {id: c, needs: a, run: echo c >> ledger, undo: exit 3}
      - {id: each, needs: [b, c], foreach: [1, 2], parallel: 1, run: "echo each ${{ item }} >> ledger",
         undo: "echo undo each ${{ item }} >> ledger"}
      - {id: part, needs: each, workflow: below.yaml}
      - {id: bad, needs: part, run: echo bad >> ledger; exit 7}
      - {id: never, needs: bad, run: echo never >> ledger}
    on_failure: echo on_failure >> ledger
    on_exit: echo on_exit >> ledger
"""
BELOW = """
    name: below
    steps: [{id: one, run: echo one >> ledger, undo: echo undo one >> ledger}]
"""


class Killed(BaseException):
    """``kill -9`` at this very instant."""


class DyingExecutor(RecordingExecutor):
    """Kills the supervisor before each first start; what it had started in that turn runs on."""

    def __init__(self) -> None:
        super().__init__(self._die_once)
        self.seen: set[tuple[int, int]] = set()
        self._started: list[StartedProcess] = []

    def start(self, order: AttemptOrder) -> StartedProcess:
        """The attempt runs, the second time it is asked for."""
        self._started.append(super().start(order))
        return self._started[-1]

    def _die_once(self, order: AttemptOrder) -> None:
        if (order.job_id, order.attempt) not in self.seen:
            self.seen.add((order.job_id, order.attempt))
            for started in self._started:
                started.process.returncode = 0  # nobody waits for it any more
            raise Killed


def lines(stage: Stage) -> list[str]:
    return (stage.root / "ledger").read_text().splitlines()


def add(stage: Stage) -> Watched:
    return Watched(stage, add_workflow(stage, FLOW, parts={"below.yaml": bundle(BELOW)}))


def assert_once_and_in_order(made: Watched) -> None:
    """Every step and undo of ``FLOW`` had its effect once, the undo commands in reverse."""
    stage, told = made.stage, lines(made.stage)
    order = made.of_role(Role.STEP)
    assert sorted(told[:3]) == ["a", "b", "c"]
    assert told[0] == "a"
    assert told[3:7] == ["each 1", "each 2", "one", "bad"]
    assert told[7:10] == ["undo one", "undo each 2", "undo each 1"]
    assert told[10:12] == ["undo b", "undo a"]
    assert told[12:] == ["on_failure", "on_exit"]
    assert made.of_role(Role.UNDO) == [
        "part",
        "each[1]",
        "each[0]",
        *sorted("bc", key=order.index, reverse=True),
        "a",
    ]
    assert (made.run.status, made.run.rollback) == (JobStatus.FAILED, "partial")
    for child in stage.store.workflows.children(made.id):
        if child.step != "part":
            assert starts_and_ends(stage.events(child.job_id)) == {1: (1, 1)}


def test_without_a_kill_the_ledger_reads_so(stage: Stage) -> None:
    made = add(stage)
    made.end()
    assert_once_and_in_order(made)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_supervisor_killed_after_every_few_turns_repeats_nothing(stage: Stage, turns: int) -> None:
    made = add(stage)

    def lived_and_died() -> bool:
        supervisor = stage.supervise()
        for _ in range(turns):
            supervisor.turn()
        stage.kill(supervisor)
        return stage.status(made.id).is_terminal

    wait_until(lived_and_died, seconds=60)
    assert_once_and_in_order(made)


def test_a_supervisor_killed_at_every_start_repeats_nothing(stage: Stage) -> None:
    """Between the commit that claims a job and the start of its process."""
    made = add(stage)
    executor = DyingExecutor()

    def lived_and_died() -> bool:
        supervisor = stage.supervise(executor=executor)
        try:
            while not stage.status(made.id).is_terminal:
                stage.clock.advance(0.3)  # adopted processes are looked at four times a second
                supervisor.turn()
        except Killed:
            stage.kill(supervisor)
            return False
        return True

    wait_until(lived_and_died, seconds=60)
    assert (
        len(executor.seen) == len(stage.store.workflows.children(made.id)) - 2 + 2
    )  # below instead of part: its step and its undo
    assert_once_and_in_order(made)


def test_a_step_that_runs_while_nobody_watches_is_adopted_with_its_outputs(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    text = f"""
    steps:
      - id: slow
        run: while [ -e '{gate}' ]; do sleep 0.01; done; echo n=8 >> "$JOBCTL_OUTPUT"
        outputs: {{n: int}}
      - {{id: next, needs: slow, run: "echo ${{{{ steps.slow.outputs.n }}}}"}}
    """
    made = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    stage.start(supervisor, made.job("slow"))
    stage.kill(supervisor)
    gate.unlink()
    assert made.end(tick=0.3).status is JobStatus.COMPLETED
    assert (made.output("next"), stage.job(made.job("slow")).attempt) == ("8\n", 1)


def test_a_child_that_is_removed_while_nobody_watches_counts_as_cancelled(stage: Stage) -> None:
    stage.store.database.rows("UPDATE queues SET concurrency=0")
    made = Watched(
        stage, add_workflow(stage, "steps: [{id: a, run: 'true'}, {id: b, needs: a, run: 'true'}]")
    )
    supervisor = stage.supervise()
    supervisor.turn()
    stage.kill(supervisor)
    remove(stage.store, parse_selector(str(made.job("a"))), stage.clock)
    assert made.end().status is JobStatus.CANCELLED
    assert made.statuses == {"a": "cancelled", "b": "upstream_failed"}


def test_a_removed_run_takes_its_rows_and_the_runs_within_with_it(stage: Stage) -> None:
    made = add(stage)
    made.end()
    remove(stage.store, parse_selector(str(made.id)), stage.clock)
    tables = ("workflows", "workflow_steps", "workflow_jobs", "workflow_news", "workflow_definitions", "jobs")
    counts = [stage.store.database.value(f"SELECT count(*) FROM {table}") for table in tables]
    assert counts == [0] * 6


def test_a_run_whose_definition_cannot_be_read_fails_and_the_others_go_on(stage: Stage) -> None:
    text = "steps: [{id: a, run: 'true'}, {id: b, needs: a, run: 'true'}]"
    bad, good = (Watched(stage, add_workflow(stage, f"name: {name}\n{text}")) for name in ("bad", "good"))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: bad.step("a").job_id is not None)
    stage.kill(supervisor)
    stage.store.database.rows(
        'UPDATE workflow_definitions SET body=\'{"definition": {"steps": [{"id": "a", "dance": 1}]}}\''
        " WHERE hash=?",
        (bad.run.definition_hash,),
    )
    assert good.end(tick=0.3).status is JobStatus.COMPLETED
    assert (bad.run.status, bad.run.reason, bad.run.phase) == (JobStatus.FAILED, "refused", "ended")
    told = stage.store.events.about(Entity.WORKFLOW, bad.id)[-1].data
    assert isinstance(told, dict)
    assert "the step does nothing" in told["error"]
