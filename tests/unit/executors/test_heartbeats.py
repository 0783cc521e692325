"""Heartbeats by touch."""

from __future__ import annotations

import os
from pathlib import Path

from jobctl.executors.heartbeats import HeartbeatFile
from tests.support.clocks import START_MS, ManualClock


def touch(path: Path, at_ms: int) -> None:
    path.touch()
    os.utime(path, ns=(0, at_ms * 1_000_000))


def test_the_last_touch_is_the_heartbeat(tmp_path: Path) -> None:
    path, clock = tmp_path / "heartbeat", ManualClock()
    heartbeat = HeartbeatFile(str(path), clock)
    assert heartbeat.touched_at() is None
    touch(path, START_MS - 5000)
    assert heartbeat.touched_at() == START_MS - 5000


def test_a_touch_in_the_future_is_one_now(tmp_path: Path) -> None:
    path, clock = tmp_path / "heartbeat", ManualClock()
    touch(path, START_MS + 86_400_000)
    assert HeartbeatFile(str(path), clock).touched_at() == START_MS


def test_a_new_generation_begins_without_a_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    heartbeat = HeartbeatFile(str(path), ManualClock())
    touch(path, START_MS)
    heartbeat.forget()
    heartbeat.forget()
    assert heartbeat.touched_at() is None


def test_a_fifo_in_its_place_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    os.mkfifo(path)
    assert HeartbeatFile(str(path), ManualClock()).touched_at() == START_MS
