"""Daemons kept by a supervisor that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonExit, DaemonSource, DaemonState
from jobctl.model.events import Entity, Event
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage

FOREVER = "while :; do sleep 0.05; done"
"""A shell line that goes on."""


class DaemonStage(Stage):
    """A stage on which daemons are declared, asked for and looked at."""

    def declare(self, name: str, text: str = FOREVER, *, start: bool = True, **changes: Any) -> None:
        """A daemon for the shell line is declared, and wanted up."""
        definition = DaemonDefinition(name, command=("/bin/sh", "-c", text), cwd=str(self.root))
        with self.store.write():
            self.store.daemons.add(replace(definition, **changes), DaemonSource.CLI, self.clock.now_ms())
        if start:
            self.ask("start", name)

    def edit(self, name: str, **changes: Any) -> None:
        """The daemon is declared otherwise."""
        with self.store.write():
            changed = replace(self.daemon(name).definition, **changes)
            self.store.daemons.edit(changed, DaemonSource.CLI, self.clock.now_ms())

    def ask(self, what: str, *names: str) -> None:
        """``start``, ``stop``, ``restart`` or ``remove`` is asked for."""
        daemons = self.store.daemons
        verb = {
            "start": daemons.ask_start,
            "stop": daemons.ask_stop,
            "restart": daemons.ask_restart,
            "remove": daemons.remove,
        }[what]
        with self.store.write():
            for name in names:
                verb(name, self.clock.now_ms())

    def daemon(self, name: str) -> Daemon:
        """The daemon as it stands."""
        found = self.store.daemons.get(name)
        assert found is not None
        return found

    def state(self, name: str) -> DaemonState:
        """Its state."""
        return self.daemon(name).state

    def exits(self, name: str) -> list[DaemonExit]:
        """How its generations ended, the newest first."""
        return self.store.daemons.exits(self.daemon(name).id)

    def daemon_events(self, name: str) -> list[Event]:
        """Its events, oldest first."""
        return self.store.events.about(Entity.DAEMON, name)

    def daemon_kinds(self, name: str) -> list[str]:
        """The kinds of its events without their ``daemon.``, oldest first."""
        return [event.kind.removeprefix("daemon.") for event in self.daemon_events(name)]

    def turn_until_state(
        self, supervisor: Supervisor, name: str, *states: DaemonState, tick: float = 0.05
    ) -> Daemon:
        """The supervisor turned until the daemon was in one of the states, and all that was asked is heeded."""

        def reached() -> bool:
            daemon = self.daemon(name)
            return daemon.state in states and daemon.is_settled

        self.turn_until(supervisor, reached, tick=tick)
        return self.daemon(name)

    def running(self, supervisor: Supervisor, name: str) -> Daemon:
        """The daemon is ready, and its own pid is known."""
        self.turn_until_state(supervisor, name, DaemonState.RUNNING)
        return self.daemon(name)

    def path(self, name: str) -> Path:
        """A file of the test's."""
        return self.root / name

    def wait_for(self, supervisor: Supervisor, predicate: Callable[[], object], *, tick: float = 0.0) -> None:
        """The supervisor turned until the predicate held."""
        self.turn_until(supervisor, predicate, tick=tick)
