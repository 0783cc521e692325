"""CPU and memory of an idle supervisor over 30 s. Budget: ≤ 0.5 % of a core, ≤ 45 MB."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.support import figure, headline, number_argument, supervisor, throwaway_home
from tests.support.cli import cli_environment

SETTLE_SECONDS = 3.0


def main() -> None:
    """Print the figures."""
    seconds = number_argument(30)
    headline(f"idle supervisor over {seconds} s")
    with throwaway_home() as home, supervisor(home) as process:
        time.sleep(SETTLE_SECONDS)
        began, cpu, switches = (
            time.monotonic(),
            _cpu_seconds(process.pid),
            _field(process.pid, "voluntary_ctxt_switches"),
        )
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        used = _cpu_seconds(process.pid) - cpu
        woken = _field(process.pid, "voluntary_ctxt_switches") - switches
        memory = _field(process.pid, "VmRSS") * 1024
    figure("CPU", f"{used / elapsed:.2%} of a core (budget 0.50%), {woken / elapsed:.1f} wake-ups a second")
    floor = _imports_memory()
    figure("memory", f"{memory / 1e6:.0f} MB RSS (budget 45 MB)")
    figure("floor: python with typer, peewee and apsw", f"{floor / 1e6:.0f} MB; ratio {memory / floor:.2f} ×")


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
