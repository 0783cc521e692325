"""What can be said of the store file itself: versions, sizes, settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

import apsw

from jobctl.store.database import Database


@dataclass(frozen=True, slots=True)
class Figures:
    """The store as a file. Sizes in bytes."""

    path: str
    size_bytes: int
    wal_bytes: int
    schema_version: int
    sqlite_version: str
    journal_mode: str
    page_size: int
    pages: int
    free_pages: int


def figures_of(database: Database) -> Figures:
    """The figures of an open store, read from its pragmas and the file system."""

    def pragma(name: str) -> int:
        return int(database.value(f"PRAGMA {name}"))

    return Figures(
        path=database.path,
        size_bytes=_size(database.path),
        wal_bytes=_size(f"{database.path}-wal"),
        schema_version=pragma("user_version"),
        sqlite_version=str(apsw.sqlite_lib_version()),
        journal_mode=str(database.value("PRAGMA journal_mode")),
        page_size=pragma("page_size"),
        pages=pragma("page_count"),
        free_pages=pragma("freelist_count"),
    )


def sqlite_build() -> tuple[str, str]:
    """The version of SQLite in use, and which package brought it."""
    return str(apsw.sqlite_lib_version()), f"apsw {apsw.apsw_version()}"


def _size(path: str) -> int:
    """Bytes by ``stat`` alone: opening the file from here would drop SQLite's locks."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
