"""What is told of runs of workflows: why a step ran or did not, the logs of its jobs, how long it will take."""

from __future__ import annotations

import pytest

from jobctl.actions.batches import with_items
from jobctl.actions.explanations import explain_job
from jobctl.actions.workflow_intents import approve_step, cancel_workflow
from jobctl.actions.workflow_sources import load_workflow
from jobctl.actions.workflows import explain_workflow_step, list_runs, preview_workflow, workflow_report
from jobctl.errors import NotFoundError
from jobctl.model.states import JobStatus
from jobctl.views.workflows import shown_steps, step_rows, steps_plain, workflow_json
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle, run_workflow

BRANCHES = """
params: {mode: quick}
steps:
  - {id: scan, run: 'echo "count=12" >>"$JOBCTL_OUTPUT"', outputs: {count: int}}
  - {id: full, needs: scan, when: "params.mode == 'full' and steps.scan.outputs.count > 3", run: "true"}
  - {id: behind, needs: full, run: "true"}
  - {id: join, needs: [scan, full], when: steps.scan.outputs.count > 3, run: "true"}
  - {id: broken, needs: join, run: exit 3, continue_on_error: true}
  - {id: goes_on, needs: broken, run: exit 4}
  - {id: blocked, needs: goes_on, run: "true"}
  - {id: deeper, needs: blocked, run: "true"}
  - {id: cleanup, needs: [deeper], trigger: all_done, run: "true"}
"""


def told(watched: Watched, step: str) -> list[str]:
    """What ``workflow explain`` prints of a step."""
    found = explain_workflow_step(watched.stage.store, watched.stage.job(watched.id), step)
    return [cause.message for cause in found.causes]


def test_every_end_of_a_step_is_explained_with_its_needs_and_values(stage: Stage) -> None:
    watched = run_workflow(stage, BRANCHES)
    job = {name: watched.job(name) for name in ("scan", "join", "broken", "goes_on", "cleanup")}
    assert told(watched, "scan") == [f"completed as job {job['scan']}"]
    assert told(watched, "full") == [
        "skipped: when is false",
        "needs scan: completed",
        "when params.mode == 'full' and steps.scan.outputs.count > 3: false",
        "  params.mode = quick",
        "  steps.scan.outputs.count = 12",
    ]
    assert told(watched, "behind") == ["skipped: all of its needs were skipped", "needs full: skipped"]
    assert told(watched, "join") == [
        f"completed as job {job['join']}",
        "needs scan: completed",
        "needs full: skipped",
        "trigger none_failed: it runs when no need failed and at least one is live",
        "when steps.scan.outputs.count > 3: true",
        "  steps.scan.outputs.count = 12",
    ]
    assert told(watched, "broken")[0] == (
        f"failed with exit 3 as job {job['broken']}; it was allowed to (continue_on_error)"
    )
    assert told(watched, "goes_on")[:2] == [
        f"failed with exit 4 as job {job['goes_on']}",
        "needs broken: failed, allowed (continue_on_error)",
    ]
    assert told(watched, "blocked") == [
        "not run: goes_on failed (failed with exit 4)",
        "needs goes_on: failed",
    ]
    assert told(watched, "deeper") == [
        "not run: goes_on failed (failed with exit 4)",
        "needs blocked: upstream_failed, because of goes_on",
    ]
    assert told(watched, "cleanup")[-1] == "trigger all_done: it runs however its needs ended"
    with pytest.raises(NotFoundError, match="has no step: 'joim'; did you mean join"):
        told(watched, "joim")


def test_a_condition_without_a_value_names_what_is_missing(stage: Stage) -> None:
    text = """
steps:
  - {id: scan, run: "false", outputs: {n: int}, continue_on_error: true}
  - {id: use, needs: scan, when: steps.scan.outputs.n > 1, run: "true"}
"""
    watched = run_workflow(stage, text)
    lines = told(watched, "use")
    assert lines[0].startswith("failed: when: ")
    assert lines[2].endswith(": no value")
    assert "  steps.scan.outputs.n = not known" in lines


def test_a_run_says_what_it_waits_for_and_then_why_it_failed(stage: Stage) -> None:
    text = """
steps:
  - {id: ask, approve: {prompt: "really?", expires: 1h}}
  - {id: work, needs: ask, run: exit 7}
  - {id: later, needs: work, run: "true"}
"""
    watched = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: watched.statuses["ask"] == "waiting")
    lines = [cause.message for cause in explain_job(stage.store, stage.job(watched.id), stage.clock.now_ms())]
    assert lines[:2] == ["0 of 3 steps ended", "waiting: ask"]
    assert lines[2].startswith("ask waits for an answer: really? (no, unless approved by ")
    assert lines[2].endswith(f"jobctl workflow approve {watched.id} ask, or reject")
    assert told(watched, "work") == ["waits for ask", "needs ask: waiting"]
    approve_step(stage.store, watched.id, "ask", stage.clock, "ana")
    watched.end(supervisor)
    assert told(watched, "ask") == ["approved by ana"]
    lines = [cause.message for cause in explain_job(stage.store, stage.job(watched.id), stage.clock.now_ms())]
    assert lines == [
        "3 of 3 steps ended, 1 failed; work failed first",
        f"work: failed with exit 7 as job {watched.job('work')}",
        "1 step did not run because of that",
    ]


def test_a_cancelled_step_says_who_stopped_it(stage: Stage) -> None:
    watched = Watched(
        stage, add_workflow(stage, 'steps: [{id: a, approve: "go?"}, {id: b, needs: a, run: "true"}]')
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: watched.statuses["a"] == "waiting")
    cancel_workflow(stage.store, watched.id, stage.clock)
    assert watched.end(supervisor).status is JobStatus.CANCELLED
    assert told(watched, "b")[0] == "cancelled: the workflow was cancelled"


def test_the_document_has_the_keys_of_the_contract_and_the_items(stage: Stage) -> None:
    text = (
        'steps: [{id: each, foreach: [1, 2], run: "test ${{ item }} = 1"}, {id: b, needs: each, run: "true"}]'
    )
    watched = run_workflow(stage, text, {})
    report = workflow_report(stage.store, stage.job(watched.id))
    document = workflow_json(
        report.run, report.definition, report.steps, report.items, report.handlers, stage.clock.now_ms()
    )
    assert list(document)[:6] == ["id", "name", "status", "outcome", "rollback", "params"]
    steps = document["steps"]
    assert isinstance(steps, list)
    assert list(steps[0])[:10] == [
        "id", "status", "reason", "needs", "attempt", "job_id", "started_at", "finished_at", "exit_code", "outputs",
    ]  # fmt: skip
    assert [(item["index"], item["item"], item["status"], item["exit_code"]) for item in steps[0]["items"]] == [
        (0, 1, "completed", 0), (1, 2, "failed", 1),
    ]  # fmt: skip
    assert (steps[1]["cause"], steps[1]["needs"], "items" in steps[1]) == ("each", ["each"], False)
    lines = steps_plain(shown_steps(report.steps, report.items), stage.clock.now_ms()).splitlines()
    assert [line.split()[0] for line in lines] == ["STEP", "each", "each[1]", "b"]
    assert "2/2 items, 1 failed" in lines[1]
    assert "each failed" in lines[3]


def test_the_logs_of_a_run_are_those_of_its_jobs_and_of_the_runs_within(stage: Stage) -> None:
    inner = bundle('name: inner\nsteps: [{id: deep, run: "true"}]')
    text = 'name: outer\nsteps: [{id: a, run: "true"}, {id: sub, needs: a, workflow: inner.yaml}]\non_exit: "true"'
    watched = run_workflow(stage, text, parts={"inner.yaml": inner})
    names = [job.name for job in with_items(stage.store, [stage.job(watched.id)])]
    assert names == ["outer/a", "inner/deep", "outer/on_exit"]
    assert [run.name for run in list_runs(stage.store)] == ["outer"]
    assert [run.name for run in list_runs(stage.store, with_parts=True)] == ["outer/sub", "outer"]
    progress = stage.job(watched.id).progress
    assert (progress.items_done, progress.items_total, progress.percent) == (2, 2, 100)


def test_a_dry_run_estimates_by_the_last_runs_and_by_what_runs_side_by_side(stage: Stage) -> None:
    text = """
name: timed
steps:
  - {id: a, run: "while [ -e a ]; do sleep 0.01; done"}
  - {id: b, run: "while [ -e b ]; do sleep 0.01; done"}
  - {id: c, needs: [a, b], run: "true"}
"""
    (stage.root / "timed.yaml").write_text(text)
    loaded = load_workflow("timed.yaml", stage.home, str(stage.root))
    assert preview_workflow(stage.store, loaded, {}).estimate_seconds is None
    (stage.root / "a").touch()
    (stage.root / "b").touch()
    watched = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: [watched.statuses[step] for step in "ab"] == ["running"] * 2)
    stage.clock.advance(30)
    (stage.root / "a").unlink()
    stage.turn_until(supervisor, lambda: watched.statuses["a"] == "completed")
    stage.clock.advance(30)
    (stage.root / "b").unlink()
    watched.end(supervisor)
    found = preview_workflow(stage.store, loaded, {})
    assert found.unknown == ()
    assert found.estimate_seconds == pytest.approx(60, abs=2)
    assert found.order == [["a", "b"], ["c"]]


def test_a_step_tells_how_often_it_was_tried_and_how_long_that_took(stage: Stage) -> None:
    text = """
    steps:
      - {id: often, run: test "$JOBCTL_ATTEMPT" = 3, retry: {times: 2, delay: 10, backoff: 1}}
      - {id: never, needs: often, when: "false", run: "true"}
      - {id: ask, needs: often, approve: true}
    """
    watched = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: watched.statuses["ask"] == "waiting", tick=1.0)
    report = workflow_report(stage.store, stage.job(watched.id))
    rows = {row[0]: row for row in step_rows(report.steps, stage.clock.now_ms())}
    assert [rows[step][3] for step in ("often", "never", "ask")] == ["3", "-", "1"]
    often = watched.step("often")
    assert often.started_at is not None
    assert often.finished_at is not None
    assert often.finished_at - often.started_at >= 18_000
    document = workflow_json(
        report.run, report.definition, report.steps, {}, report.handlers, stage.clock.now_ms()
    )
    assert document["steps"][0]["attempts"] == 3  # type: ignore[index]
    assert (watched.run.attempt, document["steps"][0]["attempt"]) == (1, 1)  # type: ignore[index]
