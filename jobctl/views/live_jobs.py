"""A table of jobs that is kept up to date on a terminal. Imports Rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.live import Live

from jobctl.model.jobs import Job
from jobctl.views.job_tables import jobs_table

_LONGEST = 5.0
"""Seconds after which ages and durations are drawn again even if nothing changed."""


def show_live(
    read: Callable[[], tuple[Sequence[Job], int]],
    version: Callable[[], int],
    seconds: float,
    *,
    color: bool,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """The jobs that ``read`` gives are on the terminal until Ctrl-C, which raises ``KeyboardInterrupt``.

    Args:
        read: the jobs and the present instant; asked when ``version`` has changed or something runs.
        version: a number that changes with the store.
        seconds: between two looks.
        color: whether colours are wanted.
        pause: lets time pass.
    """
    console = Console(file=sys.stdout, no_color=not color, highlight=False)
    jobs, now = read()
    seen, drawn = version(), time.monotonic()
    with Live(
        jobs_table(jobs, now, console.width), console=console, auto_refresh=False, transient=False
    ) as live:
        live.refresh()
        while True:
            pause(seconds)
            changed = version() != seen
            if changed or any(job.started_at and not job.status.is_terminal for job in jobs):
                seen = version()
            elif time.monotonic() - drawn < _LONGEST:
                continue
            jobs, now = read()
            drawn = time.monotonic()
            room = max(1, console.height - 2)
            live.update(jobs_table(jobs[:room], now, console.width), refresh=True)
