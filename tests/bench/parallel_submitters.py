"""Twenty callers submit two hundred jobs each, all at once: how long one submit takes, and that none fails."""

from __future__ import annotations

import subprocess
import sys
import time

from jobctl.actions.admissions import submit
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from tests.bench.support import figure, headline, spread, store_of, submission, throwaway_home
from tests.support.cli import cli_environment

CALLERS = 20
JOBS = 200


def main() -> None:
    """Print the figures."""
    if len(sys.argv) > 1 and sys.argv[1] == "caller":
        caller(Home(sys.argv[2]))
        return
    headline(f"parallel_submitters: {CALLERS} × {JOBS} jobs")
    with throwaway_home() as home:
        with store_of(home):
            pass
        words = [sys.executable, "-m", "tests.bench.parallel_submitters", "caller", home.path]
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli_environment(home.path)
            )
            for _ in range(CALLERS)
        ]
        ended = [process.communicate() for process in running]
        seconds = time.perf_counter() - began
        times = [float(line) for out, _ in ended for line in out.split()]
        failed = [
            err.decode() for process, (_, err) in zip(running, ended, strict=True) if process.returncode
        ]
        with store_of(home) as store:
            queued = store.jobs.counts()["queued"]
    figure("submit calls", f"{spread(times)}, longest {max(times) * 1000:.0f} ms")
    figure("all stored after", f"{seconds:.2f} s; {queued} of {CALLERS * JOBS}, {len(failed)} callers failed")


def caller(home: Home) -> None:
    """One caller's jobs, each in a transaction of its own; the seconds of each on a line."""
    with store_of(home) as store:
        job = submission(home, "true")
        for _ in range(JOBS):
            began = time.perf_counter()
            submit(store, [job], SystemClock())
            print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
