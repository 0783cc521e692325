"""Events as they happen: an iterator, and callbacks for those who would rather be called."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol

from jobctl.actions.changes import ChangeWatch
from jobctl.actions.events import FOLLOW_SECONDS, EventQuery, EventReader, Gap, cursor_at
from jobctl.actions.selections import past_instant
from jobctl.api.connections import Connections
from jobctl.api.options import plain
from jobctl.api.records import Event, Job, event_of
from jobctl.clock import Clock
from jobctl.errors import BadInputError, NotFoundError
from jobctl.executors.threads import start_thread
from jobctl.model.events import Entity, EventKind
from jobctl.model.events import Event as EventRecord
from jobctl.store import Store

Since = int | datetime | str
"""The id of the last event already seen, an instant, or how long ago: ``"2h"``."""
JobCallback = Callable[[Job, Event], None]

PROGRESS = EventKind.JOB_PROGRESS.value
ENDS = frozenset(
    kind.value
    for kind in (
        EventKind.JOB_COMPLETED, EventKind.JOB_FAILED, EventKind.JOB_CANCELLED, EventKind.JOB_TIMEOUT,
        EventKind.WORKFLOW_COMPLETED, EventKind.WORKFLOW_FAILED, EventKind.WORKFLOW_CANCELLED,
        EventKind.WORKFLOW_TIMEOUT,
    )
)  # fmt: skip
"""Kinds that tell of the end of a job; an event of them about a job that is retried is not its last."""
CHANGES = ENDS | {
    kind.value
    for kind in (
        EventKind.JOB_SUBMITTED, EventKind.JOB_QUEUED, EventKind.JOB_STARTED, EventKind.JOB_RETRIED,
        EventKind.JOB_LOST, EventKind.JOB_HELD, EventKind.JOB_RELEASED, EventKind.JOB_PAUSED,
        EventKind.JOB_RESUMED, EventKind.WORKFLOW_STARTED, EventKind.WORKFLOW_RETRIED,
    )
}  # fmt: skip
"""Kinds that tell of another state, or of a reason for it."""


class Follower:
    """The events that a caller wants, in turns: for loops that wait in their own way.

    Args:
        store: a connection that nobody else uses meanwhile.
        query: from where, and of which kinds.
        job_id: only about this job; then there is an end.
    """

    def __init__(self, store: Store, query: EventQuery, job_id: int | None = None) -> None:
        self._store, self._job_id = store, job_id
        self._reader = EventReader(store, query, ChangeWatch(store))
        self.over = False
        """Whether the job has ended and all was given."""

    def poll(self) -> Iterator[Event]:
        """What is new, oldest first; of a gap nothing is told: what is not kept any more cannot be given."""
        ended = self._job_id is not None and self._has_ended(self._job_id)
        for found in self._reader.poll():
            if not isinstance(found, Gap) and self._is_about(found):
                yield event_of(found)
        self.over = ended

    def _is_about(self, event: EventRecord) -> bool:
        if self._job_id is None:
            return True
        return event.entity in (Entity.JOB, Entity.WORKFLOW) and event.entity_id == self._job_id

    def _has_ended(self, job_id: int) -> bool:
        """Read before the events: what was the end is then among them."""
        job = self._store.jobs.get(job_id)
        return job is None or job.status.is_terminal


def cursor_of(store: Store, since: Since | None, now: int, job_id: int | None = None) -> int:
    """The cursor that ``since`` means: None is now, or of one job its beginning.

    Raises:
        BadInputError: it is no instant.
    """
    if isinstance(since, bool):
        raise BadInputError("no event and no instant", since, "give an id, a datetime or '2h'", "E_USAGE")
    if isinstance(since, int):
        return since
    if since is not None:
        return cursor_at(store, past_instant(plain(since), "since", now))
    if job_id is None:
        return store.events.last_id()
    about = store.events.about(Entity.JOB, job_id)
    return about[0].id - 1 if about else store.events.last_id()


def follower_of(
    store: Store, clock: Clock, since: Since | None, kinds: Sequence[str], job_id: int | None
) -> Follower:
    """What ``Client.follow`` with these arguments follows, on a connection that nobody else uses meanwhile.

    Raises:
        NotFoundError: there is no such job.
    """
    if job_id is not None and store.jobs.get(job_id) is None:
        raise NotFoundError("no such job", job_id, "see: jobctl list")
    cursor = cursor_of(store, since, clock.now_ms(), job_id)
    return Follower(store, EventQuery(cursor, tuple(kinds)), job_id)


def follow(
    connections: Connections, since: Since | None, kinds: Sequence[str], job_id: int | None
) -> Generator[Event, None, None]:
    """See ``Client.follow``. It has a connection of its own and no transaction open between two events."""
    with connections.own(create=job_id is None) as store:
        follower = follower_of(store, connections.clock, since, kinds, job_id)
        watch = ChangeWatch(store)
        while True:
            yield from follower.poll()
            if follower.over:
                return
            watch.pause(FOLLOW_SECONDS)


class _Reads(Protocol):
    def find(self, job_id: int) -> Job | None:
        """The job as it stands now; None when it was removed."""


class Callbacks:
    """What is called, and for which kinds of events."""

    def __init__(
        self,
        on_status_changed: JobCallback | None = None,
        on_progress: JobCallback | None = None,
        on_completed: JobCallback | None = None,
    ) -> None:
        """Each gets the job as it stands now, and the event; ``on_completed`` at every end, however it was."""
        self._status, self._progress, self._completed = on_status_changed, on_progress, on_completed

    def call(self, event: Event, jobs: _Reads) -> None:
        """Whoever wants the event has been called."""
        wanted = [
            callback
            for callback, is_meant in (
                (self._status, event.kind in CHANGES),
                (self._progress, event.kind == PROGRESS),
                (self._completed, event.kind in ENDS),
            )
            if callback is not None and is_meant
        ]
        job = jobs.find(int(event.entity_id)) if wanted else None
        for callback in wanted if job is not None else ():
            if job is not None:
                callback(job, event)


class Listener:
    """A thread that calls back until it is stopped; a context manager.

    It begins with what happens after it was made. The first exception of a callback ends it, and is raised by
    ``stop``. What happened before ``stop`` was called is still told.
    """

    def __init__(
        self,
        connections: Connections,
        jobs: _Reads,
        callbacks: Callbacks,
        since: Since | None,
        job_id: int | None,
    ) -> None:
        self._connections, self._jobs, self._callbacks = connections, jobs, callbacks
        self._job_id = job_id
        self._stopping = threading.Event()
        self._problem: BaseException | None = None
        with connections.own(create=True) as store:  # now, not when the thread gets its turn
            self._cursor = cursor_of(store, since, connections.clock.now_ms(), job_id)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._thread = start_thread("jobctl-listener", self._listen)

    @property
    def is_over(self) -> bool:
        """Whether nobody is called any more: stopped, failed, or the one job has ended."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Everything that had happened was told, and nothing more will be.

        Raises:
            Exception: what a callback raised.
        """
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except Exception:
            if error is None:
                raise

    def _listen(self) -> None:
        # What a callback starts would inherit that everything is blocked: Ctrl-C and TERM would never reach it.
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            with self._connections.own() as store:
                follower = Follower(store, EventQuery(self._cursor), self._job_id)
                while True:
                    last = self._stopping.is_set()
                    for event in follower.poll():
                        if event.entity in (Entity.JOB, Entity.WORKFLOW):
                            self._callbacks.call(event, self._jobs)
                    if last or follower.over:
                        return
                    self._stopping.wait(FOLLOW_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is raised again by stop
            self._problem = error
        finally:
            self._connections.close_own()
