"""Figures from the roll-ups with 1,000,000 jobs in history. Budget: ≤ 50 ms in the store for what ``stats`` asks.

The history is written with SQL: 60 days, 300 names, 3 queues, 5 types, one job in ten failed. It is counted by pages,
as a supervisor counts the store of an older version; after that the rows are not looked at any more.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import apsw

from jobctl.actions.statistics import PAGE, StatsRequest, stats_of
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.model.statistics import DAY, Dimension, Period
from jobctl.store import Store
from jobctl.store.specs import spec_text
from tests.bench.support import (
    figure,
    headline,
    jobctl,
    milliseconds,
    number_argument,
    store_of,
    submission,
    throwaway_home,
    timed,
)

REPEATS = 15
DAYS = 60


def main() -> None:
    """Print the figures."""
    count = number_argument(1_000_000)
    headline(f"stats with {count:,} finished jobs in history")
    with throwaway_home() as home:
        figure("built", f"{timed(lambda: build(home, count)):.1f} s")
        with store_of(home) as store:
            now = SystemClock().now_ms()
            pages = count_all(store, now)
            took = sum(pages)
            rate = f"{took / count / 2 * 1e6:.1f} µs an event"
            figure(f"counted {2 * count:,} events, {len(pages):,} pages", f"{took:.1f} s, {rate}")
            figure("the slowest page, the lock held for less", milliseconds(max(pages)))
            tidied = timed(lambda: tidy_all(store, now))
            rows = store.database.value("SELECT count(*) FROM stat_slots")
            figure("tidied", f"{tidied:.2f} s; {rows:,} rows of figures are left")
            for label, read in reads(store, now).items():
                read()
                took = statistics.median(timed(read) for _ in range(REPEATS))
                figure(label, f"{milliseconds(took)} (budget 50 ms)")
        for words in (
            ("stats",),
            ("stats", "--since", "30d", "--by", "name", "--errors", "--json"),
            ("health",),
        ):
            took = statistics.median(timed(lambda words=words: jobctl(home, *words)) for _ in range(5))  # type: ignore[misc]
            figure(f"`jobctl {' '.join(words)}`, whole process", milliseconds(took))


def count_all(store: Store, now: int) -> list[float]:
    """Everything was counted; the seconds of each page."""
    pages: list[float] = []

    def page() -> bool:
        found = store.rollups.read(now, None, PAGE)
        if found is None:
            return False
        with store.write():
            return store.rollups.add(found, now)

    more = True

    def next_page() -> None:
        nonlocal more
        more = page()

    while more:
        pages.append(timed(next_page))
    return pages


def tidy_all(store: Store, now: int) -> None:
    """Past slots hold the busiest names only."""
    more = True
    while more:
        with store.write():
            more = store.rollups.tidy(now)


def reads(store: Store, now: int) -> dict[str, Callable[[], object]]:
    """What the verbs ask the store for, by label."""
    day, month = now - DAY, now - 30 * DAY
    return {
        "stats: a day and the day before": lambda: stats_of(store, StatsRequest(day), now),
        "stats --since 30d": lambda: stats_of(store, StatsRequest(month), now),
        "stats --since 30d --by queue": lambda: stats_of(store, StatsRequest(month, Dimension.QUEUE), now),
        "stats --by name --errors": lambda: stats_of(store, StatsRequest(day, Dimension.NAME, True), now),
        "stats --since 30d --by name --errors": lambda: stats_of(
            store, StatsRequest(month, Dimension.NAME, True), now
        ),
        "stats --since all": lambda: stats_of(store, StatsRequest(None), now),
        "depths of a day": lambda: store.statistics.depths(Period(day, now)),
    }


def build(home: Home, count: int) -> None:
    """The store of ``home`` holds ``count`` finished jobs of the last 60 days, and their events."""
    with store_of(home) as store:
        body = spec_text(submission(home, "true", "some", "words").spec)
        now = SystemClock().now_ms()
        with store.write():
            store.database.rows(
                "INSERT INTO lives(kind, pid, version, started_at, ended_at, end_reason) VALUES('up',1,'0',1,2,'idle')"
            )
            store.database.rows("UPDATE migrations SET applied_at=?", (now - DAYS * DAY,))
    step, start = DAYS * DAY / count, now - DAYS * DAY
    connection = apsw.Connection(home.store)
    connection.execute("PRAGMA synchronous=OFF")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{count})"
    at, took = f"(CAST({start}+i*{step} AS INTEGER))", "(1+i%977)*(1+i%13)"
    with connection:
        connection.execute(
            "INSERT OR IGNORE INTO queues(name, concurrency, created_at) VALUES('q1',1,1),('q2',1,1)"
        )
        connection.execute(
            f"{numbers} INSERT INTO jobs(id, kind, name, type, state, reason, queue, priority, attempt, attempts_used,"
            " created_at, queued_at, started_at, finished_at, exit_code)"
            " SELECT i, 'command', 'n'||(i%300), 't'||(i%5), iif(i%10=0,'failed','completed'),"
            " iif(i%10=0,'exit',NULL), CASE i%3 WHEN 0 THEN 'default' ELSE 'q'||(i%3) END, 5, 1, 1,"
            f" {at}, {at}, {at}, {at}+{took}, i%10=0 FROM n"
        )
        connection.execute(f"{numbers} INSERT INTO job_specs(job_id, spec) SELECT i, ? FROM n", (body,))
        connection.execute(
            f"{numbers} INSERT INTO attempts(job_id, number, life_id, pid, started_at, finished_at, outcome, reason,"
            f" exit_code) SELECT i, 1, 1, 4711, {at}, {at}+{took},"
            " iif(i%10=0,'failed','completed'), iif(i%10=0,'exit',NULL), i%10=0 FROM n"
        )
        connection.execute(
            f"{numbers} INSERT INTO events(at, kind, entity, entity_id, data)"
            f" SELECT {at}, iif(k.kind=1, 'job.submitted', iif(i%10=0, 'job.failed', 'job.completed')), 'job', i,"
            " iif(k.kind=1, '{}', '{\"attempt\":1,\"outcome\":\"'||iif(i%10=0,'failed','completed')||'\"}') FROM n,"
            " (SELECT 1 AS kind UNION ALL SELECT 2) k"
        )
        connection.execute(
            f"WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM m WHERE i<2880)"
            f" INSERT INTO depth_samples SELECT ({now}-i*60000)/60000*60000, i%40, i%5 FROM m"
        )
        connection.execute(
            "UPDATE job_totals SET jobs=(SELECT count(*) FROM jobs j WHERE j.state=job_totals.state)"
        )
    connection.close()


if __name__ == "__main__":
    main()
