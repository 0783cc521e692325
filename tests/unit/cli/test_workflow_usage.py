"""``workflow`` without a supervisor: exit codes of bad input, what validate, dry runs, graphs and completion print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl.cli.app import root
from tests.support.cli import call_main

FLOW = """
name: flow
params:
  mode: {choices: [full, quick], default: quick}
  target: {type: path, required: true}
max_parallel: 2
timeout: 2h
rollback: on_failure
steps:
  - id: scan
    run: ./scan ${{ params.target }} > "$JOBCTL_OUTPUT"
    undo: rm -r ${{ params.target }}
    outputs: {n: int}
  - {id: full, needs: scan, when: params.mode == 'full', run: [echo, "${{ params.mode }}", "a b"]}
  - {id: each, needs: scan, foreach: [x, "y z"], parallel: 1, run: "echo ${{ item }} ${{ steps.scan.outputs.n }}"}
  - {id: part, needs: each, workflow: part.yaml, with: {size: "${{ steps.scan.outputs.n }}"}}
  - {id: ask, needs: [full, part], approve: "Go on with ${{ params.mode }}?", }
on_exit: echo ${{ params.mode }}
"""
PART = "params: {size: {type: int, default: 1}}\nsteps: [{id: only, run: 'true'}]"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a directory with workflows, both ours alone."""
    tmp_path.chmod(0o700)
    home, work = tmp_path / "home", tmp_path / "work"
    for directory in (home, work, home / "workflows"):
        directory.mkdir(mode=0o700)
    (work / "flow.yaml").write_text(FLOW)
    (work / "part.yaml").write_text(PART)
    (work / "bad.yaml").write_text("steps: [{id: a, runn: x}, {id: b, needs: [aa], run: y}]")
    (home / "workflows" / "nightly.yaml").write_text(PART)
    monkeypatch.setenv("JOBCTL_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(work)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["run", "flow.yaml"], 2, "E_PARAMETER"),
        (["run", "flow.yaml", "--set", "target=x", "--set", "mode=ful"], 2, "E_PARAMETER"),
        (["run", "flow.yaml", "--set", "target=x", "--set", "target=y"], 2, "E_PARAMETER"),
        (["run", "flow.yaml", "--set", "target"], 2, "E_PARAMETER"),
        (["run", "flow.yaml", "--set", "targte=x"], 2, "E_PARAMETER"),
        (["run", "bad.yaml"], 2, "E_WORKFLOW"),
        (["run", "gone.yaml"], 3, "E_NOT_FOUND"),
        (["run", "unknown"], 3, "E_NOT_FOUND"),
        (["run", "123"], 2, "E_NAME"),
        (["run", "./"], 2, "E_FILE"),
        (["run", "nightly", "--queue", "none"], 3, "E_NOT_FOUND"),
        (["run", "nightly", "--priority", "0"], 2, "E_NUMBER"),
        (["run", "nightly", "--strict"], 2, "E_USAGE"),
        (["run", "nightly", "--timeout", "5s"], 2, "E_USAGE"),
        (["run", "nightly", "--wait", "--timeout", "soon"], 2, "E_DURATION"),
        (["run", "nightly", "--wait", "--dry-run"], 2, "E_USAGE"),
        (["run"], 2, "E_USAGE"),
        (["validate", "bad.yaml"], 2, "E_WORKFLOW"),
        (["validate", "gone.yaml"], 3, "E_NOT_FOUND"),
        (["graph", "flow.yaml", "--format", "png"], 2, "E_USAGE"),
        (["graph", "gone.yaml"], 3, "E_NOT_FOUND"),
        (["graph", "7"], 3, "E_NO_STORE"),
        (["show", "7"], 3, "E_NO_STORE"),
        (["cancel", "7"], 3, "E_NO_STORE"),
        (["retry", "7", "--from", "a", "--only", "b"], 2, "E_USAGE"),
        (["retry", "7", "--definition", "newest"], 2, "E_USAGE"),
        (["list", "--limit", "0"], 2, "E_NUMBER"),
        (["nonsense"], 2, "E_USAGE"),
    ],
)
def test_bad_input_is_told_by_its_exit_code_and_changes_nothing(
    files: Path, args: list[str], code: int, error: str
) -> None:
    ended = call_main("workflow", *args)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert ended.err.startswith("jobctl: error: ")
    assert f"[{error}]" in ended.err.splitlines()[0]
    assert not (files / "home" / "jobctl.db").exists()
    told = call_main("workflow", *args, "--json")
    assert (told.code, told.document["error"]["code"]) == (code, error)


def test_a_queue_or_resource_that_a_step_names_must_exist_when_it_is_started(files: Path) -> None:
    (files / "work" / "outer.yaml").write_text("steps: [{id: a, workflow: inner.yaml}]")
    for key, code, error in (("queue: gpu", 3, "E_NOT_FOUND"), ("resource: {gpu: 1}", 2, "E_RESOURCE")):
        (files / "work" / "inner.yaml").write_text(f"steps: [{{id: a, run: 'true', {key}}}]")
        ended = call_main("workflow", "run", "outer.yaml")
        assert (ended.code, f"[{error}]" in ended.err) == (code, True)
    assert call_main("workflow", "list", "--json").document == {"workflows": []}


def test_a_run_of_another_kind_of_job_is_no_workflow() -> None:
    call_main("submit", "--hold", "--", "true")
    for args in (["show", "1"], ["explain", "1", "a"], ["cancel", "1"], ["retry", "1"], ["rollback", "1"],
                 ["approve", "1", "a"], ["reject", "1", "a"], ["graph", "1"]):  # fmt: skip
        ended = call_main("workflow", *args)
        assert (ended.code, "no such workflow" in ended.err) == (3, True), args


def test_every_problem_of_every_file_is_told_at_once() -> None:
    ended = call_main("workflow", "validate", "flow.yaml", "bad.yaml", "gone.yaml")
    assert ended.out == "flow.yaml: flow, 5 steps, no problem\n"
    assert ended.err.splitlines()[0] == "jobctl: error: 2 of 3 workflows have problems [E_WORKFLOW]"
    for told in (
        "bad.yaml:1:9: the step does nothing",
        "bad.yaml:1:17: unknown key of a step: 'runn'; did you mean run?",
        "bad.yaml:1:43: needs an unknown step: 'aa'; did you mean a?",
        "no such workflow file: 'gone.yaml'",
    ):
        assert told in ended.err
    problems = call_main("workflow", "validate", "bad.yaml", "gone.yaml", "--json").document["error"][
        "problems"
    ]
    assert [(problem["file"], problem.get("line")) for problem in problems] == [("bad.yaml", 1)] * 3 + [
        ("gone.yaml", None)
    ]


def test_a_sub_workflow_is_checked_where_it_is_named(files: Path) -> None:
    (files / "work" / "outer.yaml").write_text(
        "steps:\n"
        "  - {id: a, workflow: part.yaml, with: {sise: 3}}\n"
        "  - {id: b, workflow: part.yaml, with: {size: many}}\n"
        "  - {id: c, workflow: gone.yaml}\n"
        "  - {id: d, workflow: outer.yaml}\n"
    )
    ended = call_main("workflow", "validate", "outer.yaml")
    assert ended.code == 2
    for told in (
        "outer.yaml:2:40: unknown parameter: 'sise'; did you mean size?",
        "outer.yaml:3:40: bad size: 'many'; give a whole number",
        "outer.yaml:4:23: no such workflow file: 'gone.yaml'",
        "outer.yaml:5:23: workflows run each other: 'outer.yaml runs outer.yaml'",
    ):
        assert told in ended.err
    (files / "work" / "part.yaml").write_text("steps: [{id: x}]")
    ended = call_main("workflow", "validate", "flow.yaml")
    assert "part.yaml:1:9: the step does nothing" in ended.err


def test_a_dry_run_prints_what_is_known_and_stores_nothing(files: Path) -> None:
    ended = call_main("workflow", "run", "flow.yaml", "--set", "target=it's here", "--dry-run")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "flow: 5 steps, at most 2 at once, ended after 2h",
        "params: mode=quick target=it's here",
        "  1  scan",
        "       ./scan 'it'\\''s here' > \"$JOBCTL_OUTPUT\"",
        "       undo: rm -r 'it'\\''s here'",
        "  2  full  (after scan; when params.mode == 'full' (false))",
        "       echo quick 'a b'",
        "  3  each  (after scan; for each of 2 items: x, y z, 1 at once)",
        "       echo ${{ item }} ${{ steps.scan.outputs.n }}",
        "  4  part  (after each)",
        "       runs part.yaml (1 step) size=${{ steps.scan.outputs.n }}",
        "  5  ask  (after full, part)",
        "       asks: Go on with quick?",
        "rollback (on_failure): scan",
        "on_exit: echo 'quick'",
        "estimate: none, it has not run yet",
    ]
    document = call_main("workflow", "run", "flow.yaml", "--set", "target=x", "--dry-run", "--json").document
    assert document["order"] == [["scan"], ["full", "each"], ["part"], ["ask"]]
    assert [step["when_result"] for step in document["steps"]] == [None, False, None, None, None]
    assert not (files / "home" / "jobctl.db").exists()


def test_a_name_is_found_beside_the_configuration_and_a_file_by_its_path(files: Path) -> None:
    started = call_main("workflow", "run", "nightly", "-q")
    assert (started.code, started.out) == (0, "1\n")
    assert "no supervisor for" in started.err
    document = call_main("workflow", "show", "1", "--json").document
    assert (document["name"], document["status"], document["params"]) == (
        "nightly",
        "running",
        {"size": 1},
    )
    assert call_main("show", "1", "--json").document["cwd"] == str(files / "home" / "workflows")
    (files / "work" / "nightly").write_text(PART)
    assert call_main("workflow", "run", "./nightly", "-q").out == "2\n"
    project = files / "project"
    (project / "workflows").mkdir(parents=True, mode=0o700)
    (project / "jobctl.yaml").write_text("")
    (project / "workflows" / "other.yml").write_text(PART)
    called = call_main("workflow", "run", "other", "--home", str(project / ".jobctl"), "-q")
    assert (called.code, called.out) == (0, "1\n")
    (files / "home" / "workflows" / "nightly.yaml").chmod(0o666)
    assert call_main("workflow", "run", "nightly").code == 5


def test_a_run_without_a_supervisor_can_be_cancelled_and_listed() -> None:
    call_main("workflow", "run", "flow.yaml", "--set", "target=x", "--tag", "t", "--priority", "2")
    job = call_main("list", "tag:t", "--json").document["jobs"][0]
    assert (job["kind"], job["priority"], job["items_done"], job["items_total"]) == ("workflow", 2, 0, 5)
    assert "workflow 1 has started no job" in call_main("logs", "1").err
    assert (
        call_main("workflow", "explain", "1", "scan").out
        == "nothing stands in its way; a supervisor starts it\n"
    )
    cancelled = call_main("workflow", "cancel", "1", "--json")
    assert (cancelled.code, cancelled.document["id"]) == (0, 1)
    assert "no supervisor" in cancelled.err


def test_a_graph_is_drawn_in_every_format() -> None:
    tree = call_main("workflow", "graph", "flow.yaml").out.splitlines()
    assert tree[0] == "flow"
    assert tree[1].startswith("└─ scan")
    assert call_main("workflow", "graph", "nightly", "--format", "mermaid").out.startswith("flowchart")
    assert call_main("workflow", "graph", "flow.yaml", "--format", "dot").out.startswith("digraph")
    assert call_main("workflow", "graph", "flow.yaml", "--format", "svg").out.startswith("<svg")
    by_format = call_main("workflow", "graph", "flow.yaml", "--format", "json").document
    assert by_format == call_main("workflow", "graph", "flow.yaml", "--json").document
    assert len(by_format["nodes"]) == 5


def test_the_schema_is_the_same_with_and_without_json() -> None:
    plain, compact = call_main("workflow", "schema"), call_main("workflow", "schema", "--json")
    assert json.loads(plain.out) == compact.document
    assert compact.document["title"] == "jobctl workflow"


def offered(words: list[str], incomplete: str) -> set[str]:
    """What the shell is offered behind these words for the argument or option value being typed."""
    command: Any = root()
    context = None
    for word in words[:2]:
        command = command.get_command(context, word)
    context = command.make_context(words[1], list(words[2:]), resilient_parsing=True)
    param = next(
        p for p in command.params if context.params.get(p.name) in (None, (), []) and p.required is not False
    )
    return {item.value for item in param.shell_complete(context, incomplete)}


def test_names_files_runs_and_steps_complete() -> None:
    assert offered(["workflow", "run"], "") >= {"nightly", "flow.yaml", "part.yaml"}
    assert offered(["workflow", "validate"], "fl") == {"flow.yaml"}
    call_main("workflow", "run", "flow.yaml", "--set", "target=x")
    assert offered(["workflow", "show"], "") == {"1"}
    assert offered(["workflow", "approve", "1"], "s") == {"scan"}
    assert offered(["workflow", "graph"], "") >= {"1", "nightly", "flow.yaml"}


def test_parameters_complete_with_their_choices() -> None:
    command: Any = root().get_command(None, "workflow").get_command(None, "run")
    context = command.make_context("run", ["flow.yaml"], resilient_parsing=True)
    param = next(param for param in command.params if "--set" in param.opts)
    assert {item.value for item in param.shell_complete(context, "")} == {"mode=", "target="}
    assert {item.value for item in param.shell_complete(context, "mode=f")} == {"mode=full"}
