"""``db``: the store as a file."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

from jobctl.actions.stores import migrate_store, store_figures
from jobctl.cli.invocation import Invocation
from jobctl.model.sizes import format_size
from jobctl.views.jobs import encodable
from jobctl.views.text import printable


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
