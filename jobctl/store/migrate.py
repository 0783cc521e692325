"""Create a store, or bring an older one to the newest schema; killed anywhere, the old one remains usable."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from jobctl.clock import Clock
from jobctl.errors import UnusableError
from jobctl.model.homes import Home
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE
from jobctl.store.backups import write_copy
from jobctl.store.database import APPLICATION_ID, Database, check_file, check_identity
from jobctl.store.migrations import MIGRATIONS, NEWEST, Migration


def bring_up_to_date(home: Home, clock: Clock) -> list[str]:
    """The store at ``home`` exists with the newest schema; returns the names of the migrations applied.

    Callers race safely: a lock file serialises them, since switching to WAL ignores the busy timeout.
    """
    with locked(home.create_lock):
        if not check_file(home.store):
            _create_file(home.store)
        database = Database(home.store)
        try:
            version = check_identity(database, NEWEST)
            if version == 0:
                _set_file_pragmas(database)
            elif version < NEWEST:
                back_up(database, f"{home.backups}/jobctl-v{version}-{clock.now_ms()}.db")
            database.configure()
            pending = (migration for migration in MIGRATIONS if migration.number > version)
            return [_apply(database, migration, clock) for migration in pending]
        finally:
            database.close()


@contextmanager
def locked(path: str) -> Iterator[None]:
    """The lock file at ``path`` is held; it is never unlinked."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnusableError(f"cannot open the lock file ({error.strerror})", path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def back_up(database: Database, target: str) -> None:
    """A verified copy of the store lies at ``target``; a killed backup leaves no file of that name."""
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    write_copy(database, target, replace=True)


def _create_file(path: str) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.close(os.open(path, flags, 0o600))
        os.chmod(path, 0o600)
    except OSError as error:
        raise UnusableError(f"cannot create the store ({error.strerror})", path) from error


def _set_file_pragmas(database: Database) -> None:
    database.rows("PRAGMA auto_vacuum = INCREMENTAL")
    mode = database.value("PRAGMA journal_mode = WAL")
    if mode != "wal":
        raise UnusableError(f"the file system allows no WAL (journal mode {mode})", database.path)


def _apply(database: Database, migration: Migration, clock: Clock) -> str:
    with database.write():
        for statement in migration.statements:
            database.rows(statement)
        now = clock.now_ms()
        if migration.number == 1:
            database.rows(f"PRAGMA application_id = {APPLICATION_ID}")
            database.rows(
                "INSERT INTO queues(name, concurrency, created_at) VALUES(?,?,?)",
                (DEFAULT_QUEUE, DEFAULT_CONCURRENCY, now),
            )
        database.rows(
            "INSERT INTO migrations(number, name, applied_at) VALUES(?,?,?)",
            (migration.number, migration.name, now),
        )
        database.rows(f"PRAGMA user_version = {migration.number}")
    return migration.name
