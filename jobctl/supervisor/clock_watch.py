"""Compares the wall clock with the monotonic one: a clock that was set, or a machine that slept, is noticed."""

from __future__ import annotations

from jobctl.clock import Clock

JUMP_MS = 5000
"""The two apart by more, from one look to the next, is a jump."""


class ClockWatch:
    """The clocks of one supervisor."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._monotonic = clock.now_ms(), clock.monotonic()
        self.started_at = self._wall
        self.awake_since = self._wall
        """Since when nothing has passed unnoticed. Forward: what passed is missed. Backward: watched from here on."""
        self.jumps: list[int] = []
        """Milliseconds of each jump that is not on record yet."""

    def look(self) -> bool:
        """Whether the wall clock has jumped since the last look."""
        wall, monotonic = self._clock.now_ms(), self._clock.monotonic()
        jump = (wall - self._wall) - round((monotonic - self._monotonic) * 1000)
        self._wall, self._monotonic = wall, monotonic
        if abs(jump) <= JUMP_MS:
            return False
        self.jumps.append(jump)
        self.awake_since = wall
        return True
