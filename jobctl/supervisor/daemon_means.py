"""What every kept daemon of a supervisor uses, and what is made of it for one generation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from jobctl.clock import Clock
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import Executor
from jobctl.executors.compressor import Compressor
from jobctl.executors.daemon_logs import DaemonLogReader, LineChoice
from jobctl.executors.heartbeats import HeartbeatFile
from jobctl.executors.log_rotation import LogLimits
from jobctl.executors.notify import NotifyReceiver, TreeMembership
from jobctl.executors.spools import SpoolPump
from jobctl.executors.trees import Tree
from jobctl.model.daemons import Daemon, DaemonDefinition, Generation, ReadyKind
from jobctl.model.homes import Home
from jobctl.supervisor.checks import Check, Rhythm
from jobctl.supervisor.daemon_functions import DaemonFunctions
from jobctl.supervisor.daemon_orders import (
    check_environment,
    command_argv,
    daemon_order,
    heartbeat_path,
    log_path,
    make_directories,
)
from jobctl.supervisor.daemon_output import DaemonOutput
from jobctl.supervisor.daemon_probes import Heartbeat, Probes
from jobctl.supervisor.daemon_processes import DaemonProcess
from jobctl.supervisor.daemon_watches import Watches
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.readiness import CHECK_EVERY_SECONDS, CHECK_TIMEOUT_SECONDS, Readiness

LONGEST_CHECK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DaemonMeans:
    """Shared by all daemons of one life."""

    home: Home
    clock: Clock
    identities: Identities
    executor: Executor
    receiver: NotifyReceiver
    compressor: Compressor
    spread: Callable[[], float]
    functions: DaemonFunctions

    def new_output(self, daemon: Daemon) -> DaemonOutput:
        """What takes the daemon's output into its log."""
        directory = log_path(self.home, daemon.name)
        limits = log_limits(daemon.definition)
        pump = SpoolPump(directory, daemon.id, self.clock, limits, self.compressor)
        return DaemonOutput(self.home, daemon.name, pump)

    def launch(self, daemon: Daemon, number: Generation) -> DaemonProcess:
        """A new generation of the daemon runs.

        Raises:
            SpawnError: it cannot be started so.
            StartRefused: the machine has no room now.
            OSError: its directories or its socket cannot be made.
        """
        make_directories(self.home, daemon.name)
        definition, call = daemon.definition, daemon.definition.call
        argv = command_argv(definition) if call is None else self.functions.argv(daemon.name, call)
        self._heartbeat_file(daemon.name).forget()
        tree = self.identities.daemon_tree(daemon.id, number)
        run = self.identities.daemon_run(daemon.id, number)
        order = daemon_order(
            self.home, definition, number, run, tree.tag, self.listen(daemon.name, tree), argv
        )
        started = self.executor.start(order)
        return DaemonProcess(
            number, AttemptDirectory(order.directory),
            self.identities.daemon_tree(daemon.id, number, started.pid), started.process,
            self.clock.now_ms(), self.clock.monotonic(),
        )  # fmt: skip

    def listen(self, name: str, tree: Tree) -> str:
        """The daemon's notify socket is open, for processes of that tree alone; returns its address.

        Raises:
            OSError: it cannot be.
        """
        address = self.receiver.open(name, self.home.daemon(name))
        self.receiver.expect(name, TreeMembership(tree))
        return address

    def new_watches(self, daemon: Daemon, process: DaemonProcess, *, starting: bool) -> Watches:
        """What watches the generation; its readiness too while it is ``starting``."""
        definition, now = daemon.definition, self.clock.monotonic()
        heartbeat = Heartbeat(self._heartbeat_file(daemon.name), self.clock)
        readiness, health = None, self.new_health_check(daemon, process)
        if starting:
            check = None
            if definition.ready.kind is ReadyKind.COMMAND:
                rhythm = Rhythm(now, CHECK_EVERY_SECONDS, CHECK_TIMEOUT_SECONDS)
                check = self._check(daemon, process, definition.ready.text, rhythm)
            readiness = Readiness(definition, process.began, check)
            if process.adopted:
                self._reread(daemon.name, process, readiness)
        return Watches(process.number, readiness, Probes(process.number, heartbeat, health), heartbeat)

    def new_health_check(self, daemon: Daemon, process: DaemonProcess) -> Check | None:
        """The health command for the generation, from now on; None without one."""
        if daemon.definition.health is None:
            return None
        every = daemon.definition.health_every_seconds
        rhythm = Rhythm(self.clock.monotonic() + every, every, LONGEST_CHECK_SECONDS)
        return self._check(daemon, process, daemon.definition.health, rhythm)

    def _reread(self, name: str, process: DaemonProcess, readiness: Readiness) -> None:
        """What the generation printed while another life looked counts too."""
        log = DaemonLogReader(log_path(self.home, name), LineChoice(since=process.started_at))
        with contextlib.suppress(OSError), log:  # no log that can be read tells nothing
            while readiness.reads_output and (lines := log.read()):
                readiness.read([(line.stream, line.text) for line in lines])

    def _check(self, daemon: Daemon, process: DaemonProcess, text: str, rhythm: Rhythm) -> Check:
        """A command that examines the generation."""
        run = self.identities.daemon_run(daemon.id, process.number)
        cwd = daemon.definition.cwd.encode("utf-8", "surrogateescape")
        environment = check_environment(self.home, daemon.definition, run)
        return Check(text, cwd, environment, process.tree.tag, rhythm)

    def _heartbeat_file(self, name: str) -> HeartbeatFile:
        return HeartbeatFile(heartbeat_path(self.home, name), self.clock)


def log_limits(definition: DaemonDefinition) -> LogLimits:
    """How much of its output is kept."""
    return LogLimits(definition.max_log_bytes, definition.keep_logs)
