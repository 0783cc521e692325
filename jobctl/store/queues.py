"""Queues as rows, with their live counts."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobctl.model.events import Entity, EventKind
from jobctl.model.queues import Queue, Rate
from jobctl.store.database import Database, translated
from jobctl.store.events import Events
from jobctl.store.tables import QueueTable

_COLUMNS = (
    "q.name, q.concurrency, q.paused_at IS NOT NULL, q.draining, q.rate_count, q.rate_seconds,"
    " q.tokens, q.tokens_at"
)


_RUNNING = (
    "SELECT queue, count(*)-count(worker_id)+count(DISTINCT worker_id) FROM jobs"
    " WHERE state='running' AND life_id IS NOT NULL GROUP BY queue"
)


class Queues:
    """The queues table. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def limits(self) -> builtins.list[Queue]:
        """Every queue without its counts, by name: what a dispatcher needs."""
        return [
            _queue(row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM queues q ORDER BY q.name")
        ]

    def spend_tokens(self, name: str, tokens: float, now: int) -> None:
        """The bucket of the queue's rate holds this much since ``now``."""
        self._database.rows("UPDATE queues SET tokens=?, tokens_at=? WHERE name=?", (tokens, now, name))

    def resources(self) -> dict[str, int]:
        """How much there is of each named resource."""
        return dict(self._database.rows("SELECT name, total FROM resources ORDER BY name"))

    def set_resources(self, totals: Mapping[str, int]) -> None:
        """There is this much of each resource, and no other."""
        self._database.rows("DELETE FROM resources")
        self._database.many("INSERT INTO resources(name, total) VALUES(?,?)", sorted(totals.items()))

    def running(self) -> dict[str, int]:
        """How many slots are taken in each queue that has any, whoever took them.

        A batch takes none; a worker takes one, however many jobs it has in hand.
        """
        return dict(self._database.rows(_RUNNING))

    def list(self) -> builtins.list[Queue]:
        """Every queue with its counts, ``default`` first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS},"
            " (SELECT count(*)-count(j.worker_id)+count(DISTINCT j.worker_id) FROM jobs j"
            " WHERE j.state='running' AND j.queue=q.name AND j.life_id IS NOT NULL),"
            " (SELECT count(*) FROM jobs j WHERE j.state='queued' AND j.queue=q.name) FROM queues q"
            " ORDER BY q.name<>'default', q.name"
        )
        created: dict[str, int] = dict(
            self._database.rows(
                "SELECT queue, count(*) FROM jobs INDEXED BY jobs_waiting WHERE state='created' GROUP BY queue"
            )
        )
        return [
            replace(_queue(row), running=row[8], queued=row[9], created=created.get(row[0], 0))
            for row in rows
        ]

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

    def set_rate(self, name: str, rate: Rate | None, now: int) -> None:
        """At most this many starts in a time, with a full bucket now; None: as many as there are slots."""
        change = QueueTable.update(
            rate_count=None if rate is None else rate.count,
            rate_seconds=None if rate is None else rate.seconds,
            tokens=None, tokens_at=None,
        ).where(QueueTable.name == name)  # fmt: skip
        with translated(self._database.path):
            change.execute(self._database.peewee)
        data = None if rate is None else {"count": rate.count, "seconds": rate.seconds}
        self._events.add(now, EventKind.QUEUE_CHANGED, Entity.QUEUE, name, {"rate": data})

    def set_draining(self, name: str, draining: bool, now: int) -> None:
        """A draining queue takes no new jobs; those it has go on."""
        change = QueueTable.update(draining=int(draining)).where(QueueTable.name == name)
        with translated(self._database.path):
            change.execute(self._database.peewee)
        if draining:
            self._events.add(now, EventKind.QUEUE_DRAINING, Entity.QUEUE, name)

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


def _queue(row: tuple[Any, ...]) -> Queue:
    name, concurrency, paused, draining, count, seconds, tokens, tokens_at = row[:8]
    return Queue(
        name, concurrency, bool(paused), draining=bool(draining),
        rate=None if count is None else Rate(count, seconds), tokens=tokens or 0.0, tokens_at=tokens_at,
    )  # fmt: skip
