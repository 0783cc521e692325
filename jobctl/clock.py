"""The only reader of time. Everything else takes a ``Clock``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

Milliseconds = int
"""Milliseconds since 1970-01-01 UTC, as the store keeps instants."""


class Clock(Protocol):
    """Wall time for records, monotonic time for waiting."""

    def now_ms(self) -> Milliseconds:
        """The present instant in milliseconds UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences mean something."""


class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> Milliseconds:
        """The present instant in milliseconds UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()


def to_datetime(instant: Milliseconds) -> datetime:
    """The aware UTC ``datetime`` of a stored instant."""
    return datetime.fromtimestamp(instant / 1000, tz=UTC)


def to_ms(instant: datetime) -> Milliseconds:
    """The stored form of an aware ``datetime``."""
    return round(instant.timestamp() * 1000)
