"""New jobs become rows: all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from jobctl.model.events import EventKind
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus, LifeId, Reason
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.specs import environment_text, spec_text


class Submissions:
    """Writes new jobs and what belongs to them."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def submit(self, jobs: Sequence[Submission], now: int, life: LifeId | None = None) -> list[JobId]:
        """Every job is stored, or (on any error) none; expects an open write transaction.

        Args:
            jobs: checked and complete; their queues exist.
            now: milliseconds UTC.
            life: the life that the ones with ``reserved`` are reserved for.
        """
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
                now, EventKind.JOB_SUBMITTED, number, {"name": job.name, "status": _first_state(job, now)[0]}
            )
            for number, job in numbered
        )
        return ids

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
    " submitted_by, reserved, life_id, created_at, eligible_at, queued_at)"
    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def _first_state(job: Submission, now: int) -> tuple[JobStatus, Reason | None]:
    if job.hold:
        return JobStatus.CREATED, Reason.HOLD
    if job.eligible_at is not None and job.eligible_at > now:
        return JobStatus.CREATED, Reason.TIME
    return JobStatus.QUEUED, None


def _job_row(number: JobId, job: Submission, now: int, life: LifeId | None) -> tuple[Any, ...]:
    state, reason = _first_state(job, now)
    return (
        number, job.kind.value, job.name, state.value, None if reason is None else reason.value, job.queue,
        job.priority, job.type, job.category, job.user, job.parent_id, job.submitted_by, job.reserved,
        life if job.reserved else None, now, job.eligible_at, now if state is JobStatus.QUEUED else None,
    )  # fmt: skip


def _optional_json(value: object) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))
