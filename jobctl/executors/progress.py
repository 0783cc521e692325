"""The progress file as it grows: complete lines, each once. What they mean is ``model.progress``."""

from __future__ import annotations

import os
import stat

MAX_LINE_BYTES = 4096
_MOST = 1 << 15
_MOST_AT_END = 1 << 20


class ProgressTail:
    """New lines of one progress file.

    Args:
        path: the file; it need not exist yet.
        offset: where to begin; ``consumed`` of an earlier tail goes on where that one stopped.
    """

    __slots__ = ("_pending", "_read", "consumed", "path")

    def __init__(self, path: str, offset: int = 0) -> None:
        self.path = path
        self.consumed = offset
        """Bytes up to the end of the last line given out."""
        self._read = offset
        self._pending = b""

    def read(self, *, final: bool = False) -> list[str]:
        """Lines completed since the last call, at most 32 KiB of them, cut to 4 KiB each.

        A last line without newline waits, unless ``final``: then up to 1 MiB of what is left comes, and the rest of
        a file that is longer never does.
        """
        lines: list[bytes] = []
        end = self._read + _MOST_AT_END
        while self._read < end:
            chunk = self._new_bytes()
            if chunk:
                self._read += len(chunk)
                first, *rest = chunk.split(b"\n")
                parts = [self._pending + first, *rest]
                self._pending = parts.pop()[:MAX_LINE_BYTES]
                lines += parts
                if parts:
                    self.consumed = self._read - (len(chunk) - chunk.rfind(b"\n") - 1)
            # A line of many megabytes is passed over quickly, or everything behind it would come late.
            if not chunk or (lines and not final):
                break
        if final and self._pending:
            lines.append(self._pending)
            self._pending = b""
            self.consumed = self._read
        return [line[:MAX_LINE_BYTES].decode("utf-8", "replace") for line in lines]

    def _new_bytes(self) -> bytes:
        try:
            found = os.stat(self.path)
        except OSError:
            return b""
        if found.st_size <= self._read or not stat.S_ISREG(found.st_mode):
            return b""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.pread(fd, _MOST, self._read)
        finally:
            os.close(fd)
