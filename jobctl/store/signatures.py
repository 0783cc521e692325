"""Signatures as rows: which functions may be called, and what each takes."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable

from jobctl.model.documents import canonical_json
from jobctl.model.functions import Function, function_of
from jobctl.store.database import Database


class Signatures:
    """The signatures table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Function | None:
        """The function of this name, as it was last looked at."""
        text = self._database.value("SELECT document FROM signatures WHERE function=?", (name,))
        return None if text is None else function_of(json.loads(str(text)))

    def names(self) -> builtins.list[str]:
        """Every known function, by name."""
        return [
            str(row[0]) for row in self._database.rows("SELECT function FROM signatures ORDER BY function")
        ]

    def put(self, functions: Iterable[Function], now: int) -> None:
        """The functions are known as they are given."""
        self._database.many(
            "INSERT INTO signatures(function, document, updated_at) VALUES(?,?,?) ON CONFLICT(function) DO UPDATE"
            " SET document=excluded.document, updated_at=excluded.updated_at"
            " WHERE document<>excluded.document",
            ((one.name, canonical_json(one.document()), now) for one in functions),
        )

    def replace(self, functions: Iterable[Function], now: int) -> None:
        """The functions are known as they are given, and no others."""
        wanted = list(functions)
        names = {one.name for one in wanted}
        gone = [(name,) for name in self.names() if name not in names]
        if gone:
            self._database.many("DELETE FROM signatures WHERE function=?", gone)
        if wanted:
            self.put(wanted, now)
