from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl.model.calls import Call
from jobctl.model.parameters import ParameterType
from jobctl.model.specs import RetryPolicy
from jobctl.model.workflow_fields import DEFAULTS, STEP, WORKFLOW
from jobctl.model.workflow_files import parse_workflow, workflow_of, workflow_schema
from jobctl.model.workflow_graphs import levels_of
from jobctl.model.workflows import (
    Approval,
    Rollback,
    StepKind,
    Tolerance,
    Trigger,
    Undo,
    UndoIf,
    WorkflowDefinition,
)
from tests.support.recorded_workflows import DIRECTORY, NAMES, recorded_workflow

EXAMPLE = (DIRECTORY / "example.yaml").read_text()

EVERYTHING = """
name: everything
help: all keys
params: {n: 3, mode: {choices: [a, b], default: a}}
cwd: work
env: {LEVEL: 1, SHARED: x}
max_parallel: 4
fail_fast: true
timeout: 2h
rollback: [on_failure, on_cancel]
defaults: {retry: {times: 1, delay: 1s}, queue: slow, env: {SHARED: y}, timeout: 1m, priority: 7}
steps:
  - id: first
    help: says hello
    run: true
    outputs: {count: int, files: json}
    queue: fast
    resources: {gpu: 2}
    priority: 1
    idempotent: false
    cwd: sub
    env: {ITEM: "${{ params.mode }}"}
    continue_on_error: true
  - id: second
    needs: first
    when: ${{ steps.first.outputs.count > params.n }}
    trigger: strict
    foreach: ${{ steps.first.outputs.files }}
    parallel: 2
    tolerate: 5%
    retry: {times: 5, delay: 30s, backoff: 3, max_delay: 1m, on_exit: [12, 30]}
    timeout: 20m
    optional: true
    run: [echo, "${{ item }}", 8, on]
    undo: {run: "echo ${{ item }}", timeout: 5s, retry: 2}
    undo_if: started
    resource: [gpu, disk=3]
  - id: third
    needs: [first, second]
    call: pkg.mod:build
    with: {size: 512, list: [1, null]}
    foreach: [1, two]
    tolerate: 1
  - id: fourth
    workflow: other.yaml
    args: {deep: true}
    retry: 0
    undo: {call: pkg.mod:forget, args: {size: 512}, timeout: 5s}
  - id: ask
    needs: [fourth]
    approve: {prompt: "Really ${{ params.mode }}?", expires: 12h}
  - {id: ask2, approve: true}
  - {id: ask3, approve: Sure?}
  - {id: clean, needs: [ask], trigger: any_failed, run: rm x}
on_failure: ./notify "${{ failure.step }}"
on_exit: [rm, -rf, tmp]
"""


def read(text: str) -> WorkflowDefinition:
    return parse_workflow(text, "dir/flow.yaml")


def test_every_key_is_read() -> None:
    flow = read(EVERYTHING)
    assert (flow.name, flow.help, flow.cwd, flow.max_parallel) == ("everything", "all keys", "work", 4)
    assert (flow.fail_fast, flow.timeout_seconds) == (True, 7200.0)
    assert flow.rollback == {Rollback.ON_FAILURE, Rollback.ON_CANCEL}
    assert [(param.name, param.type, param.default) for param in flow.params] == [
        ("n", ParameterType.INT, 3), ("mode", ParameterType.STRING, "a"),
    ]  # fmt: skip
    assert (flow.on_failure, flow.on_exit) == ('./notify "${{ failure.step }}"', ("rm", "-rf", "tmp"))
    first, second, third, fourth, ask, ask2, ask3, clean = flow.steps
    assert (first.kind, first.run, first.queue, first.priority) == (StepKind.RUN, "true", "fast", 1)
    assert (first.resources, first.idempotent, first.continue_on_error) == ({"gpu": 2}, False, True)
    assert first.outputs == {"count": ParameterType.INT, "files": ParameterType.JSON}
    assert first.env == {"LEVEL": "1", "SHARED": "y", "ITEM": "${{ params.mode }}"}
    assert first.retry == RetryPolicy(2, 1.0, 2.0, 3600.0)
    assert (first.timeout_seconds, flow.directory_of(first), flow.directory_of(second)) == (
        60.0,
        "work/sub",
        "work",
    )
    assert (second.needs, second.when) == (("first",), "steps.first.outputs.count > params.n")
    assert (second.trigger, second.foreach) == (Trigger.STRICT, "${{ steps.first.outputs.files }}")
    assert (second.parallel, second.tolerate, second.optional) == (2, Tolerance(5, True), True)
    assert second.retry == RetryPolicy(6, 30.0, 3.0, 60.0, (12, 30))
    assert second.run == ("echo", "${{ item }}", "8", "on")
    assert second.undo == Undo("echo ${{ item }}", 5.0, RetryPolicy(3))
    assert (second.undo_if, second.resources) == (UndoIf.STARTED, {"gpu": 1, "disk": 3})
    assert (third.kind, third.target, third.arguments) == (
        StepKind.CALL, "pkg.mod:build", {"size": 512, "list": [1, None]},
    )  # fmt: skip
    assert (third.foreach, third.tolerate) == ((1, "two"), Tolerance(1))
    assert (fourth.kind, fourth.target, fourth.retry) == (StepKind.WORKFLOW, "other.yaml", RetryPolicy())
    assert fourth.arguments == {"deep": True}
    assert fourth.undo == Undo(Call("pkg.mod:forget", {"size": 512}), 5.0)
    assert flow.calls == [
        ("third", Call("pkg.mod:build", {"size": 512, "list": [1, None]})),
        ("fourth", Call("pkg.mod:forget", {"size": 512})),
    ]
    assert (ask.approval, ask.queue, ask.env) == (Approval("Really ${{ params.mode }}?", 43_200.0), None, {})
    assert (ask2.approval, ask3.approval) == (Approval(), Approval("Sure?"))
    assert clean.trigger is Trigger.ANY_FAILED


def test_the_example_above_names_every_key_of_the_tables() -> None:
    for name in (*WORKFLOW.fields, *STEP.fields):
        assert f"{name}:" in EVERYTHING, name
    assert set(DEFAULTS.fields) < set(STEP.fields)


def test_the_example_of_the_notes_is_read() -> None:
    flow = read(EXAMPLE)
    assert [step.id for step in flow.steps] == [
        "scan",
        "import",
        "thumbs",
        "reindex",
        "confirm",
        "publish",
        "prune",
    ]
    publish = flow.step("publish")
    assert publish.retry == RetryPolicy(6, 30.0, 2.0, 300.0, (12, 30, 35))


@pytest.mark.parametrize("text", [EXAMPLE, EVERYTHING], ids=["example", "everything"])
def test_a_document_is_a_file_and_reads_back_the_same(text: str) -> None:
    flow = read(text)
    document = flow.document()
    assert workflow_of(document) == flow
    assert workflow_of(document).document() == document
    assert parse_workflow(json.dumps(document), "x.json") == flow
    assert workflow_of(document).spec_hashes == flow.spec_hashes


def test_a_hash_tells_what_would_run_differently() -> None:
    before = read(EVERYTHING).spec_hashes
    assert read(EVERYTHING.replace("says hello", "hello")).spec_hashes == before
    changed = read(EVERYTHING.replace("run: rm x", "run: rm y")).spec_hashes
    assert [step for step in before if before[step] != changed[step]] == ["clean"]
    moved = read(EVERYTHING.replace("cwd: work", "cwd: elsewhere")).spec_hashes
    assert all(before[step] != moved[step] for step in before)
    spaced = read(EVERYTHING.replace("timeout: 20m", "timeout: 1200")).spec_hashes
    assert spaced == before


@pytest.mark.parametrize("name", NAMES)
def test_recorded_workflows_are_read(name: str) -> None:
    recorded = recorded_workflow(name)
    flow = parse_workflow(recorded.text(), f"{name}.yaml")
    assert flow.needs == recorded.needs
    assert sum(map(len, flow.needs.values())) == recorded.edges
    assert max(levels_of(flow.needs).values()) + 1 == recorded.depth
    assert {step.run for step in flow.steps} == {"true"}


def test_steps_further_up_may_be_looked_at_and_handlers_see_all() -> None:
    flow = read(
        "steps:\n  - {id: a, run: x}\n  - {id: b, needs: a, run: x}\n"
        "  - {id: c, needs: b, run: 'echo ${{ steps.a.status }} ${{ exists(steps.b.outputs.x) }}'}\n"
        "on_exit: echo ${{ steps.b.status }}\n"
    )
    assert flow.name == "flow"


def _keys(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = set(schema.get("properties", {}))
        return own.union(*(_keys(value) for value in schema.values()))
    return set().union(*map(_keys, schema)) if isinstance(schema, list) else set()


def test_the_schema_comes_from_the_same_tables() -> None:
    schema = workflow_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == set(WORKFLOW.fields)
    assert set(schema["properties"]["steps"]["items"]["properties"]) == set(STEP.fields)
    assert {"times", "expires", "undo_if", "choices"} <= _keys(schema)
    assert schema["additionalProperties"] is False


def test_the_data_says_where_it_comes_from() -> None:
    readme = (Path(DIRECTORY) / "README.md").read_text()
    for name in NAMES:
        document = json.loads((DIRECTORY / f"{name}.json").read_text())
        assert name in readme
        assert document["source"]["commit"] in readme
