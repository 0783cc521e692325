"""Log caps: a log that grows past its cap loses its middle; its head stays, and its newest part.

The writer is never blocked: the kernel copies its output and this only gives blocks back behind it. Between two
looks a log may grow as fast as its writer can: that much its blocks may exceed the cap.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.executors.holes import HolesRefusedError, next_data, next_hole, punch

LEAST_CAP = 1 << 16
"""A smaller cap counts as this one: blocks have 4 KiB."""
HOT_BYTES = 16 << 20
"""A log that grew by so much since the last look is looked at again soon, by an eighth of it ever again."""
_BLOCK = 1 << 12


@dataclass(frozen=True, slots=True)
class CapLook:
    """What a look at some logs brought: ``hot`` when the next one should come soon."""

    cut: bool = False
    hot: bool = False
    problem: str | None = None


class LogCap:
    """Keeps the logs of one attempt within ``cap`` bytes of disk each; one stat a log and look.

    A quarter of the cap is head, a half the tail after a cut; so it cuts once for each quarter written.
    """

    __slots__ = ("_grown", "_paths", "_refused", "cap")

    def __init__(self, paths: Sequence[str], cap: int) -> None:
        self.cap = max(cap, LEAST_CAP)
        self._paths = tuple(paths)
        self._grown = [0] * len(self._paths)
        self._refused = False

    def look(self, *, hot: bool = False) -> CapLook:
        """Logs over the cap were cut.

        Args:
            hot: the last look was a moment ago, because it said so.
        """
        much = HOT_BYTES >> 3 if hot else HOT_BYTES
        if self._refused:
            return CapLook()
        cut = hot = False
        for index, path in enumerate(self._paths):
            try:
                found = os.stat(path)
                hot = hot or found.st_size - self._grown[index] > much
                self._grown[index] = found.st_size
                # Blocks are counted late (delayed allocation), so a log that was never cut goes by its size.
                if found.st_size > self.cap and self._cut(path, found.st_size, max(_BLOCK, found.st_blksize)):
                    cut = True
            except HolesRefusedError as error:
                self._refused = True
                return CapLook(cut, problem=str(error))
            except OSError:
                continue  # gone, or ENOSPC for the extent tree: the next look tries again
        return CapLook(cut, hot)

    def _cut(self, path: str, size: int, unit: int) -> bool:
        """Whether the log held more than the cap, and lost its middle."""
        head = max(unit, self.cap // 4 // unit * unit)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            hole = next_hole(fd, head, size)
            tail_begins = next_data(fd, head, size) if hole == head else head
            if head + size - tail_begins <= self.cap:
                return False
            end = (size - self.cap // 2) // unit * unit
            if end <= tail_begins:
                return False
            punch(fd, tail_begins, end)
            return True
        finally:
            os.close(fd)
