"""Batches over a real store: counters, limits, ends, retries and cancellations; crashes included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobctl.actions.batches import retry_items, settle, submit_batch
from jobctl.actions.jobs import cancel, retry
from jobctl.errors import StateConflictError
from jobctl.model.batches import Batch, BatchSubmission, item_name, items_of
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import OnDuplicate
from jobctl.model.states import JobId, JobKind, JobStatus
from jobctl.store.batches import _DUE
from tests.support.supervisors import Stage, submission


def add_batch(
    stage: Stage,
    items: list[str],
    shell: str = "exit {}",
    max_parallel: int | None = None,
    max_failures: int | None = None,
    **changes: object,
) -> JobId:
    """A stored batch whose items are exit codes."""
    child = submission(stage.root, **changes)
    parent = replace(
        child, kind=JobKind.BATCH, hold=False, after=(), resources={}, lock_key=None, eligible_at=None
    )
    child = replace(
        child,
        name=item_name(child.name),
        unique_key=None,
        spec=replace(child.spec, on_failure=None, on_success=None),
    )
    made = BatchSubmission(parent, child, items_of(items, None, shell), max_parallel, max_failures)
    return submit_batch(stage.store, made, stage.clock).id


def batch_of(stage: Stage, job_id: JobId) -> Batch:
    found = stage.store.batches.get(job_id)
    assert found is not None
    return found


def recounted(stage: Stage, job_id: JobId) -> dict[str, int]:
    """The items by state, counted one by one."""
    rows = stage.store.database.rows(
        "SELECT state, count(*) FROM jobs WHERE parent_id=? GROUP BY state", (job_id,)
    )
    return dict(rows)


def assert_counts_are_true(stage: Stage, job_id: JobId) -> None:
    batch, counted = batch_of(stage, job_id), recounted(stage, job_id)
    assert {status.value: getattr(batch, status.value) for status in JobStatus} == {
        status.value: counted.get(status.value, 0) for status in JobStatus
    }


def test_a_batch_whose_items_complete_completes(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "0", "0"])
    assert stage.status(batch) is JobStatus.RUNNING
    assert stage.store.queues.running() == {}
    job = stage.turn_until_status(stage.supervise(), batch, JobStatus.COMPLETED)
    assert (job.progress.items_done, job.progress.items_total, job.progress.percent) == (3, 3, 100)
    assert_counts_are_true(stage, batch)


def test_partial_failure_is_shown(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "3", "0", "4"])
    job = stage.turn_until_status(stage.supervise(), batch, JobStatus.FAILED)
    assert (job.reason, job.progress.message, job.progress.items_failed) == (
        "items_failed",
        "2 of 4 failed",
        2,
    )
    assert stage.store.batches.failed_items(batch, 9) == [batch + 2, batch + 4]


def test_as_many_failures_as_allowed_do_not_fail_it(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "3", "0"], max_failures=1)
    job = stage.turn_until_status(stage.supervise(), batch, JobStatus.COMPLETED)
    assert job.progress.message == "1 of 3 failed"


def test_more_failures_than_allowed_cancel_the_rest(stage: Stage) -> None:
    batch = add_batch(stage, ["3", "3", *["0"] * 50], max_parallel=1, max_failures=1)
    stage.turn_until_status(stage.supervise(), batch, JobStatus.FAILED)
    found = batch_of(stage, batch)
    assert (found.failed, found.cancelled, found.completed) == (2, 50, 0)
    assert stage.job(JobId(batch + 9)).reason == "max_failures"
    assert_counts_are_true(stage, batch)


def test_no_more_items_run_at_once_than_allowed(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    batch = add_batch(stage, ["a"] * 6, f"while [ -e '{gate}' ]; do sleep 0.01; done # {{}}", max_parallel=2)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: batch_of(stage, batch).running == 2)
    for _ in range(5):
        supervisor.turn()
    assert (batch_of(stage, batch).running, batch_of(stage, batch).created) == (2, 4)
    assert stage.job(JobId(batch + 3)).reason == "batch"
    gate.unlink()
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, batch_of(stage, batch).running)
        return stage.status(batch) is JobStatus.COMPLETED

    stage.turn_until(supervisor, ended)
    assert most == 2
    assert_counts_are_true(stage, batch)


def test_items_released_together_still_take_turns(stage: Stage) -> None:
    batch = add_batch(stage, ["0"] * 5, max_parallel=1, hold=True)
    assert batch_of(stage, batch).created == 5
    with stage.store.write():
        for item in stage.store.batches.items(batch):
            stage.store.transitions.release(item, stage.clock.now_ms())
        settle(stage.store, stage.clock.now_ms())
    assert (batch_of(stage, batch).queued, batch_of(stage, batch).created) == (1, 4)
    stage.turn_until_status(stage.supervise(), batch, JobStatus.COMPLETED)


def test_cancelling_a_batch_cancels_what_waits_at_once(stage: Stage) -> None:
    batch = add_batch(stage, ["0"] * 100, max_parallel=3)
    done = cancel(stage.store, parse_selector(str(batch)), stage.clock)
    assert [(one.id, one.status) for one in done] == [(batch, JobStatus.CANCELLED)]
    assert batch_of(stage, batch).cancelled == 100
    assert stage.job(batch).reason == "requested"
    assert_counts_are_true(stage, batch)


def test_cancelling_a_batch_ends_the_items_that_run(stage: Stage) -> None:
    batch = add_batch(stage, ["60"] * 3, "sleep {}", max_parallel=2)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: batch_of(stage, batch).running == 2 and len(supervisor.active) == 2)
    done = cancel(stage.store, parse_selector(str(batch)), stage.clock)
    assert done[0].status is JobStatus.RUNNING
    stage.turn_until_status(supervisor, batch, JobStatus.CANCELLED)
    assert batch_of(stage, batch).cancelled == 3
    requests = stage.store.database.rows("SELECT max(requests) FROM cancel_requests")
    assert requests == [(1,)]


def test_a_retry_of_failed_items_reopens_the_batch(stage: Stage) -> None:
    mark = stage.root / "mark"
    batch = add_batch(stage, ["1", "2"], f"test -e '{mark}' # {{}}")
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, batch, JobStatus.FAILED)
    mark.touch()
    assert retry_items(stage.store, batch, stage.clock, failed_only=True) == 2
    assert stage.status(batch) is JobStatus.RUNNING
    assert_counts_are_true(stage, batch)
    stage.turn_until_status(supervisor, batch, JobStatus.COMPLETED)
    with pytest.raises(StateConflictError, match="no item"):
        retry_items(stage.store, batch, stage.clock, failed_only=True)


def test_a_retry_of_one_item_reopens_the_batch_too(stage: Stage) -> None:
    batch = add_batch(stage, ["1", "0"])
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, batch, JobStatus.FAILED)
    retry(stage.store, parse_selector(str(batch + 1)), stage.clock)
    assert stage.status(batch) is JobStatus.RUNNING
    stage.turn_until_status(supervisor, batch, JobStatus.FAILED)


def test_a_retry_of_the_batch_retries_what_did_not_complete(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "0", "0"])
    cancel(stage.store, parse_selector(str(batch + 1)), stage.clock)
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, batch, JobStatus.CANCELLED)
    assert stage.job(batch).reason == "items_cancelled"
    retry(stage.store, parse_selector(str(batch)), stage.clock)
    stage.turn_until_status(supervisor, batch, JobStatus.COMPLETED)
    with pytest.raises(StateConflictError, match="every item"):
        retry(stage.store, parse_selector(str(batch)), stage.clock)


def test_a_crash_between_ends_leaves_the_batch_correct(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "3", "0", "0", "0", "0", "0"])
    first = stage.supervise()
    stage.turn_until(first, lambda: len(first.active) >= 3)
    stage.kill(first)
    stage.turn_until_status(stage.supervise(), batch, JobStatus.FAILED)
    found = batch_of(stage, batch)
    assert (found.completed, found.failed) == (6, 1)
    assert_counts_are_true(stage, batch)


def test_jobs_may_wait_for_a_batch(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "0"])
    after = stage.submit("true", after=(Dependency(batch, Condition.SUCCESS),))
    stage.turn_until_status(stage.supervise(), after, JobStatus.COMPLETED)


def test_items_may_wait_for_a_job_and_go_when_it_ends(stage: Stage) -> None:
    needed = stage.submit("false")
    batch = add_batch(stage, ["0", "0"], after=(Dependency(needed, Condition.SUCCESS),))
    assert batch_of(stage, batch).created == 2
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, batch, JobStatus.CANCELLED)
    retry(stage.store, parse_selector(str(needed)), stage.clock)
    assert stage.status(batch) is JobStatus.RUNNING
    stage.turn_until_status(supervisor, batch, JobStatus.CANCELLED)
    assert_counts_are_true(stage, batch)


def test_an_empty_batch_completes_at_once(stage: Stage) -> None:
    batch = add_batch(stage, [])
    assert stage.status(batch) is JobStatus.COMPLETED


def test_a_batch_is_unique_as_a_whole(stage: Stage) -> None:
    first = add_batch(stage, ["0", "0"], unique_key="k")
    assert add_batch(stage, ["0"], unique_key="k") == first
    newer = add_batch(stage, ["0"], unique_key="k", on_duplicate=OnDuplicate.REPLACE)
    assert newer != first
    assert stage.status(first) is JobStatus.CANCELLED
    stage.turn_until_status(stage.supervise(), newer, JobStatus.COMPLETED)


def test_locked_items_run_one_after_the_other(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "0", "0"], lock_key="one")
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, batch, JobStatus.COMPLETED)
    spans = sorted(
        (attempt.started_at, attempt.finished_at)
        for item in stage.store.batches.items(batch)
        for attempt in stage.attempts(item)
    )
    assert len(spans) == 3


def test_the_hook_of_a_batch_runs_once(stage: Stage) -> None:
    batch = add_batch(stage, ["0", "0"], on_success="cat")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.store.jobs.hooks_of(batch))
    hooks = stage.store.jobs.hooks_of(batch)
    stage.turn_until_status(supervisor, hooks[0].id, JobStatus.COMPLETED)
    assert '"kind": "batch"' in stage.output(hooks[0].id)
    assert len(stage.store.jobs.hooks_of(batch)) == 1


def test_a_waiting_batch_does_not_keep_an_idle_supervisor(stage: Stage) -> None:
    add_batch(stage, ["0"], hold=True)
    assert not stage.store.jobs.has_work()


def test_the_look_for_due_batches_uses_its_index(stage: Stage) -> None:
    plan = stage.store.database.rows(f"EXPLAIN QUERY PLAN {_DUE}")
    assert "batches_due" in str(plan)
    hooks = stage.store.database.rows(
        "EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE submitted_by=? AND submitted_by>='hook:'"
        " AND submitted_by<'hook;'", ("hook:1",),
    )  # fmt: skip
    assert "jobs_hooks" in str(hooks)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(["cancel", "hold", "release", "retry", "remove", "settle"]), st.integers(1, 6)
        ),
        max_size=25,
    ),
    parallel=st.none() | st.integers(1, 3),
    allowed=st.none() | st.integers(0, 2),
)
def test_the_counters_are_true_whatever_moves_the_items(
    stage: Stage, moves: list[tuple[str, int]], parallel: int | None, allowed: int | None
) -> None:
    batch = add_batch(stage, ["0"] * 6, max_parallel=parallel, max_failures=allowed)
    now, transitions = stage.clock.now_ms(), stage.store.transitions
    for move, number in moves:
        item = JobId(batch + number)
        with stage.store.write():
            if move == "cancel":
                transitions.cancel_waiting(item, "requested", now)
            elif move == "hold":
                transitions.hold(item, now)
            elif move == "release":
                transitions.release(item, now)
            elif move == "retry":
                transitions.retry(item, now)
            elif move == "remove":
                stage.store.database.rows("DELETE FROM jobs WHERE id=? AND finished_at IS NULL", (item,))
            settle(stage.store, now)
        assert_counts_are_true(stage, batch)
        found = batch_of(stage, batch)
        ended = found.created + found.queued + found.running == 0
        assert stage.status(batch).is_terminal == ended
        assert parallel is None or found.queued + found.running <= parallel
