"""Queues: named lanes with a concurrency of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobctl.errors import BadInputError
from jobctl.model.durations import LONGEST_SECONDS, parse_duration

DEFAULT_QUEUE = "default"
DEFAULT_CONCURRENCY = 5
MOST_STARTS = 1_000_000

_RATE = r"([1-9][0-9]{0,6})/([0-9][0-9a-z.]*|[a-z]+)"
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_OTHER_UNITS = {
    "sec": "s", "second": "s", "m": "min", "minute": "min", "hour": "h", "day": "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in ``seconds``: a token bucket of that size, filled evenly."""

    count: int
    seconds: float

    def __str__(self) -> str:
        """As it is written: ``10/min``, ``3/90s``."""
        for unit, seconds in _UNITS.items():
            if seconds == self.seconds:
                return f"{self.count}/{unit}"
        return (
            f"{self.count}/{self.seconds:g}s" if self.seconds < 1e6 else f"{self.count}/{self.seconds:.0f}s"
        )

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


def parse_rate(text: str, what: str = "rate") -> Rate | None:
    """The rate that ``10/min``, ``2/s`` or ``3/90s`` writes; None for ``none``.

    Raises:
        BadInputError: ``E_RATE``.
    """
    if text == "none":
        return None
    match = re.fullmatch(_RATE, text)
    if match is None or int(match[1]) > MOST_STARTS:
        raise _bad_rate(text, what)
    unit = _OTHER_UNITS.get(match[2], match[2])
    if unit in _UNITS:
        return Rate(int(match[1]), _UNITS[unit])
    if not match[2][0].isdigit():
        raise _bad_rate(text, what)
    try:
        return Rate(int(match[1]), parse_duration(match[2], maximum_seconds=LONGEST_SECONDS))
    except BadInputError:
        raise _bad_rate(text, what) from None


def _bad_rate(text: str, what: str) -> BadInputError:
    hint = f"examples: 10/min, 2/s, 3/90s (at most {MOST_STARTS:,} starts), none"
    return BadInputError(f"bad {what}", text, hint, "E_RATE")
