"""Daemons as rows: what is declared, what is asked for, and what was observed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from jobctl.model.calls import Call, call_of
from jobctl.model.daemons import (
    Autostart,
    Daemon,
    DaemonDefinition,
    DaemonExit,
    DaemonId,
    DaemonSource,
    DaemonState,
    Generation,
    Health,
    Readiness,
    ReadyKind,
    Restart,
    Wanted,
)
from jobctl.model.events import Entity, EventKind
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.migrations.m0008_daemons import IS_BY_DAEMON

KEPT_EXITS = 100
"""How many ends of a daemon are remembered."""

_FACTS = (
    "state", "reason", "error", "generation", "pid", "vouched", "started_at", "ready_at",
    "started_revision", "restarts",
    "consecutive_failures", "next_restart_at", "heartbeat_at", "status_text", "last_exit_code", "last_signal",
    "memory_bytes", "cpu_percent", "health", "starts_done", "restarts_done",
)  # fmt: skip
_INTENT = (
    "id", "definition", "source", "created_at", "updated_at", "revision", "wanted", "starts_asked",
    "restarts_asked", "removed_at",
)  # fmt: skip
_COLUMNS = ", ".join(_INTENT + _FACTS)
_RECORD = (
    f"UPDATE daemons SET {', '.join(f'{name}=?' for name in _FACTS)}"
    " WHERE id=? AND generation<=? RETURNING id"
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is asked of one daemon, as the supervisor looks for it in every transaction."""

    id: DaemonId
    edits: int
    """Grows with each change of the definition."""
    wanted: Wanted
    starts_asked: int
    restarts_asked: int
    removed: bool


class Daemons:
    """The tables of daemons. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    # --- read ---

    def get(self, name: str) -> Daemon | None:
        """The daemon of that name; None also for one that is being removed."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM daemons WHERE name=? AND removed_at IS NULL", (name,)
        )
        return None if row is None else _daemon(row)

    def all(self) -> list[Daemon]:
        """Every declared daemon, by name."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM daemons WHERE removed_at IS NULL ORDER BY name")
        return [_daemon(row) for row in rows]

    def names(self) -> list[str]:
        """The names of all declared daemons, in order."""
        return [
            row[0]
            for row in self._database.rows("SELECT name FROM daemons WHERE removed_at IS NULL ORDER BY name")
        ]

    def exits(self, daemon_id: DaemonId, limit: int = KEPT_EXITS) -> list[DaemonExit]:
        """How its latest generations ended, the newest first."""
        rows = self._database.rows(
            "SELECT generation, pid, started_at, ended_at, exit_code, signal, reason, error FROM daemon_exits"
            " WHERE daemon_id=? ORDER BY generation DESC LIMIT ?",
            (daemon_id, limit),
        )
        return [DaemonExit(*row) for row in rows]

    def job_count(self, name: str) -> int:
        """How many jobs it has submitted, of those that are kept."""
        return int(
            self._database.value(
                f"SELECT count(*) FROM jobs WHERE submitted_by=? AND {IS_BY_DAEMON}", (f"daemon:{name}",)
            )
        )

    # --- intent: for actions ---

    def add(self, definition: DaemonDefinition, source: DaemonSource, now: int) -> None:
        """It is declared, and wanted down. The row of a removed one of that name that still runs is its own now."""
        self._database.rows(
            "INSERT INTO daemons(name, definition, source, created_at, updated_at) VALUES(?,?,?,?,?)"
            " ON CONFLICT(name) DO UPDATE SET definition=excluded.definition, source=excluded.source,"
            " created_at=excluded.created_at, updated_at=excluded.updated_at, removed_at=NULL,"
            " edits=edits+1, revision=revision+1, restarts=0 WHERE removed_at IS NOT NULL",
            (definition.name, definition_text(definition), source.value, now, now),
        )
        self._events.add(
            now, EventKind.DAEMON_ADDED, Entity.DAEMON, definition.name, {"source": source.value}
        )

    def edit(self, definition: DaemonDefinition, source: DaemonSource, now: int) -> None:
        """The daemon of that name is declared so; what runs was started by an older launch if that changed."""
        before = self.get(definition.name)
        launch = before is None or not definition.launches_like(before.definition)
        self._database.rows(
            "UPDATE daemons SET definition=?, source=?, updated_at=?, edits=edits+1, revision=revision+?"
            " WHERE name=? AND removed_at IS NULL",
            (definition_text(definition), source.value, now, int(launch), definition.name),
        )
        data = {"source": source.value, "restart_pending": launch}
        self._events.add(now, EventKind.DAEMON_EDITED, Entity.DAEMON, definition.name, data)

    def ask_start(self, name: str, now: int) -> None:
        """It is wanted up, with a fresh count of failures."""
        self._database.rows(
            "UPDATE daemons SET wanted='up', starts_asked=starts_asked+1 WHERE name=? AND removed_at IS NULL",
            (name,),
        )
        self._events.add(now, EventKind.DAEMON_START_REQUESTED, Entity.DAEMON, name)

    def ask_stop(self, name: str, now: int) -> None:
        """It is wanted down."""
        self._database.rows("UPDATE daemons SET wanted='down' WHERE name=? AND removed_at IS NULL", (name,))
        self._events.add(now, EventKind.DAEMON_STOP_REQUESTED, Entity.DAEMON, name)

    def ask_restart(self, name: str, now: int) -> None:
        """It is wanted up, by a generation that starts after this instant."""
        self._database.rows(
            "UPDATE daemons SET wanted='up', restarts_asked=restarts_asked+1"
            " WHERE name=? AND removed_at IS NULL",
            (name,),
        )
        self._events.add(now, EventKind.DAEMON_RESTART_REQUESTED, Entity.DAEMON, name)

    def remove(self, name: str, now: int) -> None:
        """It is declared no more; the supervisor stops it and clears away what is left."""
        self._database.rows(
            "UPDATE daemons SET wanted='down', removed_at=? WHERE name=? AND removed_at IS NULL", (now, name)
        )
        self._events.add(now, EventKind.DAEMON_REMOVED, Entity.DAEMON, name)

    # --- facts: for the supervisor ---

    def intents(self) -> list[Intent]:
        """What is asked of every daemon, removed ones too."""
        rows = self._database.rows(
            "SELECT id, edits, wanted, starts_asked, restarts_asked, removed_at IS NOT NULL FROM daemons"
        )
        return [
            Intent(DaemonId(row[0]), row[1], Wanted(row[2]), row[3], row[4], bool(row[5])) for row in rows
        ]

    def by_id(self, daemon_id: DaemonId) -> Daemon | None:
        """The daemon, one that is being removed too."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM daemons WHERE id=?", (daemon_id,))
        return None if row is None else _daemon(row)

    def autostart(self, read: Daemon, wanted: Wanted, cursor: int) -> None:
        """The rule of autostart says this of what is wanted, unless somebody asked for anything since.

        Args:
            read: the daemon as it was when the rule was asked.
            wanted: what it said.
            cursor: the newest event then; a stop of what was not wanted leaves no other trace.
        """
        self._database.rows(
            "UPDATE daemons SET wanted=? WHERE id=? AND removed_at IS NULL"
            " AND wanted=? AND starts_asked=? AND restarts_asked=? AND NOT EXISTS(SELECT 1 FROM events"
            " WHERE entity=? AND entity_id=daemons.name AND events.id>? AND kind=?)",
            (
                wanted.value, read.id, read.wanted.value, read.starts_asked, read.restarts_asked,
                Entity.DAEMON.value, cursor, EventKind.DAEMON_STOP_REQUESTED.value,
            ),
        )  # fmt: skip

    def record(self, daemon: Daemon) -> bool:
        """The facts of ``daemon`` are on record; False, and nothing is, if a newer generation's are."""
        values = [_plain(getattr(daemon, name)) for name in _FACTS]
        return self._database.row(_RECORD, [*values, daemon.id, daemon.generation]) is not None

    def record_exit(self, daemon_id: DaemonId, ended: DaemonExit) -> None:
        """The end of a generation is remembered; the oldest beyond ``KEPT_EXITS`` are not."""
        self._database.rows(
            "INSERT OR IGNORE INTO daemon_exits(daemon_id, generation, pid, started_at, ended_at, exit_code,"
            " signal, reason, error) VALUES(?,?,?,?,?,?,?,?,?)",
            (
                daemon_id, ended.generation, ended.pid, ended.started_at, ended.ended_at, ended.exit_code,
                ended.signal, ended.reason, ended.error,
            ),
        )  # fmt: skip
        self._database.rows(
            "DELETE FROM daemon_exits WHERE daemon_id=? AND generation<=?",
            (daemon_id, ended.generation - KEPT_EXITS),
        )

    def note(self, name: str, kind: EventKind, data: Mapping[str, object], now: int) -> None:
        """One event about it is part of the open transaction."""
        self._events.add(now, kind, Entity.DAEMON, name, data)

    def delete(self, daemon_id: DaemonId) -> bool:
        """A removed daemon is gone; False if it was declared anew meanwhile."""
        return (
            self._database.row(
                "DELETE FROM daemons WHERE id=? AND removed_at IS NOT NULL RETURNING id", (daemon_id,)
            )
            is not None
        )


_DEFAULT = DaemonDefinition("")


def definition_text(definition: DaemonDefinition) -> str:
    """The JSON of a definition; what equals the default is left out."""
    found: dict[str, Any] = {}
    for field in fields(DaemonDefinition):
        value = getattr(definition, field.name)
        if value == getattr(_DEFAULT, field.name):
            continue
        if isinstance(value, Readiness):
            value = [value.kind.value, value.text]
        elif isinstance(value, Call):
            value = value.document()
        elif isinstance(value, Mapping):
            value = dict(value)
        found[field.name] = value
    return json.dumps(found, separators=(",", ":"))


def definition_of(text: str) -> DaemonDefinition:
    """The definition that ``definition_text`` wrote."""
    found = json.loads(text)
    for name in ("command", "depends_on", "success_codes"):
        if name in found:
            found[name] = tuple(found[name])
    if "call" in found:
        found["call"] = call_of(found["call"])
    if "autostart" in found:
        found["autostart"] = Autostart(found["autostart"])
    if "restart" in found:
        found["restart"] = Restart(found["restart"])
    if "ready" in found:
        kind, expression = found["ready"]
        found["ready"] = Readiness(ReadyKind(kind), expression)
    return DaemonDefinition(**found)


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return value.value if isinstance(value, DaemonState | Health) else value


def _daemon(row: Sequence[Any]) -> Daemon:
    found: dict[str, Any] = dict(zip(_INTENT + _FACTS, row, strict=True))
    found["definition"] = definition_of(found["definition"])
    found["source"] = DaemonSource(found["source"])
    found["wanted"] = Wanted(found["wanted"])
    found["vouched"] = bool(found["vouched"])
    found["state"] = DaemonState(found["state"])
    found["generation"] = Generation(found["generation"])
    if found["health"] is not None:
        found["health"] = Health(found["health"])
    return Daemon(**found)
