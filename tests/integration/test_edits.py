from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.edits import EditRequest, edit
from jobctl.actions.queues import add_queue, drain_queue
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.store import Store
from tests.support.stores import HandClock, add_job, job_of, open_store, start_jobs

CLOCK = HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, CLOCK) as opened:
        add_queue(opened, "gpu", 1, CLOCK)
        yield opened


def number(store: Store, **changes: object) -> str:
    """The id of a new job, as a user writes it."""
    add_job(store, **changes)  # type: ignore[arg-type]
    return str(store.database.value("SELECT max(id) FROM jobs"))


def test_everything_that_may_change_changes_and_is_told(store: Store) -> None:
    job = number(store)
    request = EditRequest(
        name="other", queue="gpu", priority="1", timeout="5m", grace="3", attempts="4", retry_delay="2s",
        backoff="3", max_delay="1m",
    )  # fmt: skip
    changed = edit(store, job, request, CLOCK)
    assert changed == job_of(store, int(job))
    assert (changed.name, changed.queue, changed.priority) == ("other", "gpu", 1)
    assert (changed.spec.timeout_seconds, changed.spec.grace_seconds) == (300.0, 3.0)
    retry = changed.spec.retry
    assert (retry.attempts, retry.delay_seconds, retry.backoff, retry.max_delay_seconds) == (
        4,
        2.0,
        3.0,
        60.0,
    )
    event = store.events.after(0)[-1]
    assert event.kind == "job.edited"
    assert isinstance(event.data, dict)
    assert event.data["priority"] == [5, 1]
    assert event.data["timeout_seconds"] == [None, 300.0]


def test_what_is_not_named_stays(store: Store) -> None:
    job = number(store, priority=7)
    before = job_of(store, int(job))
    changed = edit(store, job, EditRequest(timeout="1h"), CLOCK)
    assert (changed.name, changed.queue, changed.priority) == (before.name, before.queue, 7)
    assert (changed.spec.command, changed.spec.retry) == (before.spec.command, before.spec.retry)


def test_a_timeout_of_zero_takes_the_limit_away(store: Store) -> None:
    job = number(store)
    edit(store, job, EditRequest(timeout="1h"), CLOCK)
    assert edit(store, job, EditRequest(timeout="0"), CLOCK).spec.timeout_seconds is None


def test_a_more_urgent_job_is_claimed_first(store: Store) -> None:
    number(store)
    second = number(store)
    edit(store, second, EditRequest(priority="1"), CLOCK)
    start_jobs(store)
    assert job_of(store, int(second)).status == "running"


@pytest.mark.parametrize("ended", [False, True])
def test_a_running_or_ended_job_is_refused(store: Store, ended: bool) -> None:
    job = number(store)
    if ended:
        with store.write():
            store.transitions.cancel_waiting(job_of(store, int(job)).id, "requested", CLOCK.now)
    else:
        start_jobs(store)
    with pytest.raises(StateConflictError):
        edit(store, job, EditRequest(priority="1"), CLOCK)


def test_nothing_to_change_is_refused(store: Store) -> None:
    with pytest.raises(BadInputError, match="nothing to change"):
        edit(store, number(store), EditRequest(), CLOCK)


def test_an_unknown_job_or_queue_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no such job"):
        edit(store, "99", EditRequest(priority="1"), CLOCK)
    with pytest.raises(NotFoundError, match="no such queue"):
        edit(store, number(store), EditRequest(queue="gpuu"), CLOCK)


def test_a_draining_queue_takes_no_edited_job_but_keeps_its_own(store: Store) -> None:
    own = number(store, queue="gpu")
    drain_queue(store, "gpu", CLOCK)
    with pytest.raises(StateConflictError, match="draining"):
        edit(store, number(store), EditRequest(queue="gpu"), CLOCK)
    assert edit(store, own, EditRequest(queue="gpu", priority="1"), CLOCK).priority == 1


@pytest.mark.parametrize(
    "request_",
    [EditRequest(priority="0"), EditRequest(name="1"), EditRequest(timeout="x"), EditRequest(attempts="0"),
     EditRequest(backoff="0.5"), EditRequest(retry_delay="2h"), EditRequest(max_delay="1s")],
)  # fmt: skip
def test_a_wrong_value_changes_nothing(store: Store, request_: EditRequest) -> None:
    job = number(store)
    before = job_of(store, int(job))
    with pytest.raises(BadInputError):
        edit(store, job, request_, CLOCK)
    assert job_of(store, int(job)) == before
