"""Watches: what is observed of one living generation beside its processes, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.executors.notify import Notice
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import Tree
from jobctl.model.daemon_machine import Condition, Event, Extended, Faulted, Readied
from jobctl.model.daemons import DaemonDefinition, DaemonReason, DaemonState, Generation, Health
from jobctl.supervisor.checks import Check
from jobctl.supervisor.daemon_probes import Heartbeat, Probes
from jobctl.supervisor.readiness import Readiness

_MEMORY_STEP = 1 << 20
LONGEST_EXTENSION_SECONDS = 600.0
"""So much at once; who needs more asks again, and so shows that it lives."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of a generation that lives."""

    heartbeat_at: int | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    health: Health | None = None

    def differs(self, other: Figures) -> bool:
        """Whether it is worth a write: a megabyte, five percent of the memory, one of a processor, anything else."""
        if (self.heartbeat_at, self.health) != (other.heartbeat_at, other.health):
            return True
        if None in (self.memory_bytes, other.memory_bytes, self.cpu_percent, other.cpu_percent):
            return (self.memory_bytes, self.cpu_percent) != (other.memory_bytes, other.cpu_percent)
        memory, before = self.memory_bytes or 0, other.memory_bytes or 0
        step = max(_MEMORY_STEP, before // 20)
        return (
            abs(memory - before) > step or abs((self.cpu_percent or 0.0) - (other.cpu_percent or 0.0)) >= 1.0
        )


class Watches:
    """Of one generation. Its readiness is watched while it is starting, the rest from then on."""

    def __init__(
        self, number: Generation, readiness: Readiness | None, probes: Probes, heartbeat: Heartbeat
    ) -> None:
        self.status_text: str | None = None
        """What it says of itself."""
        self._number = number
        self._readiness = readiness
        self._probes = probes
        self._heartbeat = heartbeat
        self._closed = False

    @property
    def figures(self) -> Figures:
        """What is known now."""
        probes = self._probes
        return Figures(self._heartbeat.at, probes.memory_bytes, probes.cpu_percent, probes.health)

    @property
    def sessions(self) -> frozenset[int]:
        """Sessions of the commands that examine it."""
        checks = [self._probes.check, None if self._readiness is None else self._readiness.check]
        return frozenset(check.session for check in checks if check is not None and check.session is not None)

    def due_at(self, condition: Condition, definition: DaemonDefinition) -> float | None:
        """When ``observe`` has something to do, unless something happens before."""
        if self._closed:
            return None
        if condition.state is DaemonState.RUNNING:
            return self._probes.due_at(definition)
        return None if self._readiness is None else self._readiness.due_at

    def hear(self, notice: Notice, definition: DaemonDefinition, now: float) -> list[Event]:
        """What follows from what it said."""
        self._heartbeat.note(notice)
        if notice.stopping:
            self._probes.suspend(now + definition.stop_timeout_seconds)
        elif notice.reloading:
            self._probes.suspend(now + definition.start_timeout_seconds)
        elif notice.ready:
            self._probes.resume(now)
        if notice.status is not None:
            self.status_text = notice.status
        if notice.ready and self._readiness is not None:
            self._readiness.notified()
        if notice.extend_seconds is None:
            return []
        seconds = min(notice.extend_seconds, LONGEST_EXTENSION_SECONDS)
        return [Extended(self._number, notice.extended_at + seconds)]

    def read(self, pieces: Sequence[tuple[str, bytes]]) -> None:
        """It printed this."""
        if self._readiness is not None:
            self._readiness.read(pieces)

    def observe(self, condition: Condition, definition: DaemonDefinition, now: float) -> Event | None:
        """What follows from what is due."""
        if self._closed:
            return None
        if condition.state is DaemonState.RUNNING:
            return self._probes.advance(definition, now)
        return None if self._readiness is None else self._await(self._readiness, now)

    def _await(self, readiness: Readiness, now: float) -> Event | None:
        readiness.advance(now)
        if readiness.ready:
            readiness.close()
            self._readiness = None
            self._heartbeat.start(now)
            return Readied(self._number)
        if readiness.problem is not None:
            return Faulted(self._number, DaemonReason.START_TIMEOUT, readiness.problem)
        return None

    def sample(
        self, table: ProcessTable, tree: Tree, definition: DaemonDefinition, now: float
    ) -> Event | None:
        """Its use of memory and processor is known, and its latest heartbeat; what follows from it."""
        if self._closed:
            return None
        self._heartbeat.look()
        return self._probes.sample(table, tree, definition, now)

    def examine(self, check: Check | None) -> None:
        """Its health command is this one from now on."""
        if not self._closed:
            self._probes.examine(check)

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended was a check of it."""
        check = None if self._readiness is None else self._readiness.check
        return (check is not None and check.reaped(pid, status)) or self._probes.reaped(pid, status)

    def close(self) -> None:
        """It is not watched any more."""
        self._closed = True
        if self._readiness is not None:
            self._readiness.close()
            self._readiness = None
        self._probes.close()
