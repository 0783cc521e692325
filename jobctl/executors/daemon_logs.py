"""Reading a daemon's log across its files, compressed ones too, up to what was saved.

Only what ``log/state`` says is complete is read, so what a killed supervisor takes again is never seen twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterator

from jobctl.clock import Milliseconds
from jobctl.executors.log_lines import DaemonLine, letter_of, parse_line, stamp, stream_letter
from jobctl.executors.log_positions import LogPosition, read_position
from jobctl.executors.log_rotation import following_path, segment_path, segments

_CHUNK = 1 << 18
_LONGEST_RAW = 1 << 21
_MTIME_SLACK_MS = 1000
_LOCK_FLAGS = os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class LineChoice:
    """Which lines are wanted: of one stream or ``both``, since an instant or ever."""

    __slots__ = ("_letter", "_since", "since")

    def __init__(self, stream: str = "both", since: Milliseconds | None = None) -> None:
        self.since = since
        self._letter = None if stream == "both" else letter_of(stream)
        self._since = b"" if since is None else stamp(since)

    @property
    def takes_all(self) -> bool:
        """Whether every line is wanted."""
        return self._letter is None and self.since is None

    def of(self, block: bytes) -> list[bytes]:
        """The wanted lines of a block of whole raw lines, without their newlines."""
        lines = block.split(b"\n")
        lines.pop()
        if self._letter is not None:
            lines = [line for line in lines if stream_letter(line) == self._letter]
        if self._since:  # RFC 3339 in one zone and length: their order is that of their instants
            lines = [line for line in lines if line[: len(self._since)] >= self._since]
        return lines


class DaemonLogReader:
    """Goes through one daemon's log; ``read`` gives what was saved since, across rotations and supervisors.

    It begins with the oldest line, or behind those that ``last`` gave.

    Args:
        directory: of the log; it need not exist yet.
        follow: files that rotation would remove are kept for it (64 MiB of them) until it is closed.
    """

    def __init__(self, directory: str, choice: LineChoice | None = None, *, follow: bool = False) -> None:
        self._directory = directory
        self._choice = choice or LineChoice()
        self._follow = follow
        self._lock = -1
        self._number = 0
        self._offset = 0
        self._file: _Segment | None = None
        self.missed = 0
        """Files that were gone before they were read."""
        self.gone = False
        """There was a log, and now there is none any more."""

    def last(self, count: int) -> list[DaemonLine]:
        """The newest ``count`` wanted lines; ``read`` goes on behind them."""
        self._hold()
        position = read_position(self._state)
        if position is None:
            return []
        found: deque[list[bytes]] = deque()
        left = count
        older = [number for number in segments(self._directory) if number < position.segment]
        for number in [position.segment, *reversed(older)]:
            if left <= 0 or self._is_too_old(number):
                break
            lines = self._tail(number, position, left)
            found.appendleft(lines)
            left -= len(lines)
        self._move(position.segment, position.size)
        return [parse_line(raw) for lines in found for raw in lines]

    def read(self) -> list[DaemonLine]:
        """The next wanted lines, about 256 KiB of log: call again until nothing comes. Never waits."""
        self._hold()
        while True:
            position = read_position(self._state)
            if position is None:
                self.gone = self._number > 0
                return []
            block = self._next_block(position)
            if block is None:
                return []
            if lines := self._choice.of(block):
                return list(map(parse_line, lines))

    def close(self) -> None:
        """Nothing is open, and nothing is kept for this reader."""
        self._close_file()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> DaemonLogReader:
        """The reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""
        self.close()

    @property
    def _state(self) -> str:
        return f"{self._directory}/state"

    def _hold(self) -> None:
        """Rotation knows that somebody follows."""
        if not self._follow or self._lock >= 0:
            return
        with contextlib.suppress(
            OSError
        ):  # no log yet, or not ours to lock: then it is read as fast as it goes
            path = following_path(self._directory)
            self._lock = os.open(path, _LOCK_FLAGS, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _next_block(self, position: LogPosition) -> bytes | None:
        """Whole lines, perhaps none, and the reader is behind them; None when it has everything."""
        if self._number > position.segment or (
            self._number == position.segment and self._offset > position.size
        ):
            self._move(0, 0)  # another log stands here by now: the daemon was removed and declared anew
        if not self._number and not self._find_first(position):
            return None
        newest = self._number == position.segment
        end = position.size if newest else None
        block = self._read_lines(end)
        if block:
            self._offset += len(block)
            return block
        if newest:
            return None
        self._move(self._next_number(position), 0)
        return b""

    def _find_first(self, position: LogPosition) -> bool:
        for number in segments(self._directory):
            if number <= position.segment and not (number < position.segment and self._is_too_old(number)):
                self._move(number, 0)
                return True
        return False

    def _next_number(self, position: LogPosition) -> int:
        following = self._number + 1
        if following == position.segment or self._exists(following):
            return following
        left = [n for n in segments(self._directory) if following <= n <= position.segment]
        found = min(left, default=position.segment)
        self.missed += found - following
        return found

    def _exists(self, number: int) -> bool:
        path = segment_path(self._directory, number)
        return os.path.exists(path) or os.path.exists(path + ".gz")

    def _read_lines(self, end: int | None) -> bytes:
        """Whole lines from the offset on; of a file that is gone, nothing."""
        if self._file is None:
            self._file = _Segment.open(segment_path(self._directory, self._number))
            if self._file is None:
                self.missed += 1
                return b""
        for size in (_CHUNK, _LONGEST_RAW):
            if end is not None:
                size = min(size, end - self._offset)
            block = self._file.read(self._offset, size)
            found = block.rfind(b"\n") + 1
            if found:
                return block[:found]
        return b""

    def _move(self, number: int, offset: int) -> None:
        self._close_file()
        self._number, self._offset = number, offset

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_too_old(self, number: int) -> bool:
        """Whether all of the file was written before what is wanted."""
        if self._choice.since is None:
            return False
        path = segment_path(self._directory, number)
        for one in (path, path + ".gz"):
            with contextlib.suppress(OSError):
                return os.stat(one).st_mtime_ns // 1_000_000 + _MTIME_SLACK_MS < self._choice.since
        return False

    def _tail(self, number: int, position: LogPosition, count: int) -> list[bytes]:
        """The last ``count`` wanted raw lines of one file."""
        segment = _Segment.open(segment_path(self._directory, number))
        if segment is None:
            return []
        try:
            if segment.compressed:
                return list(deque(self._lines_of(segment), maxlen=count))
            end = position.size if number == position.segment else segment.size()
            return self._tail_of(segment, end, count)
        finally:
            segment.close()

    def _tail_of(self, segment: _Segment, end: int, count: int) -> list[bytes]:
        span = _CHUNK
        while True:
            begin = max(0, end - span)
            block = segment.read(begin, end - begin)
            if begin:
                block = block[block.find(b"\n") + 1 :]
            lines = self._choice.of(block)
            if begin == 0 or len(lines) >= count:
                return lines[-count:]
            span *= 8

    def _lines_of(self, segment: _Segment) -> Iterator[bytes]:
        offset, rest = 0, b""
        while block := segment.read(offset, _CHUNK):
            offset += len(block)
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            yield from self._choice.of(block[:end])


class _Segment:
    """One file of the log, compressed or not."""

    def __init__(self, fd: int, *, compressed: bool) -> None:
        self.compressed = compressed
        self._fd = fd
        self._raw = os.fdopen(fd, "rb", buffering=0)
        self._gzip = gzip.GzipFile(fileobj=self._raw) if compressed else None

    @classmethod
    def open(cls, path: str) -> _Segment | None:
        """The file, whichever of both it is by now; None if it was removed."""
        for one, compressed in ((path, False), (path + ".gz", True)):
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(one, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                return cls(fd, compressed=compressed)
        return None

    def read(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on; nothing at the end, or where a compressed file is damaged."""
        if self._gzip is None:
            return os.pread(self._fd, max(size, 0), offset)
        try:
            if self._gzip.tell() != offset:
                self._gzip.seek(offset)
            return self._gzip.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return b""

    def size(self) -> int:
        """Bytes of a file that is not compressed."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """It is not open."""
        if self._gzip is not None:
            self._gzip.close()
        self._raw.close()
