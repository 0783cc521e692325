"""``list``, ``show`` and ``status`` with 1,000,000 finished jobs in the store. Budget: ≤ 50 ms each, in the store.

The history is written with SQL; the same reads on a store with 1,000 jobs are the floor.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import apsw

from jobctl.clock import SystemClock
from jobctl.model.events import Entity
from jobctl.model.filters import JobFilter, SortKey
from jobctl.model.homes import Home
from jobctl.model.states import JobId, JobStatus
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
FEW = 1000


def main() -> None:
    """Print the figures."""
    count = number_argument(1_000_000)
    headline(f"history of {count:,} finished jobs")
    with throwaway_home() as small, throwaway_home() as large:
        for home, jobs in ((small, FEW), (large, count)):
            built = timed(lambda home=home, jobs=jobs: build(home, jobs))  # type: ignore[misc]
            figure(f"built {jobs:,} jobs with attempts and events", f"{built:.1f} s")
        with store_of(small) as few, store_of(large) as many:
            floors = reads(few, FEW)
            for label, read in reads(many, count).items():
                took, floor = _median(read), _median(floors[label])
                figure(label, f"{milliseconds(took)}; {took / floor:.1f} × that with {FEW:,} (budget 50 ms)")
        for words in (("list", "--limit", "50"), ("show", str(count // 2)), ("db", "info")):
            took = statistics.median(timed(lambda words=words: jobctl(large, *words)) for _ in range(5))  # type: ignore[misc]
            figure(f"`jobctl {' '.join(words)}`, whole process", milliseconds(took))


def reads(store: Store, count: int) -> dict[str, Callable[[], object]]:
    """What the verbs ask the store for, by label."""
    jobs = store.jobs
    middle = JobId(count // 2)
    failed = (JobStatus.FAILED,)
    return {
        "list: the 50 newest": lambda: jobs.list(JobFilter(limit=50)),
        "list --status failed: 50": lambda: jobs.list(JobFilter(statuses=failed, limit=50)),
        "list --sort finished: 50": lambda: jobs.list(JobFilter(sort=SortKey.FINISHED, limit=50)),
        "list --name n7: 50": lambda: jobs.list(JobFilter(name="n7", limit=50)),
        "list --tag t7: 50": lambda: jobs.list(JobFilter(tags=("t7",), limit=50)),
        "show": lambda: (
            jobs.get(middle),
            store.attempts.of(middle),
            store.events.about(Entity.JOB, middle),
        ),
        "status": lambda: (
            jobs.counts(),
            store.queues.list(),
            jobs.list(JobFilter(statuses=(JobStatus.RUNNING,), limit=100)),
            jobs.upcoming(10),
        ),
    }


def build(home: Home, count: int) -> None:
    """The store of ``home`` holds ``count`` finished jobs: one in ten failed, 100 names, 50 tags."""
    with store_of(home) as store:
        body = spec_text(submission(home, "true", "some", "words").spec)
        now = SystemClock().now_ms()
        with store.write():
            store.database.rows(
                "INSERT INTO lives(kind, pid, version, started_at, ended_at, end_reason) VALUES('up',1,'0',1,2,'idle')"
            )
    connection = apsw.Connection(home.store)
    connection.execute("PRAGMA synchronous=OFF")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{count})"
    with connection:
        connection.execute(
            f"{numbers} INSERT INTO jobs(id, kind, name, state, reason, queue, priority, attempt, attempts_used,"
            " created_at, queued_at, started_at, finished_at, exit_code)"
            " SELECT i, 'command', 'n'||(i%100), iif(i%10=0,'failed','completed'), iif(i%10=0,'exit',NULL),"
            f" 'default', 5, 1, 1, {now}-{count}+i, {now}-{count}+i, {now}-{count}+i, {now}-{count}+i+i%977,"
            " i%10=0 FROM n"
        )
        connection.execute(f"{numbers} INSERT INTO job_specs(job_id, spec) SELECT i, ? FROM n", (body,))
        connection.execute(f"{numbers} INSERT INTO job_tags(tag, job_id) SELECT 't'||(i%50), i FROM n")
        connection.execute(
            f"{numbers} INSERT INTO attempts(job_id, number, life_id, pid, started_at, finished_at, outcome, exit_code)"
            f" SELECT i, 1, 1, 4711, {now}-{count}+i, {now}-{count}+i+i%977,"
            " iif(i%10=0,'failed','completed'), i%10=0 FROM n"
        )
        connection.execute(
            f"{numbers} INSERT INTO events(at, kind, entity, entity_id, data)"
            f" SELECT {now}-{count}+i, k.kind, 'job', i, '{{}}' FROM n,"
            " (SELECT 'job.submitted' AS kind UNION ALL SELECT 'job.started' UNION ALL SELECT 'job.completed') k"
        )
        connection.execute(
            "UPDATE job_totals SET jobs=(SELECT count(*) FROM jobs j WHERE j.state=job_totals.state)"
        )
    connection.close()


def _median(read: Callable[[], object]) -> float:
    read()
    return statistics.median(timed(read) for _ in range(REPEATS))


if __name__ == "__main__":
    main()
