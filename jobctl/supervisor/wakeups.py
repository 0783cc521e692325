"""What ends the loop's sleep: a child's end, a signal, the wake FIFO, an adopted process's end, or time."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Iterable
from types import FrameType

MAX_PIDFDS = 64
"""Adopted processes watched by pidfd; the rest are polled (bounded descriptors)."""


class Wakeups:
    """A selector over everything that may happen. Made in the main thread; ``close`` restores its signals."""

    def __init__(self, wake: int, *, stop_signals: Iterable[signal.Signals]) -> None:
        self.stops = 0
        """How many stop signals arrived."""
        self.last_stop = 0
        """The newest stop signal."""
        self.hangups = 0
        """How many SIGHUPs arrived, unless SIGHUP is a stop signal."""
        self._stop_signals = frozenset(stop_signals)
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake, selectors.EVENT_READ)
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._pidfds: dict[int, int] = {}
        self._ended: set[int] = set()
        self._previous_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        watched = {signal.SIGCHLD, signal.SIGHUP} | self._stop_signals
        # Functions, not SIG_IGN: ignored signals would survive exec in the jobs.
        self._previous = {number: signal.signal(number, self._note) for number in watched}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number in self._stop_signals:
            self.stops += 1
            self.last_stop = number
        elif number == signal.SIGHUP:
            self.hangups += 1

    def wait(self, seconds: float) -> None:
        """Something happened, or ``seconds`` passed."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if key.fd == self._read:
                with contextlib.suppress(BlockingIOError):
                    while os.read(self._read, 4096):
                        pass
            elif isinstance(key.data, int):
                self._ended.add(key.data)
                self.forget_process(key.data)  # it stays readable: select would never sleep again

    def watch_process(self, pid: int) -> bool:
        """The end of a process that is no child wakes the loop; False when it can only be polled."""
        if pid in self._pidfds or len(self._pidfds) >= MAX_PIDFDS or not hasattr(os, "pidfd_open"):
            return False
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        self._pidfds[pid] = descriptor
        self._selector.register(descriptor, selectors.EVENT_READ, pid)
        return True

    def has_ended(self, pid: int) -> bool:
        """Whether a watched process ended since the last ``take_ended``."""
        return pid in self._ended

    def poke(self) -> None:
        """The loop's sleep ends; any thread may call this."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def take_ended(self) -> set[int]:
        """The watched processes that ended since the last call."""
        ended, self._ended = self._ended, set()
        return ended

    def forget_process(self, pid: int) -> None:
        """The process is not watched any more."""
        descriptor = self._pidfds.pop(pid, None)
        if descriptor is not None:
            self._selector.unregister(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        """The signals are handled as before and nothing is watched."""
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        for pid in list(self._pidfds):
            self.forget_process(pid)
        self._selector.close()
        os.close(self._read)
        os.close(self._write)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for descriptor in ends:
        os.set_blocking(descriptor, False)
    return ends
