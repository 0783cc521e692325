"""Every move of a job from state to state: a status and its instants change in one statement here.

What a supervisor writes is fenced: ``WHERE state='running' AND token=?``; a stale writer changes nothing, and
attempt and event rows derive from what the fenced UPDATE returns alone. States are literals in the SQL, so
that the partial indexes apply (bound, each call re-prepares: 139 µs against 17, notes/taskqueues.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobctl.model.attempts import AttemptEnd, Outcome, Verdict
from jobctl.model.events import EventKind
from jobctl.model.progress import Progress
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobId, JobStatus, LifeId, Reason, Token, WorkerId
from jobctl.store.database import Database
from jobctl.store.events import EventRow, Events, job_event
from jobctl.store.gates import Gates
from jobctl.store.waiting_runs import WaitingRuns


@dataclass(frozen=True, slots=True)
class Claim:
    """A job handed to a life: what its next attempt needs to know."""

    job_id: JobId
    attempt: int
    token: Token
    attempts_used: int
    crashes: int
    started_at: int
    spec: JobSpec
    environment_hash: str | None
    cancel_requested_at: int | None = None
    start_on_record: bool = False
    """Whether its start was recorded: then it did start, whatever its directory shows."""
    resources: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The indices given of each resource."""
    paused_at: int | None = None
    paused_ms: int = 0
    worker_id: WorkerId | None = None
    """Which worker has it in hand, if it is a function."""

    def begun(self, at: int) -> Claim:
        """The same with the instant at which its attempt began; a third of what ``replace`` takes."""
        return Claim(
            self.job_id, self.attempt, self.token, self.attempts_used, self.crashes, at, self.spec,
            self.environment_hash, self.cancel_requested_at, self.start_on_record, self.resources,
            self.paused_at, self.paused_ms, self.worker_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StartFact:
    """An attempt's process was started; ``started_at`` is the claim's instant."""

    claim: Claim
    pid: int | None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class EndFact:
    """An attempt ended and what follows; instants in milliseconds UTC."""

    claim: Claim
    pid: int | None
    ended_at: int
    end: AttemptEnd
    verdict: Verdict
    result: object = None
    outputs: dict[str, str] | None = None
    cpu_seconds: float | None = None
    max_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PauseFact:
    """A job's tree has been stopped, or goes on; ``at`` in milliseconds UTC."""

    claim: Claim
    paused: bool
    at: int


_END_COMMON = (
    "token=NULL, worker_id=NULL, life_id=CASE reserved WHEN 1 THEN life_id END, attempts_used=attempts_used+?,"
    " crashes=crashes+?, exit_code=?, signal=? WHERE id=? AND state='running' AND token=?"
    " RETURNING cancel_requested_at, lock_key, gated"
)
END = {
    status: f"UPDATE jobs SET state='{status}', reason=?, finished_at=?, {_END_COMMON}"
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMEOUT)
} | {
    JobStatus.CREATED: f"UPDATE jobs SET state='created', reason=?, eligible_at=?, {_END_COMMON}",
    JobStatus.QUEUED: f"UPDATE jobs SET state='queued', reason=?, queued_at=?, {_END_COMMON}",
}
END_ATTEMPT = (
    "INSERT INTO attempts(job_id, number, life_id, pid, started_at, finished_at, outcome, reason,"
    " exit_code, signal, error, cpu_seconds, max_rss_bytes, split_output)"
    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(job_id, number) DO UPDATE SET"
    " finished_at=excluded.finished_at, outcome=excluded.outcome, reason=excluded.reason,"
    " exit_code=excluded.exit_code, signal=excluded.signal, error=excluded.error,"
    " cpu_seconds=excluded.cpu_seconds, max_rss_bytes=excluded.max_rss_bytes"
)
_END_EVENTS = {
    JobStatus.COMPLETED: EventKind.JOB_COMPLETED,
    JobStatus.FAILED: EventKind.JOB_FAILED,
    JobStatus.CANCELLED: EventKind.JOB_CANCELLED,
    JobStatus.TIMEOUT: EventKind.JOB_TIMEOUT,
    JobStatus.CREATED: EventKind.JOB_RETRIED,
    JobStatus.QUEUED: EventKind.JOB_QUEUED,
}


class Transitions:
    """The supervisor's and the callers' legal moves; each expects an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._gates = Gates(database, events)

    # --- the supervisor's: facts ---

    def promote_due(self, now: int) -> int:
        """Jobs whose time has come are queued; returns how many."""
        moved = self._database.rows(
            "UPDATE jobs INDEXED BY jobs_due SET state='queued', reason=NULL, queued_at=?, exit_code=NULL,"
            " signal=NULL WHERE state='created' AND reason IN('time','retry') AND eligible_at<=? RETURNING id",
            (now, now),
        )
        self._events.add_rows(job_event(now, EventKind.JOB_QUEUED, row[0]) for row in moved)
        return len(moved)

    def record_start(self, fact: StartFact, life: LifeId, now: int) -> bool:
        """The attempt is on record as started (or adopted); False when the claim is stale."""
        claim = fact.claim
        held = self._database.row(
            "SELECT (SELECT count(*) FROM attempts WHERE job_id=?1 AND number=?2) FROM jobs"
            " WHERE id=?1 AND state='running' AND token=?3",
            (claim.job_id, claim.attempt, claim.token),
        )
        if held is None:
            return False
        if claim.worker_id is not None:  # it was in hand for a while, and begins only now
            self._database.rows("UPDATE jobs SET started_at=? WHERE id=?", (claim.started_at, claim.job_id))
        self._database.rows(
            "INSERT INTO attempts(job_id, number, life_id, pid, started_at, split_output) VALUES(?,?,?,?,?,?)"
            " ON CONFLICT(job_id, number) DO UPDATE SET life_id=excluded.life_id, pid=excluded.pid",
            (claim.job_id, claim.attempt, life, fact.pid, claim.started_at, claim.spec.split_output),
        )
        events = []
        if not held[0]:
            if claim.attempt > 1:
                self._database.rows("DELETE FROM job_progress WHERE job_id=?", (claim.job_id,))
            events.append(start_event(claim, fact.pid))
        if fact.adopted:
            data = {"attempt": claim.attempt, "pid": fact.pid}
            events.append(job_event(now, EventKind.JOB_ADOPTED, claim.job_id, data))
        self._events.add_rows(events)
        return True

    def record_end(self, fact: EndFact, life: LifeId, now: int) -> bool:
        """The attempt and its job are on record as ended; False when the claim is stale.

        A cancellation asked for meanwhile wins over another attempt.
        """
        claim, end, verdict = fact.claim, fact.end, fact.verdict
        again = verdict.status is JobStatus.CREATED
        row = self._database.row(
            END[verdict.status],
            (
                verdict.reason,
                now + round(verdict.delay_seconds * 1000) if again else fact.ended_at,
                verdict.burnt, verdict.crashed, end.exit_code, end.signal, claim.job_id, claim.token,
            ),
        )  # fmt: skip
        if row is None:
            return False
        self._database.rows(END_ATTEMPT, attempt_row(fact, life))
        if fact.result is not None or fact.outputs:
            self._database.rows(
                "INSERT OR REPLACE INTO job_results(job_id, result, outputs) VALUES(?,?,?)",
                (claim.job_id, _json(fact.result), _json(fact.outputs or None)),
            )
        self._events.add_rows([end_event(fact, now)])
        if verdict.status.is_terminal:
            self._gates.after_end(claim.job_id, verdict.status, now)
        else:
            self._forget_reports(claim.job_id)
        if verdict.status is JobStatus.QUEUED:
            self._database.rows("UPDATE jobs SET exit_code=NULL, signal=NULL WHERE id=?", (claim.job_id,))
        if row[1] is not None:
            self._gates.free_lock(row[1], now)
        if row[2]:
            self._gates.free_resources(now)
        if not verdict.status.is_terminal and row[0] is not None:
            self.cancel_waiting(claim.job_id, Reason.REQUESTED, now)
        return True

    def _forget_reports(self, job_id: JobId) -> None:
        """What an attempt reported is not taken for the next one's."""
        for table in ("job_results", "job_progress"):
            self._database.rows(f"DELETE FROM {table} WHERE job_id=?", (job_id,))

    def record_progress(self, claim: Claim, progress: Progress, now: int) -> None:
        """The job shows what it reported last; a stale claim changes nothing."""
        errors = json.dumps(progress.item_errors, separators=(",", ":"))
        row = self._database.row(
            "INSERT OR REPLACE INTO job_progress(job_id, percent, items_done, items_total, items_failed,"
            " item_errors, message, updated_at) SELECT id,?,?,?,?,?,?,? FROM jobs"
            " WHERE id=? AND state='running' AND token=? RETURNING job_id",
            (
                progress.percent, progress.items_done, progress.items_total, progress.items_failed, errors,
                progress.message, now, claim.job_id, claim.token,
            ),
        )  # fmt: skip
        if row is None:
            return
        data = {
            "percent": progress.percent, "items_done": progress.items_done,
            "items_total": progress.items_total, "items_failed": progress.items_failed,
            "message": progress.message,
        }  # fmt: skip
        self._events.add_rows([job_event(now, EventKind.JOB_PROGRESS, claim.job_id, data)])

    def record_pause(self, fact: PauseFact) -> bool:
        """The job is on record as paused, or as going on; False when the claim is stale."""
        claim = fact.claim
        change = (
            "paused_at=?, reason='paused'"
            if fact.paused
            else "paused_ms=paused_ms+max(0, ?-paused_at), paused_at=NULL, reason=NULL"
        )
        row = self._database.row(
            f"UPDATE jobs SET {change} WHERE id=? AND state='running' AND token=?"
            f" AND paused_at IS {'' if fact.paused else 'NOT'} NULL RETURNING paused_ms",
            (fact.at, claim.job_id, claim.token),
        )
        if row is None:
            return False
        kind = EventKind.JOB_PAUSED if fact.paused else EventKind.JOB_RESUMED
        data = {"attempt": claim.attempt, "paused_seconds": row[0] / 1000}
        self._events.add_rows([job_event(fact.at, kind, claim.job_id, data)])
        return True

    # --- the callers': intent ---

    def request_pause(self, job_id: JobId, paused: bool, now: int) -> bool:
        """The supervisor will stop the running job, or let it go on; False when that is no change.

        What has no process of its own, such as a batch, is never stopped.
        """
        row = self._database.row(
            "UPDATE jobs SET pause_wanted=? WHERE id=? AND state='running' AND pause_wanted<>?"
            " AND kind IN('command','function') RETURNING id",
            (paused, job_id, paused),
        )
        if row is not None:
            kind = EventKind.JOB_PAUSE_REQUESTED if paused else EventKind.JOB_RESUME_REQUESTED
            self._events.add_rows([job_event(now, kind, job_id)])
        return row is not None

    def request_cancel(
        self, job_id: JobId, grace_seconds: float | None, signal: int | None, reason: str | None, now: int
    ) -> bool:
        """The supervisor will end the running job; False when it does not run."""
        row = self._database.row(
            "UPDATE jobs SET cancel_requested_at=ifnull(cancel_requested_at, ?) WHERE id=? AND state='running'"
            " RETURNING id",
            (now, job_id),
        )
        if row is None:
            return False
        self._database.rows(
            "INSERT INTO cancel_requests(job_id, grace_seconds, signal, reason) VALUES(?,?,?,?)"
            " ON CONFLICT(job_id) DO UPDATE SET grace_seconds=excluded.grace_seconds, signal=excluded.signal,"
            " reason=ifnull(excluded.reason, reason), requests=requests+1",
            (job_id, grace_seconds, signal, reason),
        )
        self._events.add_rows([job_event(now, EventKind.JOB_CANCEL_REQUESTED, job_id, {"reason": reason})])
        return True

    def cancel_waiting(self, job_id: JobId, reason: str, now: int) -> bool:
        """The job is cancelled before it ran; False when it does not wait."""
        row = self._database.row(
            "UPDATE jobs SET state='cancelled', reason=?, finished_at=? WHERE id=?"
            " AND state IN('created','queued') RETURNING gated, kind",
            (reason, now, job_id),
        )
        if row is None:
            return False
        self._events.add_rows([job_event(now, EventKind.JOB_CANCELLED, job_id, {"reason": reason})])
        if row[1] == "workflow":
            WaitingRuns(self._database, self._events).cancel(job_id, reason, now)
        self._gates.after_end(job_id, JobStatus.CANCELLED, now)
        if row[0]:
            self._gates.repair(now)
        return True

    def hold(self, job_id: JobId, now: int) -> bool:
        """The waiting job stays created until released; False when it does not wait."""
        row = self._database.row(
            "UPDATE jobs SET state='created', reason='hold' WHERE id=? AND state IN('created','queued')"
            " AND reason IS NOT 'hold' RETURNING gated",
            (job_id,),
        )
        if row is None:
            return False
        self._events.add_rows([job_event(now, EventKind.JOB_HELD, job_id)])
        if row[0]:
            self._gates.repair(now)
        return True

    def release(self, job_id: JobId, now: int) -> bool:
        """The held job waits for what it still needs, else it is queued; False when not held."""
        row = self._database.row(
            "UPDATE jobs SET reason='time' WHERE id=? AND state='created' AND reason='hold' RETURNING id",
            (job_id,),
        )
        if row is None:
            return False
        status = self._gates.settle(job_id, now)
        self._events.add_rows([job_event(now, EventKind.JOB_RELEASED, job_id, {"status": status})])
        return True

    def retry(self, job_id: JobId, now: int) -> bool:
        """The ended job is queued with a fresh attempt budget; False when it has not ended."""
        row = self._database.row(
            "UPDATE jobs SET state='queued', reason=NULL, revision=revision+1, queued_at=?, eligible_at=NULL,"
            " started_at=NULL, finished_at=NULL, attempts_used=0, crashes=0, cancel_requested_at=NULL,"
            " exit_code=NULL, signal=NULL, reserved=0, life_id=NULL, needs_left=0"
            " WHERE id=? AND finished_at IS NOT NULL RETURNING attempt",
            (now, job_id),
        )
        if row is None:
            return False
        self._gates.revive(job_id, now)
        self._forget_reports(job_id)
        self._database.rows("DELETE FROM cancel_requests WHERE job_id=?", (job_id,))
        self._events.add_rows(
            [job_event(now, EventKind.JOB_RETRIED, job_id, {"by": "hand", "attempts_before": row[0]})]
        )
        return True


def attempt_row(fact: EndFact, life: LifeId) -> tuple[object, ...]:
    """What ``END_ATTEMPT`` is bound to."""
    claim, end = fact.claim, fact.end
    return (
        claim.job_id, claim.attempt, life, fact.pid, claim.started_at, fact.ended_at, end.outcome,
        end.reason, end.exit_code, end.signal, end.error, fact.cpu_seconds, fact.max_rss_bytes,
        claim.spec.split_output,
    )  # fmt: skip


def start_event(claim: Claim, pid: int | None) -> EventRow:
    """What tells the start of an attempt."""
    body = f'{{"attempt":{claim.attempt},"pid":{"null" if pid is None else pid}}}'
    return (claim.started_at, EventKind.JOB_STARTED.value, "job", claim.job_id, body)


def end_event(fact: EndFact, now: int) -> EventRow:
    """What tells the end of an attempt."""
    end, verdict, claim = fact.end, fact.verdict, fact.claim
    if verdict.status is JobStatus.COMPLETED and end.exit_code == 0 and end.error is None:
        body = f'{{"attempt":{claim.attempt},"outcome":"{end.outcome.value}","exit_code":0}}'
        return (now, EventKind.JOB_COMPLETED.value, "job", claim.job_id, body)
    data: dict[str, object] = {"attempt": claim.attempt, "outcome": end.outcome.value}
    found = {"reason": end.reason, "exit_code": end.exit_code, "signal": end.signal, "error": end.error}
    data |= {name: value for name, value in found.items() if value is not None}
    kind = _END_EVENTS[verdict.status]
    if end.outcome is Outcome.LOST and not verdict.status.is_terminal:
        kind = EventKind.JOB_LOST
    if verdict.status is JobStatus.CREATED:
        data["delay_seconds"] = round(verdict.delay_seconds, 3)
    return job_event(now, kind, claim.job_id, data)


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))
