"""Daemons that are stopped: in order, and as fast as was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.model.daemons import DaemonState
from jobctl.model.lives import StopMode
from tests.support.daemons import FOREVER, DaemonStage
from tests.support.supervisors import PATIENCE
from tests.support.waiting import wait_until

RUNNING, STOPPED = DaemonState.RUNNING, DaemonState.STOPPED


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    yield found
    found.close()


def test_those_stopped_together_stop_before_those_they_need(stage: DaemonStage) -> None:
    stage.declare("db")
    stage.declare("api", "trap 'while [ -e gate ]; do sleep 0.01; done; exit' TERM; touch up; " + FOREVER,
                  depends_on=("db",))  # fmt: skip
    stage.path("gate").touch()
    supervisor = stage.supervise()
    stage.turn_until(supervisor, stage.path("up").exists, tick=0.05)
    stage.running(supervisor, "api")
    stage.ask("stop", "db", "api")
    stage.turn_until_state(supervisor, "api", DaemonState.STOPPING)
    for _ in range(5):
        supervisor.turn()
    assert stage.state("db") is RUNNING
    stage.path("gate").unlink()
    stage.turn_until_state(supervisor, "db", STOPPED)
    assert stage.state("api") is STOPPED


def test_one_that_is_needed_may_be_stopped_alone(stage: DaemonStage) -> None:
    stage.declare("db")
    stage.declare("api", depends_on=("db",))
    supervisor = stage.supervise()
    stage.running(supervisor, "api")
    stage.ask("stop", "db")
    stage.turn_until_state(supervisor, "db", STOPPED)
    assert stage.state("api") is RUNNING


@pytest.mark.parametrize("grace", [None, 2.0])
def test_who_says_now_waits_no_longer_for_daemons(stage: DaemonStage, grace: float | None) -> None:
    stage.declare("web", "trap '' TERM; touch up; " + FOREVER, stop_timeout_seconds=1e6)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.turn_until(supervisor, stage.path("up").exists)
    supervisor.stop_grace = grace
    supervisor.stop(StopMode.DRAIN)
    stage.turn_until_state(supervisor, "web", DaemonState.STOPPING)
    supervisor.stop(StopMode.NOW)
    supervisor.turn()
    stage.clock.advance(grace or 0.0)
    stage.turn_until(supervisor, lambda: supervisor.finished, tick=0.01)
    assert stage.exits("web")[0].signal == "SIGKILL"


def test_now_alone_leaves_each_its_time_until_the_third_signal(stage: DaemonStage) -> None:
    stage.declare("web", "trap '' TERM; touch up; " + FOREVER, stop_timeout_seconds=1e6)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.turn_until(supervisor, stage.path("up").exists)
    keeper = supervisor.daemons
    assert keeper is not None
    keeper.keep(StopMode.NOW, jobs_run=False, signals=2)
    stage.clock.advance(1000)
    keeper.keep(StopMode.NOW, jobs_run=False, signals=2)
    assert stage.processes()

    def ended() -> bool:
        keeper.keep(StopMode.NOW, jobs_run=False, signals=3)
        return not stage.processes()

    wait_until(ended, seconds=PATIENCE)
    supervisor.stop(StopMode.NOW)
