"""What a job takes, itself and by what it starts, and what it leaves running."""

from __future__ import annotations

import os
import sys

from jobctl.executors.worker.descriptors import MENDED, lifted
from jobctl.executors.worker.processes import count_children
from jobctl.executors.worker.servers import end_servers, running_servers

_STATM = "/proc/self/statm"


class Children:
    """Of the current job. Nothing is looked at before something was started, but the memory."""

    __slots__ = ("_before", "_has_spawned", "_left", "_page", "_spared", "_statm")

    def __init__(self) -> None:
        self._has_spawned = False
        self._before = 0.0
        self._spared: tuple[int, ...] = ()
        self._left = 0
        self._page = os.sysconf("SC_PAGE_SIZE")
        try:
            self._statm = _open_statm()
        except OSError:  # no Linux
            self._statm = -1

    def begin(self) -> None:
        """Nothing was started yet."""
        self._has_spawned = False
        self._left = 0

    def note_spawn(self) -> None:
        """Something is about to be started."""
        if not self._has_spawned:
            self._before = _seconds_of_children()
            self._spared = running_servers()
            self._has_spawned = True

    def end_servers(self) -> None:
        """No server of multiprocessing is left that the job has started.

        Raises:
            OSError: that is not known.
        """
        if self._has_spawned:
            self._left = end_servers(self._spared)

    def seconds(self) -> float:
        """CPU time of those that have ended and were waited for."""
        return _seconds_of_children() - self._before if self._has_spawned else 0.0

    def left(self) -> int:
        """How many still run."""
        return self._left + count_children() if self._has_spawned else 0

    def resident(self) -> int:
        """Bytes of memory that this process has now."""
        if self._statm < 0:
            return _largest_resident()
        try:
            return int(os.pread(self._statm, 64, 0).split(None, 2)[1]) * self._page
        except (OSError, ValueError, IndexError):  # a job has closed it
            try:
                self._statm = _open_statm()
            except OSError:  # none are left
                return _largest_resident()
            return int(os.pread(self._statm, 64, 0).split(None, 2)[1]) * self._page


def _open_statm() -> int:
    return lifted(os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC), close=True, lowest=MENDED)


def _seconds_of_children() -> float:
    import resource

    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def _largest_resident() -> int:
    import resource

    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024
