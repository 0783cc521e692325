"""``report``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from jobctl.actions.output_files import check_output, write_output
from jobctl.actions.period_reports import empty_report, report_of
from jobctl.actions.selections import past_instant
from jobctl.cli.invocation import Invocation, unwritable_output
from jobctl.cli.words import existing_store
from jobctl.errors import BadInputError
from jobctl.model.period_reports import PeriodReport

DEFAULT_SINCE = "1d"


def report(
    call: Invocation,
    since: Annotated[
        str,
        typer.Option("--since", metavar="D|T", help="Since so long ago, since a time, or: all."),
    ] = DEFAULT_SINCE,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE|-", help="Where the page goes; -: standard output."),
    ] = None,
) -> None:
    """Write one HTML page about a period: timeline of runs, durations, failures, schedules, daemons, queue depth.

    The page needs nothing else: no network, no script. It follows light and dark, prints, and can be mailed. What is
    under the pointer is told exactly, in UTC, too. Of many runs a sample is drawn; the figures count all. The file is
    replaced as a whole; a new one only you can read.

    \b
    Examples:
      jobctl report -o report.html
      jobctl report --since 7d -o week.html
      jobctl report --since all -o - | gzip > all.html.gz
      jobctl report --since 1h --json
    """
    now = call.clock.now_ms()
    instant = None if since == "all" else past_instant(since, "--since", now)
    if instant is not None and instant > now:
        raise BadInputError("--since is in the future", since, "for example: 1d", "E_USAGE")
    if output is None and not call.json:
        raise BadInputError("report needs a file", hint="for example: -o report.html", code="E_USAGE")
    if output == "-" and call.json:
        raise BadInputError("-o - and --json exclude each other", hint="name a file", code="E_USAGE")
    path = None if output in (None, "-") else check_output(output or "", call.home())
    found = _gathered(call, instant, now)
    if call.json:
        from jobctl.views.jobs import encodable
        from jobctl.views.report_json import report_json

        document = report_json(found)
        if path is not None:
            _write(found, path)
            document = {"path": encodable(path), **document}
        call.print_json(document)
    elif path is None:
        _print(found)
    else:
        _write(found, path)
        call.note(f"wrote {path} ({os.stat(path).st_size:,} bytes)")


def _gathered(call: Invocation, since: int | None, now: int) -> PeriodReport:
    store = existing_store(call)
    if store is None:
        return empty_report(call.home(), now)
    with store:
        return report_of(store, since, now)


def _write(report: PeriodReport, path: str) -> None:
    from jobctl.views.report_html import report_html

    write_output(path, report_html(report))


def _print(report: PeriodReport) -> None:
    """The page is on standard output, in UTF-8 as it says, whatever the locale."""
    from jobctl.views.report_html import report_html

    page = report_html(report).encode("utf-8")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(page)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable_output(error) from error
