from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.errors import BadFileError, BadInputError
from jobctl.model.calls import Call
from jobctl.model.workflow_builder import Step, WorkflowBuilder
from jobctl.model.workflow_files import parse_workflow, workflow_of
from tests.support.recorded_workflows import DIRECTORY


def test_the_builder_gives_the_document_of_the_file() -> None:
    flow = WorkflowBuilder(
        "nightly-catalog",
        cwd="~/catalog",
        max_parallel=4,
        timeout=timedelta(hours=2),
        rollback="on_failure",
        defaults={"retry": {"times": 2, "delay": "10s", "backoff": 2, "max_delay": timedelta(minutes=5)}},
        on_failure='./notify.sh "failed at ${{ failure.step }}"',
        on_exit="rm -rf tmp/",
    )
    source = flow.param("source", type="path", default="~/incoming", help="folder to import")
    flow.param("mode", choices=["full", "incremental"], default="incremental")
    keep = flow.param("keep_days", type="int", default=14, min=1)
    scan = flow.step(
        "scan", run=f'./scan.py {source} >> "$JOBCTL_OUTPUT"', outputs={"count": "int", "batches": "json"}
    )
    imported = flow.step(
        "import",
        needs=scan,
        when="steps.scan.outputs.count > 0",
        foreach="${{ steps.scan.outputs.batches }}",
        parallel=2,
        tolerate="5%",
        run="./import.py ${{ item }}",
        undo="./forget.py ${{ item }}",
        timeout="20m",
    )
    thumbs = flow.step("thumbs", needs="import", call="catalog.thumbs:build", arguments={"size": 512})
    reindex = flow.step(
        "reindex",
        needs=imported,
        when="params.mode == 'full' or steps.scan.outputs.count > 1000",
        workflow="reindex.yaml",
        arguments={"full": "${{ params.mode == 'full' }}"},
    )
    prompt = "Publish ${{ steps.scan.outputs.count }} photos?"
    confirm = flow.step("confirm", needs=[thumbs, reindex], approve={"prompt": prompt, "expires": "12h"})
    publish = flow.step(
        "publish",
        needs=[confirm],
        run=("rsync", "-a", "out/", "web:/srv/catalog/"),
        undo=["ssh", "web", "/srv/restore-previous"],
        retry={"times": 5, "delay": "30s", "on_exit": [12, 30, 35]},
    )
    flow.step("prune", needs=publish, run=f"./prune.py --days {keep}", continue_on_error=True)

    text = (DIRECTORY / "example.yaml").read_text()
    written = parse_workflow(text, "example.yaml")
    assert flow.build() == written
    assert flow.build().document() == written.document()
    assert flow.build().spec_hashes == written.spec_hashes


def test_every_problem_is_told_by_build() -> None:
    flow = WorkflowBuilder("x", max_parallel=0)
    flow.step("a", run="echo", needs="b")
    flow.step("a", run="echo ${{ nope }}")
    with pytest.raises(BadFileError) as caught:
        flow.build()
    assert len(caught.value.problems) == 4


def test_what_no_file_could_hold_is_refused() -> None:
    flow = WorkflowBuilder("x")
    with pytest.raises(BadInputError, match="no value of a workflow"):
        flow.step("a", run="echo", env={"A": object()})
    flow.param("p", default=1)
    with pytest.raises(BadInputError, match="parameter added twice: 'p'"):
        flow.param("p")


def test_values_of_python_are_written_as_a_file_would_hold_them() -> None:
    flow = WorkflowBuilder("x", cwd=PurePath("/srv/a"))
    first = flow.step("a", run=["echo", 5, True], foreach=range(3), arguments=None)
    flow.step("b", workflow="w.yaml", arguments={"x": None, "y": [None, {"z": None}]}, needs={first, "c"})
    flow.step("c", run="x", foreach={"q", "p"})
    document = flow.document()
    flow.step("d", run="x")
    assert document == {
        "name": "x",
        "cwd": "/srv/a",
        "steps": [
            {"id": "a", "run": ["echo", 5, True], "foreach": [0, 1, 2]},
            {
                "id": "b",
                "workflow": "w.yaml",
                "needs": ["a", "c"],
                "with": {"x": None, "y": [None, {"z": None}]},
            },
            {"id": "c", "run": "x", "foreach": ["p", "q"]},
        ],
    }


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"foreach": [float("nan")]}, "no value of a workflow: 'nan'"),
        ({"arguments": {"x": float("inf")}}, "no value of a workflow: 'inf'"),
        ({"foreach": deep(70)}, "nested deeper than 60"),
        ({"needs": 5}, "no step: '5'"),
        ({"needs": ["a", None]}, "no step: 'None'"),
        ({"env": {"A": b"bytes"}}, "no value of a workflow: 'b'bytes''"),
    ],
)
def test_every_wrong_value_is_an_error_for_people(keys: dict[str, Any], told: str) -> None:
    flow = WorkflowBuilder("x")
    with pytest.raises(BadInputError) as caught:
        flow.step("a", run="x", **keys)
    assert told in str(caught.value)


def test_what_has_a_method_of_its_own_is_not_given_as_a_key() -> None:
    for key, method in (("steps", "step()"), ("params", "param()")):
        with pytest.raises(BadInputError, match=f"give it by {method[:-2]}"):
            WorkflowBuilder("x", **{key: {}})


def messages(build: Callable[[], object]) -> list[object]:
    """What is wrong with what is built."""
    try:
        build()
    except BadFileError as error:
        return [problem["message"] for problem in error.problems]
    return []


_words = st.text("ab ${}'\"\\#:-[]{}é\t", min_size=1, max_size=12).filter(str.strip)
_lengths = st.one_of(
    st.integers(1, 90), st.sampled_from(["5m", "1h30m"]), st.timedeltas(timedelta(seconds=1))
)
_kinds = st.one_of(
    st.fixed_dictionaries(
        {"run": st.one_of(_words, st.lists(_words, min_size=1, max_size=3))},
        optional={
            "retry": st.integers(0, 3), "timeout": _lengths, "undo": st.fixed_dictionaries({"run": _words}),
            "undo_if": st.sampled_from(["completed", "started"]), "env": st.dictionaries(st.just("A"), _words),
            "outputs": st.sampled_from([["n"], {"n": "int"}]), "cwd": _words, "priority": st.integers(1, 10),
            "resources": st.just({"gpu": 2}), "queue": st.just("night"), "idempotent": st.booleans(),
            "foreach": st.lists(st.one_of(_words, st.none(), st.integers()), max_size=3),
        },
    ),
    st.fixed_dictionaries({"call": st.just("a.b:c")}, optional={"arguments": st.just({"x": [None]})}),
    st.fixed_dictionaries({"approve": st.one_of(st.just(True), st.fixed_dictionaries({"expires": _lengths}))}),
)  # fmt: skip
_more = st.fixed_dictionaries(
    {},
    optional={
        "when": st.sampled_from(["true", "params.p == 'x'", True]), "optional": st.booleans(),
        "trigger": st.sampled_from(["strict", "all_done"]), "continue_on_error": st.booleans(), "help": _words,
    },
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_kinds, _more), min_size=1, max_size=3), st.booleans())
def test_a_builder_a_document_and_its_text_are_one_workflow(steps: list[Any], chained: bool) -> None:
    flow = WorkflowBuilder("x", max_parallel=2, on_exit="true")
    flow.param("p", default="x")
    before: list[Step] = []
    for number, (kind, more) in enumerate(steps):
        if "undo_if" in kind and "undo" not in kind:
            kind = {**kind, "undo": "true"}
        before.append(flow.step(f"s{number}", needs=before[-1:] if chained else (), **kind, **more))
    text = json.dumps(flow.document(), indent=2, ensure_ascii=False)
    told = messages(flow.build)
    assert told == messages(lambda: parse_workflow(text, "x.yaml"))
    if told:
        return  # the template in a text is none, or much the same
    built = flow.build()
    for document in (flow.document(), built.document()):
        read = parse_workflow(json.dumps(document), "x.yaml")
        assert (read, read.document(), read.spec_hashes) == (built, built.document(), built.spec_hashes)


def shout(text: str) -> dict[str, str]:
    return {"loud": text.upper()}


def test_a_step_may_call_a_function_by_itself_or_by_its_name() -> None:
    flow = WorkflowBuilder("calls")
    one = flow.step("one", call=shout, arguments={"text": None}, undo={"call": shout, "args": {"text": "x"}})
    flow.step("two", call="pkg.mod:f", args={"text": "${{ steps.one.outputs.loud }}"}, needs=one)
    made = flow.build()
    name = f"{__name__}:shout"
    assert made.calls == [
        ("one", Call(name, {"text": None})),
        ("two", Call("pkg.mod:f", {"text": "${{ steps.one.outputs.loud }}"})),
        ("one", Call(name, {"text": "x"})),
    ]
    assert workflow_of(made.document()) == made
