"""Logs as they grow: the last lines of one, and what is new in several.

A log that was cut (``executors.log_caps``) has a hole; readers skip it and give a ``Dropped`` in its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from jobctl.executors.holes import data_ranges, next_data, next_hole
from jobctl.model.sizes import format_size

_BLOCK = 1 << 16
_CHUNK = 1 << 18


class Dropped(bytes):
    """A line of ours that stands for output which is gone."""

    @classmethod
    def line(cls, size: int, *, after_newline: bool) -> Dropped:
        """The marker for ``size`` dropped bytes, on a line of its own."""
        text = f"[… {format_size(size)} dropped by the log limit …]\n"
        return cls(("" if after_newline else "\n").encode() + text.encode())


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
        for begin, stop in reversed(data_ranges(fd, end)):
            end = stop
            while end > begin:
                start = max(begin, end - _BLOCK)
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
    with LogFollower({"": path}, {"": tail_offset(path, lines)}) as follower:
        parts: list[bytes] = []
        while chunks := follower.read():
            parts += [chunk for _, chunk in chunks]
        return b"".join(parts)


def read_head(path: str, limit: int) -> tuple[bytes, bool]:
    """The first ``limit`` bytes of a log, markers included, and whether anything is missing; empty without a file."""
    found, dropped = b"", False
    with LogFollower({"": path}) as follower:
        while len(found) <= limit and (chunks := follower.read()):
            for _, chunk in chunks:
                found += chunk
                dropped = dropped or isinstance(chunk, Dropped)
    return found[:limit], dropped or len(found) > limit


class LogFollower:
    """New output of some streams at each call; a file may appear, and grow, at any time.

    Args:
        paths: log by stream name, as ``AttemptDirectory.log_paths`` gives them.
        offsets: where to begin, by stream; 0 if not given.
    """

    def __init__(self, paths: Mapping[str, str], offsets: Mapping[str, int] | None = None) -> None:
        self._paths = dict(paths)
        self._fds: dict[str, int] = {}
        self._last = dict.fromkeys(paths, b"\n")
        self.offsets = {stream: (offsets or {}).get(stream, 0) for stream in paths}

    def read(self) -> list[tuple[str, bytes]]:
        """What is new, at most 256 KiB a stream: call again until nothing comes. Never blocks.

        Where output is gone comes a ``Dropped`` of its own.
        """
        chunks: list[tuple[str, bytes]] = []
        for stream in self._paths:
            fd = self._opened(stream)
            if fd is None:
                continue
            chunk = self._next(stream, fd)
            if chunk:
                self._last[stream] = chunk[-1:]
                chunks.append((stream, chunk))
        return chunks

    def _next(self, stream: str, fd: int) -> bytes:
        offset = self.offsets[stream]
        chunk = os.pread(fd, _CHUNK, offset)
        if not chunk:
            return b""
        # Looked for after the reading: a hole that was punched meanwhile read as zeros.
        hole = next_hole(fd, offset, offset + len(chunk))
        if hole > offset:
            self.offsets[stream] = hole
            return chunk[: hole - offset]
        size = os.fstat(fd).st_size
        self.offsets[stream] = data = next_data(fd, offset, size)
        return (
            Dropped.line(data - offset, after_newline=self._last[stream] == b"\n") if data > offset else b""
        )

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
