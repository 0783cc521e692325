"""Logs as they grow: the last lines of one, and what is new in several."""

from __future__ import annotations

import os
from collections.abc import Mapping

_BLOCK = 1 << 16
_CHUNK = 1 << 18


def tail_offset(path: str, lines: int) -> int:
    """Where the last ``lines`` lines begin; 0 if there are fewer, or no file.

    A last line without its newline counts as one.
    """
    if lines <= 0:
        try:
            return os.stat(path).st_size
        except FileNotFoundError:
            return 0
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) == b"\n":
            end -= 1
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(fd, end - start, start)
            found = block.count(b"\n")
            if found >= lines:
                position = len(block)
                for _ in range(lines):
                    position = block.rfind(b"\n", 0, position)
                return start + position + 1
            lines -= found
            end = start
        return 0
    finally:
        os.close(fd)


def read_tail(path: str, lines: int) -> bytes:
    """The last ``lines`` lines, without reading the rest; empty if there is no file."""
    offset = tail_offset(path, lines)
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


class LogFollower:
    """New output of some streams at each call; a file may appear, and grow, at any time.

    Args:
        paths: log by stream name, as ``AttemptDirectory.log_paths`` gives them.
        offsets: where to begin, by stream; 0 if not given.
    """

    def __init__(self, paths: Mapping[str, str], offsets: Mapping[str, int] | None = None) -> None:
        self._paths = dict(paths)
        self._fds: dict[str, int] = {}
        self.offsets = {stream: (offsets or {}).get(stream, 0) for stream in paths}

    def read(self) -> list[tuple[str, bytes]]:
        """What is new, at most 256 KiB a stream: call again until nothing comes. Never blocks."""
        chunks: list[tuple[str, bytes]] = []
        for stream in self._paths:
            fd = self._opened(stream)
            if fd is None:
                continue
            chunk = os.pread(fd, _CHUNK, self.offsets[stream])
            if chunk:
                self.offsets[stream] += len(chunk)
                chunks.append((stream, chunk))
        return chunks

    def _opened(self, stream: str) -> int | None:
        fd = self._fds.get(stream)
        if fd is None:
            try:
                fd = os.open(self._paths[stream], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            self._fds[stream] = fd
        return fd

    def close(self) -> None:
        """No descriptor is open any more."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def __enter__(self) -> LogFollower:
        """The follower itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """No descriptor is open any more."""
        self.close()
