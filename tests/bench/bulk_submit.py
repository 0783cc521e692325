"""10,000 jobs through ``submit --jsonl``: the whole process and the store part.

Budget: ≤ 0.5 s in the store, well under 10 s in all. The floor is one bare table of the same texts.
"""

from __future__ import annotations

import json

import apsw

from jobctl.actions.admissions import submit
from jobctl.clock import SystemClock
from tests.bench.support import (
    figure,
    headline,
    jobctl,
    number_argument,
    store_of,
    submission,
    throwaway_home,
    timed,
)


def main() -> None:
    """Print the figures."""
    count = number_argument(10_000)
    headline(f"bulk_submit of {count:,} jobs")
    text = "".join(json.dumps({"command": ["true", str(number)]}) + "\n" for number in range(count))
    with throwaway_home() as home:
        whole = timed(lambda: jobctl(home, "submit", "-q", "--jsonl", "-", text=text))
    with throwaway_home() as home, store_of(home) as store:
        jobs = [submission(home, "true")] * count
        inside = timed(lambda: submit(store, jobs, SystemClock()))
    with throwaway_home() as home:
        floor = timed(lambda: _bare_inserts(home.path, text.splitlines()))
    figure("whole process", f"{whole:.2f} s, {count / whole:,.0f} jobs/s")
    figure("store part", f"{inside:.2f} s (budget 0.5 s for 10,000)")
    figure("floor: one bare table, same texts", f"{floor:.3f} s; store part is {inside / floor:.1f} × that")


def _bare_inserts(directory: str, lines: list[str]) -> None:
    connection = apsw.Connection(f"{directory}/bare.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE jobs(id INTEGER PRIMARY KEY, spec TEXT)")
    with connection:
        connection.executemany("INSERT INTO jobs(spec) VALUES(?)", ((line,) for line in lines))
    connection.close()


if __name__ == "__main__":
    main()
