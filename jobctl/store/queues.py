"""Queues as rows, with their live counts."""

from __future__ import annotations

import builtins

from jobctl.model.events import Entity, EventKind
from jobctl.model.queues import Queue
from jobctl.store.database import Database, translated
from jobctl.store.events import Events
from jobctl.store.tables import QueueTable


class Queues:
    """The queues table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def limits(self) -> builtins.list[Queue]:
        """Every queue without its counts, by name: what a dispatcher needs."""
        rows = self._database.rows(
            "SELECT name, concurrency, paused_at IS NOT NULL FROM queues ORDER BY name"
        )
        return [Queue(name, concurrency, bool(paused)) for name, concurrency, paused in rows]

    def running(self) -> dict[str, int]:
        """How many jobs run in each queue that has any, whoever runs them."""
        return dict(
            self._database.rows("SELECT queue, count(*) FROM jobs WHERE state='running' GROUP BY queue")
        )

    def list(self) -> builtins.list[Queue]:
        """Every queue with its counts, ``default`` first."""
        rows = self._database.rows(
            "SELECT q.name, q.concurrency, q.paused_at IS NOT NULL,"
            " (SELECT count(*) FROM jobs j WHERE j.state='running' AND j.queue=q.name),"
            " (SELECT count(*) FROM jobs j WHERE j.state='queued' AND j.queue=q.name) FROM queues q"
            " ORDER BY q.name<>'default', q.name"
        )
        created: dict[str, int] = dict(
            self._database.rows(
                "SELECT queue, count(*) FROM jobs INDEXED BY jobs_waiting WHERE state='created' GROUP BY queue"
            )
        )
        return [Queue(row[0], row[1], bool(row[2]), row[3], row[4], created.get(row[0], 0)) for row in rows]

    def exists(self, name: str) -> bool:
        """Whether a queue has this name."""
        return self._database.row("SELECT 1 FROM queues WHERE name=?", (name,)) is not None

    def names(self) -> builtins.list[str]:
        """All queue names."""
        return [row[0] for row in self._database.rows("SELECT name FROM queues ORDER BY name")]

    def add(self, name: str, concurrency: int, now: int) -> None:
        """A new queue exists."""
        with translated(self._database.path):
            QueueTable.insert(name=name, concurrency=concurrency, created_at=now).execute(
                self._database.peewee
            )
        self._events.add(now, EventKind.QUEUE_ADDED, Entity.QUEUE, name, {"concurrency": concurrency})

    def set_concurrency(self, name: str, concurrency: int, now: int) -> None:
        """The queue has this many slots from the next claim on."""
        change = QueueTable.update(concurrency=concurrency).where(QueueTable.name == name)
        with translated(self._database.path):
            change.execute(self._database.peewee)
        self._events.add(now, EventKind.QUEUE_CHANGED, Entity.QUEUE, name, {"concurrency": concurrency})

    def set_paused(self, name: str, paused: bool, now: int) -> None:
        """Nothing more is claimed from a paused queue; what runs goes on."""
        change = QueueTable.update(paused_at=now if paused else None).where(QueueTable.name == name)
        with translated(self._database.path):
            change.execute(self._database.peewee)
        self._events.add(
            now, EventKind.QUEUE_PAUSED if paused else EventKind.QUEUE_RESUMED, Entity.QUEUE, name
        )

    def jobs(self, name: str) -> int:
        """How many jobs, ended ones too, belong to the queue (at most 1,000 are counted)."""
        return int(
            self._database.value(
                "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue=? LIMIT 1000)", (name,)
            )
        )

    def remove(self, name: str, now: int) -> None:
        """The queue is gone; it had no jobs."""
        with translated(self._database.path):
            QueueTable.delete().where(QueueTable.name == name).execute(self._database.peewee)
        self._events.add(now, EventKind.QUEUE_REMOVED, Entity.QUEUE, name)
