"""Holes: which part of a file was punched out, and punching it. The file itself tells; nothing else remembers."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable

from jobctl.executors.processes import LINUX

_KEEP_SIZE = 1
_PUNCH_HOLE = 2
_REFUSALS = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV})


class HolesRefusedError(Exception):
    """The system or the file system punches no holes."""


@functools.cache
def _fallocate() -> Callable[..., int] | None:
    """``fallocate(2)`` with 64-bit offsets; None where there is none."""
    if not LINUX:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    found = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if found is None:
        return None
    found.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    found.restype = ctypes.c_int
    call: Callable[..., int] = found
    return call


def punch(fd: int, start: int, end: int) -> None:
    """The bytes from ``start`` to ``end`` take no blocks any more; the file's size stays.

    Raises:
        HolesRefusedError: this is not possible here.
        OSError: it failed.
    """
    call = _fallocate()
    if call is None:
        raise HolesRefusedError("this system punches no holes")
    if call(fd, _PUNCH_HOLE | _KEEP_SIZE, start, end - start) == 0:
        return
    number = ctypes.get_errno()
    if number in _REFUSALS:
        raise HolesRefusedError(f"the file system punches no holes ({os.strerror(number)})")
    raise OSError(number, os.strerror(number))


def next_hole(fd: int, offset: int, end: int) -> int:
    """Where the next hole from ``offset`` on begins; ``end`` if there is none before it."""
    if not hasattr(os, "SEEK_HOLE"):
        return end
    try:
        return min(end, os.lseek(fd, offset, os.SEEK_HOLE))
    except OSError:  # ENXIO: past the end; EINVAL: the file system does not know
        return end


def next_data(fd: int, offset: int, end: int) -> int:
    """Where the next data from ``offset`` on begins; ``end`` if there is nothing but a hole."""
    if not hasattr(os, "SEEK_DATA"):
        return offset
    try:
        return min(end, os.lseek(fd, offset, os.SEEK_DATA))
    except OSError as error:
        return end if error.errno == errno.ENXIO else offset


def data_ranges(fd: int, end: int) -> list[tuple[int, int]]:
    """The parts of the first ``end`` bytes that are there, in order."""
    ranges: list[tuple[int, int]] = []
    position = 0
    while position < end:
        begin = next_data(fd, position, end)
        position = next_hole(fd, begin, end) if begin < end else end
        if position > begin:
            ranges.append((begin, position))
    return ranges


def dropped_bytes(path: str) -> tuple[int, int]:
    """``(size, dropped)`` of a file; zeros without one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0, 0
    try:
        size = os.fstat(fd).st_size
        return size, size - sum(end - begin for begin, end in data_ranges(fd, size))
    finally:
        os.close(fd)
