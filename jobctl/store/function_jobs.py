"""Function jobs: which wait, which worker has which in hand, and the ends of many at once.

A worker executes thousands a second, so what is the same for each of them is one prepared statement for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobctl.model.states import JobId, JobStatus, LifeId, Token, WorkerId
from jobctl.store.claims import CLAIM
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.gates import Gates
from jobctl.store.specs import shared_spec_of
from jobctl.store.transitions import END_ATTEMPT, Claim, EndFact, attempt_row, end_event, start_event

_EACH = "(SELECT value FROM json_each(?))"
_WAITING = "FROM jobs WHERE state='queued' AND queue=? AND kind='function' AND reserved=0"
# One statement for all of them, fed with JSON: half the time of one statement each (15 µs a row against 35).
_CLAIM = (
    CLAIM.replace("token=?", "token=v.value->>1")
    + ", worker_id=? FROM json_each(?) v WHERE jobs.id=v.value->>0 AND state='queued' AND kind='function'"
    " RETURNING id, attempt, token, attempts_used, crashes, gated"
)
_END = {
    status: f"UPDATE jobs SET state='{status}', started_at=v.value->>2, reason=v.value->>3,"
    " finished_at=v.value->>4, exit_code=v.value->>5, token=NULL, worker_id=NULL, signal=NULL,"
    " life_id=CASE reserved WHEN 1 THEN life_id END, attempts_used=attempts_used+1"
    " FROM json_each(?) v WHERE jobs.id=v.value->>0 AND token=v.value->>1 AND state='running'"
    " RETURNING id, lock_key, gated"
    for status in (JobStatus.COMPLETED, JobStatus.FAILED)
}


class Waiting(NamedTuple):
    """A queued function job."""

    priority: int
    id: JobId
    name: str
    gated: bool
    lock_key: str | None


class FunctionJobs:
    """What the supervisor moves of function jobs; each writing method expects an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._gates = Gates(database, events)

    # --- who waits ---

    def waiting(self, queue: str, limit: int) -> list[Waiting]:
        """The most urgent queued functions of a queue."""
        rows = self._database.rows(
            f"SELECT priority, id, name, gated, lock_key {_WAITING} ORDER BY priority, id LIMIT ?",
            (queue, limit),
        )
        return [Waiting(row[0], JobId(row[1]), row[2], bool(row[3]), row[4]) for row in rows]

    def reserved(self, life: LifeId) -> list[Waiting]:
        """The queued function reserved for a life, if there is one."""
        rows = self._database.rows(
            "SELECT priority, id, name, gated, lock_key FROM jobs"
            " WHERE reserved=1 AND life_id=? AND state='queued' AND kind='function'",
            (life,),
        )
        return [Waiting(row[0], JobId(row[1]), row[2], bool(row[3]), row[4]) for row in rows]

    def commands(self, queue: str, limit: int) -> list[tuple[int, JobId]]:
        """(priority, id) of the most urgent queued commands of a queue."""
        rows = self._database.rows(
            "SELECT priority, id FROM jobs WHERE state='queued' AND queue=? AND kind='command' AND reserved=0"
            " ORDER BY priority, id LIMIT ?",
            (queue, limit),
        )
        return [(row[0], JobId(row[1])) for row in rows]

    def any_gated(self, queue: str) -> bool:
        """Whether a queued function of the queue needs a lock or resources."""
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM jobs INDEXED BY jobs_gated WHERE state='queued' AND gated=1"
                " AND queue=? AND kind='function')",
                (queue,),
            )
        )

    # --- handed out ---

    def passes_gates(self, job: Waiting) -> bool:
        """Whether the job has its lock and its resources; otherwise it steps aside."""
        return not job.gated or self._gates.takes_all(job.id, job.lock_key)

    def claim(
        self, life: LifeId, worker: WorkerId | None, wanted: Sequence[tuple[JobId, Token]], now: int
    ) -> list[Claim]:
        """The queued jobs of ``wanted`` are in hand of the worker (or of nobody), each with its token, in order."""
        rows = self._database.rows(_CLAIM, (life, now, worker, json.dumps(wanted)))
        rows.sort(key=lambda row: row[2])  # tokens were given in order
        specs: dict[int, str] = dict(
            self._database.rows(
                f"SELECT job_id, spec FROM job_specs WHERE job_id IN {_EACH}",
                (json.dumps([row[0] for row in rows]),),
            )
        )
        return [
            Claim(
                JobId(row[0]), row[1], Token(row[2]), row[3], row[4], now, shared_spec_of(specs[row[0]]), None,
                resources=self._gates.given_to(JobId(row[0])) if row[5] else {}, worker_id=worker,
            )
            for row in rows
        ]  # fmt: skip

    # --- ended ---

    def record_ends(
        self, ends: Iterable[EndFact], life: LifeId, now: int, on_record: frozenset[JobId] = frozenset()
    ) -> list[EndFact]:
        """The attempts and their jobs are on record as begun and ended; returns those whose claim was not stale.

        Only ends of functions by themselves, after which the job has completed or failed for good, and that left
        nothing but a result.

        Args:
            ends: each with the instant of its begin in its claim.
            life: whose claims they are.
            now: milliseconds UTC.
            on_record: jobs whose begin is on record already.
        """
        recorded: list[EndFact] = []
        released: list[tuple[str | None, bool]] = []
        for status, sql in _END.items():
            facts = {fact.claim.job_id: fact for fact in ends if fact.verdict.status is status}
            if not facts:
                continue
            rows = self._database.rows(sql, (json.dumps([_end_row(fact) for fact in facts.values()]),))
            ended = {row[0] for row in rows}
            recorded += [fact for fact in facts.values() if fact.claim.job_id in ended]
            released += [(row[1], bool(row[2])) for row in rows if row[1] is not None or row[2]]
        self._database.many(END_ATTEMPT, [attempt_row(fact, life) for fact in recorded])
        self._database.many(
            "INSERT OR REPLACE INTO job_results(job_id, result) VALUES(?,?)",
            [
                (fact.claim.job_id, json.dumps(fact.result, separators=(",", ":")))
                for fact in recorded
                if fact.result is not None
            ],
        )
        self._tell(recorded, now, on_record)
        self._pass_on(recorded, released, now)
        return recorded

    def record_traceback(self, claim: Claim, text: str) -> None:
        """The traceback of an attempt is on record, unless its claim is stale; expects it to run."""
        self._database.rows(
            "INSERT OR REPLACE INTO tracebacks(job_id, number, body) SELECT id,?,? FROM jobs WHERE id=? AND token=?",
            (claim.attempt, text, claim.job_id, claim.token),
        )

    def traceback(self, job_id: JobId, number: int) -> str | None:
        """How the exception came about that ended an attempt; None if none did."""
        found: str | None = self._database.value(
            "SELECT body FROM tracebacks WHERE job_id=? AND number=?", (job_id, number)
        )
        return found

    def tracebacks(self, job_id: JobId) -> dict[int, str]:
        """How the exceptions came about that ended attempts of a job, by the attempts' numbers."""
        return dict(self._database.rows("SELECT number, body FROM tracebacks WHERE job_id=?", (job_id,)))

    def _tell(self, recorded: Sequence[EndFact], now: int, on_record: frozenset[JobId]) -> None:
        events = []
        for fact in recorded:
            claim = fact.claim
            if claim.job_id not in on_record:
                events.append(start_event(claim, fact.pid))
            events.append(end_event(fact, now))
        self._events.add_rows(events)

    def _pass_on(
        self, recorded: Sequence[EndFact], released: Iterable[tuple[str | None, bool]], now: int
    ) -> None:
        """What waited for one of them goes on."""
        ended = {fact.claim.job_id: fact.verdict.status for fact in recorded}
        needed = self._database.rows(
            f"SELECT DISTINCT needs_id FROM dependencies WHERE needs_id IN {_EACH}",
            (json.dumps(list(ended)),),
        )
        for (job_id,) in needed:
            self._gates.after_end(job_id, ended[job_id], now)
        gave_resources = False
        for lock_key, gated in released:
            if lock_key is not None:
                self._gates.free_lock(lock_key, now)
            gave_resources = gave_resources or gated
        if gave_resources:
            self._gates.free_resources(now)


def _end_row(fact: EndFact) -> tuple[object, ...]:
    claim = fact.claim
    return (
        claim.job_id, claim.token, claim.started_at, fact.verdict.reason, fact.ended_at, fact.end.exit_code
    )  # fmt: skip
