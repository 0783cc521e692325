"""The append-only events: audit log, outbox and cursor of ``events --follow``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from jobctl.model.events import Entity, Event, EventKind
from jobctl.store.database import Database

EventRow = tuple[int, str, str, Any, str | None]


def job_event(at: int, kind: EventKind, job_id: int, data: Mapping[str, object] | None = None) -> EventRow:
    """The row of an event about a job, for ``Events.add_rows``."""
    return (at, kind.value, "job", job_id, None if data is None else _encode(data))


_encode = json.JSONEncoder(separators=(",", ":")).encode
"""``json.dumps`` would make an encoder for each event."""


class Events:
    """Written in the transaction of the fact they tell; read by cursor."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, at: int, kind: EventKind, entity: Entity, entity_id: int | str, data: object = None
    ) -> None:
        """One event is part of the open transaction."""
        body = None if data is None else json.dumps(data, separators=(",", ":"))
        self.add_rows([(at, kind.value, entity.value, entity_id, body)])

    def add_rows(self, rows: Iterable[EventRow]) -> None:
        """Many events are part of the open transaction."""
        self._database.many("INSERT INTO events(at, kind, entity, entity_id, data) VALUES(?,?,?,?,?)", rows)

    def after(self, cursor: int, limit: int = 1000) -> list[Event]:
        """At most ``limit`` events with an id above ``cursor``, oldest first."""
        found = self._database.rows(
            "SELECT id, at, kind, entity, entity_id, data FROM events WHERE id>? ORDER BY id LIMIT ?",
            (cursor, limit),
        )
        return [_event(row) for row in found]

    def of_kinds(self, cursor: int, kinds: Iterable[str], limit: int) -> list[Event]:
        """At most ``limit`` events of these kinds with an id above ``cursor``, oldest first."""
        found = self._database.rows(
            "SELECT id, at, kind, entity, entity_id, data FROM events WHERE id>?"
            " AND kind IN(SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
            (cursor, json.dumps(sorted(kinds)), limit),
        )
        return [_event(row) for row in found]

    def about(self, entity: Entity, entity_id: int | str) -> list[Event]:
        """Every event about one thing, oldest first."""
        found = self._database.rows(
            "SELECT id, at, kind, entity, entity_id, data FROM events WHERE entity=? AND entity_id=? ORDER BY id",
            (entity.value, entity_id),
        )
        return [_event(row) for row in found]

    def last_id(self) -> int:
        """The newest id, 0 before the first event."""
        return int(self._database.value("SELECT ifnull(max(id), 0) FROM events"))

    def last_id_before(self, instant: int) -> int:
        """The cursor that makes ``after`` start with the first event at or after ``instant``.

        Ids grow with commit order and instants nearly so; the scan is from the newest backwards.
        """
        found = self._database.value("SELECT id FROM events WHERE at<? ORDER BY id DESC LIMIT 1", (instant,))
        return int(found or 0)

    def first_id(self) -> int:
        """The oldest id still kept, 0 when there is none."""
        return int(self._database.value("SELECT ifnull(min(id), 0) FROM events"))


def _event(row: tuple[Any, ...]) -> Event:
    number, at, kind, entity, entity_id, data = row
    return Event(number, at, kind, entity, entity_id, None if data is None else _decoded(data))


def _decoded(text: str) -> object:
    return _remembered(text) if len(text) <= _SHORT else json.loads(text)


_SHORT = 100


@lru_cache(1024)
def _remembered(text: str) -> object:
    """The same object for the same text: most events of a busy day tell the same of other jobs."""
    return json.loads(text)
