from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions import queues as actions
from jobctl.actions.admissions import submit
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.queues import parse_rate
from jobctl.store import Store
from jobctl.views.queues import queue_json, queues_plain
from tests.support.stores import HandClock, add_job, make_submission, open_store

CLOCK = HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, CLOCK) as opened:
        actions.add_queue(opened, "gpu", 1, CLOCK)
        yield opened


def test_default_comes_first_and_counts_are_live(store: Store) -> None:
    add_job(store, queue="gpu")
    add_job(store, queue="gpu", hold=True)
    default, gpu = map(queue_json, store.queues.list())
    assert default["name"] == "default"
    assert gpu == {
        "name": "gpu",
        "concurrency": 1,
        "running": 0,
        "queued": 1,
        "created": 1,
        "paused": False,
        "rate": None,
        "draining": False,
    }


def test_a_queue_is_paused_and_resumed_once(store: Store) -> None:
    for paused in (True, True, False, False):
        actions.set_paused(store, "gpu", paused, CLOCK)
    kinds = [event.kind for event in store.events.after(0) if event.entity_id == "gpu"]
    assert kinds == ["queue.added", "queue.paused", "queue.resumed"]


def test_a_changed_concurrency_shows(store: Store) -> None:
    actions.set_queue(store, "gpu", CLOCK, concurrency=7)
    assert "gpu      open   7" in queues_plain(store.queues.list())


def test_an_existing_queue_is_not_added_again(store: Store) -> None:
    with pytest.raises(StateConflictError, match="the queue exists: 'gpu'"):
        actions.add_queue(store, "gpu", 3, CLOCK)


def test_only_an_empty_queue_is_removed(store: Store) -> None:
    with pytest.raises(StateConflictError, match="always exists"):
        actions.remove_queue(store, "default", CLOCK)
    actions.add_queue(store, "tmp", 1, CLOCK)
    actions.remove_queue(store, "tmp", CLOCK)
    add_job(store, queue="gpu")
    with pytest.raises(StateConflictError, match="it has 1 job, ended ones included"):
        actions.remove_queue(store, "gpu", CLOCK)
    assert store.queues.names() == ["default", "gpu"]


def test_an_unknown_queue_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match=r"did you mean gpu\?"):
        actions.set_queue(store, "gpuu", CLOCK, concurrency=1)
    with pytest.raises(NotFoundError):
        actions.set_paused(store, "nope", True, CLOCK)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "100001"])
def test_a_concurrency_is_a_whole_number_of_slots(text: str) -> None:
    with pytest.raises(BadInputError):
        actions.parse_concurrency(text)


def test_a_rate_is_set_shown_and_taken_away(store: Store) -> None:
    actions.set_queue(store, "gpu", CLOCK, rate=parse_rate("10/min"))
    assert queue_json(store.queues.list()[1])["rate"] == "10/min"
    assert "10/min" in queues_plain(store.queues.list())
    actions.set_queue(store, "gpu", CLOCK, concurrency=3)
    assert queue_json(store.queues.list()[1])["rate"] == "10/min"
    actions.set_queue(store, "gpu", CLOCK, unlimited=True)
    assert queue_json(store.queues.list()[1])["rate"] is None


def test_a_new_queue_may_have_a_rate(store: Store) -> None:
    actions.add_queue(store, "mail", 2, CLOCK, parse_rate("2/s"))
    assert queue_json(store.queues.list()[2])["rate"] == "2/s"


def test_a_draining_queue_takes_no_jobs_until_it_is_resumed(store: Store) -> None:
    job = make_submission(queue="gpu")
    for _ in range(2):
        actions.drain_queue(store, "gpu", CLOCK)
    with pytest.raises(StateConflictError):
        submit(store, [job], CLOCK)
    assert queue_json(store.queues.list()[1])["draining"] is True
    assert "draining" in queues_plain(store.queues.list())
    actions.resume_queue(store, "gpu", CLOCK)
    submit(store, [job], CLOCK)
    kinds = [event.kind for event in store.events.after(0) if event.entity == "queue"]
    assert kinds == ["queue.added", "queue.draining", "queue.resumed"]


def test_resuming_ends_a_pause_and_a_drain_at_once(store: Store) -> None:
    actions.set_paused(store, "gpu", True, CLOCK)
    actions.drain_queue(store, "gpu", CLOCK)
    assert "paused,draining" in queues_plain(store.queues.list())
    actions.resume_queue(store, "gpu", CLOCK)
    gpu = store.queues.list()[1]
    assert (gpu.paused, gpu.draining) == (False, False)
