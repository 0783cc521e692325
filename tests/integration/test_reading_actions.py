"""Waiting, following logs and events, over a real store that another connection writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from jobctl.actions.changes import ChangeWatch
from jobctl.actions.events import EventQuery, Gap, events_after, follow_events, gap_before, newest_events
from jobctl.actions.logs import LogBegins, LogEnds, LogPiece, LogRequest, follow_logs, read_log
from jobctl.actions.selections import one_job, selected_jobs
from jobctl.actions.waits import Wait
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.states import JobId
from jobctl.store import Store
from tests.support.histories import History


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def reader(history: History) -> Iterator[Store]:
    with Store.open(history.home, history.clock) as store:
        yield store


def _script(store: Store, *steps: Callable[[], object]) -> ChangeWatch:
    """A watch whose every pause lets the next thing happen."""
    left = iter(steps)

    def pause(_: float) -> None:
        step = next(left, None)
        assert step is not None, "it waits for something that never comes"
        step()

    return ChangeWatch(store, pause)


def _all(*steps: Callable[[], object]) -> Callable[[], None]:
    """One step of several."""

    def together() -> None:
        for step in steps:
            step()

    return together


def _get(store: Store, job_id: JobId) -> Job:
    job = store.jobs.get(job_id)
    assert job is not None
    return job


def test_waiting_tells_each_end_once_in_the_order_of_the_ends(history: History, reader: Store) -> None:
    first, second, third = (history.submit() for _ in range(3))
    waiting = Wait(reader, [first, second, third])
    assert waiting.poll() == []
    for job_id in (first, second, third):
        history.start(job_id)
    history.end(second, 3)
    assert [(end.id, end.completed) for end in waiting.poll()] == [(second, False)]
    history.end(first)
    assert [(end.id, end.completed) for end in waiting.poll()] == [(first, True)]
    assert waiting.poll() == []
    assert waiting.pending == {third}


def test_waiting_does_not_take_a_retry_for_the_end(history: History, reader: Store) -> None:
    job_id = history.submit(attempts=2)
    waiting = Wait(reader, [job_id])
    history.start(job_id)
    history.end(job_id, 1, again=True)
    assert waiting.poll() == []
    history.start(job_id)
    history.end(job_id)
    assert [end.completed for end in waiting.poll()] == [True]


def test_a_job_removed_while_it_is_awaited_is_an_ending_without_a_job(
    history: History, reader: Store
) -> None:
    job_id = history.submit()
    waiting = Wait(reader, [job_id])
    with history.store.write():
        history.store.database.rows("DELETE FROM jobs WHERE id=?", (job_id,))
    assert [end.job for end in waiting.poll()] == [None]


def test_a_log_is_followed_from_the_queue_through_a_retry_to_the_end(history: History, reader: Store) -> None:
    job_id = history.submit(attempts=2)
    watch = _script(
        reader,
        lambda: history.start(job_id),
        lambda: history.write(job_id, b"one\n"),
        _all(lambda: history.write(job_id, b"last of 1\n"), lambda: history.end(job_id, 1, again=True)),
        lambda: history.start(job_id),
        _all(lambda: history.write(job_id, b"two\n"), lambda: history.end(job_id)),
    )
    found = [
        event
        for event in follow_logs(reader, [_get(reader, job_id)], LogRequest(), watch)
        if not _is_pause(event)
    ]
    assert found == [
        LogBegins(job_id, 1),
        LogPiece(job_id, 1, "output", b"one\n"),
        LogPiece(job_id, 1, "output", b"last of 1\n"),
        LogBegins(job_id, 2),
        LogPiece(job_id, 2, "output", b"two\n"),
        LogEnds(job_id, 2),
    ]


def test_attempts_that_came_and_went_before_the_first_look_are_shown_whole(
    history: History, reader: Store
) -> None:
    job_id = history.submit(attempts=2)
    job = _get(reader, job_id)
    history.start(job_id)
    history.write(job_id, b"one\n1\n")
    history.end(job_id, 1, again=True)
    history.start(job_id)
    history.write(job_id, b"two\n2\n")
    history.end(job_id)
    found = list(follow_logs(reader, [job], LogRequest(tail=1)))
    assert b"".join(event.data for event in found if isinstance(event, LogPiece)) == b"one\n1\ntwo\n2\n"


def test_following_attempt_one_ends_when_attempt_two_begins(history: History, reader: Store) -> None:
    job_id = history.submit(attempts=2)
    history.start(job_id)
    history.write(job_id, b"one\n")
    watch = _script(
        reader,
        _all(
            lambda: history.end(job_id, 1, again=True),
            lambda: history.start(job_id),
            lambda: history.write(job_id, b"two\n"),
        ),
    )
    found = list(follow_logs(reader, [_get(reader, job_id)], LogRequest(attempt=1), watch))
    assert b"".join(event.data for event in found if isinstance(event, LogPiece)) == b"one\n"


def test_the_tail_holds_for_the_attempt_first_seen_only(history: History, reader: Store) -> None:
    job_id = history.submit(attempts=2)
    history.start(job_id)
    history.write(job_id, b"a\nb\n")
    watch = _script(
        reader,
        _all(
            lambda: history.end(job_id, 1, again=True),
            lambda: history.start(job_id),
            lambda: history.write(job_id, b"c\nd\n"),
        ),
        lambda: history.end(job_id),
    )
    found = list(follow_logs(reader, [_get(reader, job_id)], LogRequest(tail=1), watch))
    assert b"".join(event.data for event in found if isinstance(event, LogPiece)) == b"b\nc\nd\n"


def test_a_job_cancelled_in_the_queue_ends_the_following(history: History, reader: Store) -> None:
    job_id = history.submit()

    def cancel() -> None:
        with history.store.write():
            history.store.transitions.cancel_waiting(job_id, "requested", history.clock.now_ms())

    found = [
        event
        for event in follow_logs(reader, [_get(reader, job_id)], LogRequest(), _script(reader, cancel))
        if not _is_pause(event)
    ]
    assert found == [LogEnds(job_id, 0)]


def _is_pause(event: object) -> bool:
    return type(event).__name__ == "LogPause"


def test_a_split_log_is_read_stdout_first_and_one_stream_alone_on_request(
    history: History, reader: Store
) -> None:
    job_id = history.submit(split_output=True)
    history.start(job_id)
    history.write(job_id, b"err\n", stream="stderr")
    history.write(job_id, b"out\n", stream="stdout")
    job = _get(reader, job_id)

    def read(stream: str) -> list[bytes]:
        found = read_log(reader, job, LogRequest(stream=stream))
        return [event.data for event in found if isinstance(event, LogPiece)]

    assert read("both") == [b"out\n", b"err\n"]
    assert read("stderr") == [b"err\n"]


def test_following_an_attempt_that_will_never_be_is_not_found(history: History, reader: Store) -> None:
    job = _get(reader, history.run())
    with pytest.raises(NotFoundError, match="job 1 has no attempt: '2'"):
        list(follow_logs(reader, [job], LogRequest(attempt=2)))


@pytest.mark.parametrize("attempt", [2, 99])
def test_an_attempt_that_never_was_is_not_found(history: History, reader: Store, attempt: int) -> None:
    job = _get(reader, history.run())
    with pytest.raises(NotFoundError, match=f"job 1 has no attempt: '{attempt}'; it had 1"):
        list(read_log(reader, job, LogRequest(attempt=attempt)))


def test_events_are_read_by_cursor_and_by_kind(history: History, reader: Store) -> None:
    history.run()
    history.run(code=1)
    kinds = [event.kind for event in events_after(reader, EventQuery(0, ("job.f*", "job.completed")))]
    assert kinds == ["job.completed", "job.failed"]
    last = reader.events.last_id()
    assert [event.id for event in events_after(reader, EventQuery(last - 2))] == [last - 1, last]
    assert [event.id for event in newest_events(reader, EventQuery(), 2)] == [last - 1, last]
    assert [event.kind for event in newest_events(reader, EventQuery(0, ("job.started",)), 1)] == [
        "job.started"
    ]


def test_followed_events_come_once_each_and_tell_of_a_gap(history: History, reader: Store) -> None:
    history.run()
    with history.store.write():
        history.store.database.rows("DELETE FROM events WHERE id<=2")
    watch = _script(reader, lambda: history.submit("later"))
    found = list(islice(follow_events(reader, EventQuery(1), watch), 4))
    assert found[0] == Gap(2, 2)
    assert [event.id for event in found if not isinstance(event, Gap)] == [3, 4, 5]
    assert gap_before(reader, 2) is None


def test_unknown_jobs_are_not_found_and_bulk_selectors_may_be_empty(history: History, reader: Store) -> None:
    assert selected_jobs(reader, ["all", "@failed", "queue:default"]) == []
    for text in ("last", "7", "name:x", "tag:x", "parent:7", "1-5"):
        with pytest.raises(NotFoundError):
            selected_jobs(reader, [text])
    job_id = history.submit("x")
    assert [job.id for job in selected_jobs(reader, ["name:x", "last", "1-5"])] == [job_id]


def test_a_verb_about_one_job_refuses_several(history: History, reader: Store) -> None:
    history.submit("x")
    history.submit("x")
    with pytest.raises(BadInputError, match="selects 2 jobs, not one: 'name:x'"):
        one_job(reader, "name:x")
    assert one_job(reader, "last").id == 2
