"""Probes of a running generation: heartbeat, health, memory. Each may say that it has to be restarted."""

from __future__ import annotations

from jobctl.clock import Clock
from jobctl.executors.heartbeats import HeartbeatFile
from jobctl.executors.notify import Notice
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import Tree, tree_usage
from jobctl.model.daemon_machine import Faulted
from jobctl.model.daemons import DaemonDefinition, DaemonReason, Generation, Health
from jobctl.model.sizes import format_size
from jobctl.supervisor.checks import Check

SICK_CHECKS = 3
"""So many failed health commands in a row make a daemon unhealthy."""
LATE_SECONDS = 0.5
"""An overdue beat is found within that, unless the supervisor itself is late."""
FAT_SAMPLES = 2
"""So many samples above the limit in a row are too many."""


class Heartbeat:
    """When the daemon was last heard of: by WATCHDOG=1, or by touching its heartbeat file."""

    def __init__(self, file: HeartbeatFile, clock: Clock) -> None:
        self.at: int | None = None
        """Milliseconds UTC of the last beat; None before the first."""
        self.interval: float | None = None
        """What the daemon itself asked for (WATCHDOG_USEC), in place of its definition's."""
        self.triggered = False
        self._excused = False
        self._file = file
        self._clock = clock
        self._last = self._looked = clock.monotonic()
        self._stamp: int | None = None

    def start(self, now: float) -> None:
        """From now on beats are expected."""
        self._last = max(self._last, now)

    def excuse(self, due: float, now: float) -> bool:
        """Whether it has one interval more: found overdue so late, it may have been heard by nobody till now.

        A supervisor that was stopped, or is starved, comes late itself. Once from one beat to the next.
        """
        if self._excused or now - due <= LATE_SECONDS:
            return False
        self._excused, self._last = True, now
        return True

    def note(self, notice: Notice) -> None:
        """The daemon said this."""
        if notice.pinged_at is not None and notice.pinged_at >= self._last:
            self._last, self._excused = notice.pinged_at, False
            age = self._clock.monotonic() - notice.pinged_at
            self.at = max(self.at or 0, self._clock.now_ms() - round(age * 1000))
        self.interval = notice.watchdog_seconds or self.interval
        self.triggered = self.triggered or notice.triggered

    def look(self) -> None:
        """A touch of the file since the last look counts. The wall clock may jump: it is no older than that look."""
        now, stamp, touched = self._clock.monotonic(), self._file.stamp(), self._file.touched_at()
        if touched is not None and stamp != self._stamp:
            self._stamp, self._excused = stamp, False
            self.at = max(self.at or 0, touched)
            age = max(0.0, (self._clock.now_ms() - touched) / 1000)
            self._last = max(self._last, now - min(age, now - self._looked))
        self._looked = now

    def due_at(self, definition: DaemonDefinition) -> float | None:
        """When a beat is overdue; None without a watchdog."""
        allowed = definition.watchdog_seconds and (self.interval or definition.watchdog_seconds)
        return self._last + allowed if allowed else None


class Probes:
    """Watches one generation from its readiness on."""

    def __init__(self, number: Generation, heartbeat: Heartbeat, check: Check | None) -> None:
        self.heartbeat = heartbeat
        self.health: Health | None = None
        self.memory_bytes: int | None = None
        self.cpu_percent: float | None = None
        self._number = number
        self.check = check
        self._sick = 0
        self._fat = 0
        self._cpu: tuple[float, float] | None = None
        self._idle_until: float | None = None

    def suspend(self, until: float) -> None:
        """No beat and no health are asked for until then: it reloads, or stops of itself."""
        self._idle_until = until

    def resume(self, now: float) -> None:
        """They are asked for again."""
        if self._idle_until is not None:
            self._idle_until = None
            self.heartbeat.start(now)

    def examine(self, check: Check | None) -> None:
        """Its health command is this one from now on; what the last one said counts no more."""
        if self.check is not None:
            self.check.cancel()
        self.check, self.health, self._sick = check, None, 0

    def due_at(self, definition: DaemonDefinition) -> float | None:
        """When ``advance`` has something to do, unless something happens before."""
        if self._idle_until is not None:
            return self._idle_until
        dues = [self.heartbeat.due_at(definition), None if self.check is None else self.check.due_at]
        return min((due for due in dues if due is not None), default=None)

    def advance(self, definition: DaemonDefinition, now: float) -> Faulted | None:
        """Why it has to be restarted, if it has."""
        if self._idle_until is not None:
            if now < self._idle_until:
                return None
            self.resume(now)
        return self._beat(definition, now) or self._examine(now)

    def _beat(self, definition: DaemonDefinition, now: float) -> Faulted | None:
        if self.heartbeat.triggered and definition.watchdog_seconds:
            return self._fault(DaemonReason.WATCHDOG, "it asked for it (WATCHDOG=trigger)")
        due = self.heartbeat.due_at(definition)
        if due is None or now < due:
            return None
        self.heartbeat.look()
        due = self.heartbeat.due_at(definition)
        if due is None or now < due:
            return None
        if self.heartbeat.excuse(due, now):
            return None
        seconds = self.heartbeat.interval or definition.watchdog_seconds
        return self._fault(DaemonReason.WATCHDOG, f"no heartbeat within {seconds:g} s")

    def _examine(self, now: float) -> Faulted | None:
        verdict = None if self.check is None else self.check.advance(now)
        if verdict is None or self.check is None:
            return None
        self._sick = 0 if verdict else self._sick + 1
        if verdict:
            self.health = Health.HEALTHY
        elif self._sick >= SICK_CHECKS:
            self.health = Health.UNHEALTHY
            why = f"its health command failed {self._sick} times, the last time: {self.check.error}"
            return self._fault(DaemonReason.UNHEALTHY, why)
        return None

    def sample(
        self, table: ProcessTable, tree: Tree, definition: DaemonDefinition, now: float
    ) -> Faulted | None:
        """Its use of memory and processor is known; too much of the former, twice, is a fault."""
        self.memory_bytes, spent = tree_usage(table, tree)
        if self._cpu is not None and now > self._cpu[0]:
            share = max(0.0, spent - self._cpu[1]) / (now - self._cpu[0])
            self.cpu_percent = round(100 * share, 1)
        self._cpu = (now, spent)
        limit = definition.max_memory_bytes
        self._fat = self._fat + 1 if limit is not None and self.memory_bytes > limit else 0
        if limit is None or self._fat < FAT_SAMPLES:
            return None
        used = f"its processes used {format_size(self.memory_bytes)} of memory, the limit is {format_size(limit)}"
        return self._fault(DaemonReason.MEMORY, used)

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended was its health command."""
        return self.check is not None and self.check.reaped(pid, status)

    def close(self) -> None:
        """Nothing is watched any more."""
        if self.check is not None:
            self.check.cancel()
            self.check = None

    def _fault(self, reason: DaemonReason, error: str) -> Faulted:
        return Faulted(self._number, reason, error)
