"""The hot queries use the partial indexes and scan no table of jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobctl.model.attempts import AttemptEnd, Outcome, Verdict
from jobctl.model.filters import JobFilter
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobStatus, LifeId, Token, WorkerId
from jobctl.store.transitions import Claim, EndFact
from tests.support.supervisors import Stage

ROWS = 20_000
_STATES = ("completed", "completed", "completed", "failed", "queued", "created", "running", "cancelled")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose store has many jobs in all states; no test changes how many, or closes it."""
    stage = Stage(tmp_path_factory.mktemp("full"))
    try:
        fill(stage)
        yield stage
    finally:
        stage.close()


def fill(stage: Stage) -> None:

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(1, ROWS + 1):
            state = _STATES[number % len(_STATES)]
            ended = state in {"completed", "failed", "cancelled"}
            yield (
                number, "command", "job", state, "time" if state == "created" else None, "default",
                1 + number % 10, 1 if state == "running" else None, number if state == "running" else None,
                number, number, number if ended else None,
            )  # fmt: skip

    database = stage.store.database
    with stage.store.write():
        database.rows(
            "INSERT INTO lives(id, kind, pid, version, started_at, ended_at) VALUES(1,'up',1,'0',0,0)"
        )
        database.many(
            "INSERT INTO jobs(id, kind, name, state, reason, queue, priority, life_id, token, created_at,"
            " eligible_at, finished_at) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
            rows(),
        )
        database.many(
            "INSERT INTO job_specs(job_id, spec) VALUES(?,?)",
            ((number, json.dumps({"command": ["true"]})) for number in range(1, ROWS + 1)),
        )


def plans(stage: Stage, ask: Callable[[], object]) -> list[str]:
    """The plan of every statement that ``ask`` executes, one line a step."""
    connection = stage.store.database.peewee.connection()
    seen: list[tuple[str, Any]] = []

    def note(_cursor: Any, sql: str, bindings: Any) -> bool:
        seen.append((sql, bindings))
        return True

    connection.exec_trace = note
    try:
        ask()
    finally:
        connection.exec_trace = None
    assert seen
    steps = []
    for sql, bindings in seen:
        if sql.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            found = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings).fetchall()
            steps += [row[3] for row in found]
    return steps


def _end() -> EndFact:
    """The end of a function that is none of the jobs."""
    claim = Claim(JobId(ROWS + 1), 1, Token(1), 0, 0, 0, JobSpec(), None, worker_id=WorkerId(1))
    end = AttemptEnd(Outcome.COMPLETED, None, 0)
    return EndFact(claim, None, 1, end, Verdict(JobStatus.COMPLETED, None))


def in_transaction(stage: Stage, change: Callable[[], object]) -> None:
    with stage.store.write():
        change()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("claim", "jobs_claim"), ("due", "jobs_due"), ("next due", "jobs_due"), ("running", "jobs_running"),
        ("cancel requests", "jobs_cancelling"), ("newest", ""), ("failed", "jobs_finished"),
        ("counts", "jobs_claim"), ("holders", "jobs_running"), ("work", "jobs_claim"),
        ("waiting functions", "jobs_claim (queue=? AND kind=?)"), ("gated functions", "jobs_gated"),
        ("waiting commands", "jobs_claim (queue=? AND kind=?)"), ("workers", "jobs_running"),
        ("function ends", "INTEGER PRIMARY KEY"), ("function claim", "INTEGER PRIMARY KEY"),
        ("watched", "jobs_running"), ("shims", "a USING PRIMARY KEY"),
    ],
)  # fmt: skip
def test_a_hot_query_uses_its_index_and_sorts_nothing(full: Stage, name: str, index: str) -> None:
    store = full.store
    asked: dict[str, Callable[[], object]] = {
        "claim": lambda: in_transaction(
            full, lambda: store.claims.claim(LifeId(1), "default", 5, Token(10**9), 10**6)
        ),
        "due": lambda: in_transaction(full, lambda: store.transitions.promote_due(5)),
        "next due": store.jobs.next_due,
        "running": store.queues.running,
        "cancel requests": lambda: store.intents.cancel_requests(LifeId(1)),
        "newest": lambda: store.jobs.list(JobFilter(limit=50)),
        "failed": lambda: store.jobs.list(JobFilter(statuses=(JobStatus.FAILED,), limit=50)),
        "counts": store.jobs.counts,
        "holders": store.claims.holders,
        "work": store.jobs.has_work,
        "waiting functions": lambda: store.functions.waiting("default", 64),
        "waiting commands": lambda: store.functions.commands("default", 64),
        "gated functions": lambda: store.functions.any_gated("default"),
        "workers": store.workers.figures,
        "function claim": lambda: in_transaction(
            full, lambda: store.functions.claim(LifeId(1), WorkerId(1), [(JobId(1), Token(10**10))], 10**6)
        ),
        "function ends": lambda: in_transaction(
            full, lambda: store.functions.record_ends([_end()], LifeId(1), 1)
        ),
        "watched": lambda: store.jobs.running(20),
        "shims": lambda: store.attempts.shims([JobId(1)]),
    }
    steps = plans(full, asked[name])
    text = "\n".join(steps)
    assert index in text
    if name in {"claim", "due", "next due", "cancel requests", "waiting functions", "waiting commands"}:
        assert "TEMP B-TREE" not in text
    scans = [step for step in steps if step in ("SCAN j", "SCAN jobs")]
    assert scans == (["SCAN j"] if name == "newest" else [])


def test_the_newest_are_found_without_reading_the_rest(full: Stage) -> None:
    jobs = full.store.jobs.list(JobFilter(limit=50))
    assert [job.id for job in jobs] == list(range(ROWS, ROWS - 50, -1))
