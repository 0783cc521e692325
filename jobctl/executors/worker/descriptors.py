"""The worker's own descriptors: far above those of jobs, closed in all that it starts."""

from __future__ import annotations

import fcntl
import os

_LOWEST = 200
MENDED = 400
"""Above the first ones: a number that a job has closed must stay closed, so that it is noticed."""


def lifted(fd: int, *, close: bool = False, lowest: int = _LOWEST) -> int:
    """A descriptor for the same open file, so high that no ``open`` gets it by chance when a job has closed it.

    Args:
        fd: which; it stays open unless ``close``.
        close: only the new one is left.
        lowest: its number, at least.
    """
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError:  # a low limit of descriptors
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    if close:
        os.close(fd)
    return high


class Descriptors:
    """What the worker was started with."""

    __slots__ = ("journal", "lock", "pipe", "wake")

    def __init__(self, pipe: int, journal: int, lock: int, wake: int) -> None:
        self.pipe, self.journal, self.lock = (lifted(fd, close=True) for fd in (pipe, journal, lock))
        self.wake = lifted(wake, close=True) if wake >= 0 else -1
        """The FIFO of the life, or -1."""

    def close(self) -> None:
        """None is open here: a child that was forked off must not hold the lock, nor the journal."""
        for fd in (self.pipe, self.journal, self.lock, self.wake):
            if fd >= 0:
                try:
                    os.close(fd)
                except OSError:
                    continue
