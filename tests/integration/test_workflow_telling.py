"""What is told of a run: wishes nobody has heeded yet, handlers and undo commands that failed, where it is paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.model.workflow_runs import Role
from jobctl.model.workflow_states import StepStatus
from jobctl.views.workflow_tables import step_columns
from tests.support.cli import call_main
from tests.support.supervisors import Stage
from tests.support.tables import table_text
from tests.support.workflows import Watched, add_workflow, bundle, run_workflow

ASKS = """
    steps:
      - {id: ask, approve: {prompt: Go on?}}
      - {id: then, needs: ask, run: "true"}
"""


@pytest.fixture
def home(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """The home that verbs are about."""
    monkeypatch.setenv("JOBCTL_HOME", stage.home.path)
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.chdir(tmp_path)
    return stage


def waiting(stage: Stage, text: str, step: str = "ask") -> Watched:
    """A run whose step waits for an answer; no supervisor is about any more."""
    made = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.step(step).status is StepStatus.WAITING)
    stage.kill(supervisor)
    return made


def out(*args: object) -> str:
    """What a verb about workflows printed."""
    return call_main("workflow", *map(str, args)).out


# --- wishes that no supervisor has heeded ---


@pytest.mark.parametrize(("verb", "answer"), [("approve", "approved"), ("reject", "rejected")])
def test_an_answer_is_told_before_a_supervisor_heeds_it(home: Stage, verb: str, answer: str) -> None:
    made = waiting(home, ASKS)
    assert call_main("workflow", verb, str(made.id), "ask").code == 0
    told = f"answered: {answer} by ana; waits for the supervisor"
    for found in (out("show", made.id), out("explain", made.id), out("explain", made.id, "ask")):
        assert told in found
        assert "workflow approve" not in found
    document = call_main("workflow", "show", str(made.id), "--json").document
    assert (document["questions"], document["steps"][0]["decision"]) == ([], answer)
    made.end()
    assert told not in out("show", made.id)


def test_an_answer_within_is_told_for_the_whole(home: Stage) -> None:
    inner = bundle(ASKS)
    made = Watched(home, add_workflow(home, "steps: [{id: part, workflow: inner}]", parts={"inner": inner}))
    supervisor = home.supervise()
    home.turn_until(supervisor, lambda: bool(home.store.workflow_questions.of(made.id)))
    home.kill(supervisor)
    assert call_main("workflow", "reject", str(made.id), "part/ask").code == 0
    told = "part/ask answered: rejected by ana; waits for the supervisor"
    for found in (out("show", made.id), out("explain", made.id), out("explain", made.id, "part")):
        assert told in found


def test_a_cancel_is_told_before_a_supervisor_heeds_it(home: Stage) -> None:
    made = waiting(home, ASKS)
    assert "cancel" not in out("explain", made.id)
    assert call_main("workflow", "cancel", str(made.id)).code == 0
    for found in (out("show", made.id), out("explain", made.id), out("explain", made.id, "ask")):
        assert "its cancel is requested; waits for the supervisor" in found
    assert call_main("workflow", "show", str(made.id), "--json").document["cancel_requested"] is True
    made.end()
    assert "is requested" not in out("show", made.id)


# --- handlers ---


def test_a_handler_that_failed_is_told(home: Stage) -> None:
    made = run_workflow(home, "steps: [{id: a, run: 'false'}]\non_failure: exit 3\non_exit: 'true'")
    first, last = (one.job_id for one in home.store.workflows.children(made.id) if one.role is not Role.STEP)
    failed = f"on_failure failed with exit 3 as job {first}: jobctl logs {first}"
    assert failed in out("explain", made.id)
    assert "on_exit" not in out("explain", made.id)
    shown = out("show", made.id)
    assert f"failed with exit 3 as job {first}" in shown
    assert f"completed as job {last}" in shown
    assert call_main("workflow", "show", str(made.id), "--json").document["handlers"] == [
        {"name": "on_failure", "job_id": first, "status": "failed", "exit_code": 3},
        {"name": "on_exit", "job_id": last, "status": "completed", "exit_code": 0},
    ]
    assert failed in call_main("explain", str(made.id)).out


# --- undo commands ---

UNDOING = """
    name: below
    rollback: on_failure
    steps:
      - {id: x, run: "true", undo: exit 4}
      - {id: y, needs: x, run: "false"}
"""


def test_an_undo_that_failed_is_told_with_its_job_and_exit(home: Stage) -> None:
    made = run_workflow(home, UNDOING)
    undo = made.step("x").undo_id
    assert f"undo job {undo} failed: exit 4" in out("show", made.id)
    assert f"x: its undo, job {undo}, failed: exit 4" in out("explain", made.id)


def test_a_narrow_terminal_drops_the_duration_before_the_reason(stage: Stage) -> None:
    made = run_workflow(
        stage, UNDOING.replace("id: x", "id: prepare-the-data").replace(": x,", ": prepare-the-data,")
    )
    columns = step_columns(stage.clock.now_ms())
    lines = table_text(columns, stage.store.workflows.steps(made.id), 50)
    assert lines[0].split() == ["step", "status", "reason"]
    assert "exit 1" in lines[2]


def test_an_undo_that_failed_within_is_told_with_its_path(home: Stage) -> None:
    text = "rollback: on_failure\nsteps: [{id: c, workflow: below}]"
    made = run_workflow(home, text, parts={"below": bundle(UNDOING)})
    inner = Watched(home, made.job("c"))
    told = f"c/x: its undo, job {inner.step('x').undo_id}, failed: exit 4"
    assert made.statuses["c"] == "rollback_failed"
    assert told in out("explain", made.id)
    assert told in out("explain", made.id, "c")
    row = next(line for line in out("show", made.id).splitlines() if line.startswith("c "))
    assert "undo commands of run" in row


def test_that_an_undone_step_had_failed_is_in_its_row(home: Stage) -> None:
    text = "rollback: on_failure\nsteps: [{id: a, run: exit 3, undo: 'true', undo_if: started}]"
    made = run_workflow(home, text)
    assert made.statuses["a"] == "rolled_back"
    assert "failed before: exit 3" in out("show", made.id)


def test_a_plan_tells_that_what_it_drops_will_not_be_undone(home: Stage) -> None:
    path = home.root / "flow.yaml"
    path.write_text("steps:\n  - {id: a, run: 'true', undo: 'true'}\n  - {id: b, needs: a, run: 'false'}\n")
    number = int(call_main("workflow", "run", str(path), "-q").out)
    Watched(home, home.store.workflows.list()[0].job_id).end()
    path.write_text("steps:\n  - {id: b, run: 'true'}\n")
    plan = out("retry", number, "--definition", "current", "--dry-run")
    assert "no longer in the definition, will not be undone" in plan


# --- items ---


def test_an_item_is_explained_and_counts_are_told_once(home: Stage) -> None:
    made = run_workflow(home, "steps: [{id: e, foreach: [0, 7], run: 'exit ${{ item }}'}]")
    whole, item = out("explain", made.id, "e"), out("explain", made.id, "e[1]")
    assert whole.splitlines()[0] == "failed: 2 of 2 items ended, 1 failed"
    number = home.store.workflows.items(made.id, "e")[1].job_id
    assert item.splitlines()[0] == f"failed with exit 7 as job {number}"
    assert "item: 7" in item
    document = call_main("workflow", "explain", str(made.id), "e[1]", "--json").document
    assert (document["index"], document["item"], document["exit_code"]) == (1, 7, 7)
    assert call_main("workflow", "explain", str(made.id), "e[2]").code == 3


def test_an_item_is_suggested_where_it_was_forgotten(home: Stage) -> None:
    made = run_workflow(
        home,
        "steps: [{id: e, foreach: [0], workflow: b}]",
        parts={"b": bundle("steps: [{id: x, run: 'true'}]")},
    )
    ended = call_main("workflow", "approve", str(made.id), "e/x")
    assert (ended.code, "name an item: 'e[0]/x'" in ended.err) == (3, True), ended.err


# --- the rest ---


def test_a_paused_run_tells_no_time_limit(home: Stage) -> None:
    made = waiting(home, "timeout: 1h\n" + ASKS.replace("\n    ", "\n"))
    assert "time limit" in out("show", made.id)
    assert call_main("pause", str(made.id)).code == 0
    assert "time limit" not in out("show", made.id)


@pytest.mark.parametrize("options", [(), ("--rollback",)])
def test_a_run_that_has_ended_is_not_cancelled(home: Stage, options: tuple[str, ...]) -> None:
    made = run_workflow(home, "steps: [{id: a, run: 'true'}]")
    ended = call_main("workflow", "cancel", str(made.id), *options)
    assert ended.code == 4
    assert f"the workflow has ended already, it is completed: '{made.id}'" in ended.err
    assert f"jobctl workflow rollback {made.id}" in ended.err


def test_a_run_is_removed_with_its_jobs(home: Stage) -> None:
    inner = bundle("name: below\nsteps: [{id: x, run: 'true'}]")
    text = "steps: [{id: a, run: 'true'}, {id: c, workflow: below}]\non_exit: 'true'"
    made = run_workflow(home, text, parts={"below": inner})
    assert f"job {made.id} removed, with 4 jobs of it" in call_main("remove", str(made.id)).out
    assert call_main("list", "--json").document["jobs"] == []
