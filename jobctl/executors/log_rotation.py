"""A daemon's log as files of bounded size: ``00000007.log`` is written, older ones are compressed and later removed.

A number is never used twice, and a file is never renamed but by its compression; ``current`` is a link to the newest.
So a reader that knows a number and an offset goes on from there whatever was rotated meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from dataclasses import dataclass

from jobctl.executors.compressor import PART, Compressor

LEAST_FILE_BYTES = 1 << 12
FOLLOWED_BYTES = 64 << 20
"""Rotated files are not removed under somebody who follows, until he is so far behind."""

_NAME = re.compile(r"([0-9]{8,})\.log(\.gz)?")


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of a daemon's output is kept."""

    file_bytes: int = 10 << 20
    """No file is larger; less than 4 KiB counts as that."""
    files: int = 5
    """How many rotated ones are kept beside the newest."""

    @property
    def largest(self) -> int:
        """The size that no file exceeds."""
        return max(self.file_bytes, LEAST_FILE_BYTES)


DEFAULT_LIMITS = LogLimits()


def segment_path(directory: str, number: int) -> str:
    """The file of that number while it is not compressed."""
    return f"{directory}/{number:08d}.log"


def following_path(directory: str) -> str:
    """Locked, shared, by everybody who follows."""
    return f"{directory}/following"


def segments(directory: str) -> list[int]:
    """The numbers of all files of the log, oldest first."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted({int(found[1]) for found in map(_NAME.fullmatch, names) if found})


class LogSegments:
    """The files of one log, for its one writer.

    Args:
        directory: it exists.
        compressor: without one nothing is compressed.
    """

    def __init__(self, directory: str, compressor: Compressor | None) -> None:
        self._directory = directory
        self._compressor = compressor
        self._fd = -1
        self._number = 0
        self.untidy = False
        """Something may be left to remove, to compress or to link."""

    def open(self, number: int, size: int) -> int:
        """The file of that number is written from ``size`` on; how much of it there really is, at most ``size``.

        It is shorter only after a power failure: then its last line may be cut, and is dropped.

        Raises:
            OSError: it cannot be.
        """
        path = segment_path(self._directory, number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            found = os.fstat(fd).st_size
            if found < size:
                size = _whole_lines(fd, found)
            os.ftruncate(fd, size)
        except BaseException:
            os.close(fd)
            raise
        self.close()
        self.untidy = self.untidy or number != self._number
        self._fd, self._number = fd, number
        return size

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed the file that is written."""
        return os.fstat(self._fd).st_nlink == 0

    def write(self, text: bytes | memoryview, offset: int) -> None:
        """``text`` stands at ``offset`` of the newest file.

        Raises:
            OSError: the disk is full, say; then the file ends at ``offset``.
        """
        try:
            written = os.pwrite(self._fd, text, offset)
            while written < len(text):  # a full disk tells so by the next write
                written += os.pwrite(self._fd, text[written:], offset + written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, offset)
            raise

    def tidy(self, limits: LogLimits) -> None:
        """``current`` is the newest file, those beyond the limit are gone, the others on their way to be compressed.

        Raises:
            OSError: not all of it; ``untidy`` stays set.
        """
        self.untidy = False
        try:
            self._link()
            older = [number for number in segments(self._directory) if number != self._number]
            kept = older[max(0, len(older) - limits.files) :]
            self._remove([number for number in older if number not in set(kept)])
            if self._compressor is not None:
                for number in kept:
                    self._compressor.add(segment_path(self._directory, number))
        except BaseException:
            self.untidy = True
            raise

    def _link(self) -> None:
        name = f"{self._number:08d}.log"
        link = f"{self._directory}/current"
        with contextlib.suppress(OSError):
            if os.readlink(link) == name:
                return
        part = link + PART
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        os.symlink(name, part)
        os.rename(part, link)

    def _remove(self, numbers: list[int]) -> None:
        """They are gone, or wait until nobody follows any more."""
        if not numbers:
            return
        sizes = [_size(segment_path(self._directory, number)) for number in numbers]
        left = sum(sizes) if self._is_followed() else 0
        for number, size in zip(numbers, sizes, strict=True):
            if left and left <= FOLLOWED_BYTES:
                self.untidy = True
                return
            left -= min(left, size)
            path = segment_path(self._directory, number)
            for one in (path, path + ".gz"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(one)

    def _is_followed(self) -> bool:
        try:
            fd = os.open(
                following_path(self._directory), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            )
        except OSError as error:  # a link or a socket there is none of ours
            return error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENXIO)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
        finally:
            os.close(fd)
        return False

    def close(self) -> None:
        """No file is open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def clear_leftovers(directory: str) -> None:
    """What a killed writer left half done is gone: compressions that did not end, originals of those that did."""
    names = set(os.listdir(directory))
    for name in names:
        if name.endswith(PART) or f"{name}.gz" in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{name}")


def _size(path: str) -> int:
    for one in (path, path + ".gz"):
        with contextlib.suppress(OSError):
            return os.stat(one).st_size
    return 0


def _whole_lines(fd: int, end: int) -> int:
    """Where the last whole line of the first ``end`` bytes ends."""
    while end > 0:
        begin = max(0, end - (1 << 16))
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
