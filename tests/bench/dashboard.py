"""The dashboard beside 1,000 running jobs: time to its first frame, CPU, bytes to the terminal.

``python -m tests.bench.dashboard 20`` looks for 20 s.
"""

from __future__ import annotations

import json
import os
import pty
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path

from tests.bench.support import (
    JOBCTL,
    figure,
    headline,
    jobctl,
    milliseconds,
    number_argument,
    store_of,
    supervisor,
    throwaway_home,
)
from tests.support.cli import cli_environment
from tests.support.waiting import wait_until

COUNT = 1000
SETTLE_SECONDS = 3.0
SIZES = ((80, 24), (200, 60))


def main() -> None:
    """Print the figures."""
    seconds = number_argument(10)
    headline(f"dashboard: {COUNT:,} running jobs, over {seconds} s")
    text = (json.dumps({"command": ["sleep", "600"], "queue": "wide"}) + "\n") * COUNT
    with throwaway_home() as home:
        jobctl(home, "queue", "add", "wide", "--concurrency", str(COUNT))
        with store_of(home) as store, supervisor(home):
            jobctl(home, "submit", "-q", "--jsonl", "-", text=text)
            wait_until(lambda: store.jobs.counts()["running"] == COUNT, seconds=120)
            for width, rows in SIZES:
                _measure(home.path, width, rows, seconds)
            jobctl(home, "down", "--now")


def _measure(home: str, width: int, rows: int, seconds: int) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        [*JOBCTL, "watch"], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env=cli_environment(home, {"TERM": "xterm-256color"}),
    )  # fmt: skip
    try:
        shown = b""
        while b"running 1,000" not in shown:
            shown += os.read(ours, 65536)
        size = f"{width} × {rows}"
        cost = milliseconds(_cpu_seconds(process.pid))
        figure(f"first frame at {size}", f"{milliseconds(time.monotonic() - began)}, of it {cost} of CPU")
        _drain(ours, SETTLE_SECONDS)
        cpu, began = _cpu_seconds(process.pid), time.monotonic()
        sent = _drain(ours, seconds)
        elapsed = time.monotonic() - began
        used = (_cpu_seconds(process.pid) - cpu) / elapsed
        figure(f"CPU at {size}", f"{used:.1%} of a core, {sent / elapsed / 1024:.1f} KiB/s to the terminal")
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(theirs)
        os.close(ours)


def _drain(descriptor: int, seconds: float) -> int:
    """How many bytes came within this time."""
    count, stop = 0, time.monotonic() + seconds
    os.set_blocking(descriptor, False)
    while time.monotonic() < stop:
        try:
            count += len(os.read(descriptor, 65536))
        except BlockingIOError:
            time.sleep(0.05)
    os.set_blocking(descriptor, True)
    return count


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
