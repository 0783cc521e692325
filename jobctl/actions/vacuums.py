"""Giving room back while others work: in slices that hold up nobody, or all at once when nobody is there."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jobctl.actions.supervisors import is_alive
from jobctl.errors import StateConflictError, UnusableError
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.vacuums import Vacuum

PAGES_A_SLICE = 64
"""A transaction: about a millisecond (as ``supervisor.pruner``)."""
PAUSE_SECONDS = 0.002
"""Between two: SQLite's waiting writers poll, so a writer that never pauses starves them."""
CHECKPOINT_TRIES = 50

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What was given back. Sizes in bytes, of the file with its WAL."""

    path: str
    pages_freed: int
    size_bytes_before: int
    size_bytes: int
    free_pages: int
    """What is left to give back: others make free pages meanwhile."""
    wal_emptied: bool
    """False when a reader was in the way; the file shrinks at the next checkpoint then."""
    full: bool


def vacuum_store(store: Store, *, full: bool, report: Report) -> Vacuumed:
    """Free pages are the file system's again.

    Raises:
        StateConflictError: ``full``, and somebody supervises the home.
    """
    vacuum = Vacuum(store.database)
    before, free = vacuum.size_bytes(), vacuum.free_pages()
    pages = _pages(store)
    if full:
        with _alone(store):
            report(0, 3, "optimizing")
            vacuum.optimize()
            report(1, 3, "rewriting the file")
            vacuum.rewrite()
            report(2, 3, "emptying the WAL")
            emptied = _checkpoint(vacuum)
            report(3, 3, "done")
    else:
        emptied = _in_slices(vacuum, free, report)
    return Vacuumed(
        store.home.store,
        max(0, pages - _pages(store)),
        before,
        vacuum.size_bytes(),
        vacuum.free_pages(),
        emptied,
        full,
    )


def _in_slices(vacuum: Vacuum, free: int, report: Report) -> bool:
    """What was free at first has been given back; pages that others free meanwhile are not chased."""
    total = free + 2
    report(0, total, "optimizing")
    vacuum.optimize()
    done = 0
    while done < free and vacuum.free_pages():
        vacuum.give_back(PAGES_A_SLICE)
        done = min(free, done + PAGES_A_SLICE)
        report(1 + done, total, "giving pages back")
        time.sleep(PAUSE_SECONDS)
    emptied = _checkpoint(vacuum)
    report(total, total, "done")
    return emptied


def _checkpoint(vacuum: Vacuum) -> bool:
    """Whether the WAL was emptied: tried in the moments between others' reads and writes."""
    for _ in range(CHECKPOINT_TRIES):
        if vacuum.checkpoint():
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _pages(store: Store) -> int:
    return int(store.database.value("PRAGMA page_count"))


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """No supervisor runs, and none can start: its lock is held here.

    Raises:
        StateConflictError: one runs, or a ``jobctl run`` of its own.
    """
    lock = _lock(store.home)
    try:
        if any(is_alive(store.home, life) for life in store.lives.unended()):
            raise _not_alone(store.home)
        yield
    finally:
        os.close(lock)


def _lock(home: Home) -> int:
    path = home.supervisor_lock
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnusableError(f"cannot open the supervisor's lock ({error.strerror})", path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise _not_alone(home) from None
    return descriptor


def _not_alone(home: Home) -> StateConflictError:
    hint = "stop it first (jobctl down), or leave out --full"
    return StateConflictError("a full vacuum needs the store for itself, and jobs run in", home.path, hint)
