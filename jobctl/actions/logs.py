"""Reading the logs of jobs: once, or followed through queueing and retries to the end of the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jobctl.actions.changes import ChangeWatch
from jobctl.actions.tracebacks import shown_traceback
from jobctl.errors import NotFoundError
from jobctl.executors.holes import dropped_bytes
from jobctl.executors.logs import LogFollower, tail_offset
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.states import JobId
from jobctl.store import Store


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What is wanted of a log; the newest attempt's unless ``attempt`` says which."""

    attempt: int | None = None
    tail: int | None = None
    stream: str = "both"


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Output of one stream as it was written; not cut at line breaks."""

    job_id: JobId
    attempt: int
    stream: str
    data: bytes


@dataclass(frozen=True, slots=True)
class LogBegins:
    """The output of this attempt follows."""

    job_id: JobId
    attempt: int


@dataclass(frozen=True, slots=True)
class LogPause:
    """Everything written so far was given; a followed job is still going on."""


@dataclass(frozen=True, slots=True)
class LogEnds:
    """Nothing more will come of this job; ``attempt`` is 0 when it never started."""

    job_id: JobId
    attempt: int


LogEvent = LogPiece | LogBegins | LogPause | LogEnds


def log_paths(home: Home, job: Job, attempt: int, stream: str = "both") -> dict[str, str]:
    """The log files by stream, whether or not they exist; an unsplit log is ``output`` whatever is asked."""
    directory = home.attempt(job.id, attempt)
    if not job.spec.split_output:
        return {"output": f"{directory}/output.log"}
    wanted = ("stdout", "stderr") if stream == "both" else (stream,)
    return {name: f"{directory}/{name}.log" for name in wanted}


def read_log(store: Store, job: Job, request: LogRequest) -> Iterator[LogEvent]:
    """What one attempt has written up to now: of a split log first stdout, then stderr.

    Raises:
        NotFoundError: the attempt asked for was never started, or its output is gone.
    """
    attempt = job.attempt if request.attempt is None else request.attempt
    if request.attempt is not None and not 1 <= attempt <= job.attempt:
        raise _no_attempt(job, attempt)
    if attempt:
        yield LogBegins(job.id, attempt)
        for stream, path in log_paths(store.home, job, attempt, request.stream).items():
            yield from _read_file(LogPiece(job.id, attempt, stream, b""), path, request.tail)
        yield from _traceback(store, job, attempt, request)
    yield LogEnds(job.id, attempt)


def _traceback(store: Store, job: Job, attempt: int, request: LogRequest) -> Iterator[LogPiece]:
    """What Python would have printed last: a function's exception ends the job, and no program is there to show it."""
    if request.stream == "stdout" and job.spec.split_output:
        return
    text = shown_traceback(store, job, attempt)
    if text:
        stream = "stderr" if job.spec.split_output else "output"
        yield LogPiece(job.id, attempt, stream, text.encode("utf-8", "replace"))


def _no_attempt(job: Job, attempt: int) -> NotFoundError:
    had = f"it had {job.attempt}" if job.attempt else "it has not started yet"
    return NotFoundError(f"job {job.id} has no attempt", attempt, had, "E_NO_ATTEMPT")


def _read_file(like: LogPiece, path: str, tail: int | None) -> Iterator[LogPiece]:
    offset = 0 if tail is None else tail_offset(path, tail)
    with LogFollower({like.stream: path}, {like.stream: offset}) as follower:
        while chunks := follower.read():
            for stream, data in chunks:
                yield LogPiece(like.job_id, like.attempt, stream, data)


def follow_logs(
    store: Store,
    jobs: Sequence[Job],
    request: LogRequest,
    watch: ChangeWatch | None = None,
    appearing: Callable[[], Iterable[JobId]] | None = None,
) -> Iterator[LogEvent]:
    """What the jobs write, until the last of them has ended; a queued one is waited for, a retry goes on.

    An attempt that began since ``jobs`` were read is followed from its first line, however late this is called.
    Yields ``LogPause`` whenever all is given and something is still going on, then sleeps 20 ms.

    Args:
        store: where the jobs are.
        jobs: those to follow.
        request: what is wanted of each.
        watch: tells when to look again.
        appearing: gives the ids of jobs to follow too, from their first line, as they come to be.

    Raises:
        NotFoundError: the job ended without the attempt asked for.
    """
    watch = watch or ChangeWatch(store)
    followed = {job.id: _Followed(store, job, request) for job in jobs}
    seen = set(followed)
    try:
        while followed:
            changed = watch.changed()
            for job_id in appearing() if changed and appearing is not None else ():
                if job_id not in seen and (job := store.jobs.get(job_id)) is not None:
                    seen.add(job_id)
                    followed[job_id] = _Followed(store, replace(job, attempt=0), request)
            for job_id, one in list(followed.items()):
                if changed:
                    one.look()
                yield from one.events()
                if one.over:
                    yield LogEnds(job_id, one.attempt)
                    del followed[job_id]
            if followed:
                yield LogPause()
                watch.pause()
    finally:
        for one in followed.values():
            one.close()


class _Followed:
    """One job whose output is followed from attempt to attempt."""

    def __init__(self, store: Store, job: Job, request: LogRequest) -> None:
        self._store, self._id, self._request = store, job.id, request
        self._seen = job.attempt
        self._follower: LogFollower | None = None
        self._job: Job | None = None
        self.attempt = 0
        self.over = False

    def look(self) -> None:
        """The store was read: which attempt it is, and whether the job has ended."""
        self._job = self._store.jobs.get(self._id)

    def events(self) -> Iterator[LogEvent]:
        """What is new. The job was read before the log, so an ended job's log is complete."""
        job = self._job
        if job is None:
            self.over = True
            self.close()
            return
        yield from self._pieces()
        newest = self._request.attempt or job.attempt
        if newest != self.attempt and newest <= job.attempt:
            yield from self._begin(job, newest)
        if job.status.is_terminal and newest > job.attempt:
            raise _no_attempt(job, newest)
        self.over = job.status.is_terminal or (self._request.attempt or job.attempt) < job.attempt
        if self.over:
            yield from self._traceback(job)
            self.close()

    def _traceback(self, job: Job) -> Iterator[LogPiece]:
        if self.attempt:
            yield from _traceback(self._store, job, self.attempt, self._request)

    def _begin(self, job: Job, newest: int) -> Iterator[LogEvent]:
        """All attempts since the one followed, in turn; only one that was there before us is cut to its tail."""
        first = self.attempt + 1 if self.attempt else max(1, self._seen)
        if self._request.attempt is not None or newest < first:
            first = newest
        for attempt in range(first, newest + 1):
            yield from self._traceback(job)
            self.close()
            tail = self._request.tail if attempt <= self._seen and not self.attempt else None
            paths = log_paths(self._store.home, job, attempt, self._request.stream)
            offsets = (
                {} if tail is None else {stream: tail_offset(path, tail) for stream, path in paths.items()}
            )
            self.attempt = attempt
            self._follower = LogFollower(paths, offsets)
            if attempt:
                yield LogBegins(self._id, attempt)
            yield from self._pieces()

    def _pieces(self) -> Iterator[LogPiece]:
        while self._follower is not None and (chunks := self._follower.read()):
            for stream, data in chunks:
                yield LogPiece(self._id, self.attempt, stream, data)

    def close(self) -> None:
        """No log is open any more."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None


class LineCutter:
    """Pieces of one stream in, whole lines out; a line that is long in coming is given in parts.

    Args:
        whole: keep the beginning of a line back until its end comes, however long that takes.
    """

    LONGEST = 1 << 16

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._rest = b""

    def cut(self, data: bytes) -> bytes:
        """The complete lines that ``data`` brought; the rest is kept for the next call."""
        data = self._rest + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
        if not self._whole and len(data) - end > self.LONGEST:
            end = _character_boundary(data)
        self._rest = data[end:]
        return data[:end]

    def partial(self) -> bytes:
        """What has come of an unfinished line, such as a prompt; nothing when lines are wanted whole."""
        if self._whole or not self._rest:
            return b""
        end = _character_boundary(self._rest)
        found, self._rest = self._rest[:end], self._rest[end:]
        return found

    def rest(self) -> bytes:
        """Whatever is left at the end of the stream."""
        found, self._rest = self._rest, b""
        return found


def _character_boundary(data: bytes) -> int:
    """The largest cut that splits neither a UTF-8 character nor a carriage return from its line feed."""
    end = len(data)
    if data.endswith(b"\r"):
        return end - 1
    for back in range(1, min(4, end) + 1):
        byte = data[end - back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return end - back if length > back else end
    return end


def log_sizes(home: Home, job: Job) -> tuple[int, int]:
    """``(written, dropped)`` bytes of the newest attempt's output; what is dropped, the log limit cut out."""
    sizes = [dropped_bytes(path) for path in log_paths(home, job, job.attempt).values()]
    return sum(size for size, _ in sizes), sum(dropped for _, dropped in sizes)


def log_exists(home: Home, job: Job, attempt: int) -> bool:
    """Whether any output of the attempt is kept."""
    return any(map(os.path.exists, log_paths(home, job, attempt).values()))
