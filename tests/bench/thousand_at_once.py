"""1,000 jobs ``sleep N`` at once in a queue of concurrency 1,000, the supervisor under ``ulimit -n 256``.

All of them complete; descriptors and threads stay bounded. ``python -m tests.bench.thousand_at_once 10`` sleeps 10 s.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.support import (
    figure,
    headline,
    jobctl,
    number_argument,
    store_of,
    supervisor,
    throwaway_home,
)

COUNT = 1000
OPEN_FILES = 256


@dataclass(slots=True)
class Peaks:
    """The most that was seen at any moment."""

    running: int = 0
    descriptors: int = 0
    threads: int = 0
    rss_kib: int = 0

    def look(self, pid: int, running: int) -> None:
        """What the supervisor has now was noted."""
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        self.running = max(self.running, running)
        self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{pid}/fd")))
        self.threads = max(self.threads, int(fields["Threads"]))
        self.rss_kib = max(self.rss_kib, int(fields["VmRSS"].split()[0]))


def main() -> None:
    """Print the figures."""
    seconds = number_argument(5)
    headline(f"thousand_at_once: {COUNT:,} × sleep {seconds}, ulimit -n {OPEN_FILES}")
    text = (json.dumps({"command": ["sleep", str(seconds)], "queue": "wide"}) + "\n") * COUNT
    peaks, all_started = Peaks(), 0.0
    with throwaway_home() as home:
        jobctl(home, "queue", "add", "wide", "--concurrency", str(COUNT))
        with store_of(home) as store, supervisor(home, open_files=OPEN_FILES) as process:
            jobctl(home, "submit", "-q", "--jsonl", "-", text=text)
            began = time.monotonic()
            while True:
                counts = store.jobs.counts()
                peaks.look(process.pid, counts["running"])
                if not all_started and not counts["queued"]:
                    all_started = time.monotonic() - began
                if not (counts["queued"] or counts["running"] or counts["created"]):
                    break
                time.sleep(0.05)
            ended = time.monotonic() - began
            completed = counts["completed"]
    figure(
        "all started after the submit returned",
        f"{all_started:.2f} s ({COUNT / max(all_started, 1e-3):,.0f} starts/s)",
    )
    figure("running at once, at most", f"{peaks.running:,}")
    figure("all ended", f"{ended:.2f} s, {ended / seconds:.2f} × one sleep")
    figure("completed", f"{completed:,} of {COUNT:,}")
    figure(
        "supervisor at most",
        f"{peaks.descriptors} fds, {peaks.threads} threads, {peaks.rss_kib / 1024:.0f} MiB RSS",
    )


if __name__ == "__main__":
    main()
