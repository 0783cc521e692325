"""CPU, memory and wake-ups of an idle supervisor, without and with schedules. Budget: ≤ 0.5 % of a core, ≤ 45 MB."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from jobctl.actions.schedules import add_schedule
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from tests.bench.support import figure, headline, number_argument, store_of, supervisor, throwaway_home
from tests.support.cli import cli_environment
from tests.support.schedules import caller, request

SETTLE_SECONDS = 3.0
SCHEDULES = 100


def main() -> None:
    """Print the figures."""
    seconds = number_argument(30)
    headline(f"idle supervisor over {seconds} s")
    for schedules in (0, SCHEDULES):
        with throwaway_home() as home:
            _add(home, schedules)
            with supervisor(home) as process:
                _measure(process, seconds, f"with {schedules} schedules, none due" if schedules else "")
    floor = _imports_memory()
    figure("floor: python with typer, peewee and apsw", f"{floor / 1e6:.0f} MB")


def _add(home: Home, count: int) -> None:
    with store_of(home) as store:
        clock = SystemClock()
        for number in range(count):
            asked = request(cron=f"{number % 60} 3 1 1 *")
            add_schedule(store, f"s{number}", asked, caller(store, clock), clock, disabled=False)


def _measure(process: subprocess.Popen[bytes], seconds: int, what: str) -> None:
    time.sleep(SETTLE_SECONDS)
    began, cpu = time.monotonic(), _cpu_seconds(process.pid)
    switches = _field(process.pid, "voluntary_ctxt_switches")
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    used = _cpu_seconds(process.pid) - cpu
    woken = _field(process.pid, "voluntary_ctxt_switches") - switches
    memory = _field(process.pid, "VmRSS") * 1024
    minute = f"{60 * woken / elapsed:.0f} wake-ups a minute"
    figure(f"CPU {what}".strip(), f"{used / elapsed:.2%} of a core (budget 0.50%), {minute}")
    figure(f"memory {what}".strip(), f"{memory / 1e6:.0f} MB RSS (budget 45 MB)")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def _imports_memory() -> int:
    code = "import typer, peewee, apsw, sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cli_environment()
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = _field(process.pid, "VmRSS") * 1024
        process.communicate()
    return found


if __name__ == "__main__":
    main()
