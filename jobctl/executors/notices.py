"""What daemons say over sd_notify (sd_notify(3)), and a bounded sum of it: a flood of messages is one notice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_MESSAGE = 4096
"""A longer one is not read at all; systemd's own limit."""

_MOST_MICROSECONDS = 2**63 - 1
_NUMBER = re.compile(rb"[0-9]{1,19}")
_FLAGS = frozenset({b"READY", b"RELOADING", b"STOPPING", b"BARRIER", b"FDSTORE", b"FDSTOREREMOVE"})
_NUMBERS = frozenset({b"MAINPID", b"EXTEND_TIMEOUT_USEC", b"WATCHDOG_USEC", b"ERRNO"})


@dataclass(frozen=True, slots=True)
class Notice:
    """What a daemon said since it was asked last; instants are of ``Clock.monotonic``."""

    ready: bool = False
    reloading: bool = False
    """It said so, and has not said ``READY=1`` since."""
    stopping: bool = False
    triggered: bool = False
    """``WATCHDOG=trigger``: it wants to be restarted."""
    status: str | None = None
    main_pid: int | None = None
    """Claimed, not checked: whether that process is one of the daemon's is for the taker to find out."""
    pinged_at: float | None = None
    """The last ``WATCHDOG=1``."""
    extend_seconds: float | None = None
    extended_at: float = 0.0
    """From when on it wants ``extend_seconds`` more."""
    watchdog_seconds: float | None = None
    errno: int | None = None
    foreign: int = 0
    """Messages of processes that are none of the daemon's; they were dropped."""
    malformed: int = 0
    """Messages, or fields of them, that could not be read."""


NOTHING = Notice()


class PendingNotice:
    """Sums messages up until they are taken."""

    __slots__ = (
        "errno", "extend_seconds", "extended_at", "foreign", "main_pid", "malformed", "pinged_at", "ready",
        "reloading", "status", "stopping", "triggered", "watchdog_seconds",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ready = self.reloading = self.stopping = self.triggered = False
        self.status: str | None = None
        self.main_pid: int | None = None
        self.pinged_at: float | None = None
        self.extend_seconds: float | None = None
        self.extended_at = 0.0
        self.watchdog_seconds: float | None = None
        self.errno: int | None = None
        self.foreign = self.malformed = 0

    def add(self, message: bytes, now: float) -> bool:
        """The message counts. Whether somebody should hear of it at once: a ping or a status text can wait."""
        urgent = False
        for key, value in self._fields(message):
            if key == b"WATCHDOG":
                urgent = self._watchdog(value, now) or urgent
            elif key == b"STATUS":
                self.status = value.decode("utf-8", "replace").replace("\0", "\ufffd")
            elif key in _NUMBERS:
                urgent = self._number(key, value, now) or urgent
            elif key in _FLAGS:
                urgent = self._flag(key, value) or urgent
        return urgent

    def notice(self) -> Notice:
        """All of it."""
        return Notice(**{name: getattr(self, name) for name in self.__slots__})

    def _fields(self, message: bytes) -> Iterator[tuple[bytes, bytes]]:
        for line in message.split(b"\n"):
            key, equals, value = line.partition(b"=")
            if equals:
                yield key, value
            elif line.strip(b"\0 "):
                self.malformed += 1

    def _watchdog(self, value: bytes, now: float) -> bool:
        if value == b"1":
            self.pinged_at = now
        elif value == b"trigger":
            self.triggered = True
            return True
        else:
            self.malformed += 1
        return False

    def _flag(self, key: bytes, value: bytes) -> bool:
        if value != b"1":
            return False  # READY=0 and the like say nothing
        if key == b"READY":
            self.ready, self.reloading = True, False
        elif key == b"RELOADING":
            self.reloading = True
        elif key == b"STOPPING":
            self.stopping = True
        else:
            return False
        return True

    def _number(self, key: bytes, value: bytes, now: float) -> bool:
        if not _NUMBER.fullmatch(value) or int(value) > _MOST_MICROSECONDS:
            self.malformed += 1
            return False
        number = int(value)
        if key == b"MAINPID":
            if not 1 < number < 2**31:
                self.malformed += 1
                return False
            self.main_pid = number
        elif key == b"EXTEND_TIMEOUT_USEC":
            self.extend_seconds, self.extended_at = number / 1e6, now
        elif key == b"WATCHDOG_USEC":
            self.watchdog_seconds = number / 1e6
        else:
            self.errno = number
        return True
