"""From ``submit`` to the job's first act on an idle supervisor: the median of 50.

Budget: 15 ms from the submitting call. The job writes ``date +%s%N``; the floor is the same shell spawned directly.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

from jobctl.actions.admissions import submit
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.store import Store
from tests.bench.support import (
    figure,
    headline,
    jobctl,
    number_argument,
    spread,
    store_of,
    submission,
    supervisor,
    throwaway_home,
)
from tests.support.waiting import wait_until

PAUSE_SECONDS = 0.05
"""Between two jobs: the supervisor has gone idle."""


def main() -> None:
    """Print the figures."""
    count = number_argument(50)
    headline(f"start_latency, {count} jobs one by one")
    with throwaway_home() as home, store_of(home) as store, supervisor(home):
        called = [_from_call(home, store, number) for number in range(count)]
        typed = [_from_command_line(home, number) for number in range(min(count, 20))]
        floor = [_spawned(home, number) for number in range(count)]
    figure("submit call → job's first act", f"{spread(called)} (budget 15 ms)")
    figure("`jobctl submit` typed → job's first act", spread(typed))
    figure("floor: sh spawned directly → its first act", spread(floor))
    figure("ratio of medians to the floor", f"{statistics.median(called) / statistics.median(floor):.1f} ×")


def _script(stamp: str) -> str:
    # Renamed when complete: nobody reads half a number.
    return f"date +%s%N >{stamp}.part && mv {stamp}.part {stamp}"


def _since(began: int, stamp: str) -> float:
    wait_until(Path(stamp).exists, seconds=30)
    acted = int(Path(stamp).read_text())
    time.sleep(PAUSE_SECONDS)
    return (acted - began) / 1e9


def _from_call(home: Home, store: Store, number: int) -> float:
    stamp = f"{home.path}/call{number}"
    job = submission(home, "/bin/sh", "-c", _script(stamp))
    began = time.time_ns()
    submit(store, [job], SystemClock())
    return _since(began, stamp)


def _from_command_line(home: Home, number: int) -> float:
    stamp = f"{home.path}/typed{number}"
    began = time.time_ns()
    jobctl(home, "submit", "-q", "--shell", _script(stamp))
    return _since(began, stamp)


def _spawned(home: Home, number: int) -> float:
    stamp = f"{home.path}/spawned{number}"
    began = time.time_ns()
    with subprocess.Popen(["/bin/sh", "-c", _script(stamp)]) as process:
        process.wait()
    return _since(began, stamp)


if __name__ == "__main__":
    main()
