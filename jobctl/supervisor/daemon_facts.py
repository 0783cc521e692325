"""The facts of a daemon as they go on record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobctl.clock import Milliseconds
from jobctl.model.daemon_machine import Condition
from jobctl.model.daemons import Daemon
from jobctl.supervisor.daemon_processes import DaemonProcess
from jobctl.supervisor.daemon_watches import Figures


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant by both clocks: conditions count monotonic seconds, records milliseconds UTC."""

    now: float
    now_ms: Milliseconds

    def recorded(self, instant: float | None) -> Milliseconds | None:
        """A monotonic instant as it is recorded."""
        return None if instant is None else self.now_ms + round((instant - self.now) * 1000)


def facts_of(
    record: Daemon, condition: Condition, process: DaemonProcess | None, figures: Figures, moment: Moment
) -> Daemon:
    """What is to be on record of a daemon; what only a living generation has is gone without one."""
    found = replace(
        record,
        state=condition.state, reason=condition.reason, error=condition.error,
        generation=condition.generation, restarts=condition.restarts,
        consecutive_failures=condition.failures,
        ready_at=moment.recorded(condition.ready_at), next_restart_at=moment.recorded(condition.retry_at),
        heartbeat_at=figures.heartbeat_at, memory_bytes=figures.memory_bytes,
        cpu_percent=figures.cpu_percent, health=figures.health,
    )  # fmt: skip
    if process is None:
        return replace(found, pid=None, vouched=False, started_at=None, started_revision=None)
    return replace(found, pid=process.pid, vouched=process.vouched, started_at=process.started_at)
