"""Daemons that other lives left: what still runs is adopted, what ended meanwhile is judged, strays are ended."""

from __future__ import annotations

import os
from collections.abc import Mapping

from jobctl.clock import Clock
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.processes import ProcessTable, carries_brand, start_ticks
from jobctl.model.daemon_machine import Condition, Wished
from jobctl.model.daemons import Autostart, Daemon, DaemonId, DaemonState, Wanted
from jobctl.model.events import EventKind
from jobctl.model.homes import Home
from jobctl.supervisor.daemon_processes import DaemonProcess
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.kept_daemon import KeptDaemon
from jobctl.supervisor.sweeps import Sweeps


class DaemonRecovery:
    """Looks once, when a supervisor begins. It starts nothing and writes nothing."""

    def __init__(self, home: Home, identities: Identities, clock: Clock) -> None:
        self._home = home
        self._identities = identities
        self._clock = clock
        self.strays = Sweeps()
        """Ends of what belongs to daemons that are not on record any more."""

    def take_over(self, kept: Mapping[DaemonId, KeptDaemon]) -> None:
        """Every daemon has its living generation, and whatever else runs of one is being ended."""
        table, now = ProcessTable.read(), self._clock.monotonic()
        for daemon in kept.values():
            self._adopt(daemon, table)
        for daemon_id, generation in sorted(self._identities.living_generations(table)):
            found = kept.get(DaemonId(daemon_id))
            if found is not None and found.process is not None and found.process.number == generation:
                continue
            grace = 10.0 if found is None else found.definition.stop_timeout_seconds
            sweeps = self.strays if found is None else found.sweeps
            sweeps.add(self._identities.daemon_tree(daemon_id, generation), grace, now)
        for daemon in kept.values():
            living = None if daemon.process is None else daemon.process.number
            problem = daemon.output.take_up(living, now)
            if problem is not None:
                daemon.note(EventKind.DAEMON_LOG_FAILED, error=problem)

    def _adopt(self, daemon: KeptDaemon, table: ProcessTable) -> None:
        """The generation on record is watched, be it to see that it has ended; one that never started is none."""
        record = daemon.record
        if not record.state.is_live:
            return
        process = self._found(record)
        begun = process.directory.read_pid() is not None or record.pid is not None
        if begun or process.is_at_work(table) or process.directory.is_held():
            daemon.adopt(process, self._condition(record))
            if record.state is DaemonState.STOPPING:
                daemon.apply(
                    Wished(True, restart=True)
                )  # the dead life was ending it; if it is not wanted, only that

    def _found(self, record: Daemon) -> DaemonProcess:
        directory = AttemptDirectory(self._home.generation(record.name, record.generation))
        tree = self._identities.daemon_tree_of_orphan(record.id, record.generation, directory)
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        started_at = min(record.started_at or _written_at(f"{directory.path}/pid", now_ms), now_ms)
        began = now - (now_ms - started_at) / 1000
        process = DaemonProcess(record.generation, directory, tree, None, started_at, began)
        if record.pid is not None and record.pid != tree.shim_pid:
            ticks = start_ticks(record.pid)
            if ticks is not None and carries_brand(record.pid, tree.tag, tree.marker):
                process.adopt_main(record.pid, ticks, vouched=record.vouched)
        return process

    def _condition(self, record: Daemon) -> Condition:
        """Where the dead life left it, by this life's clock; as up, if it was being ended."""
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        ready_at = None if record.ready_at is None else now - max(0, now_ms - record.ready_at) / 1000
        state = DaemonState.RUNNING if ready_at is not None else DaemonState.STARTING
        left = record.definition.start_timeout_seconds
        return Condition(
            wanted=True,
            state=state,
            reason=None if record.state is DaemonState.STOPPING else record.reason,
            generation=record.generation,
            failures=record.consecutive_failures,
            restarts=record.restarts,
            start_deadline=now + left if state is DaemonState.STARTING else None,
            ready_at=ready_at,
        )


def wanted_at_start(record: Daemon, *, runs: bool) -> Wanted:
    """What the rule of autostart says when a supervisor begins; what runs already, or was asked for since, stays."""
    if record.removed_at is not None:
        return Wanted.DOWN
    rule = record.definition.autostart
    if rule is Autostart.ALWAYS:
        return Wanted.UP
    if rule is Autostart.NEVER and not runs and record.is_settled:
        return Wanted.DOWN
    return record.wanted


def _written_at(path: str, default: int) -> int:
    try:
        return os.stat(path).st_mtime_ns // 1_000_000
    except OSError:
        return default
