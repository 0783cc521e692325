"""``jobctl progress``: report progress from inside a job."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobctl.actions.progress import progress_line, report_progress
from jobctl.cli.invocation import Invocation


def progress(
    call: Invocation,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PERCENT | DONE/TOTAL | +N] [MESSAGE]", help="How far it is, and a message."),
    ] = None,
    total: Annotated[
        str | None, typer.Option("--total", metavar="N", help="How many items there are.")
    ] = None,
    failed_item: Annotated[
        str | None,
        typer.Option("--failed-item", metavar="TEXT", help="An item that failed; MESSAGE says why."),
    ] = None,
) -> None:
    """Report progress from inside a job; safe from parallel children.

    \b
    Examples:
      jobctl progress 40 "resizing"               40 percent
      jobctl progress --total 300                 so many items there are
      jobctl progress +1                          one more is done
      jobctl progress --failed-item a.png "torn"  one failed
    """
    line = progress_line(words or (), total, failed_item)
    report_progress(line, os.environ)
    if call.json:
        call.print(line)
