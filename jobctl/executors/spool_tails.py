"""One spool as its reader sees it: what is new, whether its writer truncated it, and which blocks can go."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from zlib import crc32

from jobctl.executors.holes import HolesRefusedError, next_data, punch
from jobctl.executors.log_positions import Taken
from jobctl.model.sizes import format_size

CHUNK_BYTES = 1 << 16
GIVE_BACK_BYTES = 1 << 18
"""Blocks are given back when there are so many."""

_BLOCK = 1 << 12
_ENDING = 64
_MARGIN = 1 << 20
_NO_FILE = frozenset({errno.EISDIR, errno.ELOOP, errno.ENXIO})
"""What opening a directory, a link or a socket says."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a spool from ``offset`` on, at the beginning of a line or a part."""

    data: bytes
    offset: int
    before: bytes
    """The last bytes before ``offset``."""
    complete: bool
    """It reaches to the end of the spool."""
    looked: tuple[int, int]
    """Size and mtime before it was read."""
    dropped: int = 0
    restarted: bool = False

    def ending(self, done: int) -> int:
        """What ``Taken.ending`` is when the first ``done`` bytes are taken."""
        if done >= _ENDING:
            return crc32(self.data[done - _ENDING : done])
        return crc32((self.before + self.data[:done])[-_ENDING:])

    def marker(self) -> bytes:
        """The line that stands for what was dropped."""
        size = format_size(self.dropped)
        return f"[… {size} dropped: written faster than it could be read …]".encode()


class SpoolTail:
    """The reader's end of one spool; it need not exist yet."""

    __slots__ = ("_fd", "_given", "_looked", "_path", "_quiet", "_refused")

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._given = 0
        self._quiet = self._looked = (-1, -1)
        self._refused = False

    def is_new(self) -> bool:
        """Whether the spool changed since there was nothing to take (2 µs).

        Raises:
            OSError: it cannot be opened.
        """
        if self._fd < 0 and not self._open():
            return False
        found = os.fstat(self._fd)
        self._looked = (found.st_size, found.st_mtime_ns)
        return self._looked != self._quiet

    def read(self, taken: Taken, longest: int, backlog: int) -> Chunk:
        """What was new when ``is_new`` looked, perhaps less than a line.

        A line that is not complete yet comes again, until it is, or is longer than ``longest``.

        Raises:
            OSError: it cannot be read.
        """
        looked = self._looked
        size = looked[0]
        # Without a position (the log was removed, say) what an older one gave back is not there any more.
        offset, dropped = taken.offset or next_data(self._fd, 0, size), 0
        if size - offset > backlog:
            offset, dropped = self._later(offset, size - backlog // 2)
        chunk = self._chunk(offset, CHUNK_BYTES, looked)
        restarted = not dropped and taken.offset > 0 and (size < offset or chunk.ending(0) != taken.ending)
        if restarted:  # ``echo > /dev/stderr`` truncates what it opens
            self._given = 0
            offset = next_data(self._fd, 0, size)
            chunk = self._chunk(offset, CHUNK_BYTES, looked)
        if not chunk.complete and b"\n" not in chunk.data:
            chunk = self._chunk(offset, longest + 1, looked)
        return Chunk(chunk.data, offset, chunk.before, chunk.complete, looked, dropped, restarted)

    def _chunk(self, offset: int, limit: int, looked: tuple[int, int]) -> Chunk:
        back = min(_ENDING, offset)
        block = os.pread(self._fd, back + limit, offset - back)
        return Chunk(block[back:], offset, block[:back], len(block) < back + limit, looked)

    def _later(self, offset: int, target: int) -> tuple[int, int]:
        """The first line behind ``target``, and how much lies before it."""
        found = os.pread(self._fd, _MARGIN, target).find(b"\n")
        target += found + 1
        return target, target - offset

    def wait(self, chunk: Chunk) -> None:
        """Nothing of the chunk could be taken: there is nothing new until the spool changes."""
        if chunk.complete:
            self._quiet = chunk.looked

    def look_again(self) -> None:
        """What could not be taken is new again."""
        self._quiet = (-1, -1)

    def give_back(self, end: int) -> None:
        """What lies before ``end`` takes no room, roughly; where files have no holes it stays until the end."""
        end = (end - _ENDING) // _BLOCK * _BLOCK
        if self._refused or end - self._given < GIVE_BACK_BYTES:
            return
        try:
            punch(self._fd, self._given, end)
        except HolesRefusedError:
            self._refused = True
        except OSError:  # no room for the list of holes, say: with more to give back it is tried again
            return
        self._given = end

    def _open(self) -> bool:
        flags = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self._path, os.O_RDWR | flags)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in _NO_FILE:  # as below
                return False
            raise
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            self.close()
            return False  # somebody put it there, and it holds nothing of ours
        return True

    def close(self) -> None:
        """It is not open."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
