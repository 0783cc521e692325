"""Queues: named lanes with a concurrency of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from jobctl.actions import queues as actions
from jobctl.actions.submissions import unknown_queue
from jobctl.api.connections import Connections
from jobctl.api.options import number_text
from jobctl.errors import BadInputError
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE, parse_rate
from jobctl.model.queues import Queue as QueueRecord
from jobctl.store import Store
from jobctl.views.queues import queue_json


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it stood when it was read, with its live counts."""

    name: str
    concurrency: int
    running: int
    queued: int
    created: int
    paused: bool
    draining: bool
    """Whether it takes no new jobs."""
    rate: str | None
    """``10/min``: at most so many starts in a time."""
    record: QueueRecord = field(repr=False, compare=False)

    def as_json(self) -> dict[str, object]:
        """As in ``queue list --json``."""
        return queue_json(self.record)


def _queue(record: QueueRecord) -> Queue:
    rate = None if record.rate is None else str(record.rate)
    counts = (record.running, record.queued, record.created)
    return Queue(record.name, record.concurrency, *counts, record.paused, record.draining, rate, record)


class QueueVerbs:
    """``client.queues``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def list(self) -> list[Queue]:
        """Every queue with its live counts; ``default`` always exists."""
        store = self._connections.existing()
        if store is None:
            return [_queue(QueueRecord(DEFAULT_QUEUE, DEFAULT_CONCURRENCY, paused=False))]
        return [_queue(record) for record in store.queues.list()]

    def get(self, name: str) -> Queue:
        """The queue of that name.

        Raises:
            NotFoundError: there is none.
        """
        found = {queue.name: queue for queue in self.list()}
        if name not in found:
            raise unknown_queue(name, found)
        return found[name]

    def add(self, name: str, *, concurrency: int = DEFAULT_CONCURRENCY, rate: str | None = None) -> Queue:
        """The queue exists; returns it.

        Args:
            name: of the new queue.
            concurrency: how many of its jobs may run at once.
            rate: at most so many starts in a time: ``10/min``.

        Raises:
            BadInputError: it cannot be so.
            StateConflictError: it existed already.
        """
        slots = actions.parse_concurrency(number_text(concurrency) or "")
        limit = None if rate is None else parse_rate(rate)
        store = self._connections.store(create=True)
        actions.add_queue(store, name, slots, self._connections.clock, limit)
        return self.get(name)

    def set(self, name: str, *, concurrency: int | None = None, rate: str | None = None) -> Queue:
        """The queue is changed; ``rate="none"`` takes its limit away.

        Raises:
            BadInputError: nothing to change, or it cannot be so.
            NotFoundError: there is no such queue.
        """
        if concurrency is None and rate is None:
            raise BadInputError("nothing to change", hint="give concurrency or rate", code="E_USAGE")
        limit = None if rate is None else parse_rate(rate)
        actions.set_queue(
            self._store_with(name),
            name,
            self._connections.clock,
            concurrency=None
            if concurrency is None
            else actions.parse_concurrency(number_text(concurrency) or ""),
            rate=limit,
            unlimited=rate is not None and limit is None,
        )
        return self.get(name)

    def pause(self, name: str) -> Queue:
        """Nothing more starts from it; what runs goes on."""
        actions.set_paused(self._store_with(name), name, True, self._connections.clock)
        return self.get(name)

    def resume(self, name: str) -> Queue:
        """It starts jobs and takes new ones again."""
        actions.resume_queue(self._store_with(name), name, self._connections.clock)
        return self.get(name)

    def drain(self, name: str) -> Queue:
        """It takes no new jobs; those it has go on."""
        actions.drain_queue(self._store_with(name), name, self._connections.clock)
        return self.get(name)

    def remove(self, name: str) -> None:
        """It is gone.

        Raises:
            NotFoundError: there is no such queue.
            StateConflictError: it is ``default``, or jobs belong to it, ended ones included.
        """
        actions.remove_queue(self._store_with(name), name, self._connections.clock)

    def _store_with(self, name: str) -> Store:
        """The store; a new one only for the queue that every store has."""
        if name != DEFAULT_QUEUE and not os.path.exists(self._connections.home.store):
            raise unknown_queue(name, [DEFAULT_QUEUE])
        return self._connections.store(create=True)
