"""``db``: the store as a file."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from jobctl.actions.reports import Report
from jobctl.actions.stores import migrate_store, store_figures
from jobctl.cli.invocation import Invocation
from jobctl.model.names import parse_whole
from jobctl.model.sizes import format_size
from jobctl.views.jobs import encodable
from jobctl.views.text import printable

MOST_KEPT = 1_000_000
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]


def path(call: Invocation) -> None:
    """Print where the store is, or would be made.

    \b
    Examples:
      jobctl db path
      sqlite3 -readonly "$(jobctl db path)" 'SELECT count(*) FROM jobs'
    """
    store = call.home().store
    if call.json:
        call.print_json({"path": encodable(store)})
    elif call.is_terminal:
        call.print(printable(store))
    else:
        sys.stdout.buffer.write(os.fsencode(store) + b"\n")


def info(call: Invocation) -> None:
    """Show version, size and settings of the store, and how many jobs it holds.

    \b
    Examples:
      jobctl db info
      jobctl db info --json
    """
    with call.store() as store:
        figures, jobs = store_figures(store)
    if call.json:
        call.print_json({**asdict(figures), "path": encodable(figures.path), "jobs": jobs})
        return
    total = sum(jobs.values())
    counts = ", ".join(f"{count} {state}" for state, count in jobs.items() if count)
    for label, text in (
        ("path", printable(figures.path)),
        ("size", f"{format_size(figures.size_bytes)}, WAL {format_size(figures.wal_bytes)}"),
        ("schema", f"version {figures.schema_version}"),
        ("sqlite", f"{figures.sqlite_version}, journal mode {figures.journal_mode}"),
        ("pages", f"{figures.pages} of {figures.page_size} bytes, {figures.free_pages} free"),
        ("jobs", f"{total} ({counts})" if counts else str(total)),
    ):
        call.print(f"{label:<8} {text}")


def migrate(call: Invocation) -> None:
    """Create the store or bring it to the newest schema; doing it twice changes nothing.

    \b
    Examples:
      jobctl db migrate
      jobctl db migrate --json
    """
    applied = migrate_store(call.home(), call.clock)
    if call.json:
        call.print_json({"path": encodable(call.home().store), "applied": applied})
        return
    for name in applied:
        call.print(f"applied {name}")
    if not applied:
        call.print("the store is up to date")


def check(
    call: Invocation,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A backup; without it, the store of the home.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Neither indexes against tables nor events against attempts.")
    ] = False,
) -> int:
    """Examine the store, or a backup of it; exit 1 when something is damaged. Nothing is written.

    It works beside a running supervisor. Inside a job it reports progress and its findings as the result.

    \b
    Examples:
      jobctl db check
      jobctl db check --json
      jobctl db check ~/backups/monday.db
    """
    from jobctl.actions.integrity import check_copy, check_store
    from jobctl.views.integrity import checkup_json, checkup_plain

    report = Report(os.environ, call.clock)
    if file is None:
        checkup = check_store(call.home(), quick=quick, report=report.progress)
    else:
        checkup = check_copy(file, quick=quick, report=report.progress)
    document = checkup_json(checkup)
    if call.json:
        call.print_json(document)
    else:
        call.print(checkup_plain(checkup))
    _end_report(call, report, document)
    return 0 if checkup.is_sound else 1


def backup(
    call: Invocation,
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="A file or a directory; without it, backups/ in the home."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="N", help="In a directory: the newest N stay.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Copy the store while others use it; the copy has its name only when it is whole, checked and on the disk.

    In a directory it is named after the instant. A name with a slash at its end is a directory and made if need be.
    To go back: stop the supervisor, move jobctl.db and its -wal away, put the copy there.

    \b
    Examples:
      jobctl db backup before-upgrade.db
      jobctl db backup ~/backups/ --keep 7
      jobctl db backup --force /mnt/usb/jobctl.db --json
    """
    from jobctl.actions.backups import BackupRequest, back_up_store

    kept = None if keep is None else parse_whole(keep, "--keep", 1, MOST_KEPT)
    report = Report(os.environ, call.clock)
    made = back_up_store(
        call.home(),
        BackupRequest(file, force, kept),
        call.clock,
        lambda done, total: report.progress(done, total, "copying pages"),
    )
    document = {
        "path": encodable(made.path),
        "size_bytes": made.size_bytes,
        "schema_version": made.schema_version,
        "removed": [encodable(path) for path in made.removed],
    }
    if call.json:
        call.print_json(document)
    elif not quiet:
        old = len(made.removed)
        gone = f"; {old} older removed" if old else ""
        call.print(f"{printable(made.path)}: {format_size(made.size_bytes)}, checked{gone}")
    _end_report(call, report, document)


def vacuum(
    call: Invocation,
    full: Annotated[
        bool, typer.Option("--full", help="Write the whole file anew; only while no supervisor runs.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Give free pages back to the file system, in slices that hold up nobody, and empty the WAL.

    It also renews the statistics of the query planner.

    \b
    Examples:
      jobctl db vacuum
      jobctl db vacuum --json
      jobctl db vacuum --full          smallest and in order, but alone with the store
    """
    from jobctl.actions.vacuums import vacuum_store

    report = Report(os.environ, call.clock)
    with call.store() as store:
        done = vacuum_store(store, full=full, report=report.progress)
    freed = max(0, done.size_bytes_before - done.size_bytes)
    document = {**asdict(done), "path": encodable(done.path), "bytes_freed": freed}
    if call.json:
        call.print_json(document)
    elif not quiet:
        pages = f"{done.pages_freed} page{'s' * (done.pages_freed != 1)}"
        sizes = f"{format_size(done.size_bytes_before)} -> {format_size(done.size_bytes)}"
        wal = "WAL emptied" if done.wal_emptied else "WAL not emptied: a reader is in the way"
        call.print(f"freed {pages}, {format_size(freed)} ({sizes}); {wal}")
    _end_report(call, report, document)


def _end_report(call: Invocation, report: Report, document: object) -> None:
    """Inside a job, what was found or done is its result; what could not be reported is said."""
    report.result(document)
    if report.problem:
        call.note(f"not reported to the job: {report.problem}")
