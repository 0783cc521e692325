"""Processes where there is no Linux /proc: what psutil can tell, without tags and pidfds."""

from __future__ import annotations

import os
from collections.abc import Iterator

TICKS_PER_SECOND = 100


def boot_id() -> str:
    """The instant of boot; psutil's follows the wall clock, so minutes are all that is kept."""
    import psutil

    return f"boot-{round(psutil.boot_time() / 60)}"


def start_ticks(pid: int) -> int | None:
    """When ``pid`` started; ``None`` if there is no such process."""
    import psutil

    try:
        return _ticks(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def signal_process(pid: int, ticks: int, sig: int) -> bool:
    """``sig`` was sent to the process that was ``pid`` since ``ticks`` an instant ago."""
    if start_ticks(pid) != ticks:
        return False
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return False
    return True


def marker(pid: int, name: bytes) -> bytes:
    """``NAME=value`` of ``pid``'s environment; empty if it has none or may not be read."""
    import psutil

    try:
        value = psutil.Process(pid).environ().get(os.fsdecode(name))
    except psutil.Error:
        return b""
    return b"" if value is None else name + b"=" + os.fsencode(value)


def read_rows() -> Iterator[tuple[int, int, int, int, str, int, int, int]]:
    """Every process as the fields of a ``ProcessEntry``."""
    import psutil

    for process in psutil.process_iter(["pid", "ppid", "status", "create_time", "cpu_times", "memory_info"]):
        found = process.info
        pid = found["pid"]
        try:
            pgrp, session = os.getpgid(pid), os.getsid(pid)
        except OSError:
            pgrp = session = 0
        state = "Z" if found["status"] == psutil.STATUS_ZOMBIE else "S"
        cpu, memory = found["cpu_times"], found["memory_info"]
        spent = 0 if cpu is None else round((cpu.user + cpu.system) * TICKS_PER_SECOND)
        started = _ticks(found["create_time"] or 0.0)
        yield pid, found["ppid"] or 0, pgrp, session, state, started, spent, memory.rss if memory else 0


def _ticks(created: float) -> int:
    return int(created * TICKS_PER_SECOND)
