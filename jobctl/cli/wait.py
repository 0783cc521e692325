"""``wait``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Protocol

import typer

from jobctl.actions.selections import selected_jobs
from jobctl.actions.waits import Ending, Wait
from jobctl.cli.complete import complete_jobs_active
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import note_without_supervisor
from jobctl.errors import NotFoundError, WaitTimeoutError
from jobctl.model.durations import parse_duration
from jobctl.store import Store
from jobctl.views.jobs import exit_text, job_json

_PROGRESS_EVERY = 10
"""Pauses of 20 ms between two looks at the progress of running jobs."""


def wait(
    call: Invocation,
    selectors: Annotated[
        list[str], typer.Argument(metavar="SEL...", help="The jobs.", autocompletion=complete_jobs_active)
    ],
    any_: Annotated[bool, typer.Option("--any", help="Return when the first of them has ended.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="D", help="Give up after this long.")
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show bars on a terminal.")] = False,
) -> int:
    """Wait until jobs have ended: exit 0 if all completed, 1 if not, 3 if unknown, 124 after --timeout.

    \b
    Examples:
      jobctl wait 12
      jobctl wait tag:nightly --timeout 2h
      jobctl wait 3 4 5 --any && echo one is done
    """
    seconds = None if timeout is None else parse_duration(timeout, "--timeout", allow_zero=True)
    began = call.clock.monotonic()
    with call.store() as store:
        waiting = Wait(store, [job.id for job in selected_jobs(store, selectors)])
        if not waiting.pending:
            call.note("no job matches; nothing to wait for")
        deadline = None if seconds is None else began + seconds
        with _bars(call, store, waiting, shown=progress) as bars:
            endings = _endings(call, waiting, any_, deadline, bars)
    if call.json:
        home, now = call.home(), call.clock.now_ms()
        call.print_json({"jobs": [job_json(end.job, home, now) for end in endings if end.job is not None]})
    decisive = endings[:1] if any_ else endings
    for ending in decisive:
        if ending.job is None:
            raise NotFoundError("the job was removed", ending.id, "see: jobctl events")
    return 0 if all(ending.completed for ending in decisive) else 1


class _Bars(Protocol):
    def update(self) -> None:
        """What is known now is shown."""


class _NoBars:
    def update(self) -> None:
        """Nothing is shown."""


@contextmanager
def _bars(call: Invocation, store: Store, waiting: Wait, *, shown: bool) -> Iterator[_Bars]:
    if not shown or call.json or not sys.stderr.isatty():
        yield _NoBars()
        return
    from jobctl.views.wait_bars import WaitBars

    total = len(waiting.pending)

    def look() -> tuple[int, list[tuple[int, str, float]]]:
        found = [store.jobs.get(number) for number in sorted(waiting.pending)[:20]]
        running = [(job.id, job.name, job.progress.percent) for job in found if job is not None]
        return total - len(waiting.pending), [(a, b, c) for a, b, c in running if c is not None]

    with WaitBars(total, look, no_color=call.no_color) as bars:
        yield bars


def _endings(
    call: Invocation, waiting: Wait, any_: bool, deadline: float | None, bars: _Bars
) -> list[Ending]:
    """What ended, in order; the first ending alone is enough with ``any_``."""
    endings: list[Ending] = []
    pauses = 0
    while waiting.pending:
        for ending in waiting.poll():
            endings.append(ending)
            if not call.json:
                call.print(_line(ending))
        if not waiting.pending or (any_ and endings):
            break
        if deadline is not None and call.clock.monotonic() >= deadline:
            names = ", ".join(map(str, sorted(waiting.pending)[:10]))
            raise WaitTimeoutError("not ended in time: job", names, "wait again, or see: jobctl status")
        if not pauses:
            sys.stdout.flush()
            note_without_supervisor(call)
        if pauses % _PROGRESS_EVERY == 0:
            sys.stdout.flush()
            bars.update()
        pauses += 1
        waiting.watch.pause()
    return endings


def _line(ending: Ending) -> str:
    if ending.job is None:
        return f"job {ending.id} was removed"
    job = ending.job
    text = f"job {job.id} {job.status.value}"
    if ending.completed:
        return text
    if job.signal is None and job.exit_code is not None:
        return f"{text} (exit {job.exit_code})"
    detail = exit_text(job) or job.reason
    return f"{text} ({detail})" if detail and detail != job.status.value else text
