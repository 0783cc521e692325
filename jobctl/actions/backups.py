"""Backups: where a copy of the store goes, what it may replace, and how many are kept."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jobctl.clock import Clock, to_datetime
from jobctl.errors import BadInputError, StateConflictError, UnusableError
from jobctl.model.homes import Home
from jobctl.store.backups import SIDE_FILES, Report, remove_copy, write_copy
from jobctl.store.database import Database, check_file, check_identity, missing_store
from jobctl.store.migrations import NEWEST

_ROTATED = re.compile(r"jobctl-\d{8}T\d{6}\.\d{3}Z\.db")
"""What backups into a directory are called: by their instant in UTC, so that names sort as they were made."""


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """Where the copy is to go: a file, a directory, or (None) the home's own directory of backups."""

    target: str | None = None
    force: bool = False
    """A file of that name is replaced."""
    keep: int | None = None
    """In a directory: so many of the newest stay."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made."""

    path: str
    size_bytes: int
    schema_version: int
    removed: tuple[str, ...]
    """Older ones that went."""


def back_up_store(home: Home, request: BackupRequest, clock: Clock, report: Report) -> Backup:
    """A verified copy of the store has the name wanted; writers went on meanwhile.

    Raises:
        BadInputError: no such directory, or a name that no copy may have.
        StateConflictError: there is such a file already.
        NotFoundError: there is no store.
        StoreFullError: there is no room; nothing was left.
    """
    if not check_file(home.store):
        raise missing_store(home.path)
    target, is_rotated = _place(home, request, clock)
    with contextlib.closing(Database(home.store, read_only=True)) as source, _told_of(target):
        if not check_identity(source, NEWEST):
            raise missing_store(home.path)
        _check_target(home, target, force=request.force)
        made = write_copy(source, target, report, replace=request.force)
    removed = _rotate(target, request.keep) if is_rotated and request.keep else ()
    return Backup(target, made.size_bytes, made.schema_version, removed)


def _place(home: Home, request: BackupRequest, clock: Clock) -> tuple[str, bool]:
    """The absolute name of the copy, and whether it is one of several in a directory."""
    wanted = request.target
    if wanted is None or wanted.endswith("/"):
        wanted = home.backups if wanted is None else wanted
        with _told_of(wanted):
            os.makedirs(wanted, mode=0o700, exist_ok=True)
    if not wanted or "\0" in wanted or any("\ud800" <= ch <= "\udfff" for ch in wanted):
        raise BadInputError(
            "not a name for a backup", wanted, "give a file or a directory in UTF-8", "E_PATH"
        )
    path = os.path.abspath(wanted)
    if not os.path.isdir(path):
        if request.keep is not None:
            raise BadInputError("--keep needs a directory", wanted, "end the name with a slash", "E_USAGE")
        return path, False
    now = clock.now_ms()
    while os.path.lexists(name := f"{path}/jobctl-{_stamp(now)}.db"):
        now += 1
    return name, True


def _stamp(instant: int) -> str:
    return f"{to_datetime(instant):%Y%m%dT%H%M%S}.{instant % 1000:03}Z"


def _check_target(home: Home, target: str, *, force: bool) -> None:
    """The copy may take this name.

    A ``-wal`` or ``-journal`` that lies beside it would be played into the copy when that is opened
    (https://sqlite.org/howtocorrupt.html, section 1.4).
    """
    store = os.path.realpath(home.store)
    real = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
    if real in {store, *(store + suffix for suffix in SIDE_FILES)}:
        raise BadInputError("the store itself is no place for its backup", target, code="E_PATH")
    for suffix in SIDE_FILES:
        if os.path.lexists(target + suffix):
            hint = "another database has this name or had it; use another name"
            raise StateConflictError("in the way of the backup", target + suffix, hint, "E_EXISTS")
    if not os.path.lexists(target):
        if not os.path.isdir(os.path.dirname(target)):
            hint = "make it first"
            raise BadInputError("no directory for the backup", os.path.dirname(target), hint, "E_PATH")
    elif not stat.S_ISREG(os.lstat(target).st_mode):
        raise BadInputError("not a regular file", target, "use another name", "E_PATH")
    elif not force:
        raise StateConflictError("there is such a file", target, "use another name or --force", "E_EXISTS")


def _rotate(made: str, keep: int) -> tuple[str, ...]:
    """Of the backups beside ``made`` the newest ``keep`` are left, that one among them; returns which went."""
    directory = os.path.dirname(made)
    names = sorted(name for name in os.listdir(directory) if _ROTATED.fullmatch(name))
    others = [f"{directory}/{name}" for name in names if name != os.path.basename(made)]
    doomed = others[: max(0, len(others) - (keep - 1))]
    for path in doomed:
        remove_copy(path)
    return tuple(doomed)


@contextmanager
def _told_of(path: str) -> Iterator[None]:
    """What the file system refuses is told with the name of the backup."""
    try:
        yield
    except OSError as error:
        what = f"cannot write the backup ({error.strerror})"
        raise UnusableError(what, path, "check the directory and the disk", "E_BACKUP") from error
