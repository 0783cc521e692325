"""New jobs become rows: all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from jobctl.errors import StateConflictError
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.events import EventKind
from jobctl.model.specs import OnDuplicate, Submission
from jobctl.model.states import JobId, JobStatus, LifeId, Reason
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.specs import environment_text, spec_text

if TYPE_CHECKING:
    from jobctl.store.gates import Gates
    from jobctl.store.transitions import Transitions


class Stored(NamedTuple):
    """What a submit gave: a new job, or the one there is already with the same unique key."""

    id: JobId
    is_new: bool


class Submissions:
    """Writes new jobs and what belongs to them."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    @cached_property
    def _gates(self) -> Gates:
        from jobctl.store.gates import Gates  # most submits need none

        return Gates(self._database, self._events)

    @cached_property
    def _transitions(self) -> Transitions:
        from jobctl.store.transitions import Transitions

        return Transitions(self._database, self._events)

    def submit(self, jobs: Sequence[Submission], now: int, life: LifeId | None = None) -> list[Stored]:
        """Every job is stored, or (on any error) none; expects an open write transaction.

        A job whose unique key an unended job has is that job (or replaces it, or is refused, as it says).

        Args:
            jobs: checked and complete; their queues exist.
            now: milliseconds UTC.
            life: the life that the ones with ``reserved`` are reserved for.

        Raises:
            StateConflictError: a duplicate that is to be refused.
        """
        if all(_is_plain(job) for job in jobs):
            return self._insert(jobs, now, life)
        return [self._submit_one(job, now, life) for job in jobs]

    def _submit_one(self, job: Submission, now: int, life: LifeId | None) -> Stored:
        if job.unique_key is not None:
            row = self._database.row(
                "SELECT id FROM jobs WHERE unique_key=? AND state IN('created','queued','running')",
                (job.unique_key,),
            )
            if row is not None:
                if job.on_duplicate is OnDuplicate.RETURN:
                    return Stored(JobId(row[0]), is_new=False)
                if job.on_duplicate is OnDuplicate.REJECT:
                    hint = "wait for it, or use --on-duplicate return or replace"
                    raise StateConflictError(
                        f"job {row[0]} has the unique key", job.unique_key, hint, "E_DUPLICATE"
                    )
                job = self._replacing(JobId(row[0]), job, now)
        stored = self._insert([job], now, life)[0]
        for name, amount in sorted(job.resources.items()):
            self._database.rows(
                "INSERT INTO job_resources(job_id, name, amount) VALUES(?,?,?)", (stored.id, name, amount)
            )
        if job.after:
            self._depend(stored.id, job, now)
        return stored

    def _replacing(self, old: JobId, job: Submission, now: int) -> Submission:
        """The old job is being cancelled; the new one starts once it has ended."""
        self._database.rows("UPDATE jobs SET unique_key=NULL WHERE id=?", (old,))
        ending = self._replaced_by(old)
        if not self._transitions.cancel_waiting(old, Reason.REPLACED, now):
            self._transitions.request_cancel(old, None, None, Reason.REPLACED.value, now)
            ending = [old]
        return replace(job, after=(*job.after, *(Dependency(one, Condition.ANY) for one in ending)))

    def _replaced_by(self, waiting: JobId) -> list[JobId]:
        """What the job waits for because it replaces it: whoever replaces the job in turn waits for that, too."""
        rows = self._database.rows(
            "SELECT j.id FROM dependencies d JOIN jobs j ON j.id=d.needs_id"
            " JOIN cancel_requests c ON c.job_id=j.id AND c.reason='replaced'"
            " WHERE d.job_id=? AND d.condition='any' AND j.state='running' ORDER BY j.id",
            (waiting,),
        )
        return [JobId(row[0]) for row in rows]

    def _depend(self, job_id: JobId, job: Submission, now: int) -> None:
        """The job waits for what it needs; where that has ended already, it goes on or is cancelled."""
        undecided, unmet = self._gates.add_dependencies(job_id, job.after)
        if unmet is not None:
            self._gates.cancel_unmet(job_id, unmet.needs, now)
        elif not undecided:
            self._gates.settle(job_id, now)

    def _insert(self, jobs: Sequence[Submission], now: int, life: LifeId | None) -> list[Stored]:
        database = self._database
        first = 1 + int(
            database.value("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name='jobs'") or 0
        )
        ids = [JobId(first + offset) for offset in range(len(jobs))]
        hashes = self._store_environments(jobs)
        numbered = list(zip(ids, jobs, strict=True))
        database.many(_INSERT_JOB, (_job_row(number, job, now, life) for number, job in numbered))
        database.many(
            "INSERT INTO job_specs(job_id, spec, meta, environment_hash) VALUES(?,?,?,?)",
            (
                (number, spec_text(job.spec), _optional_json(job.meta), hashes[id(job.environment)])
                for number, job in numbered
            ),
        )
        database.many(
            "INSERT INTO job_tags(tag, job_id) VALUES(?,?)",
            ((tag, number) for number, job in numbered for tag in sorted(set(job.tags))),
        )
        self._events.add_rows(
            job_event(
                now, EventKind.JOB_SUBMITTED, number, {"name": job.name, "status": first_state(job, now)[0]}
            )
            for number, job in numbered
        )
        return [Stored(number, is_new=True) for number in ids]

    def _store_environments(self, jobs: Iterable[Submission]) -> dict[int, str]:
        """The hash of each distinct environment object; jobs of one caller share it."""
        hashes: dict[int, str] = {}
        for job in jobs:
            if id(job.environment) in hashes:
                continue
            digest, body = environment_text(job.environment)
            self._database.rows(
                "INSERT INTO environments(hash, body) VALUES(?,?) ON CONFLICT DO NOTHING", (digest, body)
            )
            hashes[id(job.environment)] = digest
        return hashes


_INSERT_JOB = (
    "INSERT INTO jobs(id, kind, name, state, reason, queue, priority, type, category, user, parent_id,"
    " submitted_by, reserved, life_id, created_at, eligible_at, queued_at, unique_key, lock_key, gated,"
    " definition, workflow_id, step) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def first_state(job: Submission, now: int) -> tuple[JobStatus, Reason | None]:
    """The state a new job has, and what it waits for."""
    if job.hold:
        return JobStatus.CREATED, Reason.HOLD
    if job.after:
        return JobStatus.CREATED, Reason.DEPENDENCY
    if job.eligible_at is not None and job.eligible_at > now:
        return JobStatus.CREATED, Reason.TIME
    return JobStatus.QUEUED, None


def _job_row(number: JobId, job: Submission, now: int, life: LifeId | None) -> tuple[Any, ...]:
    state, reason = first_state(job, now)
    return (
        number, job.kind.value, job.name, state.value, None if reason is None else reason.value, job.queue,
        job.priority, job.type, job.category, job.user, job.parent_id, job.submitted_by, job.reserved,
        life if job.reserved else None, now, job.eligible_at, now if state is JobStatus.QUEUED else None,
        job.unique_key, job.lock_key, job.lock_key is not None or bool(job.resources),
        job.definition, job.workflow_id, job.step,
    )  # fmt: skip


def _is_plain(job: Submission) -> bool:
    return not (job.unique_key or job.after or job.resources)


def _optional_json(value: object) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))
