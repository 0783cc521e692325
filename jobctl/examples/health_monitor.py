"""Tells how the machine and its jobs are, as the status text of its daemon; see ``jobctl daemon list``.

    jobctl daemon add health --start --ready notify --watchdog 1m -- \
        python3 -m jobctl.examples.health_monitor --path /srv --least-free 10

It speaks sd_notify, as programs under systemd do: ``READY=1`` once, then ``STATUS=`` and ``WATCHDOG=1`` at each look. A
line is printed when the verdict changes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress

JOBCTL = (sys.executable, "-m", "jobctl")


def notify(*lines: str) -> None:
    """The supervisor knows these lines (sd_notify(3)); while there is none, nobody does."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace of Linux
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.sendto("\n".join(lines).encode(), address)


def job_counts() -> dict[str, int]:
    """How many jobs there are in each state."""
    # It exits 6 while no supervisor runs, and prints the counts all the same.
    shown = subprocess.run([*JOBCTL, "status", "--json"], stdout=subprocess.PIPE, check=False)
    counts: dict[str, int] = json.loads(shown.stdout)["counts"]
    return counts


def examine(path: str, least_free: float) -> tuple[str, str]:
    """The verdict and the whole status text."""
    usage = shutil.disk_usage(path)
    free = 100 * usage.free / usage.total
    load = os.getloadavg()[0]
    counts = job_counts()
    verdict = "ok" if free >= least_free else "low disk"
    text = f"{free:.0f}% of {path} free, load {load:.1f}"
    return verdict, f"{verdict}: {text}, {counts['running']} running, {counts['queued']} queued"


def monitor(options: argparse.Namespace) -> None:
    """The status text is kept up to date until this process ends."""
    every = options.every
    if "WATCHDOG_USEC" in os.environ:
        every = min(every, int(os.environ["WATCHDOG_USEC"]) / 2_000_000)
    last = ""
    while True:
        verdict, text = examine(options.path, options.least_free)
        notify(*([] if last else ["READY=1"]), f"STATUS={text}", "WATCHDOG=1")
        if verdict != last:
            print(text, flush=True)
            last = verdict
        time.sleep(every)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Keep a status text about the machine and its jobs.")
    parser.add_argument("--path", default="/", help="the file system to look at; else /")
    parser.add_argument("--least-free", type=float, default=5, help="per cent that must be free; else 5")
    parser.add_argument("--every", type=float, default=10, help="seconds between two looks; else 10")
    monitor(parser.parse_args())


if __name__ == "__main__":
    main()
