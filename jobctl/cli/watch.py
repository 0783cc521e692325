"""``watch``."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from typing import Annotated

import typer

from jobctl.actions.dashboards import DashboardReader
from jobctl.actions.workflow_steps import one_run
from jobctl.cli.complete import complete_words, complete_workflows
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import one_of
from jobctl.errors import BadInputError
from jobctl.model.dashboards import PaneName
from jobctl.model.durations import parse_duration

LEAST_SECONDS = 0.05
_ROWS = 200
"""Of each kind of thing, where no terminal says how many it can show."""
_PIPE_WIDTH = 120


def watch(
    call: Invocation,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[PANE]",
            help="Only this: jobs, queues, next, daemons, recent, or workflow with an ID.",
            autocompletion=complete_words(*PaneName),
        ),
    ] = None,
    job: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="The run of a workflow.", autocompletion=complete_workflows),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="D", help="At most this often; else four times a second."),
    ] = None,
    attached: Annotated[str | None, typer.Option("--attached", metavar="FD", hidden=True)] = None,
) -> int:
    """Show what runs, the queues, what is next, daemons with their logs, and what has ended, as it changes.

    Keys: 1 to 5 or Tab show one part alone, 0 all of them; q quits. In a pipe, or with TERM=dumb, it prints how things
    stand and ends; with --json it prints an object a line whenever something changes, until Ctrl-C.

    \b
    Examples:
      jobctl watch
      jobctl watch jobs --interval 2s
      jobctl watch workflow last
      jobctl watch --json | jq .counts
    """
    pane = _pane(what, job)
    seconds = None if interval is None else max(LEAST_SECONDS, parse_duration(interval, "interval"))
    if attached is not None:
        _ignore_signals()
    with call.store() as store:
        run_id = one_run(store, job).id if job is not None else None
        reader = DashboardReader(store, call.clock, run_id)
        if call.json:
            _stream(call, reader, seconds or 1.0)
            return 0
        if not call.is_terminal:
            _print_once(call, reader, pane)
            return 0
        return _show(call, reader, pane, seconds, attached)


def _pane(what: str | None, job: str | None) -> PaneName | None:
    """The pane that is asked for; None: all.

    Raises:
        BadInputError: no such pane, a workflow without its id, or an id without a workflow.
    """
    pane = None if what is None else PaneName(one_of(what, tuple(PaneName), "pane"))
    if pane is PaneName.WORKFLOW and job is None:
        raise BadInputError("watch workflow needs a run", hint="see: jobctl workflow list", code="E_USAGE")
    if pane is not PaneName.WORKFLOW and job is not None:
        raise BadInputError("unexpected argument", job, "only a workflow is watched by its id", "E_USAGE")
    return pane


def _ignore_signals() -> None:
    """What is meant for the supervisor ends only the supervisor; its dashboard ends when it is gone."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _show(
    call: Invocation,
    reader: DashboardReader,
    pane: PaneName | None,
    seconds: float | None,
    attached: str | None,
) -> int:
    from jobctl.views.screen import LOOK_SECONDS, Dashboard, Terms
    from jobctl.views.terminals import Terminal

    supervisor = None if attached is None else _descriptor(attached)
    with Terminal(color=call.color, supervisor=supervisor) as terminal:
        terms = Terms(pane, seconds or LOOK_SECONDS, attached is not None)
        return Dashboard(reader, terminal, terms).run()


def _descriptor(text: str) -> int:
    """The open descriptor that ``text`` names.

    Raises:
        BadInputError: it is none.
    """
    try:
        os.fstat(int(text))
    except (ValueError, OverflowError, OSError):
        raise BadInputError("no open descriptor", text, "only jobctl up gives this", "E_USAGE") from None
    return int(text)


def _print_once(call: Invocation, reader: DashboardReader, pane: PaneName | None) -> None:
    """How things stand is on standard output as plain text."""
    from jobctl.views.dashboard import Frame, dashboard_lines

    width = shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns
    for line in dashboard_lines(reader.read(_ROWS), Frame(width, None, pane)):
        call.print(line.plain.rstrip())


def _stream(call: Invocation, reader: DashboardReader, seconds: float) -> None:
    """An object a line, one now and one at each change, until Ctrl-C, or until nobody reads it any more."""
    from jobctl.views.snapshots import snapshot_json

    reading = select.poll()
    reading.register(sys.stdout.fileno(), 0)  # tells of errors alone: the other end was closed
    while True:
        call.print_json(snapshot_json(reader.read(_ROWS)))
        sys.stdout.flush()
        while True:
            if reading.poll(seconds * 1000):
                raise BrokenPipeError
            if reader.changed():
                break
