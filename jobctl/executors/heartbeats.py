"""``$JOBCTL_HEARTBEAT``: a file whose last touch is the heartbeat of a daemon that cannot speak sd_notify."""

from __future__ import annotations

import os

from jobctl.clock import Clock, Milliseconds


class HeartbeatFile:
    """When the file was touched last; one stat a look (1 µs).

    The file need not exist, and may be a daemon's own: replaced, a FIFO, a link to nowhere. It is never opened.
    """

    __slots__ = ("_clock", "_path")

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def touched_at(self) -> Milliseconds | None:
        """The last touch, and never later than now: ``touch -d tomorrow`` holds no watchdog off. None without one.

        File systems keep the kernel's coarse clock, so it may be up to 10 ms early.
        """
        try:
            touched = os.stat(self._path).st_mtime_ns // 1_000_000
        except OSError:
            return None
        return min(touched, self._clock.now_ms())

    def stamp(self) -> int | None:
        """What differs after every touch; None without a file."""
        try:
            return os.stat(self._path).st_mtime_ns
        except OSError:
            return None

    def forget(self) -> None:
        """The heartbeat of an earlier generation is gone; a later touch makes the file anew."""
        try:
            os.unlink(self._path)
        except OSError:
            return
