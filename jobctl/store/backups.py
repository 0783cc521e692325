"""Copies of a store: whole, checked and on the disk before they have their name, made beside whoever writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apsw

from jobctl.errors import StateConflictError, StoreDamagedError, UnusableError
from jobctl.store.database import Database, translated

SLICE_PAGES = 256
"""Pages a step: 1 MiB, about a millisecond."""

SIDE_FILES = ("-wal", "-journal", "-shm")
"""What SQLite keeps beside a database; behind a new file of the same name it would be taken for its own."""

_MARKS = ("application_id", "user_version")
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links answers: link(2), FAT says EPERM."""

Report = Callable[[int, int], None]
"""Told after each slice: pages done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What was written: its size, and the version of the schema at the moment it shows."""

    size_bytes: int
    schema_version: int


def write_copy(
    source: Database, target: str, report: Report = lambda done, total: None, *, replace: bool = False
) -> Copy:
    """A verified copy of the store lies at ``target``, 0600. With ``replace`` a file that lay there is gone.

    Killed anywhere, it leaves no file of that name, or the old one; what it does leave, the next copy of that name
    removes. The copy shows one moment: a read transaction is held throughout, so writers are neither blocked nor
    make SQLite begin anew, as they do with slices in transactions of their own (notes/reliability.md section 3).

    Raises:
        StoreDamagedError: the copy is damaged, so the store is.
        StoreFullError: there is no room; nothing is left of the copy.
        StateConflictError: there is such a file by now, and it is not to be replaced; it stays.
    """
    with _partial(target) as partial:
        with translated(partial):
            copy = apsw.Connection(partial)
            try:
                # No shared memory and no journal: nobody else looks at it, and a killed copy is thrown away.
                copy.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
                copy.execute("PRAGMA journal_mode=MEMORY").fetchall()
                with _snapshot(source):
                    marks = [source.value(f"PRAGMA {mark}") for mark in _MARKS]
                    _copy_pages(source, copy, report)
                _verify(source, copy, marks)
            finally:
                copy.close()
        size = os.stat(partial).st_size
        sync(partial)
        if replace:
            os.rename(partial, target)
        else:
            _name(partial, target)
    sync(os.path.dirname(target))
    return Copy(size, int(marks[1]))


def leftovers(target: str) -> list[str]:
    """What killed copies for the name ``target`` left beside it; copies under way are not among it."""
    directory, name = os.path.split(target)
    pattern = os.path.join(glob.escape(directory), f".{glob.escape(name)}.*.partial")
    return [path for path in glob.glob(pattern) if not _is_held(path)]


def remove_copy(path: str) -> None:
    """The file and what SQLite kept beside it are gone."""
    for suffix in ("", *SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


def sync(path: str) -> None:
    """The file, or the names in the directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _partial(target: str) -> Iterator[str]:
    """A new empty file, 0600, in the directory of ``target``, held by a lock; gone afterwards unless renamed."""
    directory, name = os.path.split(target)
    for left in leftovers(target):
        remove_copy(left)
    descriptor, path = tempfile.mkstemp(".partial", f".{name}.", directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.path.exists(path):
            raise UnusableError("another backup took the file away", path, "try again", "E_BACKUP")
        yield path
    finally:
        remove_copy(path)
        os.close(descriptor)


@contextmanager
def _snapshot(source: Database) -> Iterator[None]:
    source.rows("BEGIN")
    try:
        source.rows("SELECT 1 FROM sqlite_schema LIMIT 1")
        yield
    finally:
        source.rows("ROLLBACK")


def _copy_pages(source: Database, copy: Any, report: Report) -> None:
    with copy.backup("main", source.peewee.connection(), "main") as backup:
        while not backup.done:
            backup.step(SLICE_PAGES)
            report(backup.page_count - backup.remaining, backup.page_count)


def _name(partial: str, target: str) -> None:
    """The file has the name ``target``, which nobody else had.

    Raises:
        StateConflictError: somebody had; their file stays.
    """
    try:
        try:
            os.link(partial, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.rename(partial, target)  # over the empty file of our own
    except FileExistsError as error:
        hint = "use another name or --force"
        raise StateConflictError("there is such a file", target, hint, "E_EXISTS") from error
    remove_copy(partial)


def _verify(source: Database, copy: Any, marks: Sequence[Any]) -> None:
    """The copy is whole, and a store of that kind and version."""
    verdict = copy.execute("PRAGMA integrity_check").fetchall()
    if verdict != [("ok",)]:
        hint = f"see: jobctl db check ({str(verdict[0][0])[:200]})"
        raise StoreDamagedError("the backup is damaged, so the store is", source.path, hint)
    for mark, value in zip(_MARKS, marks, strict=True):
        if copy.execute(f"PRAGMA {mark}").fetchall() != [(value,)]:
            raise StoreDamagedError(f"the backup has another {mark} than the store", source.path, "try again")


def _is_held(path: str) -> bool:
    """Whether somebody still writes it. A file that has gone meanwhile needs nobody's care either."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
