"""One submit with nothing queued and with 100,000 jobs queued. Budget: ≤ 1.2 ×."""

from __future__ import annotations

import statistics

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
    throwaway_home,
    timed,
)

CALLS = 300
PROCESSES = 15


def main() -> None:
    """Print the figures."""
    depth = number_argument(100_000)
    headline(f"queue_depth: submit at 0 and at {depth:,} queued")
    with throwaway_home() as empty, throwaway_home() as full:
        with store_of(empty) as shallow, store_of(full) as deep:
            deep_jobs = [submission(full, "true")] * depth
            filled = timed(lambda: submit(deep, deep_jobs, SystemClock()))
            figure(f"queueing {depth:,} in one transaction", f"{filled:.2f} s")
            # By turns: both see the same noise.
            pairs = [(_call(shallow, empty), _call(deep, full)) for _ in range(CALLS)]
        _compare("submit call", pairs)
        _compare("`jobctl submit`, whole process", [(_typed(empty), _typed(full)) for _ in range(PROCESSES)])


def _compare(label: str, pairs: list[tuple[float, float]]) -> None:
    at_none, at_depth = ([pair[side] for pair in pairs] for side in (0, 1))
    figure(f"{label}, nothing queued", spread(at_none))
    figure(f"{label}, all queued", spread(at_depth))
    ratio = statistics.median(at_depth) / statistics.median(at_none)
    figure("ratio of medians", f"{ratio:.2f} × (budget 1.2)")


def _call(store: Store, home: Home) -> float:
    job = submission(home, "true")
    return timed(lambda: submit(store, [job], SystemClock()))


def _typed(home: Home) -> float:
    return timed(lambda: jobctl(home, "submit", "-q", "--", "true"))


if __name__ == "__main__":
    main()
