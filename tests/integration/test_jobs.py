from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions import jobs as actions
from jobctl.actions.admissions import submit
from jobctl.actions.jobs import Action, CancelOptions, Done
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from tests.support.stores import NOON, HandClock, add_job, job_of, make_submission, open_store, start_jobs

CLOCK = HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, CLOCK) as opened:
        yield opened


def cancel(store: Store, text: str, options: CancelOptions | None = None) -> list[Done]:
    return actions.cancel(store, parse_selector(text), CLOCK, options)


def test_submitted_jobs_are_all_on_disk(store: Store) -> None:
    ids = submit(store, [make_submission("a"), make_submission("b", hold=True)], CLOCK)
    assert ids == [1, 2]
    assert [job_of(store, job_id).status for job_id in ids] == [JobStatus.QUEUED, JobStatus.CREATED]


def test_an_unknown_queue_stores_none_of_the_jobs(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no such queue: 'gone'"):
        submit(store, [make_submission(), make_submission(queue="gone")], CLOCK)
    assert store.jobs.counts()["queued"] == 0


def test_a_parent_that_is_not_there_is_none(store: Store) -> None:
    job_id = submit(store, [make_submission(parent_id=JobId(99), submitted_by="job:99")], CLOCK)[0]
    assert (job_of(store, job_id).parent_id, job_of(store, job_id).submitted_by) == (None, "job:99")


def test_a_waiting_job_is_cancelled_at_once(store: Store) -> None:
    add_job(store)
    assert cancel(store, "1") == [Done(JobId(1), JobStatus.CANCELLED, Action.CANCELLED)]
    job = job_of(store, 1)
    assert (job.status, job.reason, job.finished_at) == (JobStatus.CANCELLED, "requested", NOON)


def test_a_running_job_is_asked_for_and_hurried_when_asked_again(store: Store) -> None:
    add_job(store)
    life = start_jobs(store)
    assert cancel(store, "1", CancelOptions(3.0, 2, "why")) == [
        Done(JobId(1), JobStatus.RUNNING, Action.CANCELLING)
    ]
    cancel(store, "1")
    request = store.intents.cancel_requests(life)[0]
    assert (request.reason, request.requests) == ("why", 2)


def test_the_reason_for_a_waiting_job_is_on_record(store: Store) -> None:
    add_job(store)
    cancel(store, "1", CancelOptions(reason="wrong input"))
    kinds = {event.kind: event.data for event in store.events.after(0)}
    assert kinds["job.cancel_requested"] == {"reason": "wrong input"}


def test_children_are_cancelled_with_their_parent_and_detached_ones_are_not(store: Store) -> None:
    add_job(store)
    start_jobs(store)
    add_job(store, parent_id=1, submitted_by="job:1")
    add_job(store, parent_id=2, submitted_by="job:2")
    add_job(store, submitted_by="job:1")
    assert [(done.id, done.action) for done in cancel(store, "1")] == [
        (1, Action.CANCELLING),
        (2, Action.CANCELLED),
        (3, Action.CANCELLED),
    ]
    assert job_of(store, 4).status is JobStatus.QUEUED


def test_an_id_named_outright_in_a_wrong_state_changes_nothing(store: Store) -> None:
    add_job(store)
    add_job(store)
    cancel(store, "1")
    with pytest.raises(StateConflictError, match="cannot cancel a cancelled job: '1'"):
        cancel(store, "1,2")
    assert job_of(store, 2).status is JobStatus.QUEUED


def test_ranges_and_bulk_selectors_skip_what_does_not_apply(store: Store) -> None:
    for _ in range(3):
        add_job(store)
    cancel(store, "2")
    assert [done.id for done in cancel(store, "1-9")] == [1, 3]
    assert cancel(store, "all") == []
    assert cancel(store, "name:nobody") == []


@pytest.mark.parametrize("text", ["99", "1,99", "last"])
def test_an_unknown_id_is_not_found(store: Store, text: str) -> None:
    add_job(store, submitted_by="job:1")
    with pytest.raises(NotFoundError):
        cancel(store, text)
    assert job_of(store, 1).status is JobStatus.QUEUED


def test_a_retry_by_hand_is_for_ended_jobs(store: Store) -> None:
    add_job(store)
    with pytest.raises(StateConflictError, match="cannot retry a queued job: '1'"):
        actions.retry(store, parse_selector("1"), CLOCK)
    cancel(store, "1")
    assert actions.retry(store, parse_selector("@cancelled"), CLOCK) == [
        Done(JobId(1), JobStatus.QUEUED, Action.RETRIED)
    ]
    assert (job_of(store, 1).revision, job_of(store, 1).finished_at) == (1, None)


def test_a_held_job_waits_until_released(store: Store) -> None:
    add_job(store)
    selector = parse_selector("1")
    assert actions.hold(store, selector, CLOCK) == [Done(JobId(1), JobStatus.CREATED, Action.HELD)]
    assert actions.hold(store, selector, CLOCK) == [Done(JobId(1), JobStatus.CREATED, Action.HELD)]
    assert job_of(store, 1).reason == "hold"
    assert actions.release(store, selector, CLOCK) == [Done(JobId(1), JobStatus.QUEUED, Action.RELEASED)]
    with pytest.raises(StateConflictError, match="not held: '1'"):
        actions.release(store, selector, CLOCK)


def test_a_released_job_still_waits_for_its_time(store: Store) -> None:
    add_job(store, hold=True, eligible_at=NOON + 1000)
    done = actions.release(store, parse_selector("all"), CLOCK)
    assert done == [Done(JobId(1), JobStatus.CREATED, Action.RELEASED)]
    assert job_of(store, 1).reason == "time"


def test_a_running_job_cannot_be_held(store: Store) -> None:
    add_job(store)
    start_jobs(store)
    with pytest.raises(StateConflictError, match="cannot hold a running job: '1'"):
        actions.hold(store, parse_selector("1"), CLOCK)


@pytest.mark.parametrize(("text", "number"), [("TERM", 15), ("sigint", 2), ("9", 9), ("USR1", 10)])
def test_a_signal_has_a_name_or_a_number(text: str, number: int) -> None:
    assert actions.parse_signal(text) == number


@pytest.mark.parametrize("text", ["0", "65", "-9", "NOPE", "", "_DFL", "SIG_IGN", "９"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="no such signal"):
        actions.parse_signal(text)
