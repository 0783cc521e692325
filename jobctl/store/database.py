"""One connection to the store's SQLite file, opened safely and checked.

What Peewee's APSW extension lacks is wrapped here: pragmas are read back (a misspelt one is silently
ignored by SQLite), every write is BEGIN IMMEDIATE (a plain ``atomic()`` fails half its transactions under six
writers, notes/reliability.md section 3), results are always fetched whole (an unfinished RETURNING keeps the
write lock), and errors become those of ``jobctl.errors``.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw
from peewee import DatabaseError, InterfaceError, OperationalError
from playhouse.apsw_ext import APSWDatabase

from jobctl.errors import (
    BadInputError,
    JobctlError,
    NotFoundError,
    StateConflictError,
    StoreBusyError,
    StoreDamagedError,
    StoreForeignError,
    StoreFullError,
    UnusableError,
)

APPLICATION_ID = 0x6A6F6263
"""``jobc`` in ASCII, in the header of every store."""

CALLER_TIMEOUT_SECONDS = 30.0
SUPERVISOR_TIMEOUT_SECONDS = 0.05

Row = tuple[Any, ...]

_CONNECTION_PRAGMAS = {
    "foreign_keys": 1,
    "synchronous": 2,
    "wal_autocheckpoint": 1000,
    "journal_size_limit": 16 * 1024 * 1024,
    "temp_store": 2,
    "trusted_schema": 0,
    "cell_size_check": 1,
}


class Database:
    """An open store. Not for use across a fork or in another thread."""

    def __init__(
        self,
        path: str,
        *,
        timeout_seconds: float = CALLER_TIMEOUT_SECONDS,
        read_only: bool = False,
        immutable: bool = False,
    ) -> None:
        """Open the file at ``path``; ``immutable`` vouches that nobody writes it: no files are made beside it."""
        self.path = path
        self._owner = os.getpid()
        self._depth = 0
        self._timeout_seconds = timeout_seconds
        flags = apsw.SQLITE_OPEN_READONLY if read_only or immutable else apsw.SQLITE_OPEN_READWRITE
        if immutable:
            from urllib.parse import quote  # only for copies

            flags |= apsw.SQLITE_OPEN_URI
            path = f"file:{quote(os.fsencode(path))}?immutable=1"
        self.peewee = APSWDatabase(path, timeout=timeout_seconds, autoconnect=False, flags=flags)
        with translated(self.path):
            self.peewee.connect()
            # Until it is known as ours: the last to close a foreign database would empty its WAL into it.
            self._checkpoint_on_close(False)
        self._cursor = self.peewee.connection().cursor()

    def configure(self) -> None:
        """Every pragma of a connection is set and was read back.

        Raises:
            UnusableError: SQLite did not take one of them.
        """
        self._checkpoint_on_close(True)
        for name, value in _CONNECTION_PRAGMAS.items():
            self.rows(f"PRAGMA {name} = {value}")
            got = self.row(f"PRAGMA {name}")
            if got is None or got[0] != value:
                raise UnusableError(f"SQLite refused the setting {name}={value}", got, "run: jobctl db info")

    def _checkpoint_on_close(self, wanted: bool) -> None:
        self.peewee.connection().config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, not wanted)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one statement, fetched at once."""
        try:
            return self._cursor.execute(sql, parameters).fetchall()  # type: ignore[no-any-return]
        except apsw.Error as error:
            # Not the context manager: entering it for each of 17 statements a job costs 0.1 ms.
            with translated(self.path):
                raise error
        except (
            UnicodeEncodeError
        ) as error:  # a name of the command line in bytes that are no text: nothing is called so
            raise BadInputError("not valid UTF-8", error.object, "give it in UTF-8", "E_UTF8") from None

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row, if any."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row; None without a row."""
        found = self.rows(sql, parameters)
        return found[0][0] if found else None

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement was executed for each of ``rows``."""
        with translated(self.path):
            self._cursor.executemany(sql, rows)

    @contextmanager
    def write(self) -> Iterator[None]:
        """One BEGIN IMMEDIATE transaction; joined when one is already open.

        A terminal's Ctrl-Z is kept away from it: a stopped process would hold the write lock.

        Raises:
            StoreBusyError: another writer kept the store past the timeout.
        """
        if self._owner != os.getpid():
            raise UnusableError("the store was opened in another process", hint="open it anew after a fork")
        if self._depth:
            yield
            return
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
        self._depth = 1
        try:
            with translated(self.path), self.peewee.atomic("IMMEDIATE"):
                yield
        finally:
            self._depth = 0
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What fails inside changes nothing of the open transaction, which goes on; expects one.

        Raises:
            UnusableError: SQLite has rolled the transaction back by itself: nothing must be written outside of one.
        """
        if not self.in_transaction:
            raise UnusableError("the transaction was rolled back", self.path, "try again")
        self.rows("SAVEPOINT part")
        try:
            yield
        except BaseException:
            # On a full disk SQLite has rolled everything back by itself: there is no savepoint any more.
            if self.in_transaction:
                self.rows("ROLLBACK TO part")
                self.rows("RELEASE part")
            raise
        self.rows("RELEASE part")

    @property
    def in_transaction(self) -> bool:
        """Whether one is open: after some errors SQLite has rolled it back by itself."""
        return bool(self.peewee.connection().in_transaction)

    def data_version(self) -> int:
        """A number that changes when another connection has committed (20 µs)."""
        return int(self.value("PRAGMA data_version"))

    def set_timeout(self, seconds: float) -> None:
        """Waiting for the write lock takes at most ``seconds`` from now on."""
        self._timeout_seconds = seconds
        self.peewee.connection().setbusytimeout(int(seconds * 1000))

    def checkpoint(self) -> bool:
        """Whether the WAL was emptied: not while others read or write, or the disk is full. Never waits."""
        patience = self._timeout_seconds
        self.set_timeout(0)
        try:
            return not self.value("PRAGMA wal_checkpoint(TRUNCATE)")
        except (StoreBusyError, StoreFullError):
            return False
        finally:
            self.set_timeout(patience)

    def close(self) -> None:
        """The connection is closed; closing twice is harmless."""
        if not self.peewee.is_closed():
            self._cursor.close()
            self.peewee.close()


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Errors of APSW and Peewee leave as those of ``jobctl.errors``."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreBusyError("the store is busy", path, "another process keeps writing; try again") from error
    except (apsw.FullError, apsw.IOError) as error:
        if isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) not in _NO_ROOM:
            what = f"reading or writing the store failed ({error})"
            raise UnusableError(what, path, "check the disk") from error
        raise StoreFullError("the disk is full", path, "free some space; nothing was changed") from error
    except apsw.NoMemError as error:
        raise UnusableError("no memory is left for the store", path, "nothing was changed") from error
    except apsw.ConstraintError as error:
        if "jobs.unique_key" not in str(error):
            raise
        hint = "cancel or wait for that one first; nothing was changed"
        raise StateConflictError(
            "a job that has not ended has the same unique key", hint=hint, code="E_DUPLICATE"
        ) from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreDamagedError("the store is damaged or no database", path, _DAMAGED_HINT) from error
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise UnusableError("the store is read-only", path, "check its owner and permissions") from error
    except apsw.CantOpenError as error:
        raise UnusableError("cannot open the store", path, "check the directory's permissions") from error
    except (OperationalError, DatabaseError, InterfaceError) as error:
        original = getattr(error, "orig", None)  # Peewee raises inside __exit__: no __cause__
        if isinstance(original, apsw.Error):
            with translated(path):
                raise original from error
        raise


_NO_ROOM = (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_FSYNC)
"""What a quota (EDQUOT) or a full disk looks like where SQLite does not say FULL."""

_DAMAGED_HINT = "the file was left untouched; move it away or restore a backup"


_SMALLEST_BYTES = 512
"""SQLite's smallest page. What is shorter it takes for an empty database and overwrites."""


def check_file(path: str) -> bool:
    """Whether a store file exists at ``path``, after refusing what must never be opened as one.

    Raises:
        UnusableError: a directory, a symbolic link, a file with two names (SQLite: undefined behaviour) or of
            another owner.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UnusableError(f"cannot open the store ({error.strerror})", path) from error
    if not stat.S_ISREG(found.st_mode):
        raise UnusableError("the store is not a regular file", path, "move it away")
    if found.st_nlink > 1:
        raise UnusableError(f"the store has {found.st_nlink} names; SQLite forbids that", path, "remove one")
    if 0 < found.st_size < _SMALLEST_BYTES:
        raise StoreDamagedError("the store is damaged or no database", path, _DAMAGED_HINT)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        _check_owner(name)
    return found.st_size > 0


def _check_owner(path: str) -> None:
    try:
        owner = os.lstat(path).st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid():
        raise UnusableError(f"a file of the store belongs to user {owner}", path, "chown it to yourself")


def check_identity(database: Database, newest: int) -> int:
    """The schema version of a store of ours; 0 for an empty database.

    Raises:
        StoreForeignError: another application's database, or one of a newer jobctl.
    """
    application = int(database.value("PRAGMA application_id"))
    version = int(database.value("PRAGMA user_version"))
    if application == 0 and version == 0 and not database.value("SELECT count(*) FROM sqlite_schema"):
        return 0
    if application == APPLICATION_ID and version == 0:
        raise StoreDamagedError("the store has tables but no version", database.path, _DAMAGED_HINT)
    if application != APPLICATION_ID:
        raise StoreForeignError(
            f"not a jobctl store (application_id {application})", database.path, "use another --home"
        )
    if version > newest:
        raise StoreForeignError(
            f"the store has version {version}, this jobctl knows up to {newest}",
            database.path,
            "upgrade jobctl",
        )
    return version


def missing_store(home: str) -> JobctlError:
    """The error for a verb that needs a store where there is none."""
    return NotFoundError("no store in", home, "submit a job first", "E_NO_STORE")
