"""Instants and lengths of time as views show them; everything in from milliseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from jobctl.model.durations import format_duration


def instant_json(instant: int | None) -> str | None:
    """RFC 3339 with milliseconds and ``Z``: ``2026-11-22T03:00:00.123Z``; the text of ``format_instant``."""
    if instant is None:
        return None
    seconds, milliseconds = divmod(instant, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # 10,000 jobs have 50,000 instants, most of them in the same few seconds.
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def seconds_between(start: int | None, end: int | None) -> float | None:
    """Seconds from ``start`` to ``end``; None when one is unknown; 0 when a clock was set back."""
    if start is None or end is None:
        return None
    return max(0, end - start) / 1000


def ago(instant: int | None, now_ms: int) -> str:
    """``3m ago``, ``in 2h``, ``now``; empty for None."""
    if instant is None:
        return ""
    distance = now_ms - instant
    if abs(distance) < 1000:
        return "now"
    text = format_duration(int(abs(distance) / 1000)).split()[0]
    return f"{text} ago" if distance > 0 else f"in {text}"


def exact(instant: int | None, now_ms: int) -> str:
    """``2026-11-22 03:00:00 +0100 (5m ago)``; empty for None."""
    return "" if instant is None else f"{wall(instant)} ({ago(instant, now_ms)})"


def length(seconds: float | None) -> str:
    """A duration for people; empty for None."""
    return "" if seconds is None else format_duration(seconds)


def wall(instant: int | None) -> str:
    """Date and time on the wall of this machine, with its offset: ``2026-11-22 03:00:00 +0100``."""
    if instant is None:
        return ""
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
