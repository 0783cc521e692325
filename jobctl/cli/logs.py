"""``logs``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from jobctl.actions.batches import item_ids, with_items
from jobctl.actions.logs import (
    LineCutter,
    LogBegins,
    LogEnds,
    LogEvent,
    LogPause,
    LogPiece,
    LogRequest,
    follow_logs,
    log_exists,
    read_log,
)
from jobctl.actions.selections import selected_jobs
from jobctl.actions.tracebacks import shown_traceback
from jobctl.cli.complete import complete_jobs, complete_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import note_without_supervisor, one_of
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.names import parse_whole
from jobctl.model.states import JobId, JobKind
from jobctl.store import Store
from jobctl.views.jobs import encodable
from jobctl.views.text import printable_lines

_STREAMS = ("stdout", "stderr", "both")
_IDLE_PAUSES = 5
"""An unfinished line is shown after this many pauses of 20 ms without its end."""

_MOST = 10**12


@dataclass(frozen=True, slots=True)
class LogFlags:
    """The flags of ``logs``."""

    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on to the end of the job.")] = False
    tail: Annotated[str | None, typer.Option("--tail", metavar="N", help="Only the last N lines.")] = None
    attempt: Annotated[
        str | None, typer.Option("--attempt", metavar="N", help="Of this attempt, not the newest.")
    ] = None
    stream: Annotated[
        str,
        typer.Option(
            "--stream", metavar="S", help="stdout, stderr or both.", autocompletion=complete_words(*_STREAMS)
        ),
    ] = "both"
    grep: Annotated[
        str | None, typer.Option("--grep", metavar="RE", help="Only lines in which this pattern is found.")
    ] = None
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they were written.")] = False


def logs(
    call: Invocation,
    selector: Annotated[str, typer.Argument(metavar="SEL", help="The jobs.", autocompletion=complete_jobs)],
    flags: LogFlags = LogFlags(),
) -> None:
    """Print the output of a job's newest attempt, or follow it to the end of the job.

    Control characters are shown escaped; --raw passes the bytes as they are.

    \b
    Examples:
      jobctl logs 12 --tail 20
      jobctl logs -f last
      jobctl logs 12 --attempt 1 --grep 'error|warning'
    """
    request = LogRequest(
        None if flags.attempt is None else parse_whole(flags.attempt, "attempt", 1, _MOST),
        None if flags.tail is None else parse_whole(flags.tail, "tail", 0, _MOST),
        one_of(flags.stream, _STREAMS, "stream"),
    )
    pattern = line_pattern(flags.grep)
    with call.store() as store:
        named = _named(store, selector)
        runs = [job for job in named if job.kind is JobKind.WORKFLOW]
        jobs = with_items(store, named)
        _note_unsplit(call, jobs, request)
        printer = _Printer(call, several=len(jobs) > 1 or bool(runs), raw=flags.raw, pattern=pattern)
        printer.names |= {job.id: _head(store, job) for job in jobs if job.step is not None}
        if not flags.follow:
            for job in jobs:
                printer.first_attempt[job.id] = request.attempt or job.attempt
                for event in read_log(store, job, request):
                    printer.take(event)
                _note_empty(call, store, job, request)
            for job in runs if not jobs else ():
                call.note(f"workflow {job.id} has started no job; it is {job.status.value}")
            return
        if not all(job.status.is_terminal for job in (*jobs, *runs)):
            note_without_supervisor(call)
        # A run is followed itself, so that there is something to wait for between two of its jobs.
        for event in follow_logs(store, [*jobs, *runs], request, appearing=_Appearing(store, runs, printer)):
            printer.take(event)


def _head(store: Store, job: Job) -> str:
    """The name over its lines: ``flow/scan``, and ``flow/part/scan`` in the run that the step ``part`` started."""
    run = None if job.workflow_id is None else store.jobs.get(job.workflow_id)
    if run is None or run.step is None:
        return job.name
    return f"{_head(store, run)}/{job.name.rpartition('/')[2]}"


class _Appearing:
    """The jobs of runs as they come to be; the printer learns what they are for."""

    def __init__(self, store: Store, runs: list[Job], printer: _Printer) -> None:
        self._store, self._runs, self._printer = store, runs, printer

    def __call__(self) -> list[JobId]:
        found = item_ids(self._store, self._runs) if self._runs else []
        for job_id in found:
            if job_id not in self._printer.names and (job := self._store.jobs.get(job_id)) is not None:
                self._printer.names[job_id] = _head(self._store, job)
        return found


def _named(store: Store, selector: str) -> list[Job]:
    found = [store.jobs.get(one.id) for one in selected_jobs(store, [selector])]
    jobs = [job for job in found if job is not None]
    if not jobs:
        raise NotFoundError("no job matches", selector, "see: jobctl list")
    return jobs


def line_pattern(text: str | None) -> re.Pattern[bytes] | None:
    """What ``--grep`` searches for in a line; None without it.

    Raises:
        BadInputError: ``E_PATTERN``.
    """
    if text is None:
        return None
    try:
        return re.compile(text.encode("utf-8", "surrogateescape"))
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInputError("bad pattern", text, f"{error}; give a regular expression", "E_PATTERN") from None


def _note_unsplit(call: Invocation, jobs: list[Job], request: LogRequest) -> None:
    unsplit = [str(job.id) for job in jobs if not job.spec.split_output]
    if request.stream != "both" and unsplit:
        numbers = ", ".join(unsplit)
        call.note(f"stdout and stderr of job {numbers} are one log (no --split-output); showing all of it")


def _note_empty(call: Invocation, store: Store, job: Job, request: LogRequest) -> None:
    if not job.attempt:
        call.note(f"job {job.id} has not started; it is {job.status.value}")
    elif not (
        log_exists(store.home, job, request.attempt or job.attempt)
        or shown_traceback(store, job, request.attempt)
    ):
        call.note(f"no output of job {job.id} is kept")


class _Printer:
    """Log events on standard output: escaped or raw, filtered, with headers on standard error."""

    def __init__(
        self, call: Invocation, *, several: bool, raw: bool, pattern: re.Pattern[bytes] | None
    ) -> None:
        self._call = call
        self._several = several
        self._raw, self._pattern = raw, pattern
        self._shown: JobId | None = None
        self._cutters: dict[tuple[JobId, int, str], LineCutter] = {}
        self._idle = 0
        self.first_attempt: dict[JobId, int] = {}
        self.names: dict[JobId, str] = {}
        """Of jobs of workflows, which say what they are for."""

    def take(self, event: LogEvent) -> None:
        """What the event tells is printed."""
        match event:
            case LogPiece():
                self._idle = 0
                self._piece(event)
            case LogBegins():
                self._end_lines(event.job_id)
                if event.attempt != self.first_attempt.setdefault(event.job_id, event.attempt):
                    self._call.note(
                        f"attempt {event.attempt}" + (f" of job {event.job_id}" if self._several else "")
                    )
            case LogEnds():
                self._end_lines(event.job_id)
            case LogPause():
                self._idle += 1
                if self._idle == _IDLE_PAUSES:
                    self._show_unfinished()
                sys.stdout.flush()

    def _piece(self, piece: LogPiece) -> None:
        if self._raw and self._pattern is None and not self._call.json:
            self._write(piece, piece.data)
            return
        key = (piece.job_id, piece.attempt, piece.stream)
        cutter = self._cutters.get(key)
        if cutter is None:
            cutter = self._cutters[key] = LineCutter(whole=self._pattern is not None or self._call.json)
        self._write(piece, self._filtered(cutter.cut(piece.data)))

    def _show_unfinished(self) -> None:
        for (job_id, attempt, stream), cutter in self._cutters.items():
            self._write(LogPiece(job_id, attempt, stream, b""), cutter.partial())

    def _end_lines(self, job_id: JobId) -> None:
        for key in [key for key in self._cutters if key[0] == job_id]:
            piece = LogPiece(*key, b"")
            self._write(piece, self._filtered(self._cutters.pop(key).rest()))

    def _filtered(self, data: bytes) -> bytes:
        if self._pattern is None or not data:
            return data
        search: Callable[[bytes], object] = self._pattern.search
        return b"".join(line for line in data.splitlines(keepends=True) if search(line.rstrip(b"\r\n")))

    def _write(self, piece: LogPiece, data: bytes) -> None:
        if not data:
            return
        if self._call.json:
            self._write_objects(piece, data)
            return
        if self._several and self._shown != piece.job_id:
            name = self.names.get(piece.job_id)
            self._call.note(f"==> job {piece.job_id}{'' if name is None else f' {name}'} <==")
            self._shown = piece.job_id
        if self._raw:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        else:
            sys.stdout.write(printable_lines(data))

    def _write_objects(self, piece: LogPiece, data: bytes) -> None:
        for line in data.splitlines():
            text = encodable(line.decode("utf-8", "surrogateescape"))
            document = {
                "job_id": piece.job_id,
                "attempt": piece.attempt,
                "stream": piece.stream,
                "line": text,
            }
            self._call.print_json(document)
