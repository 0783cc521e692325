"""What goes wrong with one run stays with it; what a run takes of the loop's time, of memory and of the store."""

from __future__ import annotations

import apsw
import pytest

from jobctl.actions.workflow_intents import reject_step
from jobctl.actions.workflow_retries import RetryWish, retry_workflow
from jobctl.actions.workflows import explain_workflow_step
from jobctl.model.events import Entity
from jobctl.model.states import JobId, JobStatus
from jobctl.store.steps import Steps
from jobctl.supervisor import workflow_finishes
from jobctl.supervisor.workflow_plans import Layout, Plans
from jobctl.supervisor.workflow_runs import Run
from jobctl.views.workflows import step_reason
from tests.support.cli import call_main
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle, run_workflow

PLAIN = "steps: [{id: a, run: 'true'}, {id: b, needs: a, run: 'true'}]"


def stopping(made: Watched) -> dict[str, object]:
    """What the event says with which the run was given up."""
    events = made.stage.store.events.about(Entity.WORKFLOW, made.id)
    found = [event.data for event in events if event.kind == "workflow.stopping"]
    assert len(found) == 1
    assert isinstance(found[0], dict)
    return found[0]


# --- one run alone is given up ---


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"definition": {}}', '{"definition": {"name": "x", "steps": [{"id": "a"}]}}',
             '{"definition": {"name": "x", "steps": 3}}', '{"definition": null, "parts": 7}'],
)  # fmt: skip
def test_a_damaged_definition_gives_up_its_run_alone(stage: Stage, body: str) -> None:
    bad, good = (Watched(stage, add_workflow(stage, f"name: {name}\n{PLAIN}")) for name in ("bad", "good"))
    stage.store.database.rows(
        "UPDATE workflow_definitions SET body=? WHERE hash=?", (body, bad.run.definition_hash)
    )
    assert good.end().status is JobStatus.COMPLETED
    assert (bad.run.status, bad.run.reason, bad.run.ended) == (JobStatus.FAILED, "refused", 2)
    assert "damaged" in (bad.run.error or "") or "workflow" in (bad.run.error or "")
    assert (bad.statuses["a"], bad.step("a").message) == ("cancelled", bad.run.error)


def test_a_bug_in_one_run_is_told_and_the_loop_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = (Watched(stage, add_workflow(stage, f"name: {name}\n{PLAIN}")) for name in ("bad", "good"))
    true_one = Run.flow

    def flow(run: Run) -> None:
        if run.state.job_id == bad.id and run.state.completed:
            raise ZeroDivisionError("seven")
        true_one(run)

    monkeypatch.setattr(Run, "flow", flow)
    assert good.end(tick=0.1).status is JobStatus.COMPLETED
    if not bad.run.status.is_terminal:
        bad.end()
    assert (bad.run.status, bad.run.reason, bad.run.error) == (
        JobStatus.FAILED, "error", "ZeroDivisionError: seven",
    )  # fmt: skip
    assert "traceback" in stopping(bad)
    assert bad.statuses == {"a": "completed", "b": "cancelled"}


def test_what_runs_is_ended_before_the_run_is_and_a_retry_starts_nothing_beside_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.root / "gate").touch()
    made = Watched(
        stage,
        add_workflow(
            stage,
            "steps: [{id: a, run: \"trap '' TERM; while [ -e gate ]; do sleep 0.01; done\"},"
            " {id: b, run: 'true'}]",
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses == {"a": "running", "b": "completed"})
    with monkeypatch.context() as patched:
        patched.setattr(Plans, "of", lambda *_: 1 // 0)
        with stage.store.write():
            stage.store.runs.tell(made.id)
        stage.turn_until(supervisor, lambda: made.run.phase == "stopping")
        for _ in range(5):
            supervisor.turn()
    assert (made.run.status, made.statuses["a"]) == (JobStatus.RUNNING, "running")
    (stage.root / "gate").unlink()
    made.end(supervisor, tick=0.1)
    assert (made.run.status, made.run.reason) == (JobStatus.FAILED, "error")
    retry_workflow(stage.store, made.id, RetryWish(), stage.clock)
    assert made.end(supervisor).status is JobStatus.COMPLETED


def test_an_end_of_an_earlier_job_changes_nothing_of_the_step(stage: Stage) -> None:
    (stage.root / "gate").touch()
    made = Watched(
        stage, add_workflow(stage, "steps: [{id: a, run: 'while [ -e gate ]; do sleep 0.01; done'}]")
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["a"] == "running")
    # As a bug would leave it: the step has gone on to another job.
    stage.store.database.rows("UPDATE workflow_steps SET child_id=child_id+1000 WHERE step_id='a'")
    (stage.root / "gate").unlink()
    stage.turn_until(
        supervisor, lambda: not stage.store.database.value("SELECT count(*) FROM workflow_jobs WHERE ended=0")
    )
    assert stage.store.database.value("SELECT status FROM workflow_steps WHERE step_id='a'") == "ready"


# --- outputs ---


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("true", "output v is promised and was not written"),
        ("echo 'v 3' >> \"$JOBCTL_OUTPUT\"", "output v is promised and was not written"),
        (
            "(echo v=1; head -c 1100000 /dev/zero | tr '\\0' x) >> \"$JOBCTL_OUTPUT\"",
            "outputs are larger than 1 MiB",
        ),
    ],
)
def test_outputs_that_are_missing_or_too_many_fail_the_step(stage: Stage, command: str, told: str) -> None:
    made = run_workflow(
        stage, "steps:\n  - id: a\n    outputs: {v: int}\n    run: |\n      " + command + "\n"
    )
    step = made.step("a")
    assert (step.status, step.reason, dict(step.outputs)) == ("failed", "outputs", {})
    assert told in (step.message or "")


COLLECTING = """
    steps:
      - id: each
        foreach: [1, 2, 3]
        run: cat big >> "$JOBCTL_OUTPUT"
        outputs: {v: string}
      - {id: next, needs: each, run: "true"}
"""


def test_outputs_of_items_that_are_too_large_together_fail_the_step(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow_finishes, "MOST_COLLECTED_BYTES", 2 * 1024 * 1024)
    (stage.root / "big").write_text("v=" + "x" * 900_000 + "\n")
    made = run_workflow(stage, COLLECTING)
    step = made.step("each")
    assert (step.status, step.reason) == ("failed", "outputs")
    assert "the outputs of its items are larger than 2 MiB together" in (step.message or "")
    assert made.item_statuses["each"] == ["completed"] * 3


def test_what_the_store_cannot_hold_ends_one_run_and_not_the_loop(stage: Stage) -> None:
    (stage.root / "big").write_text("v=" + "x" * 900_000 + "\n")
    bad, good = Watched(stage, add_workflow(stage, COLLECTING)), Watched(stage, add_workflow(stage, PLAIN))
    supervisor = stage.supervise()
    supervisor.store.database.peewee.connection().limit(apsw.SQLITE_LIMIT_LENGTH, 2_000_000)
    assert bad.end(supervisor).status is JobStatus.FAILED
    assert "TooBigError" in (bad.run.error or "")
    if not good.run.status.is_terminal:
        good.end(supervisor)
    assert good.run.status is JobStatus.COMPLETED


def test_outputs_of_items_are_not_read_when_none_is_promised(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Steps, "item_outputs", lambda *_: pytest.fail("they were read"))
    made = run_workflow(stage, "steps: [{id: each, foreach: [1, 2], run: 'echo v=1 >> $JOBCTL_OUTPUT'}]")
    assert made.run.status is JobStatus.COMPLETED


def test_no_message_is_longer_than_people_read(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            steps:
              - id: scan
                run: (printf v=; head -c 900000 /dev/zero | tr '\\0' x) >> "$JOBCTL_OUTPUT"
                outputs: {v: string}
              - {id: ask, needs: scan, approve: {prompt: "${{ steps.scan.outputs.v }}", expires: 1}}
            """,
        ),
    )
    made.end(tick=0.5)
    longest = "SELECT max(length(message)) FROM workflow_steps"
    assert stage.store.database.value(longest) <= 2000
    assert stage.store.database.value("SELECT max(length(data)) FROM events WHERE entity='workflow'") < 3000
    assert made.statuses["ask"] == "failed"


# --- time ---


def test_a_large_output_is_read_once_a_turn_however_many_items_look_at_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_workflow(
        stage,
        """
            steps:
              - {id: scan, run: 'echo n=3 >> "$JOBCTL_OUTPUT"', outputs: {n: int}}
              - {id: each, needs: scan, queue: closed, foreach: "${{ params.l }}",
                 run: "echo ${{ item }} ${{ steps.scan.outputs.n }} ${{ params.l }}"}
            params: {l: {type: json}}
            """,
        {"l": list(range(150))},
    )
    stage.store.queues.add("closed", 0, stage.clock.now_ms())
    read: list[object] = []
    true_one = Steps.known

    def known(self: Steps, *arguments: object) -> object:
        read.append(arguments)
        return true_one(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Steps, "known", known)
    supervisor = stage.supervise()
    jobs = "SELECT count(*) FROM jobs WHERE kind='command'"
    stage.turn_until(supervisor, lambda: stage.store.database.value(jobs) == 151)
    assert len(read) <= 2


def test_what_a_turn_has_no_time_for_is_done_in_the_next_ones(stage: Stage) -> None:
    made = [Watched(stage, add_workflow(stage, f"name: n{n}\n{PLAIN}")) for n in range(3)]
    wide = Watched(
        stage,
        add_workflow(
            stage, f"steps: [{{id: each, queue: closed, foreach: {list(range(100))}, run: 'true'}}]"
        ),
    )
    stage.store.queues.add("closed", 0, stage.clock.now_ms())
    supervisor = stage.supervise()
    assert supervisor.workflows is not None
    supervisor.workflows.slice_seconds = 0.0
    supervisor.turn()
    jobs = f"SELECT count(*) FROM workflow_jobs WHERE workflow_id={wide.id}"
    first = stage.store.database.value(jobs)
    assert 0 < first < 100
    assert supervisor.pause_seconds() == 0
    stage.turn_until(supervisor, lambda: stage.store.database.value(jobs) == 100)
    for one in made:
        one.end(supervisor)
        assert one.run.status is JobStatus.COMPLETED


def test_runs_of_one_definition_have_it_read_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    true_one = Plans._layout

    def layout(self: Plans, run_id: JobId) -> Layout:
        read.append(run_id)
        return true_one(self, run_id)

    monkeypatch.setattr(Plans, "_layout", layout)
    below = bundle("name: below\nsteps: [{id: a, run: 'true', queue: closed}]")
    stage.store.queues.add("closed", 0, stage.clock.now_ms())
    text = f"steps: [{{id: each, foreach: {list(range(70))}, workflow: below}}]"
    add_workflow(stage, text, parts={"below": below})
    supervisor = stage.supervise()
    jobs = "SELECT count(*) FROM jobs WHERE kind='command'"
    stage.turn_until(supervisor, lambda: stage.store.database.value(jobs) == 70)
    assert len(read) == 2


def test_the_next_undo_is_found_by_the_index_however_many_are_done(stage: Stage) -> None:
    made = run_workflow(
        stage, f"rollback: on_failure\nsteps: [{{id: a, foreach: {[0]}, run: 'true', undo: 'true'}}]"
    )
    undos, store = stage.store.undos, stage.store
    with store.write():
        store.database.many(
            "INSERT INTO workflow_steps(job_id, step_id, map_index, position, spec_hash, status, start_seq, undone_in)"
            " VALUES(?,'a',?,0,'x','rolled_back',?,1)",
            ((made.id, index, index + 10) for index in range(1, 5000)),
        )
    undo_if = store.workflows.bundle(made.id).undo_if
    place = undos.next_undo(made.id, 1, undo_if, 5)
    assert place is not None
    assert (place.step, place.map_index) == ("a", 0)
    plan = store.database.rows(
        "EXPLAIN QUERY PLAN SELECT step_id FROM workflow_steps INDEXED BY workflow_steps_started WHERE job_id=1"
        " AND start_seq IS NOT NULL AND start_seq<5 AND undone_in IS NOT 1 AND items IS NULL"
        " AND status IN('completed') ORDER BY start_seq DESC LIMIT 32"
    )
    assert ["SEARCH" in row[3] for row in plan] == [True]


# --- what is shown ---


def test_attempts_and_length_of_a_step_are_those_of_all_its_tries(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            'steps: [{id: a, run: "test $JOBCTL_ATTEMPT = 3", retry: {times: 2, delay: 10, backoff: 1}}]',
        ),
    )
    made.end(tick=1)
    step = made.step("a")
    assert (step.attempt, step.attempts) == (1, 3)
    assert (step.finished_at or 0) - (step.started_at or 0) >= 18_000
    assert step.started_at == stage.attempts(made.job("a"))[0].started_at


def test_what_people_read_says_each_thing_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCTL_HOME", stage.home.path)
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            steps:
              - {id: ask, approve: Go on?}
              - {id: each, foreach: [0, 7], run: "exit ${{ item }}"}
              - {id: part, workflow: below}
            """,
            parts={"below": bundle("name: below\nsteps: [{id: one, run: echo hello}]")},
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["ask"] == "waiting")
    reject_step(stage.store, made.id, "ask", stage.clock, "ada")
    made.end(supervisor)
    rows = {row.id: step_reason(row) for row in stage.store.workflows.steps(made.id)}
    assert (rows["ask"], rows["each"]) == ("rejected by ada", "2/2 items, 1 failed")
    told = explain_workflow_step(stage.store, stage.job(made.id), "ask").causes[0].message
    assert told == "rejected by ada"
    assert "flow/part/one" in call_main("logs", str(made.id)).err
