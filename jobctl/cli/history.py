"""``history``: the runs of a name."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli.complete import complete_names
from jobctl.cli.invocation import Invocation
from jobctl.errors import NotFoundError
from jobctl.views.jobs import history_plain, job_json

SHOWN = 50


def history(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of jobs.", autocompletion=complete_names)],
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help=f"At most so many; else {SHOWN}.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List the runs of a name or of a job of the catalog, newest first: when, how long, and how each ended.

    \b
    Examples:
      jobctl history backup
      jobctl history backup --limit 5 --json
    """
    most = limit if limit is not None else None if all_ else SHOWN
    with call.store() as store:
        jobs = store.jobs.history(name, most)
    if not jobs:
        raise NotFoundError("no job of this name", name, "see: jobctl list")
    now = call.clock.now_ms()
    if call.json:
        home = call.home()
        call.print_json({"name": name, "jobs": [job_json(job, home, now) for job in jobs]})
    elif call.is_terminal:
        from jobctl.views.job_tables import history_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        show_table(history_columns(now), jobs, color=call.color)
    else:
        call.print(history_plain(jobs, now))
