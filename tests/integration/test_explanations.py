"""``explain`` names the exact blocker or cause."""

from __future__ import annotations

import pytest

from jobctl.actions.explanations import explain_job
from jobctl.actions.jobs import CancelOptions, cancel, hold
from jobctl.actions.queues import set_paused
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.queues import Rate
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import OnCrash, OnDuplicate, RetryPolicy
from jobctl.model.states import JobId, JobStatus
from tests.integration.test_batches import add_batch
from tests.support.supervisors import Stage

CREATED, QUEUED = JobStatus.CREATED, JobStatus.QUEUED


def explained(stage: Stage, job_id: JobId) -> dict[str, str]:
    """The messages by code."""
    return {
        cause.code: cause.message
        for cause in explain_job(stage.store, stage.job(job_id), stage.clock.now_ms())
    }


def test_a_queued_job_without_a_supervisor_says_so(stage: Stage) -> None:
    job_id = stage.submit("true")
    assert explained(stage, job_id) == {"no_supervisor": "no supervisor runs; start one with: jobctl up"}


def test_a_paused_queue_is_named(stage: Stage) -> None:
    job_id = stage.submit("true")
    set_paused(stage.store, "default", True, stage.clock)
    assert explained(stage, job_id)["queue_paused"].startswith("queue default is paused")


def test_who_holds_the_slots_is_named(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.add("one", 1, stage.clock.now_ms())
    first = stage.submit("sleep", "60", queue="one", name="long")
    supervisor = stage.supervise()
    stage.start(supervisor, first)
    second = stage.submit("true", queue="one")
    third = stage.submit("true", queue="one")
    assert explained(stage, second) == {
        "no_slot": f"no free slot in queue one: 1 of 1 taken by job {first} (long)"
    }
    assert explained(stage, third)["behind"] == "1 job goes first in queue one"


def test_the_next_start_under_a_rate_is_told(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_rate("default", Rate(1, 60), stage.clock.now_ms())
    first, second = stage.submit("true"), stage.submit("true")
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, first, JobStatus.COMPLETED)
    assert explained(stage, second)["rate"].startswith("queue default is at its rate (1 in 1m)")


def test_the_job_that_is_waited_for_is_named_with_its_state(stage: Stage) -> None:
    needed = stage.submit("true", hold=True)
    job_id = stage.submit("true", after=(Dependency(needed, Condition.SUCCESS),))
    assert explained(stage, job_id)["dependency"] == f"waits for job {needed} to complete; it is created"
    assert "held" in explained(stage, needed)["hold"]


def test_a_dependency_that_can_no_longer_be_met_is_named(stage: Stage) -> None:
    needed = stage.submit("false")
    job_id = stage.submit("true", after=(Dependency(needed, Condition.SUCCESS),))
    stage.turn_until_status(stage.supervise(), job_id, JobStatus.CANCELLED)
    assert explained(stage, job_id) == {"dependency": f"needed job {needed} to complete; it ended failed"}


def test_the_holder_of_the_lock_is_named(stage: Stage) -> None:
    first = stage.submit("sleep", "60", name="holder", lock_key="db")
    second = stage.submit("true", lock_key="db")
    supervisor = stage.supervise()
    stage.start(supervisor, first)
    stage.turn_until(supervisor, lambda: stage.status(second) is CREATED)
    assert explained(stage, second)["lock"] == f"lock db held by job {first} (holder)"


def test_who_uses_the_resource_is_named(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_resources({"gpu": 2})
    first = stage.submit("sleep", "60", name="train", resources={"gpu": 2})
    second = stage.submit("true", resources={"gpu": 1})
    supervisor = stage.supervise()
    stage.start(supervisor, first)
    stage.turn_until(supervisor, lambda: stage.status(second) is CREATED)
    assert explained(stage, second)["resource"] == (
        f"needs 1 of resource gpu: 2 of 2 in use by job {first} (train)"
    )


def test_time_and_hold_are_both_told(stage: Stage) -> None:
    job_id = stage.submit("true", eligible_at=stage.clock.now_ms() + 60_000)
    assert "(in 1m)" in explained(stage, job_id)["time"]
    hold(stage.store, parse_selector(str(job_id)), stage.clock)
    assert {"hold", "time"} <= set(explained(stage, job_id))


def test_the_next_attempt_is_told(stage: Stage) -> None:
    job_id = stage.shell("exit 4", retry=RetryPolicy(attempts=3, delay_seconds=60))
    stage.turn_until_status(stage.supervise(), job_id, CREATED)
    assert explained(stage, job_id)["retry"].startswith("attempt 1 of 3 ended with exit 4; tried again at ")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("exit 3", "exit", "ended with exit 3"),
        ("kill -9 $$", "signal", "ended by signal SIGKILL"),
        ("true", "completed", "completed with exit 0"),
    ],
)
def test_how_it_ended_is_told(stage: Stage, line: str, code: str, message: str) -> None:
    job_id = stage.shell(line)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal)
    assert explained(stage, job_id)[code] == message


def test_a_program_that_does_not_exist_is_told(stage: Stage) -> None:
    job_id = stage.submit("no-such-program")
    stage.turn_until_status(stage.supervise(), job_id, JobStatus.FAILED)
    assert "no-such-program" in explained(stage, job_id)["spawn_error"]


def test_a_time_out_is_told_with_its_length(stage: Stage) -> None:
    job_id = stage.submit("sleep", "60", timeout_seconds=5.0, grace_seconds=0.0)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.clock.advance(6)
    stage.turn_until_status(supervisor, job_id, JobStatus.TIMEOUT)
    assert explained(stage, job_id)["timeout"] == "ran into its time-out after 5s"


def test_the_reason_of_a_cancellation_is_told(stage: Stage) -> None:
    waiting = stage.submit("true")
    cancel(stage.store, parse_selector(str(waiting)), stage.clock, CancelOptions(reason="wrong input"))
    assert explained(stage, waiting)["requested"] == "cancelled on request: wrong input"


def test_a_replaced_job_says_so(stage: Stage) -> None:
    old = stage.submit("true", unique_key="k")
    stage.submit("true", unique_key="k", on_duplicate=OnDuplicate.REPLACE)
    assert "replaced" in explained(stage, old)


def test_a_job_lost_in_a_crash_says_so(stage: Stage) -> None:
    job_id = stage.submit("sleep", "60", on_crash=OnCrash.FAIL)
    first = stage.supervise()
    pid = stage.start(first, job_id)
    stage.kill(first)
    import os
    import signal

    os.killpg(pid, signal.SIGKILL)
    stage.turn_until_status(stage.supervise(), job_id, JobStatus.FAILED)
    assert explained(stage, job_id)["lost"] == "lost in a crash (once)"


def test_an_item_that_waits_for_its_turn_and_its_batch_are_explained(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "3", "0"], max_parallel=1)
    assert explained(stage, JobId(batch + 2))["batch"] == (
        f"batch {batch} runs at most 1 items at once; 1 go first"
    )
    assert explained(stage, batch)["items"] == "3 of 3 items have not ended: 2 created, 1 queued"
    stage.turn_until_status(stage.supervise(), batch, JobStatus.FAILED)
    assert explained(stage, batch)["items_failed"] == "1 of 3 failed"


def test_a_reserved_job_names_the_run(stage: Stage) -> None:
    from tests.support.supervisors import submission

    supervisor = stage.supervise(reserved=submission(stage.root, "true"))
    assert supervisor.reservation is not None
    assert "reserved" in explained(stage, supervisor.reservation.job_id)
