"""``stats``."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from jobctl.actions.selections import past_instant
from jobctl.actions.statistics import StatsRequest, count_up, nothing_yet, stats_of
from jobctl.cli.complete import complete_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import existing_store, one_of
from jobctl.errors import BadInputError
from jobctl.model.statistics import Dimension
from jobctl.model.stats import Stats
from jobctl.views.statistics import stats_json, stats_plain

DEFAULT_SINCE = "1d"
_DIMENSIONS = ("type", "queue", "name")


def stats(
    call: Invocation,
    since: Annotated[
        str,
        typer.Option("--since", metavar="D|T", help="Since so long ago, since a time, or: all."),
    ] = DEFAULT_SINCE,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="type|queue|name",
            help="A line for each.",
            autocompletion=complete_words(*_DIMENSIONS),
        ),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Failures that recur, with counts.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw queue depth and durations.")] = False,
) -> None:
    """Show what happened: jobs and how they ended, rates, durations, error rate, and how that has changed.

    Figures are kept for good, also when jobs are pruned. --since is taken down to the beginning of five minutes within
    the last hours, else of an hour or a day; "before" is as long a time before that. Durations are those of jobs that
    completed; median and p95 are exact to 5 %. The error rate counts failures and time-outs, not cancellations.

    \b
    Examples:
      jobctl stats
      jobctl stats --since 7d --by name --errors
      jobctl stats --since 2h --plot
      jobctl stats --since all --json
    """
    if plot and call.json:
        what = "--plot and --json exclude each other"
        raise BadInputError(what, hint="--json has the figures that are drawn", code="E_USAGE")
    now = call.clock.now_ms()
    request = StatsRequest(
        None if since == "all" else past_instant(since, "--since", now),
        None if by is None else Dimension(one_of(by, _DIMENSIONS, "--by")),
        errors,
    )
    if request.since is not None and request.since > now:
        raise BadInputError("--since is in the future", since, "for example: 1d", "E_USAGE")
    store = existing_store(call)
    if store is None:
        found = nothing_yet(request, now)
    else:
        with store:
            count_up(store, now, call.note)
            found = stats_of(store, request, now)
    if call.json:
        call.print_json(stats_json(found))
        return
    _show(call, found, now)
    if plot:
        _plot(call, found)


def _show(call: Invocation, found: Stats, now: int) -> None:
    if not call.is_terminal:
        call.print(stats_plain(found, now))
        return
    from jobctl.views.statistics_tables import print_view, stats_view

    print_view(stats_view(found, now, shutil.get_terminal_size().columns), color=call.color)


def _plot(call: Invocation, found: Stats) -> None:
    from jobctl.views.plots import depth_plot, durations_plot, terminal_height

    width = shutil.get_terminal_size().columns
    call.print("")
    call.print(depth_plot(found.depths, found.period, width, terminal_height()))
    call.print("")
    call.print(durations_plot(found.figures.sketch, width))
