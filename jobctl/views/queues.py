"""Queues as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.model.queues import Queue
from jobctl.views.jobs import aligned
from jobctl.views.text import printable

HEADER = ("NAME", "STATE", "SLOTS", "RUNNING", "QUEUED", "CREATED")


def queue_json(queue: Queue) -> dict[str, object]:
    """The queue with exactly the keys of CLI.md, in their order."""
    return {
        "name": queue.name,
        "concurrency": queue.concurrency,
        "running": queue.running,
        "queued": queue.queued,
        "created": queue.created,
        "paused": queue.paused,
        "rate": None,
    }


def queues_plain(queues: Sequence[Queue]) -> str:
    """Aligned columns under a header, one queue a line."""
    return aligned([HEADER, *map(_row, queues)])


def _row(queue: Queue) -> tuple[str, ...]:
    state = "paused" if queue.paused else "open"
    counts = (queue.concurrency, queue.running, queue.queued, queue.created)
    return (printable(queue.name), state, *map(str, counts))
