from __future__ import annotations

from datetime import timedelta

import pytest

from jobctl.errors import BadFileError, BadInputError
from jobctl.model.calls import Call
from jobctl.model.workflow_builder import WorkflowBuilder
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
