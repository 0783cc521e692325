"""Queues: named lanes with a concurrency of their own."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_QUEUE = "default"
DEFAULT_CONCURRENCY = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in ``seconds``: a token bucket of that size, filled evenly."""

    count: int
    seconds: float

    def tokens_at(self, tokens: float, elapsed_seconds: float) -> float:
        """What the bucket holds after that long; never more than its size."""
        return min(float(self.count), tokens + max(0.0, elapsed_seconds) * self.count / self.seconds)

    def seconds_until_one(self, tokens: float) -> float:
        """How long until one more may start."""
        return max(0.0, (1.0 - tokens) * self.seconds / self.count)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and, where read for a view, its live counts."""

    name: str
    concurrency: int
    paused: bool
    draining: bool = False
    """Whether it takes no new jobs."""
    rate: Rate | None = None
    tokens: float = 0.0
    tokens_at: int | None = None
    """Milliseconds UTC of the last change of ``tokens``; None: the bucket is full."""
    running: int = 0
    queued: int = 0
    created: int = 0

    def free_slots(self, running: int) -> int:
        """How many more attempts may start while ``running`` run."""
        return 0 if self.paused else max(0, self.concurrency - running)

    def starts_allowed(self, now: int) -> float:
        """How many starts its rate allows now, fractions too; infinite without a rate."""
        if self.rate is None:
            return float("inf")
        if self.tokens_at is None:
            return float(self.rate.count)
        return self.rate.tokens_at(self.tokens, (now - self.tokens_at) / 1000)
