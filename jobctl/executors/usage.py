"""What the processes of running jobs take now, from passes over the table of processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from jobctl.executors.processes import TICKS_PER_SECOND, ProcessEntry, ProcessTable, now_ticks
from jobctl.model.dashboards import Usage
from jobctl.model.states import JobId

LEAST_SECONDS = 2.0
"""Between two passes."""
SHARE = 100
"""A pass of 30 ms (1,000 jobs) is followed by at least so many times its own duration without one."""


class UsageMeter:
    """CPU and memory of sessions; a job's shim leads one, and what leaves it is not counted."""

    def __init__(
        self,
        read: Callable[[], ProcessTable] = ProcessTable.read,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._due = 0.0
        self._read_at = 0.0
        self._ticks: dict[JobId, tuple[int, int]] = {}
        """Session and CPU ticks of each job at the last pass."""
        self._known: dict[JobId, Usage] = {}

    def usage(self, shims: Mapping[JobId, int]) -> Mapping[JobId, Usage]:
        """The use of each job whose shim is named, as far as it has processes; at most two seconds old, or newer.

        In between, and where the table cannot be read for want of descriptors, the last figures stand.
        """
        now = self._monotonic()
        if now >= self._due:
            try:
                table = self._read()
            except OSError:
                self._due = now + LEAST_SECONDS
                return self._known
            self._measure(table, shims, now - self._read_at)
            cost = self._monotonic() - now
            self._due, self._read_at = now + max(LEAST_SECONDS, SHARE * cost), now
        return self._known

    def _measure(self, table: ProcessTable, shims: Mapping[JobId, int], elapsed: float) -> None:
        before, self._ticks, self._known = self._ticks, {}, {}
        for job_id, shim in shims.items():
            entries = table.sessions.get(shim)
            if not entries:
                continue
            ticks = sum(entry.cpu_ticks for entry in entries)
            self._ticks[job_id] = shim, ticks
            session, earlier = before.get(job_id, (0, 0))
            if session == shim and elapsed > 0:
                # What ended unseen takes its ticks along.
                percent = 100 * max(0, ticks - earlier) / TICKS_PER_SECOND / elapsed
            else:
                percent = 100 * ticks / _age_ticks(entries)
            self._known[job_id] = Usage(percent, sum(entry.rss_bytes for entry in entries))


def _age_ticks(entries: list[ProcessEntry]) -> int:
    """How old the oldest is, at least a tick."""
    return max(1, now_ticks() - min(entry.start_ticks for entry in entries))
