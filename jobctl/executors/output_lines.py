"""The lines of a job's output as a terminal would see them: ``\\r`` ends a line as ``\\n`` does."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

LOOK_BYTES = 1 << 18
"""Read at most a look and file; of more, only the newest."""
MAX_LINE_BYTES = 4000

_ENDS = re.compile(rb"[\r\n]+")


class OutputLines:
    """New lines of some log files at each look, from the end when it fell behind; reads at most 256 KiB a file.

    Args:
        paths: the logs; they need not exist yet.
    """

    __slots__ = ("_offsets", "_partial", "_paths", "_shown")

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._offsets = [0] * len(self._paths)
        self._partial = [b""] * len(self._paths)
        self._shown = [b""] * len(self._paths)

    def read(self, *, final: bool = False) -> list[str]:
        """Lines that were completed, and an unfinished one that has not grown since the last look (or ``final``).

        tqdm writes ``\\r`` before each state, so its newest one has no end yet.
        """
        lines: list[bytes] = []
        for index, path in enumerate(self._paths):
            chunk = self._chunk(index, path)
            *complete, rest = _ENDS.split(self._partial[index] + chunk)
            rest = rest[-MAX_LINE_BYTES:]
            lines += complete
            if rest and (final or not chunk) and rest != self._shown[index]:
                self._shown[index] = rest
                lines.append(rest)
            self._partial[index] = rest
        return [_text(line) for line in lines if line]

    def _chunk(self, index: int, path: str) -> bytes:
        try:
            size = os.stat(path).st_size
            if size <= self._offsets[index]:
                return b""
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            begin = self._offsets[index]
            if size - begin > LOOK_BYTES:
                begin = size - LOOK_BYTES
                self._partial[index] = b""
            chunk = os.pread(fd, LOOK_BYTES, begin)
            self._offsets[index] = begin + len(chunk)
            return chunk
        finally:
            os.close(fd)


def _text(line: bytes) -> str:
    # NULs: what a log cap punched out while it was read
    return line[-MAX_LINE_BYTES:].replace(b"\0", b"").decode("utf-8", "replace")
