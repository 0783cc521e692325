"""What a dashboard shows of a home at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # workflows and schedules are half of the time to the first frame
    from jobctl.model.daemons import Daemon
    from jobctl.model.jobs import Job
    from jobctl.model.lives import Life
    from jobctl.model.queues import Queue
    from jobctl.model.schedule_records import Schedule
    from jobctl.model.states import JobId
    from jobctl.model.statistics import Depth
    from jobctl.model.workflow_runs import StepRun, WorkflowRun


class PaneName(StrEnum):
    """The parts of a dashboard, in their order."""

    JOBS = "jobs"
    QUEUES = "queues"
    NEXT = "next"
    DAEMONS = "daemons"
    RECENT = "recent"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a running job take now."""

    cpu_percent: float
    """Of one core."""
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a daemon has written; bytes as they were."""

    stream: str
    text: bytes


@dataclass(frozen=True, slots=True)
class WatchedDaemon:
    """A daemon with the newest lines of its log, the newest last."""

    daemon: Daemon
    lines: Sequence[LogLine] = ()


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """A run of a workflow with its steps, and the items of those that have some."""

    run: WorkflowRun
    steps: Sequence[StepRun]
    items: Mapping[str, Sequence[StepRun]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A home at one moment. Instants in milliseconds UTC; lists hold only as much as can be shown."""

    home: str
    now: int
    life: Life | None
    """Of the supervisor; None when none runs, or it is only just starting."""
    runs: bool
    """Whether a supervisor runs."""
    load: tuple[float, float, float] | None
    counts: Mapping[str, int]
    queues: Sequence[Queue]
    running: Sequence[Job]
    usage: Mapping[JobId, Usage]
    upcoming: Sequence[Job]
    schedules: Sequence[Schedule]
    daemons: Sequence[WatchedDaemon]
    endings: Sequence[Job]
    """The newest first."""
    depths: Sequence[Depth]
    """Of the time since ``depths_since``, the oldest first; each holds until the next one."""
    depths_since: int
    run: WatchedRun | None = None
    """The workflow that is watched, if one is."""

    @property
    def is_busy(self) -> bool:
        """Whether something runs, so that durations grow."""
        return bool(self.running) or any(one.daemon.state.is_live for one in self.daemons)
