"""Reading the logs of daemons: once, or followed across rotations, restarts and supervisors.

``--grep`` is the caller's: as with job logs it is applied to what ``tail`` left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.logs import LogPause
from jobctl.clock import Milliseconds
from jobctl.executors.daemon_logs import DaemonLogReader, LineChoice
from jobctl.executors.log_lines import DaemonLine
from jobctl.model.homes import Home


@dataclass(frozen=True, slots=True)
class DaemonLogRequest:
    """What is wanted of a daemon's log."""

    tail: int | None = None
    """Only the newest so many lines of those that the rest of the request names."""
    since: Milliseconds | None = None
    stream: str = "both"
    """``stdout``, ``stderr`` or ``both``."""


@dataclass(frozen=True, slots=True)
class LogGap:
    """So many files were removed by rotation before they were read."""

    files: int


def daemon_log_directory(home: Home, name: str) -> str:
    """Where the log of a daemon lies."""
    return f"{home.daemon(name)}/log"


def read_daemon_log(home: Home, name: str, request: DaemonLogRequest) -> Iterator[DaemonLine]:
    """What is in the log now, oldest to newest; nothing if the daemon never wrote."""
    with _reader(home, name, request, follow=False) as reader:
        if request.tail is not None:
            yield from reader.last(request.tail)
            return
        while lines := reader.read():
            yield from lines


def follow_daemon_log(
    home: Home, name: str, request: DaemonLogRequest, pause: Callable[[float], None] = time.sleep
) -> Iterator[DaemonLine | LogPause | LogGap]:
    """What is in the log, then what comes; a log that is not there yet is waited for.

    Yields ``LogPause`` whenever everything was given, then pauses for 20 ms. It ends when the log is removed.
    """
    with _reader(home, name, request, follow=True) as reader:
        if request.tail is not None:
            yield from reader.last(request.tail)
        missed = 0
        while not reader.gone:
            while lines := reader.read():
                yield from lines
            if reader.missed > missed:
                yield LogGap(reader.missed - missed)
                missed = reader.missed
            yield LogPause()
            pause(POLL_SECONDS)


def last_lines(home: Home, name: str, count: int) -> list[DaemonLine]:
    """The newest ``count`` lines of a daemon, for a report of its failure."""
    return list(read_daemon_log(home, name, DaemonLogRequest(tail=count)))


def log_line_text(line: DaemonLine) -> bytes:
    """A line as people see it, with its instant and stream, without its newline."""
    return f"{line.at} {line.stream[3:]} ".encode() + line.text


def _reader(home: Home, name: str, request: DaemonLogRequest, *, follow: bool) -> DaemonLogReader:
    choice = LineChoice(request.stream, request.since)
    return DaemonLogReader(daemon_log_directory(home, name), choice, follow=follow)
