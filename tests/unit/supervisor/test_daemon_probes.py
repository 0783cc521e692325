"""Heartbeats of daemons and figures worth a write."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.executors.heartbeats import HeartbeatFile
from jobctl.executors.notify import Notice
from jobctl.model.daemons import DaemonDefinition, Generation, Health
from jobctl.supervisor.checks import Check, Rhythm
from jobctl.supervisor.daemon_probes import Heartbeat, Probes
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


def test_a_supervisor_that_comes_late_asks_once_more(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    probes = Probes(Generation(1), heartbeat, None)
    clock.advance(60)  # it was stopped itself
    assert probes.advance(DEFINITION, clock.monotonic()) is None
    assert left(heartbeat, clock) == pytest.approx(10.0)
    clock.advance(60)
    fault = probes.advance(DEFINITION, clock.monotonic())
    assert fault is not None
    assert fault.reason == "watchdog"


def test_a_beat_found_missing_in_time_is_no_excuse(tmp_path: Path, clock: ManualClock) -> None:
    heartbeat = Heartbeat(HeartbeatFile(str(tmp_path / "beat"), clock), clock)
    clock.advance(10.1)
    assert Probes(Generation(1), heartbeat, None).advance(DEFINITION, clock.monotonic()) is not None


def test_a_late_check_is_waited_for_not_polled() -> None:
    check = Check("sleep 1000", b"/", dict(os.environb), 0, Rhythm(0.0, 5.0, 10.0))
    check.advance(0.0)
    assert check.due_at == 10.0
    try:
        check.advance(10.0)
        assert check.due_at == float("inf")
        assert check.session is not None
        assert check.reaped(*os.waitpid(check.session, 0))
        assert check.advance(11.0) is False
        assert check.due_at == 5.0
    finally:
        check.cancel()


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
