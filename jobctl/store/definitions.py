"""Job definitions as rows: what the file named when it was last applied."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.model.definitions import Definition, Source, definition_of
from jobctl.model.documents import canonical_json
from jobctl.model.events import Entity, EventKind
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.jobs import usual_seconds

_COLUMNS = "name, document, source, revision, created_at, updated_at, gone_at"


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """A definition and when the file named it; instants in milliseconds UTC."""

    definition: Definition
    revision: int
    created_at: int
    updated_at: int
    gone_at: int | None
    """Since when the file no longer names it; None: it does."""


@dataclass(frozen=True, slots=True)
class Runs:
    """What became of the jobs of a definition."""

    counts: Mapping[str, int]
    """Of jobs that have not ended, by state."""
    last_id: int | None = None
    last_status: str | None = None
    last_at: int | None = None
    """When the newest job started, or was submitted if it has not."""
    usual_seconds: float | None = None


class Definitions:
    """The definitions table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def list(self) -> builtins.list[StoredDefinition]:
        """Every definition that was ever applied, by name."""
        return [
            _stored(row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM definitions ORDER BY name")
        ]

    def get(self, name: str) -> StoredDefinition | None:
        """The definition of this name, whether the file still names it or not."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM definitions WHERE name=?", (name,))
        return None if row is None else _stored(row)

    def put(self, definition: Definition, now: int) -> str | None:
        """The file names the definition; returns ``added``, ``changed``, ``back``, or None for no change."""
        text = canonical_json(definition.document())
        row = self._database.row(
            "SELECT document, gone_at IS NOT NULL FROM definitions WHERE name=?", (definition.name,)
        )
        if row is not None and row[0] == text and not row[1]:
            return None
        own = (text, definition.category, definition.type, definition.icon, definition.source.value)
        if row is None:
            self._database.rows(
                "INSERT INTO definitions(document, category, type, icon, source, name, created_at, updated_at)"
                " VALUES(?,?,?,?,?,?,?,?)",
                (*own, definition.name, now, now),
            )
        else:
            self._database.rows(
                "UPDATE definitions SET document=?, category=?, type=?, icon=?, source=?, updated_at=?,"
                " gone_at=NULL, revision=revision+1 WHERE name=?",
                (*own, now, definition.name),
            )
        kind = EventKind.DEFINITION_ADDED if row is None else EventKind.DEFINITION_CHANGED
        self._events.add(now, kind, Entity.DEFINITION, definition.name)
        if row is None:
            return "added"
        return "back" if row[1] else "changed"

    def retire(self, name: str, now: int) -> None:
        """The file no longer names the definition; it stays, with its history."""
        self._database.rows("UPDATE definitions SET gone_at=? WHERE name=? AND gone_at IS NULL", (now, name))
        self._events.add(now, EventKind.DEFINITION_GONE, Entity.DEFINITION, name)

    def runs(self, name: str) -> Runs:
        """What became of the jobs of the definition."""
        counts = self._database.rows(
            "SELECT state, count(*) FROM jobs INDEXED BY jobs_definition_open"
            " WHERE definition=? AND finished_at IS NULL GROUP BY state",
            (name,),
        )
        row = self._database.row(
            "SELECT id, state, ifnull(started_at, created_at) FROM jobs WHERE definition=?"
            " ORDER BY id DESC LIMIT 1",
            (name,),
        )
        if row is None:
            return Runs(dict(counts))
        return Runs(dict(counts), row[0], row[1], row[2], usual_seconds(self._database, "definition=?", name))

    def newest(self, name: str, limit: int) -> builtins.list[int]:
        """The ids of the newest jobs of the definition."""
        rows = self._database.rows(
            "SELECT id FROM jobs WHERE definition=? ORDER BY id DESC LIMIT ?", (name, limit)
        )
        return [row[0] for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredDefinition:
    name, document, source, revision, created_at, updated_at, gone_at = row
    definition = definition_of(name, json.loads(document), Source(source))
    return StoredDefinition(definition, revision, created_at, updated_at, gone_at)
