"""Damage to store files, done on purpose."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import apsw


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """The bytes at ``offset`` are ``content``."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def root_page(path: Path, table: str) -> tuple[int, int]:
    """Where the first page of a table lies, and how long a page is, both in bytes."""
    connection: Any = apsw.Connection(str(path))
    try:
        found = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (table,)).fetchall()
        page, size = int(found[0][0]), int(connection.execute("PRAGMA page_size").fetchall()[0][0])
    finally:
        connection.close()
    return (page - 1) * size, size


def flip(path: Path, seed: int, count: int) -> None:
    """So many bytes behind the first page are others."""
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(count):
        content[chance.randrange(4096, len(content))] ^= chance.randrange(1, 256)
    path.write_bytes(content)


def fingerprint(path: Path) -> dict[str, str]:
    """The files below a directory by content; without what every reader of a WAL makes."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith("-shm") and file.stat().st_size
    }
