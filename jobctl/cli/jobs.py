"""Verbs that change jobs: cancel, retry, hold, release, pause, resume."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from jobctl.actions import jobs as actions
from jobctl.cli.complete import (
    complete_jobs_active,
    complete_jobs_ended,
    complete_jobs_waiting,
    complete_words,
)
from jobctl.cli.invocation import Invocation
from jobctl.clock import Clock
from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.selectors import Selector, parse_selector
from jobctl.store import Store

_SELECTORS = "12, 1,3,5-8, last, all, @failed, name:X, tag:X, queue:X, parent:N"

Active = Annotated[
    list[str], typer.Argument(metavar="SEL…", help=_SELECTORS, autocompletion=complete_jobs_active)
]
Ended = Annotated[
    list[str], typer.Argument(metavar="SEL…", help=_SELECTORS, autocompletion=complete_jobs_ended)
]
Waiting = Annotated[
    list[str], typer.Argument(metavar="SEL…", help=_SELECTORS, autocompletion=complete_jobs_waiting)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]


def cancel(
    call: Invocation,
    selectors: Active,
    grace: Annotated[
        str | None,
        typer.Option("--grace", metavar="DURATION", help="From the signal to KILL; else the job's own."),
    ] = None,
    signal: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="NAME|N",
            help="Sent first; else TERM.",
            autocompletion=complete_words("TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2"),
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept on record.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: Quiet = False,
) -> int:
    """Cancel jobs and the jobs they submitted; a running one's whole process tree is ended.

    Cancelling a running job once more hurries it.

    \b
    Examples:
      jobctl cancel 12                    at once if it waits, else TERM and KILL after its grace
      jobctl cancel 12 --grace 0 --reason "wrong input"
      jobctl cancel tag:nightly -y        every job with this tag that has not ended
    """
    selector = _selector(selectors)
    options = actions.CancelOptions(
        None if grace is None else parse_duration(grace, "grace", allow_zero=True),
        None if signal is None else actions.parse_signal(signal),
        None if reason is None else actions.check_reason(reason),
    )
    must_ask = selector.is_bulk and not yes
    if must_ask and not sys.stdin.isatty():
        raise BadInputError("this may cancel several jobs", str(selector), "add -y", "E_CONFIRM")
    with call.store() as store:
        if must_ask and not _confirmed(call, store, selector):
            call.note("nothing was cancelled")
            return 1
        _report(call, actions.cancel(store, selector, call.clock, options), quiet)
    return 0


def retry(call: Invocation, selectors: Ended, quiet: Quiet = False) -> None:
    """Run ended jobs again: the same id, the next attempt, a fresh attempt budget.

    \b
    Examples:
      jobctl retry 12
      jobctl retry @failed
      jobctl retry name:train -q
    """
    _change(call, actions.retry, selectors, quiet)


def hold(call: Invocation, selectors: Waiting, quiet: Quiet = False) -> None:
    """Keep waiting jobs from starting until they are released.

    \b
    Examples:
      jobctl hold 12
      jobctl hold queue:gpu
    """
    _change(call, actions.hold, selectors, quiet)


def release(call: Invocation, selectors: Waiting, quiet: Quiet = False) -> None:
    """Let held jobs start when their turn comes.

    \b
    Examples:
      jobctl release 12
      jobctl release all
    """
    _change(call, actions.release, selectors, quiet)


def pause(call: Invocation, selectors: Active, quiet: Quiet = False) -> None:
    """Stop the processes of running jobs until they are resumed; their time limit stops with them.

    The whole process tree gets SIGSTOP. A paused job keeps its slot, memory and locks.

    \b
    Examples:
      jobctl pause 12
      jobctl pause queue:gpu
    """
    _change(call, actions.pause, selectors, quiet)


def resume(call: Invocation, selectors: Active, quiet: Quiet = False) -> None:
    """Let paused jobs go on, with the time they had left.

    \b
    Examples:
      jobctl resume 12
      jobctl resume all
    """
    _change(call, actions.resume, selectors, quiet)


_Change = Callable[[Store, Selector, Clock], list[actions.Done]]


def _change(call: Invocation, change: _Change, selectors: Sequence[str], quiet: bool) -> None:
    selector = _selector(selectors)
    with call.store() as store:
        _report(call, change(store, selector, call.clock), quiet)


def _selector(texts: Sequence[str]) -> Selector:
    return Selector(tuple(part for text in texts for part in parse_selector(text).parts))


def _confirmed(call: Invocation, store: Store, selector: Selector) -> bool:
    count = actions.count_active(store, selector)
    if not count:
        return True
    sys.stderr.write(f"cancel {count} job{'s' * (count != 1)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _report(call: Invocation, done: Sequence[actions.Done], quiet: bool) -> None:
    if call.json:
        call.print_json(
            {"jobs": [{"id": one.id, "status": one.status.value, "action": one.action.value} for one in done]}
        )
    elif not quiet:
        call.print("\n".join(f"job {one.id} {one.action.value}" for one in done) or "0 jobs")
