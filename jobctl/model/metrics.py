"""Figures for monitoring systems, before they have a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobctl.model.daemons import Daemon
from jobctl.model.queues import Queue
from jobctl.model.schedule_records import Schedule
from jobctl.model.statistics import Figures, Group

BOUNDS_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 86_400.0)
"""Of the histogram of durations."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The home at one instant, and what has been counted ever."""

    version: str
    counts: Mapping[str, int]
    queues: Sequence[Queue]
    ever: Figures
    by_queue: Sequence[Group]
    by_type: Sequence[Group]
    daemons: Sequence[Daemon]
    schedules: Sequence[Schedule]
    supervisor_started_at: int | None
    """Milliseconds UTC; None: none runs."""
    store_bytes: int
    wal_bytes: int
