"""Daemons of spawned supervisors: killed, stopped, left running, taken up again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.supervisors import wake
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonSource, DaemonState
from tests.support.daemons import FOREVER
from tests.support.supervisors import Site, end_processes


class DaemonSite(Site):
    """A site with one daemon called ``web``."""

    def declare(self, text: str = FOREVER) -> None:
        """It is declared and wanted up."""
        definition = DaemonDefinition("web", command=("/bin/sh", "-c", text), cwd=str(self.root))
        with self.store.write():
            self.store.daemons.add(definition, DaemonSource.CLI, self.clock.now_ms())
            self.store.daemons.ask_start("web", self.clock.now_ms())
        wake(self.home)

    @property
    def web(self) -> Daemon:
        """The daemon as it stands."""
        found = self.store.daemons.get("web")
        assert found is not None
        return found

    def wait_up(self) -> Daemon:
        """It runs."""
        self.wait_for(lambda: self.web.state is DaemonState.RUNNING)
        return self.web

    def wait_adopted(self, times: int) -> None:
        """It was adopted so often."""
        self.wait_for(
            lambda: [event.kind for event in self.store.events.after(0)].count("daemon.adopted") == times
        )

    def leaders(self) -> list[int]:
        """The shims that run."""
        return [entry.pid for entry in self.processes() if entry.session == entry.pid]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DaemonSite]:
    found = DaemonSite(tmp_path)
    yield found
    found.close()


def test_a_killed_supervisor_costs_a_daemon_nothing(site: DaemonSite) -> None:
    site.declare("n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done")
    supervisor = site.up()
    first = site.wait_up()
    for count in (1, 2):
        site.kill(supervisor)
        supervisor = site.up()
        site.wait_adopted(count)
    assert (site.web.pid, site.web.generation, site.web.started_at) == (first.pid, 1, first.started_at)
    assert len(site.leaders()) == 1
    supervisor.send_signal(signal.SIGTERM)
    assert site.finish(supervisor) == 0
    assert not site.processes()
    assert (site.web.state, site.web.reason) == (DaemonState.STOPPED, "shutdown")
    lines = Path(site.home.daemon("web"), "log", "current").read_text().splitlines()
    numbers = [int(line.rsplit(" ", 1)[1]) for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_daemon_killed_with_its_supervisor_starts_once(site: DaemonSite) -> None:
    site.declare("echo x >> starts; " + FOREVER)
    supervisor = site.up()
    site.wait_up()
    site.kill(supervisor)
    end_processes(site.store)
    site.up()
    site.wait_for(lambda: site.web.generation == 2 and site.web.state is DaemonState.RUNNING)
    assert (site.root / "starts").read_text() == "x\nx\n"


def test_until_idle_stops_daemons_at_the_end_and_down_leaves_them_on_request(site: DaemonSite) -> None:
    site.declare()
    assert site.finish(site.spawn("up", "--until-idle")) == 0
    assert not site.processes()
    supervisor = site.up()
    pid = site.wait_up().pid
    assert site.finish(site.spawn("down", "--leave-running")) == 0
    assert site.finish(supervisor) == 0
    assert len(site.leaders()) == 1
    site.up()
    site.wait_adopted(1)
    assert site.web.pid == pid
