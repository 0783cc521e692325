"""Queues as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.model.queues import Queue
from jobctl.views.jobs import aligned
from jobctl.views.text import printable

HEADER = ("NAME", "STATE", "SLOTS", "RATE", "RUNNING", "QUEUED", "CREATED")


def queue_json(queue: Queue) -> dict[str, object]:
    """The queue with the keys of CLI.md, in their order, and ``draining``."""
    return {
        "name": queue.name,
        "concurrency": queue.concurrency,
        "running": queue.running,
        "queued": queue.queued,
        "created": queue.created,
        "paused": queue.paused,
        "rate": None if queue.rate is None else str(queue.rate),
        "draining": queue.draining,
    }


def queues_plain(queues: Sequence[Queue]) -> str:
    """Aligned columns under a header, one queue a line."""
    return aligned([HEADER, *map(_row, queues)])


def _row(queue: Queue) -> tuple[str, ...]:
    rate = "-" if queue.rate is None else str(queue.rate)
    counts = (queue.running, queue.queued, queue.created)
    return (printable(queue.name), queue_state(queue), str(queue.concurrency), rate, *map(str, counts))


def queue_state(queue: Queue) -> str:
    """``open``, ``paused``, ``draining`` or both."""
    words = [word for word, holds in (("paused", queue.paused), ("draining", queue.draining)) if holds]
    return ",".join(words) or "open"
