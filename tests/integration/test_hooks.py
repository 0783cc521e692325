"""Hooks: stored with the end, run as jobs of their own, given the ended job and nothing pasted."""

from __future__ import annotations

import json
import os
import stat

import pytest

from jobctl.actions.jobs import cancel, retry
from jobctl.model.jobs import Job
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobId, JobStatus
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED


def hook_of(stage: Stage, supervisor: Supervisor, job_id: JobId) -> Job:
    """The one hook job, which has ended."""
    stage.turn_until(
        supervisor,
        lambda: [hook for hook in stage.store.jobs.hooks_of(job_id) if hook.status.is_terminal],
        tick=0.3,  # an adopted hook is probed now and then
    )
    (hook,) = stage.store.jobs.hooks_of(job_id)
    return hook


def test_a_failed_job_is_handed_to_its_hook_as_json_and_in_variables(stage: Stage) -> None:
    line = (
        'cat; echo; echo "$JOBCTL_HOOK_JOB_ID $JOBCTL_HOOK_STATUS $JOBCTL_HOOK_EXIT_CODE $JOBCTL_HOOK_KIND"'
    )
    job_id = stage.shell("exit 3", name="odd", on_failure=line, on_success="echo never")
    supervisor = stage.supervise()
    hook = hook_of(stage, supervisor, job_id)
    assert (hook.name, hook.submitted_by, hook.status, hook.parent_id) == (
        "odd:on_failure", f"hook:{job_id}", COMPLETED, None,
    )  # fmt: skip
    lines = stage.output(hook.id).splitlines()
    document = json.loads(lines[0])
    assert (document["id"], document["status"], document["exit_code"]) == (job_id, "failed", 3)
    assert lines[-1] == f"{job_id} failed 3 on_failure"


def test_a_completed_job_runs_its_on_success_in_its_own_directory(stage: Stage) -> None:
    job_id = stage.submit(
        "true", on_success='pwd; test -e "$JOBCTL_HOOK_LOG" && echo log', on_failure="exit 9"
    )
    hook = hook_of(stage, stage.supervise(), job_id)
    assert stage.output(hook.id).splitlines() == [str(stage.root), "log"]


def test_nothing_of_the_job_is_pasted_into_the_line(stage: Stage) -> None:
    marker = stage.root / "pwned"
    name = f"'; touch {marker}; echo '"
    job_id = stage.shell("exit 1", name=name, on_failure='printf "%s" "$JOBCTL_HOOK_NAME"')
    hook = hook_of(stage, stage.supervise(), job_id)
    assert stage.output(hook.id) == name
    assert not marker.exists()


def test_only_the_last_attempt_calls_the_hook(stage: Stage) -> None:
    job_id = stage.shell("exit 1", retry=RetryPolicy(attempts=2, delay_seconds=5), on_failure="true")
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, job_id, JobStatus.CREATED)
    assert stage.store.jobs.hooks_of(job_id) == []
    stage.clock.advance(10)
    hook_of(stage, supervisor, job_id)


def test_a_time_out_is_a_failure_and_a_cancellation_is_not(stage: Stage) -> None:
    late = stage.shell("sleep 60", timeout_seconds=5.0, grace_seconds=0.0, on_failure="true")
    gone = stage.submit("sleep", "60", grace_seconds=0.0, on_failure="true", on_success="true")
    supervisor = stage.supervise()
    stage.start(supervisor, late)
    stage.start(supervisor, gone)
    cancel(stage.store, parse_selector(str(gone)), stage.clock)
    stage.turn_until_status(supervisor, gone, CANCELLED)
    stage.clock.advance(6)
    assert hook_of(stage, supervisor, late).status is COMPLETED
    assert stage.store.jobs.hooks_of(gone) == []


def test_a_hook_is_there_after_a_crash_and_runs_under_the_next_supervisor(stage: Stage) -> None:
    job_id = stage.shell("exit 1", on_failure="cat")
    first = stage.supervise()
    stage.turn_until(first, lambda: stage.status(job_id) is FAILED)
    stage.kill(first)
    assert len(stage.store.jobs.hooks_of(job_id)) == 1
    hook = hook_of(stage, stage.supervise(), job_id)
    assert json.loads(stage.output(hook.id, hook.attempt))["id"] == job_id


def test_the_hook_tells_of_the_end_it_was_made_for(stage: Stage) -> None:
    job_id = stage.shell("exit 1", on_failure="cat")
    first = stage.supervise()
    stage.turn_until(first, lambda: stage.status(job_id) is FAILED)
    stage.kill(first)
    retry(stage.store, parse_selector(str(job_id)), stage.clock)
    cancel(stage.store, parse_selector(str(job_id)), stage.clock)
    hook = hook_of(stage, stage.supervise(), job_id)
    assert json.loads(stage.output(hook.id, hook.attempt))["status"] == "failed"


def test_a_failing_hook_is_a_failed_job_without_a_hook_of_its_own(stage: Stage) -> None:
    job_id = stage.submit("true", on_success="exit 5", on_failure="true")
    supervisor = stage.supervise()
    hook = hook_of(stage, supervisor, job_id)
    assert (hook.status, hook.exit_code) == (FAILED, 5)
    for _ in range(3):
        supervisor.turn()
    assert stage.store.jobs.hooks_of(hook.id) == []


def test_the_file_with_the_job_is_the_owners_alone(stage: Stage) -> None:
    job_id = stage.submit("true", on_success="cat")
    hook = hook_of(stage, stage.supervise(), job_id)
    mode = os.stat(f"{stage.home.job(hook.id)}/hook.json").st_mode
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize("status", [COMPLETED, FAILED])
def test_a_job_without_hooks_makes_none(stage: Stage, status: JobStatus) -> None:
    job_id = stage.shell("exit 0" if status is COMPLETED else "exit 1")
    stage.turn_until_status(stage.supervise(), job_id, status)
    assert stage.store.jobs.hooks_of(job_id) == []
