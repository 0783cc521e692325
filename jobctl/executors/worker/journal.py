"""The worker's side of its journal: append-only, one write a record, so a record is there or it is not."""

from __future__ import annotations

import os
import time
from json import JSONEncoder

from jobctl.executors.worker.descriptors import MENDED, lifted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RETRY_SECONDS = 0.1

encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Compact JSON; made once, because ``json.dumps`` with options makes an encoder a call."""


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Journal:
    """The open file; ``append`` returns once the record is in it."""

    __slots__ = ("_fd", "_identity", "_path")

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path
        self._identity = _identity(fd)

    def append(self, record: Mapping[str, object]) -> None:
        """``record`` is in the file."""
        self.write(encode(record).encode("utf-8", "replace") + b"\n")

    def write(self, line: bytes, give_up: Callable[[], bool] = bool) -> bool:
        """Whether ``line`` is in the file, whole; a full disk is waited out until ``give_up`` says so.

        What a full disk cut off stays as a line that does not parse.
        """
        while True:
            try:
                written = os.write(self._fd, line)
            except OSError:
                written = 0
            if written == len(line):
                return True
            if give_up():
                return False
            if written:
                line = b"\n" + line.lstrip(b"\n")
            self.mend()
            time.sleep(_RETRY_SECONDS)

    def mend(self) -> None:
        """The descriptor is the journal's, though a job may have closed or reused it."""
        try:
            if _identity(self._fd) == self._identity:
                return
        except OSError:
            pass
        opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._fd = lifted(opened, close=True, lowest=MENDED)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
