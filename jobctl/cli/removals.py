"""``jobctl remove`` and ``jobctl prune``: jobs and their logs are gone for good."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from jobctl.actions import removals as actions
from jobctl.actions.reports import Report
from jobctl.cli.complete import complete_jobs_ended, complete_statuses
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import statuses
from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.names import parse_whole
from jobctl.model.selectors import Selector, parse_selector
from jobctl.model.states import JobStatus
from jobctl.store.removals import Removed

MOST_KEPT = 1_000_000_000

Selectors = Annotated[
    list[str],
    typer.Argument(
        metavar="SEL…",
        help="12, 1,3,5-8, last, all, @failed, name:X, tag:X, queue:X, parent:N",
        autocompletion=complete_jobs_ended,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]


def remove(call: Invocation, selectors: Selectors, yes: Yes = False, quiet: Quiet = False) -> int:
    """Remove jobs with their logs, results and attempts; never running ones. Their ids are not used again.

    A waiting job is cancelled first, and so are the jobs that wait for it. A workflow goes with the jobs of its steps.

    \b
    Examples:
      jobctl remove 12
      jobctl remove @failed -y
      jobctl rm 3-9 --json
    """
    selector = Selector(tuple(part for text in selectors for part in parse_selector(text).parts))
    must_ask = selector.is_bulk and not yes
    if must_ask:
        _check_can_ask(str(selector))
    with call.store() as store:
        if must_ask and not _agreed(actions.count_removable(store, selector)):
            call.note("nothing was removed")
            return 1
        removed = actions.remove(store, selector, call.clock)
    if call.json:
        call.print_json({"jobs": [{"id": one.id, "status": one.status.value} for one in removed]})
    elif not quiet:
        call.print("\n".join(_lines(removed)) or "0 jobs")
    return 0


def _lines(removed: Sequence[Removed]) -> list[str]:
    """A line a job that was named; those that went with the run of a workflow are counted."""
    lines = [f"job {one.id} removed" for one in removed if not one.is_part]
    parts = sum(one.is_part for one in removed)
    if parts and len(lines) == 1:
        return [f"{lines[0]}, with {parts} job{'s' * (parts != 1)} of it"]
    return [*lines, f"{parts} job{'s' * (parts != 1)} of workflows removed with them"] if parts else lines


def prune(
    call: Invocation,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="DURATION", help="Ended at least this long ago.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="S", help="Ended so; repeatable.", autocompletion=complete_statuses),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="N", help="So many of the newest stay.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; say what would go.")] = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> int:
    """Remove ended jobs that meet every criterion given, with their logs; never running or waiting ones.

    The supervisor does the same by itself for what is past its retention; see retention_age and retention_jobs.

    \b
    Examples:
      jobctl prune --older-than 7d --dry-run
      jobctl prune --status completed --keep 100 -y
      jobctl prune --keep 0 -y                        every ended job
    """
    request = actions.PruneRequest(
        None if older_than is None else parse_duration(older_than, "--older-than", allow_zero=True),
        statuses(status or ()),
        None if keep is None else parse_whole(keep, "--keep", 0, MOST_KEPT),
    )
    with call.store() as store:
        wanted = actions.prunable(store, request, call.clock)
        if dry_run:
            found = store.jobs.statuses(wanted)
            _report(call, [Removed(job_id, found[job_id], None) for job_id in wanted], quiet, dry_run=True)
            return 0
        if not yes:
            _check_can_ask("prune")
            if not _agreed(len(wanted)):
                call.note("nothing was removed")
                return 1
        report = Report(os.environ, call.clock)
        removed: list[Removed] = []
        report.progress(0, len(wanted), "removing ended jobs")
        for step in actions.prune(store, wanted, call.clock):
            removed += step
            report.progress(min(len(removed), len(wanted)), len(wanted), "removing ended jobs")
    _report(call, removed, quiet)
    report.result({"removed": len(removed), "statuses": actions.statuses_of(removed)})
    if report.problem:
        call.note(f"not reported to the job: {report.problem}")
    return 0


def _check_can_ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise BadInputError("this may remove several jobs", what, "add -y", "E_CONFIRM")


def _agreed(count: int) -> bool:
    if not count:
        return True
    sys.stderr.write(f"remove {count} job{'s' * (count != 1)} with their logs? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _report(call: Invocation, removed: Sequence[Removed], quiet: bool, *, dry_run: bool = False) -> None:
    counts = actions.statuses_of(removed)
    if call.json:
        ids = [one.id for one in removed]
        call.print_json({"dry_run": dry_run, "removed": len(ids), "statuses": counts, "ids": ids})
    elif not quiet:
        told = ", ".join(f"{count} {JobStatus(state).value}" for state, count in counts.items())
        verb = "would remove" if dry_run else "removed"
        jobs = f"{len(removed)} job{'s' * (len(removed) != 1)}"
        call.print(f"{verb} {jobs}{f': {told}' if told else ''}")
