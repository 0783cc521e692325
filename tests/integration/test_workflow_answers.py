"""Questions of a run: answered by whoever it is, found where they hide in sub-workflows, by names of any bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobctl.model.states import JobId
from jobctl.model.workflow_states import StepStatus
from tests.support.cli import call_main
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle

ASKS = """
    steps:
      - {id: ask, approve: {prompt: Go on?}}
      - {id: then, needs: ask, run: "true"}
"""
OUTER = """
    steps:
      - {id: part, workflow: inner.yaml}
      - {id: each, foreach: [x, y], workflow: inner.yaml}
      - {id: whole, approve: Outer?}
"""
BYTES = os.fsdecode(b"caf\xe9")


@pytest.fixture
def home(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """The home that verbs are about."""
    monkeypatch.setenv("JOBCTL_HOME", stage.home.path)
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.chdir(tmp_path)
    return stage


def asking(stage: Stage) -> Watched:
    """A run with a question."""
    made = Watched(stage, add_workflow(stage, ASKS))
    wait_for_questions(stage, [made])
    return made


def asking_within(stage: Stage) -> tuple[Watched, dict[str, Watched]]:
    """A run that asks, and by path those within it that ask, too."""
    made = Watched(stage, add_workflow(stage, OUTER, parts={"inner.yaml": bundle(ASKS)}))
    supervisor = stage.supervise()
    store = stage.store

    def started() -> list[JobId | None]:
        return [made.step("part").job_id, *(item.job_id for item in store.workflows.items(made.id, "each"))]

    stage.turn_until(supervisor, lambda: len(started()) == 3 and None not in started())
    stage.kill(supervisor)
    names = ("part", "each[0]", "each[1]")
    within = {
        name: Watched(stage, number)
        for name, number in zip(names, started(), strict=True)
        if number is not None
    }
    wait_for_questions(stage, list(within.values()))
    return made, within


def wait_for_questions(stage: Stage, runs: Sequence[Watched]) -> None:
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: all(run.step("ask").status is StepStatus.WAITING for run in runs))
    stage.kill(supervisor)


@pytest.mark.parametrize("verb", ["approve", "reject", "explain"])
@pytest.mark.parametrize("step", [BYTES, "\x1b[31mred", "x" * 10_000, "", "ask/ask", "/", "ask/", "none/ask"])
def test_no_name_of_a_step_is_a_bug(home: Stage, verb: str, step: str) -> None:
    made = Watched(home, add_workflow(home, ASKS))
    ended = call_main("workflow", verb, str(made.id), step)
    assert (ended.code, ended.err.count("\n"), "[E_NOT_FOUND]" in ended.err) == (3, 1, True)
    assert ended.err.strip().isprintable()


@pytest.mark.parametrize(
    ("name", "told"), [(BYTES, r"caf\xe9"), ("\x1b[31mred", r"\x1b[31mred"), ("x" * 10_000, "x" * 99 + "…")]
)
def test_whoever_answers_is_on_record(
    home: Stage, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    made = asking(home)
    monkeypatch.setenv("LOGNAME", name)
    assert call_main("workflow", "approve", str(made.id), "ask").code == 0
    assert made.step("ask").decided_by == told
    made.end()
    assert f"approved by {told}" in call_main("workflow", "explain", str(made.id), "ask").out


def test_a_reason_of_any_bytes_is_on_record(home: Stage) -> None:
    made = asking(home)
    assert call_main("workflow", "cancel", str(made.id), "--reason", "").code == 2
    assert call_main("workflow", "cancel", str(made.id), "--reason", BYTES).code == 0
    made.end()
    assert (
        call_main("workflow", "explain", str(made.id), "ask").out == "cancelled: the workflow was cancelled\n"
    )
    assert "caf?" in call_main("show", str(made.id)).out


def test_a_run_tells_the_questions_of_the_runs_within_it_and_what_to_type(home: Stage) -> None:
    made, within = asking_within(home)
    shown = call_main("workflow", "show", str(made.id)).out
    for path in ("whole", "part/ask", "each[0]/ask", "each[1]/ask"):
        assert f"jobctl workflow approve {made.id} '{path}'".replace("'", "'" * ("[" in path)) in shown
    document = call_main("workflow", "show", str(made.id), "--json").document
    assert [(one["path"], one["workflow_id"], one["prompt"]) for one in document["questions"]] == [
        ("part/ask", within["part"].id, "Go on?"),
        ("each[0]/ask", within["each[0]"].id, "Go on?"),
        ("each[1]/ask", within["each[1]"].id, "Go on?"),
        ("whole", made.id, "Outer?"),
    ]
    told = call_main("workflow", "explain", str(made.id), "part").out
    assert f"it runs as workflow {within['part'].id}" in told
    assert (
        f"part/ask waits for an answer: Go on?; jobctl workflow approve {made.id} part/ask, or reject" in told
    )
    for verb in (["explain"], ["workflow", "explain"]):
        assert f"jobctl workflow approve {made.id} part/ask" in call_main(*verb, str(made.id)).out
    document = call_main("workflow", "explain", str(made.id), "--json").document
    assert (document["id"], document["status"], len(document["reasons"]) >= 4) == (made.id, "running", True)


def test_a_question_is_answered_by_its_path(home: Stage) -> None:
    made, within = asking_within(home)
    assert call_main("workflow", "approve", str(made.id), "part/ask").code == 0
    assert call_main("workflow", "reject", str(made.id), "each[1]/ask").code == 0
    told = call_main("workflow", "explain", str(made.id), "each[0]/ask")
    assert f"jobctl workflow approve {within['each[0]'].id} ask" in told.out
    for run, decided in (("part", "ana"), ("each[0]", None), ("each[1]", "ana")):
        assert within[run].step("ask").decided_by == decided, run
    for path, hint in (
        ("each/ask", "mean 'each[0]/ask'?"),
        ("ask", "mean 'each[0]/ask'?"),
        ("none", "known: each"),
    ):
        ended = call_main("workflow", "approve", str(made.id), path)
        assert (ended.code, hint in ended.err) == (3, True), ended.err
