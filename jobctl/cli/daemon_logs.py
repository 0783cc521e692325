"""``jobctl daemon logs``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from jobctl.actions.daemon_logs import (
    DaemonLogRequest,
    LogGap,
    follow_daemon_log,
    log_line_text,
    read_daemon_log,
)
from jobctl.actions.daemons import required_daemon, unknown_daemon
from jobctl.actions.logs import LogPause
from jobctl.actions.selections import past_instant
from jobctl.cli.complete import complete_daemons, complete_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.logs import line_pattern
from jobctl.cli.words import existing_store, note_without_supervisor, one_of
from jobctl.executors.log_lines import DaemonLine
from jobctl.model.names import parse_whole
from jobctl.views.jobs import encodable
from jobctl.views.text import printable_bytes

_STREAMS = ("stdout", "stderr", "both")
_MOST = 10**12


@dataclass(frozen=True, slots=True)
class DaemonLogFlags:
    """The flags of ``daemon logs``."""

    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False
    tail: Annotated[str | None, typer.Option("--tail", metavar="N", help="Only the last N lines.")] = None
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="Since this time, or this long ago.")
    ] = None
    stream: Annotated[
        str,
        typer.Option(
            "--stream",
            metavar="stdout|stderr|both",
            help="One of the two; else both.",
            autocompletion=complete_words(*_STREAMS),
        ),
    ] = "both"
    grep: Annotated[
        str | None, typer.Option("--grep", metavar="RE", help="Only lines in which this pattern is found.")
    ] = None
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as written, without instant and stream.")] = (
        False
    )


def logs(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The daemon.", autocompletion=complete_daemons)],
    flags: DaemonLogFlags = DaemonLogFlags(),
) -> None:
    """Print the output of a daemon with instant and stream, or follow it across rotations and restarts.

    Control characters are shown escaped; --raw passes the bytes as they are.

    \b
    Examples:
      jobctl daemon logs web --tail 20
      jobctl daemon logs web -f --stream stderr
      jobctl daemon logs web --since 2h --grep 'error|warning'
    """
    request = DaemonLogRequest(
        None if flags.tail is None else parse_whole(flags.tail, "tail", 0, _MOST),
        None if flags.since is None else past_instant(flags.since, "--since", call.clock.now_ms()),
        one_of(flags.stream, _STREAMS, "stream"),
    )
    pattern = line_pattern(flags.grep)
    store = existing_store(call)
    if store is None:
        raise unknown_daemon(name, ())
    with store:
        required_daemon(store, name)
    home = call.home()
    if flags.follow:
        note_without_supervisor(call)
    shown = 0
    events = (follow_daemon_log if flags.follow else read_daemon_log)(home, name, request)
    for event in events:
        match event:
            case LogPause():
                sys.stdout.flush()
            case LogGap():
                call.note(f"{event.files} log files were rotated away before they could be shown")
            case DaemonLine() if pattern is None or pattern.search(event.text):
                _print_line(call, name, event, raw=flags.raw)
                shown += 1
    if not shown:
        is_all = request == DaemonLogRequest() and pattern is None
        call.note(f"the daemon {name} has written nothing" + ("" if is_all else " of that kind"))


def _print_line(call: Invocation, name: str, line: DaemonLine, *, raw: bool) -> None:
    if call.json:
        text = encodable(line.text.decode("utf-8", "surrogateescape"))
        call.print_json(
            {
                "daemon": name,
                "at": line.at or None,
                "stream": line.stream,
                "line": text,
                "continues": line.continues,
            }
        )
    elif raw:
        sys.stdout.buffer.write(line.text if line.continues else line.text + b"\n")
    else:
        call.print(printable_bytes(log_line_text(line)))
