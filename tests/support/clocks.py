"""A clock that moves when the test says so."""

from __future__ import annotations

START_MS = 1_700_000_000_000


class ManualClock:
    """Wall and monotonic time that only ``advance`` moves."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._monotonic = 1000.0

    def now_ms(self) -> int:
        """The present instant in milliseconds UTC."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds since some instant."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """``seconds`` have passed on both clocks."""
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """The wall was set by ``seconds``, forward or back, or the machine slept: no monotonic time has passed."""
        self._now_ms += round(seconds * 1000)
