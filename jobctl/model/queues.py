"""Queues: named lanes with a concurrency of their own."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_QUEUE = "default"
DEFAULT_CONCURRENCY = 5


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and, where read for a view, its live counts."""

    name: str
    concurrency: int
    paused: bool
    running: int = 0
    queued: int = 0
    created: int = 0

    def free_slots(self, running: int) -> int:
        """How many more attempts may start while ``running`` run."""
        return 0 if self.paused else max(0, self.concurrency - running)
