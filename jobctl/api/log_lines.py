"""What jobs printed, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jobctl.actions.batches import item_ids, with_items
from jobctl.actions.changes import ChangeWatch
from jobctl.actions.logs import (
    LineCutter,
    LogEnds,
    LogEvent,
    LogPause,
    LogPiece,
    LogRequest,
    follow_logs,
    read_log,
)
from jobctl.actions.selections import selected_jobs
from jobctl.api.connections import Connections
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.states import JobKind
from jobctl.store import Store

_STREAMS = ("stdout", "stderr", "both")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a job's output, without its end; ``stream`` is ``output`` where both are one log."""

    job_id: int
    attempt: int
    stream: str
    text: str


class LineReader:
    """Log events in, lines out."""

    def __init__(self) -> None:
        self._cutters: dict[tuple[int, int, str], LineCutter] = {}

    def lines(self, event: LogEvent) -> Iterator[Line]:
        """The lines that the event completes."""
        match event:
            case LogPiece():
                key = (int(event.job_id), event.attempt, event.stream)
                cutter = self._cutters.setdefault(key, LineCutter(whole=True))
                yield from _lines(key, cutter.cut(event.data))
            case LogEnds():
                for key in [key for key in self._cutters if key[0] == event.job_id]:
                    yield from _lines(key, self._cutters.pop(key).rest())


def _lines(key: tuple[int, int, str], data: bytes) -> Iterator[Line]:
    for text in data.splitlines():
        yield Line(*key, text.decode("utf-8", "replace"))


def log_lines(
    connections: Connections,
    texts: Sequence[str],
    *,
    follow: bool,
    tail: int | None = None,
    attempt: int | None = None,
    stream: str = "both",
) -> Iterator[str]:
    """See ``Client.logs``; what is wrong with the arguments is told at once, not at the first line."""
    request = log_request(tail, attempt, stream)
    with connections.own() as store:
        named_jobs(store, texts)
    return (line.text for line in _read(connections, texts, request, follow=follow) if line is not None)


def log_request(tail: int | None, attempt: int | None, stream: str) -> LogRequest:
    """The request.

    Raises:
        BadInputError: a number is none, or there is no such stream.
    """
    if stream not in _STREAMS:
        raise BadInputError("unknown stream", stream, f"one of: {' '.join(_STREAMS)}", "E_USAGE")
    if (tail is not None and tail < 0) or (attempt is not None and attempt < 1):
        raise BadInputError("bad number of lines or attempt", code="E_NUMBER")
    return LogRequest(attempt, tail, stream)


def named_jobs(store: Store, texts: Sequence[str]) -> list[Job]:
    """The jobs of these selectors.

    Raises:
        NotFoundError: there are none.
    """
    found = [store.jobs.get(one.id) for one in selected_jobs(store, texts)]
    jobs = [job for job in found if job is not None]
    if not jobs:
        raise NotFoundError("no job matches", ",".join(texts), "see: jobctl list")
    return jobs


def _read(
    connections: Connections, texts: Sequence[str], request: LogRequest, *, follow: bool
) -> Iterator[Line | None]:
    with connections.own() as store:
        jobs = named_jobs(store, texts)
        if follow:
            yield from followed_lines(store, jobs, request)
            return
        reader = LineReader()
        for job in with_items(store, jobs):
            for event in read_log(store, job, request):
                yield from reader.lines(event)


def followed_lines(
    store: Store, jobs: Sequence[Job], request: LogRequest, pause: Callable[[float], None] = time.sleep
) -> Iterator[Line | None]:
    """The lines of the jobs to their ends; None whenever all was given and something still goes on.

    Args:
        store: a connection that nobody else uses meanwhile.
        jobs: a workflow stands for its jobs, also those to come.
        request: what is wanted of each.
        pause: called with seconds after each None.
    """
    reader = LineReader()
    runs = [job for job in jobs if job.kind is JobKind.WORKFLOW]
    followed = [*with_items(store, list(jobs)), *runs]
    watch = ChangeWatch(store, pause)
    events = follow_logs(
        store, followed, request, watch, appearing=lambda: item_ids(store, runs) if runs else []
    )
    for event in events:
        yield from reader.lines(event)
        if isinstance(event, LogPause):
            yield None
