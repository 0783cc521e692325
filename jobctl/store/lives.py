"""Lives as rows. Whether one is alive, its lock file tells, never a row."""

from __future__ import annotations

from typing import Any

from jobctl.model.events import Entity, EventKind
from jobctl.model.lives import Life, LifeKind, StopMode
from jobctl.model.states import LifeId
from jobctl.store.database import Database, translated
from jobctl.store.events import Events
from jobctl.store.tables import LifeTable

_COLUMNS = "id, kind, pid, version, started_at, ended_at, stop_requested, draining"


class Lives:
    """The lives table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def begin(self, kind: LifeKind, pid: int, version: str, now: int) -> LifeId:
        """A new life is on record; ids are never reused."""
        row = self._database.row(
            "INSERT INTO lives(kind, pid, version, started_at) VALUES(?,?,?,?) RETURNING id",
            (kind.value, pid, version, now),
        )
        if row is None:
            raise AssertionError("an INSERT with RETURNING gave no row")
        if kind is LifeKind.UP:
            self._events.add(now, EventKind.SUPERVISOR_STARTED, Entity.SUPERVISOR, row[0], {"pid": pid})
        return LifeId(row[0])

    def get(self, life_id: LifeId) -> Life | None:
        """The life with this id."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM lives WHERE id=?", (life_id,))
        return None if row is None else _life(row)

    def unended(self) -> list[Life]:
        """Lives that have not said goodbye: the living and the dead."""
        return [
            _life(row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM lives WHERE ended_at IS NULL")
        ]

    def end(self, life_id: LifeId, reason: str, now: int) -> None:
        """The life is over and nothing is reserved for it any more."""
        change = LifeTable.update(ended_at=now, end_reason=reason)
        with translated(self._database.path):
            change.where((LifeTable.id == life_id) & LifeTable.ended_at.is_null()).execute(
                self._database.peewee
            )
        self._database.rows(
            "UPDATE jobs SET reserved=0, life_id=CASE state WHEN 'running' THEN life_id END"
            " WHERE reserved=1 AND life_id=?",
            (life_id,),
        )
        if self._database.value("SELECT kind='up' FROM lives WHERE id=?", (life_id,)):
            kind = EventKind.SUPERVISOR_LOST if reason == "lost" else EventKind.SUPERVISOR_STOPPED
            self._events.add(now, kind, Entity.SUPERVISOR, life_id, {"reason": reason})

    def request_stop(self, life_id: LifeId, mode: StopMode) -> None:
        """The supervisor will end in this way."""
        with translated(self._database.path):
            LifeTable.update(stop_requested=mode.value).where(LifeTable.id == life_id).execute(
                self._database.peewee
            )

    def stop_requested(self, life_id: LifeId) -> StopMode | None:
        """How the life was asked to end, if it was."""
        found = self._database.value("SELECT stop_requested FROM lives WHERE id=?", (life_id,))
        return None if found is None else StopMode(found)

    def set_stopping_jobs(self, life_id: LifeId) -> None:
        """The supervisor is ending its jobs, which go back to their queues."""
        self._database.rows("UPDATE lives SET stops_jobs=1 WHERE id=?", (life_id,))

    def was_stopping_jobs(self, life_id: LifeId) -> bool:
        """Whether the life was ending its jobs when it was last heard of."""
        return bool(self._database.value("SELECT stops_jobs FROM lives WHERE id=?", (life_id,)))

    def set_draining(self, life_id: LifeId, now: int) -> None:
        """The supervisor claims nothing more."""
        self._database.rows("UPDATE lives SET draining=1 WHERE id=?", (life_id,))
        self._events.add(now, EventKind.SUPERVISOR_DRAINING, Entity.SUPERVISOR, life_id)


def _life(row: tuple[Any, ...]) -> Life:
    number, kind, pid, version, started_at, ended_at, stop, draining = row
    return Life(
        LifeId(number), LifeKind(kind), pid, version, started_at, ended_at,
        None if stop is None else StopMode(stop), bool(draining),
    )  # fmt: skip
