"""Heartbeats of daemons and figures worth a write."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.executors.heartbeats import HeartbeatFile
from jobctl.executors.notify import Notice
from jobctl.model.daemons import DaemonDefinition, Health
from jobctl.supervisor.daemon_probes import Heartbeat
from jobctl.supervisor.daemon_watches import Figures
from tests.support.clocks import ManualClock

DEFINITION = DaemonDefinition("web", watchdog_seconds=10.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def touch(path: Path, at_ms: int) -> None:
    path.touch()
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))


def left(heartbeat: Heartbeat, clock: ManualClock) -> float:
    due = heartbeat.due_at(DEFINITION)
    assert due is not None
    return due - clock.monotonic()


def test_a_touch_counts_from_when_it_was_made(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    clock.advance(8)
    touch(tmp_path / "beat", clock.now_ms() - 3000)
    heartbeat.look()
    assert left(heartbeat, clock) == pytest.approx(7.0)
    assert heartbeat.at == clock.now_ms() - 3000


def test_a_touch_in_the_future_counts_once(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    touch(tmp_path / "beat", clock.now_ms() + 86_400_000)
    heartbeat.look()
    for _ in range(12):
        clock.advance(1)
        heartbeat.look()
    assert left(heartbeat, clock) < 0


def test_a_wall_clock_that_jumps_makes_no_fresh_touch_old(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    clock.advance(5)
    heartbeat.look()
    touch(tmp_path / "beat", clock.now_ms())
    clock._now_ms += 3_600_000
    clock.advance(1)
    heartbeat.look()
    assert left(heartbeat, clock) >= 9.0


def test_a_ping_counts_and_may_change_the_interval(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    clock.advance(9)
    heartbeat.note(Notice(pinged_at=clock.monotonic() - 1, watchdog_seconds=2.0))
    assert left(heartbeat, clock) == pytest.approx(1.0)
    assert heartbeat.at == clock.now_ms() - 1000
    assert heartbeat.due_at(replace(DEFINITION, watchdog_seconds=None)) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Figures(), Figures(), False),
        (Figures(), Figures(memory_bytes=1), True),
        (Figures(memory_bytes=100 << 20, cpu_percent=1.0), Figures(None, 104 << 20, 1.5), False),
        (Figures(memory_bytes=100 << 20, cpu_percent=1.0), Figures(None, 106 << 20, 1.0), True),
        (Figures(memory_bytes=1, cpu_percent=1.0), Figures(None, 1, 2.5), True),
        (Figures(health=Health.HEALTHY), Figures(), True),
        (Figures(heartbeat_at=1), Figures(heartbeat_at=2), True),
    ],
)
def test_only_figures_that_changed_enough_are_worth_a_write(
    before: Figures, after: Figures, expected: bool
) -> None:
    assert after.differs(before) is expected
