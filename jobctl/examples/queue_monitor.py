"""Watches how many jobs wait in a queue and submits a clean-up job when they are too many.

    jobctl daemon add backlog --start --watchdog 1m -- \
        python3 -m jobctl.examples.queue_monitor mail --above 100 -- ./drop-old-mail.sh

At most one clean-up job waits or runs at a time (``jobctl submit --unique``). It goes to the queue ``default``, not
behind those that wait. ``$JOBCTL_HEARTBEAT`` is touched at each look: with ``--watchdog``, a monitor that hangs is
started again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

JOBCTL = (sys.executable, "-m", "jobctl")


def queue_depth(queue: str) -> int:
    """How many jobs of the queue could start if it had room."""
    listed = subprocess.run([*JOBCTL, "queue", "list", "--json"], stdout=subprocess.PIPE, check=True)
    for found in json.loads(listed.stdout)["queues"]:
        if found["name"] == queue:
            return int(found["queued"])
    sys.exit(f"no such queue: {queue}")


def submit_cleanup(queue: str, command: list[str]) -> int:
    """The id of the clean-up job of the queue that waits or runs: a new one, or the one there is."""
    submitted = subprocess.run(
        [
            *JOBCTL,
            "submit",
            "-q",
            "--unique",
            f"cleanup:{queue}",
            "-n",
            f"cleanup-{queue}",
            "-p",
            "1",
            "--",
            *command,
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(submitted.stdout)


def monitor(options: argparse.Namespace) -> None:
    """The queue is looked at until this process ends."""
    heartbeat = os.environ.get("JOBCTL_HEARTBEAT")
    last = 0
    while True:
        depth = queue_depth(options.queue)
        if depth > options.above:
            job_id = submit_cleanup(options.queue, options.command)
            if job_id != last:
                print(f"{depth} jobs wait in {options.queue}: clean-up is job {job_id}", flush=True)
                last = job_id
        if heartbeat:
            Path(heartbeat).touch()
        time.sleep(options.every)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Submit a clean-up job when too many jobs wait in a queue.")
    parser.add_argument("queue", metavar="QUEUE")
    parser.add_argument("command", metavar="-- CMD…", nargs="+", help="the clean-up job")
    parser.add_argument("--above", type=int, default=100, help="how many may wait; else 100")
    parser.add_argument("--every", type=float, default=10, help="seconds between two looks; else 10")
    monitor(parser.parse_args())


if __name__ == "__main__":
    main()
