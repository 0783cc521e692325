"""Jobs as rows: submitted, read, listed, counted. Their moves are in ``store.transitions``."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.events import EventKind
from jobctl.model.filters import JobFilter
from jobctl.model.jobs import Job, ResourceUse
from jobctl.model.progress import Progress
from jobctl.model.selectors import Selector, SelectorKind
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobKind, JobStatus, LifeId, Token
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.listings import in_states, order_of, selection, where
from jobctl.store.migrations.m0003_batches import IS_HOOK
from jobctl.store.specs import spec_of, spec_text

_COLUMNS = (
    "j.id, j.name, j.state, j.reason, j.queue, j.priority, j.kind, j.type, j.category, j.user,"
    " (SELECT json_group_array(t.tag) FROM job_tags t WHERE t.job_id=j.id), s.meta, j.parent_id, j.workflow_id,"
    " j.step, j.submitted_by, j.unique_key, j.lock_key, s.spec, j.attempt, j.attempts_used, j.crashes, j.life_id,"
    " j.token, j.revision, j.created_at, j.eligible_at, j.queued_at, j.started_at, j.finished_at,"
    " j.cancel_requested_at, j.exit_code, j.signal, a.error, r.result, a.cpu_seconds, a.max_rss_bytes,"
    " p.percent, p.items_done, p.items_total, p.items_failed, p.item_errors, p.message,"
    " j.pause_wanted, j.paused_at, j.paused_ms,"
    " (SELECT json_group_array(json_array(d.needs_id, d.condition)) FROM dependencies d WHERE d.job_id=j.id),"
    " (SELECT json_group_array(json_array(u.name, u.amount, u.indices)) FROM job_resources u WHERE u.job_id=j.id),"
    " ifnull(b.total, w.steps), ifnull(b.completed+b.failed+b.timeout+b.cancelled, w.steps-w.left),"
    " ifnull(b.failed+b.timeout, w.failed), j.definition"
)
_SIDES = (
    " JOIN job_specs s ON s.job_id=j.id LEFT JOIN job_results r ON r.job_id=j.id"
    " LEFT JOIN job_progress p ON p.job_id=j.id LEFT JOIN attempts a ON a.job_id=j.id AND a.number=j.attempt"
    " LEFT JOIN batches b ON b.job_id=j.id LEFT JOIN workflows w ON w.job_id=j.id"
)
_JOINED = f" FROM jobs j{_SIDES}"


@dataclass(frozen=True, slots=True)
class Selected:
    """A job that a selector found; ``outright`` when its id was named alone."""

    id: JobId
    status: JobStatus
    reason: str | None
    outright: bool


class Jobs:
    """The jobs table and its side tables."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def environment(self, digest: str | None) -> dict[str, str]:
        """The stored environment with this hash; empty without one."""
        body = self._database.value("SELECT body FROM environments WHERE hash=?", (digest,))
        found: dict[str, str] = {} if body is None else json.loads(body)
        return found

    def environment_of(self, job_id: JobId) -> dict[str, str]:
        """The environment stored with the job."""
        digest = self._database.value("SELECT environment_hash FROM job_specs WHERE job_id=?", (job_id,))
        return self.environment(digest)

    def get(self, job_id: int) -> Job | None:
        """The job with this id, with everything that is known of it."""
        row = self._database.row(f"SELECT {_COLUMNS}{_JOINED} WHERE j.id=?", (job_id,))
        return None if row is None else _job(row)

    def edit(self, job_id: JobId, row: Mapping[str, Any], spec: JobSpec, now: int) -> None:
        """The waiting job has these columns (``name``, ``queue``, ``priority``) and this spec; in a transaction."""
        before = self._database.row(
            "SELECT j.name, j.queue, j.priority, s.spec FROM jobs j JOIN job_specs s ON s.job_id=j.id WHERE j.id=?"
            " AND j.state IN('created','queued')",
            (job_id,),
        )
        if before is None:
            return
        old = dict(zip(("name", "queue", "priority"), before, strict=False))
        new = old | dict(row)
        self._database.rows(
            "UPDATE jobs SET name=?, queue=?, priority=? WHERE id=?",
            (new["name"], new["queue"], new["priority"], job_id),
        )
        text = spec_text(spec)
        self._database.rows("UPDATE job_specs SET spec=? WHERE job_id=?", (text, job_id))
        changes: dict[str, object] = {key: [old[key], new[key]] for key in old if old[key] != new[key]}
        if text != before[3]:
            limits = _limits(spec_of(before[3])), _limits(spec)
            changes |= {key: [was, limits[1][key]] for key, was in limits[0].items() if limits[1][key] != was}
        self._events.add_rows([job_event(now, EventKind.JOB_EDITED, job_id, changes)])

    def list(self, narrowed: JobFilter) -> builtins.list[Job]:
        """The jobs that pass ``narrowed``, in its order."""
        condition, parameters = where(narrowed)
        order = order_of(narrowed)
        # Ids are sorted first and whole rows fetched for the ones that remain: 40 times as fast for a sort
        # without an index.
        sql = (
            f"SELECT {_COLUMNS}"
            f" FROM (SELECT j.id AS wanted FROM jobs j WHERE {condition} ORDER BY {order} LIMIT ?)"
            f" CROSS JOIN jobs j ON j.id=wanted{_SIDES} ORDER BY {order}"
        )
        parameters.append(-1 if narrowed.limit is None else narrowed.limit)
        return [_job(row) for row in self._database.rows(sql, parameters)]

    def running(self, limit: int) -> builtins.list[Job]:
        """Running jobs, first those that stand for many (batches, workflows), then by id."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM (SELECT id AS wanted FROM jobs WHERE state='running'"
            f" ORDER BY kind IN('command','function'), id LIMIT ?) CROSS JOIN jobs j ON j.id=wanted{_SIDES}"
            " ORDER BY j.kind IN('command','function'), j.id",
            (limit,),
        )
        return [_job(row) for row in rows]

    def select(self, selector: Selector, statuses: Sequence[JobStatus] = ()) -> builtins.list[Selected]:
        """The jobs a selector names, by id, each once.

        Args:
            selector: what is asked for.
            statuses: of what is not named outright, only jobs in these states; empty means all.
        """
        found: dict[JobId, Selected] = {}
        for part in selector.parts:
            outright = part.kind is SelectorKind.LAST or (
                part.kind is SelectorKind.IDS and part.first == part.last
            )
            condition, parameters = selection(part)
            if statuses and not outright:
                condition = f"({condition}) AND {in_states(statuses)}"
            for job_id, state, reason in self._database.rows(
                f"SELECT j.id, j.state, j.reason FROM jobs j WHERE {condition}", parameters
            ):
                known = found.get(job_id)
                found[job_id] = Selected(
                    JobId(job_id),
                    JobStatus(state),
                    reason,
                    outright or (known is not None and known.outright),
                )
        return [found[job_id] for job_id in sorted(found)]

    def statuses(self, job_ids: Iterable[JobId]) -> dict[JobId, JobStatus]:
        """The present status of each job that exists."""
        wanted = json.dumps(list(job_ids))
        rows = self._database.rows(
            "SELECT id, state FROM jobs WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
        )
        return {JobId(row[0]): JobStatus(row[1]) for row in rows}

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, from partial indexes and kept totals."""
        counted = dict.fromkeys((status.value for status in JobStatus), 0)
        for state in ("created", "queued", "running"):
            counted[state] = int(self._database.value(f"SELECT count(*) FROM jobs WHERE state='{state}'"))
        counted |= {row[0]: row[1] for row in self._database.rows("SELECT state, jobs FROM job_totals")}
        return counted

    def waiting_reasons(self) -> dict[str, int]:
        """How many created jobs wait for what."""
        rows = self._database.rows(
            "SELECT reason, count(*) FROM jobs INDEXED BY jobs_waiting WHERE state='created' GROUP BY reason"
        )
        return dict(rows)

    def next_due(self) -> int | None:
        """The earliest instant at which a waiting job becomes eligible."""
        found = self._database.value(
            "SELECT min(eligible_at) FROM jobs INDEXED BY jobs_due WHERE state='created' AND reason IN('time','retry')"
        )
        return None if found is None else int(found)

    def has_work(self) -> bool:
        """Whether a job runs, is queued in an unpaused queue, or waits for its next attempt."""
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM jobs WHERE state='running' AND life_id IS NOT NULL)"
                " OR EXISTS(SELECT 1 FROM queues q"
                " WHERE q.paused_at IS NULL AND q.concurrency>0"
                " AND EXISTS(SELECT 1 FROM jobs WHERE state='queued' AND queue=q.name))"
                " OR EXISTS(SELECT 1 FROM jobs INDEXED BY jobs_due WHERE state='created'"
                " AND reason IN('time','retry') AND reason='retry')"
                " OR EXISTS(SELECT 1 FROM workflow_news)"
            )
        )

    def left_waiting(self) -> builtins.list[str]:
        """What an idle supervisor leaves: held, future and paused jobs, one line a kind."""
        words = {"hold": "held", "time": "for later", "batch": "waiting for their turn in a batch"}
        lines = [f"{count} {words.get(reason, reason)}" for reason, count in self.waiting_reasons().items()]
        asking = self._database.value("SELECT count(*) FROM workflow_steps WHERE status='waiting'")
        lines += [f"{asking} waiting for an approval"] if asking else []
        paused = self._database.rows(
            "SELECT q.name, (SELECT count(*) FROM jobs j WHERE j.state='queued' AND j.queue=q.name) AS waiting"
            " FROM queues q WHERE q.paused_at IS NOT NULL OR q.concurrency=0 ORDER BY q.name"
        )
        return lines + [f"{count} in the paused queue {name}" for name, count in paused if count]

    def reads_input(self, path: str) -> bool:
        """Whether a job that has not ended has this file as its standard input."""
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM jobs j JOIN job_specs s ON s.job_id=j.id"
                " WHERE j.id IN (SELECT id FROM jobs WHERE state='created' UNION ALL SELECT id FROM jobs"
                " WHERE state='queued' UNION ALL SELECT id FROM jobs WHERE state='running')"
                " AND json_extract(s.spec,'$.stdin')=?)",
                (path,),
            )
        )

    def has_process(self, job_id: JobId) -> bool:
        """Whether the job itself runs something; a batch only has items."""
        return bool(
            self._database.value("SELECT kind IN('command','function') FROM jobs WHERE id=?", (job_id,))
        )

    def descendants(self, job_id: JobId) -> builtins.list[JobId]:
        """Every job submitted from inside this one, directly or not."""
        rows = self._database.rows(
            "WITH RECURSIVE below(id) AS (SELECT id FROM jobs WHERE parent_id=? UNION"
            " SELECT j.id FROM jobs j JOIN below b ON j.parent_id=b.id) SELECT id FROM below ORDER BY id",
            (job_id,),
        )
        return [JobId(row[0]) for row in rows]

    def open_descendants(self, job_id: JobId) -> builtins.list[JobId]:
        """Every job submitted from inside this one, directly or not, that has not ended; items and steps are not.

        An item ends with its batch (``store.batches``), a step with its workflow (``supervisor.workflows``).
        """
        rows = self._database.rows(
            "WITH RECURSIVE below(id) AS (SELECT id FROM jobs WHERE parent_id=? UNION"
            " SELECT j.id FROM below b CROSS JOIN jobs j ON j.parent_id=b.id)"
            " SELECT j.id FROM below b CROSS JOIN jobs j ON j.id=b.id WHERE j.finished_at IS NULL"
            " AND NOT EXISTS(SELECT 1 FROM batches p WHERE p.job_id=j.parent_id) AND j.workflow_id IS NULL"
            " ORDER BY j.id",
            (job_id,),
        )
        return [JobId(row[0]) for row in rows]

    def hooks_of(self, job_id: JobId) -> builtins.list[Job]:
        """The hook jobs of an ended job, oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS}{_JOINED} WHERE j.submitted_by=? AND {IS_HOOK} ORDER BY j.id",
            (f"hook:{job_id}",),
        )
        return [_job(row) for row in rows]

    def names(self, prefix: str, limit: int = 50) -> builtins.list[str]:
        """Distinct job names that start with ``prefix``, for completion."""
        rows = self._database.rows(
            "SELECT DISTINCT name FROM jobs WHERE name>=? AND name<? ORDER BY name LIMIT ?",
            (prefix, prefix + "\U0010ffff", limit),
        )
        return [row[0] for row in rows]

    def history(self, name: str, limit: int | None) -> builtins.list[Job]:
        """The newest jobs that have this name or were made from the definition of this name."""
        most = -1 if limit is None else limit
        rows = self._database.rows(
            f"SELECT {_COLUMNS}{_JOINED} WHERE j.id IN (SELECT id FROM (SELECT id FROM jobs WHERE name=?"
            " ORDER BY id DESC LIMIT ?) UNION SELECT id FROM (SELECT id FROM jobs WHERE definition=?"
            " ORDER BY id DESC LIMIT ?)) ORDER BY j.id DESC LIMIT ?",
            (name, most, name, most, most),
        )
        return [_job(row) for row in rows]

    def tags(self, prefix: str, limit: int = 50) -> builtins.list[str]:
        """Distinct tags that start with ``prefix``, for completion."""
        rows = self._database.rows(
            "SELECT DISTINCT tag FROM job_tags WHERE tag>=? AND tag<? ORDER BY tag LIMIT ?",
            (prefix, prefix + "\U0010ffff", limit),
        )
        return [row[0] for row in rows]

    def with_usual(self, jobs: Sequence[Job]) -> builtins.list[Job]:
        """The jobs; those that run without telling a percentage with how long their name usually takes."""
        return [
            replace(job, usual_seconds=self._usual_seconds(job))
            if job.status is JobStatus.RUNNING and job.progress.percent is None
            else job
            for job in jobs
        ]

    def _usual_seconds(self, job: Job) -> float | None:
        """The median of the last 20 completed jobs of this name or definition, among the 200 before this one."""
        condition, value = (
            ("name=?", job.name) if job.definition is None else ("definition=?", job.definition)
        )
        return usual_seconds(self._database, condition, value, job.id)

    def upcoming(self, limit: int) -> builtins.list[Job]:
        """Jobs that wait for their time or their next attempt, the soonest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS}{_JOINED} WHERE j.state='created' AND j.reason IN('time','retry')"
            " ORDER BY j.eligible_at LIMIT ?",
            (limit,),
        )
        return [_job(row) for row in rows]


def usual_seconds(database: Database, condition: str, value: str, before: int | None = None) -> float | None:
    """The median of the last 20 completed among the 200 newest jobs with ``condition``; None without any."""
    rows = database.rows(
        "SELECT finished_at-started_at FROM (SELECT state, started_at, finished_at FROM jobs"
        f" WHERE {condition} AND id<? ORDER BY id DESC LIMIT 200) WHERE state='completed' LIMIT 20",
        (value, (1 << 62) if before is None else before),
    )
    found = sorted(row[0] for row in rows if row[0] is not None)
    middle = len(found) // 2
    return None if not found else (found[middle] + found[~middle]) / 2000


def _indices(text: str | None) -> tuple[int, ...]:
    return () if text is None else tuple(json.loads(text))


def _limits(spec: JobSpec) -> dict[str, object]:
    retry = spec.retry
    return {
        "timeout_seconds": spec.timeout_seconds, "grace_seconds": spec.grace_seconds, "attempts": retry.attempts,
        "retry_delay_seconds": retry.delay_seconds, "backoff": retry.backoff,
        "max_delay_seconds": retry.max_delay_seconds,
    }  # fmt: skip


def _job(row: tuple[Any, ...]) -> Job:
    progress = Progress(
        percent=row[37], items_done=row[38], items_total=row[39], items_failed=row[40] or 0,
        item_errors=tuple((item, error) for item, error in json.loads(row[41] or "[]")), message=row[42],
    )  # fmt: skip
    if row[48]:
        total, ended, failures = row[48:51]
        progress = replace(
            progress, percent=100 * ended / total, items_done=ended, items_total=total, items_failed=failures
        )
    return Job(
        id=JobId(row[0]), name=row[1], status=JobStatus(row[2]), reason=row[3], queue=row[4], priority=row[5],
        kind=JobKind(row[6]), type=row[7], category=row[8], user=row[9], tags=tuple(sorted(json.loads(row[10]))),
        meta=None if row[11] is None else json.loads(row[11]), parent_id=row[12], workflow_id=row[13],
        step=row[14], submitted_by=row[15], unique_key=row[16], lock_key=row[17], spec=spec_of(row[18]),
        attempt=row[19], attempts_used=row[20], crashes=row[21],
        life_id=None if row[22] is None else LifeId(row[22]), token=None if row[23] is None else Token(row[23]),
        revision=row[24], created_at=row[25], eligible_at=row[26], queued_at=row[27], started_at=row[28],
        finished_at=row[29], cancel_requested_at=row[30], exit_code=row[31], signal=row[32], error=row[33],
        result=None if row[34] is None else json.loads(row[34]), cpu_seconds=row[35], max_rss_bytes=row[36],
        progress=progress, pause_wanted=bool(row[43]), paused_at=row[44], paused_ms=row[45],
        after=tuple(Dependency(JobId(needs), Condition(how)) for needs, how in json.loads(row[46])),
        resources={name: ResourceUse(amount, _indices(given)) for name, amount, given in json.loads(row[47])},
        definition=row[51],
    )  # fmt: skip
