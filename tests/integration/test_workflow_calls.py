"""Steps that call Python functions: what they are given, what they hand on, how they are tried again and undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.model.states import JobKind, JobStatus
from jobctl.model.workflow_runs import Role
from jobctl.settings import Settings
from tests.support.calls import Calls
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow

MODULE = """
import os
import sys

from jobctl import context


def count(n: int, label: str = "", extra=None) -> dict:
    return {"total": n, "names": [f"{label}{number}" for number in range(n)], "extra": extra}


def shout(text: str):
    context.output("loud", text.upper())
    print(os.environ["JOBCTL_STEP"], os.environ["JOBCTL_WORKFLOW_ID"], os.getcwd())


def flaky():
    if context.attempt() < 2:
        sys.exit(75)
    return "fine"


def fail():
    raise KeyError("x")


def forget(what):
    print("forgot", what)
"""

FLOW = """
name: calls
rollback: on_failure
params: {n: {type: int, default: 2}}
steps:
  - id: one
    call: mine:count
    args: {n: "${{ params.n }}", label: x, extra: null}
    outputs: {total: int, names: json}
    undo: {call: mine:forget, with: {what: "${{ steps.one.outputs.names }}"}}
  - {id: two, needs: one, foreach: "${{ steps.one.outputs.names }}", outputs: [loud], call: mine:shout,
     with: {text: "${{ item }}"}}
  - {id: three, needs: two, call: mine:flaky, retry: {times: 1, delay: 0, on_exit: [75]}}
  - {id: four, needs: three, when: steps.three.result == 'fine', call: mine:fail, retry: {times: 3, on_exit: [75]}}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    (tmp_path / "home" / "mine.py").write_text(MODULE)
    yield found
    found.close()


def test_functions_are_steps_with_typed_arguments_and_outputs(stage: Stage) -> None:
    made = Watched(stage, add_workflow(stage, FLOW))
    made.end(stage.supervise(settings=Settings(modules=("mine",))), tick=0.05)
    assert made.statuses == {
        "one": "rolled_back", "two": "completed", "three": "completed", "four": "failed",
    }  # fmt: skip
    assert made.step("one").outputs == {"total": 2, "names": ["x0", "x1"], "extra": None}
    assert made.step("two").outputs == {"loud": ["X0", "X1"]}
    assert stage.job(made.job("three")).attempt == 2
    failed = stage.job(made.job("four"))
    assert (failed.attempt, failed.exit_code, failed.error) == (1, 1, "KeyError: 'x'")
    assert made.run.status is JobStatus.FAILED
    jobs = stage.store.workflows.children(made.id)
    assert {stage.job(one.job_id).kind for one in jobs} == {JobKind.FUNCTION}
    (undo,) = [one.job_id for one in jobs if one.role is Role.UNDO]
    assert stage.output(undo) == "forgot ['x0', 'x1']\n"
    items = stage.store.workflows.items(made.id, "two")
    printed = [stage.output(one.job_id) for one in items if one.job_id is not None]
    assert printed == [f"two[{number}] {made.id} {stage.root}\n" for number in range(2)]


def test_a_call_that_its_module_does_not_know_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "jobctl.yaml").write_text("settings: {modules: [mine]}")
    (home / "mine.py").write_text(MODULE)
    call = Calls(str(home), capsys, monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(FLOW)
    assert call("workflow", "validate", "good.yaml").code == 0
    wrong = (('n: "${{', 'm: "${{'), ("mine:shout", "mine:shoot"), ("mine:forget", "os:forget"))
    text = FLOW
    for right, other in wrong:
        text = text.replace(right, other, 1)
    Path("bad.yaml").write_text(text)
    for verb in (("validate",), ("run",)):
        done = call("workflow", *verb, "bad.yaml", "--json")
        assert done.code == 2
        told = [(one["line"], one["message"]) for one in done.document["error"]["problems"]]
        assert told == [
            (8, "unknown argument of mine:count"),
            (8, "argument of mine:count missing"),
            (10, "functions of this module may not be called"),
            (11, "no such function"),
        ]
    assert not (home / "jobctl.db").exists()
