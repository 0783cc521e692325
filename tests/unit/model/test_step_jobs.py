"""Steps as the jobs that run them: what is said by whom, where they work, how they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobctl.errors import BadInputError, EvaluationError
from jobctl.model.calls import Call
from jobctl.model.documents import Json
from jobctl.model.names import LONGEST_NAME
from jobctl.model.specs import JobSpec, OnCrash, RetryPolicy, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.model.step_jobs import (
    RunFacts,
    handler_work,
    items_of,
    rendered,
    run_arguments,
    run_submission,
    step_work,
    submission_of,
    undo_work,
    value_references,
    work_references,
)
from jobctl.model.workflow_files import parse_workflow
from jobctl.model.workflow_runs import WHOLE, Role
from jobctl.model.workflows import WorkflowDefinition

TEXT = """
name: photos
cwd: work
env: {LEVEL: "3"}
params: {n: {type: int, default: 1}}
steps:
  - id: a
    run: tar ${{ item }}
    foreach: [x]
    env: {MODE: "${{ params.n }}"}
    cwd: ~/sub
    queue: slow
    timeout: 60
    retry: {times: 2, delay: 3}
    idempotent: false
    resources: {gpu: 2}
    undo: {run: [rm, "${{ item }}"], timeout: 5, retry: {times: 1, delay: 1}}
on_failure: [mail, "${{ failure.step }}"]
"""


def facts(text: str = TEXT) -> RunFacts:
    own = JobSpec(cwd="/data", umask=0o077, env={"SEEN": "1"}, secret_env=("TOKEN",), on_failure="true")
    base = Submission(
        "photos", own, {"HOME": "/home/ada"}, "night", 4, JobKind.WORKFLOW, user="ada", tags=("t",)
    )
    return RunFacts(JobId(7), base, parse_workflow(text, "photos.yaml"))


def job(found: RunFacts, names: dict[str, Json]) -> Submission:
    step = found.definition.step("a")
    return submission_of(found, step_work(found.definition, step, 3), step, names)


def test_the_job_of_an_item() -> None:
    made = job(facts(), {"item": "it's", "params": {"n": 2}})
    assert made.spec.argv() == ("/bin/sh", "-c", "tar 'it'\\''s'")
    assert (made.name, made.step, made.queue, made.priority, made.user, made.tags) == (
        "photos/a[3]", "a[3]", "slow", 4, "ada", ("t",),
    )  # fmt: skip
    assert (made.parent_id, made.workflow_id, made.submitted_by) == (7, 7, "workflow:7")
    assert (made.spec.cwd, made.spec.umask, made.spec.secret_env) == ("/home/ada/sub", 0o077, ("TOKEN",))
    assert dict(made.spec.env) == {
        "SEEN": "1", "LEVEL": "3", "MODE": "2", "PWD": "/home/ada/sub", "JOBCTL_WORKFLOW_ID": "7",
        "JOBCTL_STEP": "a[3]", "JOBCTL_IDEMPOTENCY_KEY": "7/a#3",
    }  # fmt: skip
    assert (made.spec.timeout_seconds, made.spec.retry) == (60, RetryPolicy(3, 3))
    assert (made.spec.on_crash, dict(made.resources), made.spec.on_failure) == (
        OnCrash.FAIL,
        {"gpu": 2},
        None,
    )


def test_the_job_that_undoes_it_has_limits_of_its_own() -> None:
    found = facts()
    step = found.definition.step("a")
    names: dict[str, Json] = {"item": "x y", "params": {"n": 2}}
    made = submission_of(found, undo_work(found.definition, step, 3), step, names)
    assert made.spec.argv() == ("rm", "x y")
    assert (made.name, made.step, made.queue, dict(made.resources)) == (
        "photos/a[3]:undo",
        "a[3]",
        "slow",
        {},
    )
    assert (made.spec.timeout_seconds, made.spec.retry.attempts, made.spec.on_crash) == (5, 2, OnCrash.RETRY)
    assert made.spec.env["JOBCTL_IDEMPOTENCY_KEY"] == "7/a#3/undo"


def test_a_handler_works_where_the_workflow_does() -> None:
    found = facts()
    work = handler_work(found.definition, Role.ON_FAILURE)
    assert work is not None
    made = submission_of(found, work, None, {"failure": {"step": "a"}})
    assert (made.spec.argv(), made.spec.cwd, made.name) == (("mail", "a"), "/data/work", "photos/on_failure")
    assert (made.spec.env["LEVEL"], made.queue) == ("3", "night")
    assert handler_work(found.definition, Role.ON_EXIT) is None


def test_what_its_texts_look_up_is_known_beforehand() -> None:
    found = facts()
    step = found.definition.step("a")
    paths = {reference.path for reference in work_references(step_work(found.definition, step, WHOLE))}
    assert paths == {("item",), ("params", "n")}
    paths = {reference.path for reference in value_references({"x": ["${{ params.n }}", 1]})}
    assert paths == {("params", "n")}


def test_a_workflow_gets_the_arguments_it_takes() -> None:
    text = """
    params: {m: {default: 4}}
    steps: [{id: part, workflow: b.yaml, with: {n: "${{ params.m }}", s: "v${{ params.m }}"}}]
    """
    found = facts(text)
    step = found.definition.step("part")
    part: WorkflowDefinition = parse_workflow(
        "params: {n: {type: int}, s: {type: string}}\nsteps: [{id: a, run: x}]", "b.yaml"
    )
    assert run_arguments(found, part, step, {"params": {"m": 4}}) == {"n": 4, "s": "v4"}
    with pytest.raises(BadInputError, match="bad n"):
        run_arguments(found, part, step, {"params": {"m": "many"}})
    made = run_submission(found, step, WHOLE, "photos")
    assert (made.kind, made.name, made.step, made.spec.cwd) == (
        JobKind.WORKFLOW,
        "photos/part",
        "part",
        "/data",
    )


def test_items_are_a_list_of_at_most_ten_thousand() -> None:
    text = "params: {l: {type: json}}\nsteps: [{id: a, run: x, foreach: '${{ params.l }}'}]"
    step = facts(text).definition.step("a")
    assert items_of(step, {"params": {"l": [1, "b"]}}) == [1, "b"]
    for wrong in ("text", {"a": 1}, None, list(range(10_001))):
        with pytest.raises(EvaluationError, match="foreach"):
            items_of(step, {"params": {"l": wrong}})


def test_values_in_documents_keep_their_types() -> None:
    names: dict[str, Json] = {"params": {"n": 2}}
    found = rendered({"a": "${{ params.n }}", "b": ["x${{ params.n }}", None, True]}, names)
    assert found == {"a": 2, "b": ["x2", None, True]}


def test_long_names_are_cut_in_front_of_the_step() -> None:
    found = facts()
    long = replace(found, definition=replace(found.definition, name="w" * LONGEST_NAME))
    assert len(job(long, {"item": 1, "params": {"n": 1}}).name) == LONGEST_NAME
    assert job(long, {"item": 1, "params": {"n": 1}}).name.endswith("w/a[3]")


def test_an_empty_word_for_the_program_is_refused() -> None:
    found = facts("params: {p: {default: ''}}\nsteps: [{id: a, run: ['${{ params.p }}']}]")
    with pytest.raises(EvaluationError, match="the command is empty"):
        job(found, {"params": {"p": ""}})


CALLING = """
name: photos
env: {LEVEL: "3"}
steps:
  - id: a
    call: media.photos:build
    args: {size: "${{ params.n }}", names: ["${{ item }}", "x ${{ item }}"], plain: null}
    foreach: [x]
    undo: {call: media.photos:forget, with: {made: "${{ steps.a.outputs }}"}, timeout: 5}
params: {n: {type: int, default: 1}}
"""


def test_a_call_is_a_function_job_that_is_given_values_of_their_own_types() -> None:
    found = facts(CALLING)
    step = found.definition.step("a")
    work = step_work(found.definition, step, 0)
    assert [".".join(map(str, one.path)) for one in work_references(work)] == ["params.n", "item", "item"]
    names: dict[str, Json] = {"params": {"n": 2}, "item": {"deep": [1.5]}}
    made = submission_of(found, work, step, {**names, "item": "y"})
    assert (made.kind, made.name, made.step) == (JobKind.FUNCTION, "photos/a[0]", "a[0]")
    assert made.spec.call == Call("media.photos:build", {"size": 2, "names": ["y", "x y"], "plain": None})
    assert (made.spec.command, made.spec.shell, made.spec.cwd) == ((), None, "/data")
    assert (made.spec.supervisor_env, made.environment, made.spec.secret_env) == (True, {}, ())
    assert made.spec.env == {
        "SEEN": "1", "LEVEL": "3", "JOBCTL_WORKFLOW_ID": "7", "JOBCTL_STEP": "a[0]",
        "JOBCTL_IDEMPOTENCY_KEY": "7/a#0",
    }  # fmt: skip
    undo = submission_of(
        found, undo_work(found.definition, step, 0), step, {"steps": {"a": {"outputs": {"id": 9}}}}
    )
    assert undo.spec.call == Call("media.photos:forget", {"made": {"id": 9}})
    assert (undo.kind, undo.name, undo.spec.timeout_seconds) == (JobKind.FUNCTION, "photos/a[0]:undo", 5.0)


def test_a_call_is_given_no_more_than_a_job_can_carry() -> None:
    found = facts(CALLING)
    step = found.definition.step("a")
    names: dict[str, Json] = {"params": {"n": 2}, "item": "x" * 600_000}
    with pytest.raises(BadInputError, match="args above 1 MiB"):
        submission_of(found, step_work(found.definition, step, 0), step, names)
