"""Runs as a supervisor moves them: what is new about them, their rows, their jobs, their end.

Every method that writes expects the supervisor's open transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobctl.model.documents import Json
from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobKind, JobStatus, Reason
from jobctl.model.workflow_runs import Phase, Role
from jobctl.model.workflow_states import RollbackState, RunOutcome, Stop
from jobctl.store.database import Database
from jobctl.store.events import EventRow, Events, job_event
from jobctl.store.gates import Gates

_STATE = (
    "job_id, attempt, phase, stop, end_status, end_reason, outcome, rollback, failure, rollback_wanted,"
    " rollback_by_hand, cancels_wanted, cancels_done, max_parallel, steps, left, completed, failed, open, starts,"
    " rollbacks, definition_hash, params,"
    " (SELECT j.paused_at IS NOT NULL FROM jobs j WHERE j.id=workflows.job_id)"
)
_SAVED = (
    "phase", "stop", "end_status", "end_reason", "outcome", "rollback", "failure", "rollback_wanted",
    "rollback_by_hand", "cancels_done", "left", "completed", "failed", "open", "starts", "rollbacks",
)  # fmt: skip
_SAVE = f"UPDATE workflows SET {', '.join(f'{name}=?' for name in _SAVED)} WHERE job_id=?"
_EACH = "(SELECT value FROM json_each(?))"
_GOES_ON = "NOT EXISTS(SELECT 1 FROM jobs j WHERE j.id=workflows.job_id AND j.paused_at IS NOT NULL)"
"""The time-out of a paused run does not count."""
_JOB_ENDS = {
    JobStatus.COMPLETED: EventKind.JOB_COMPLETED,
    JobStatus.FAILED: EventKind.JOB_FAILED,
    JobStatus.CANCELLED: EventKind.JOB_CANCELLED,
    JobStatus.TIMEOUT: EventKind.JOB_TIMEOUT,
}


@dataclass(slots=True)
class RunState:
    """The row of a run while a supervisor moves it; ``save`` writes it back."""

    job_id: JobId
    attempt: int
    phase: Phase
    stop: Stop | None
    end_status: JobStatus | None
    end_reason: str | None
    outcome: RunOutcome | None
    rollback: RollbackState
    failure: str | None
    rollback_wanted: bool
    rollback_by_hand: bool
    cancels_wanted: int
    cancels_done: int
    max_parallel: int | None
    steps: int
    left: int
    completed: int
    failed: int
    open: int
    starts: int
    rollbacks: int
    definition_hash: str
    params: str
    is_paused: bool = False
    """Nothing starts before it goes on."""

    @property
    def is_given_up(self) -> bool:
        """Whether an error ended it, and only the ends of its jobs are waited for."""
        return self.phase is Phase.STOPPING and self.end_status is not None


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """A job of a run has ended."""

    job_id: JobId
    step: str
    map_index: int
    role: Role
    status: JobStatus
    kind: JobKind | None
    """None: the job has been removed."""
    reason: str | None = None
    exit_code: int | None = None
    error: str | None = None
    started_at: int | None = None
    """Its first attempt."""
    result: Json = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    outputs_problem: str | None = None
    """Why they cannot be used, if so."""


@dataclass(frozen=True, slots=True)
class News:
    """Something about a run: a child has ended, or (None) a caller wants something of it."""

    run_id: JobId
    end: ChildEnd | None


class Runs:
    """The workflows table, the news about it, and the jobs that belong to it."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._gates = Gates(database, events)

    # --- what there is to do ---

    def has_news(self) -> bool:
        """Whether a supervisor has something to conclude."""
        return bool(self._database.value("SELECT EXISTS(SELECT 1 FROM workflow_news)"))

    def next_due(self) -> int | None:
        """The earliest instant at which a run is out of time or an approval expires."""
        found: int | None = self._database.value(
            "SELECT min(at) FROM (SELECT min(deadline_at) AS at FROM workflows WHERE deadline_at IS NOT NULL"
            f" AND phase='running' AND {_GOES_ON} UNION ALL"
            " SELECT min(expires_at) FROM workflow_steps WHERE status='waiting' AND expires_at IS NOT NULL)"
        )
        return found

    def overdue_runs(self, now: int) -> list[JobId]:
        """Runs that are out of time."""
        rows = self._database.rows(
            "SELECT job_id FROM workflows WHERE deadline_at IS NOT NULL AND phase='running'"
            f" AND deadline_at<=? AND {_GOES_ON}",
            (now,),
        )
        return [JobId(row[0]) for row in rows]

    def expired(self, now: int) -> list[tuple[JobId, str, int]]:
        """Steps that nobody approved in time."""
        rows = self._database.rows(
            "SELECT job_id, step_id, map_index FROM workflow_steps WHERE status='waiting'"
            " AND expires_at IS NOT NULL AND expires_at<=? AND decision IS NULL",
            (now,),
        )
        return [(JobId(row[0]), row[1], row[2]) for row in rows]

    def take_news(self, limit: int) -> list[News]:
        """At most ``limit`` of what is new, oldest first, each once; of two ends of a job the later one."""
        rows = self._database.rows(
            "SELECT n.id, n.workflow_id, n.child_id, n.status, w.step_id, w.map_index, w.role, j.kind, j.reason,"
            " j.exit_code, a.error, ifnull((SELECT min(f.started_at) FROM attempts f WHERE f.job_id=j.id),"
            " j.started_at), r.result, r.outputs, a.reason FROM workflow_news n"
            " LEFT JOIN workflow_jobs w ON w.job_id=n.child_id AND w.ended=0 LEFT JOIN jobs j ON j.id=n.child_id"
            " LEFT JOIN job_results r ON r.job_id=n.child_id"
            " LEFT JOIN attempts a ON a.job_id=j.id AND a.number=j.attempt ORDER BY n.id LIMIT ?",
            (limit,),
        )
        if not rows:
            return []
        children = [row[2] for row in rows if row[4] is not None]
        last = self._last_news(children) if children else {}
        self._database.rows("DELETE FROM workflow_news WHERE id<=?", (rows[-1][0],))
        if children:
            settled = [row[2] for row in rows if last.get(row[2]) == row[0]]
            self._database.rows(
                f"UPDATE workflow_jobs SET ended=1 WHERE job_id IN {_EACH}", (json.dumps(settled),)
            )
        return [
            News(JobId(row[1]), None if row[2] is None else _child_end(row))
            for row in rows
            if row[2] is None or (row[4] is not None and last[row[2]] == row[0])
        ]

    def _last_news(self, children: list[int]) -> dict[int, int]:
        rows = self._database.rows(
            f"SELECT child_id, max(id) FROM workflow_news WHERE child_id IN {_EACH} GROUP BY child_id",
            (json.dumps(children),),
        )
        return dict(rows)

    def tell(self, run_id: JobId) -> None:
        """A supervisor will look at the run."""
        self._database.rows("INSERT INTO workflow_news(workflow_id) VALUES(?)", (run_id,))

    def load(self, run_id: JobId) -> RunState | None:
        """The row of the run."""
        row = self._database.row(f"SELECT {_STATE} FROM workflows WHERE job_id=?", (run_id,))
        if row is None:
            return None
        state = RunState(
            JobId(row[0]), row[1], Phase(row[2]), _maybe(Stop, row[3]), _maybe(JobStatus, row[4]), row[5],
            _maybe(RunOutcome, row[6]), RollbackState(row[7]), row[8], bool(row[9]), bool(row[10]), *row[11:23],
        )  # fmt: skip
        state.is_paused = bool(row[23])
        return state

    def save(self, state: RunState) -> None:
        """The row is as ``state`` says."""
        self._database.rows(_SAVE, (*(getattr(state, name) for name in _SAVED), state.job_id))

    # --- jobs and the end ---

    def record_child(
        self, run_id: JobId, step: str, map_index: int, role: Role, attempt: int, child_id: JobId
    ) -> None:
        """The job belongs to the run in this role."""
        self._database.rows(
            "INSERT INTO workflow_jobs(job_id, workflow_id, step_id, map_index, role, attempt) VALUES(?,?,?,?,?,?)"
            " ON CONFLICT(job_id, role) DO UPDATE SET attempt=excluded.attempt, ended=0",
            (child_id, run_id, step, map_index, role.value, attempt),
        )

    def open_children(self, run_id: JobId) -> list[JobId]:
        """The jobs of the run that have not ended."""
        rows = self._database.rows(
            "SELECT job_id FROM workflow_jobs WHERE workflow_id=? AND ended=0 ORDER BY job_id", (run_id,)
        )
        return [JobId(row[0]) for row in rows]

    def handlers(self, state: RunState) -> set[Role]:
        """The handlers that have been started in this attempt of the run."""
        rows = self._database.rows(
            "SELECT role FROM workflow_jobs WHERE workflow_id=? AND attempt=? AND role IN('on_failure','on_exit')",
            (state.job_id, state.attempt),
        )
        return {Role(row[0]) for row in rows}

    def end_run(self, state: RunState, data: Mapping[str, object], now: int) -> bool:
        """The run's own job has ended; False when it does not run."""
        status = state.end_status or JobStatus.FAILED
        row = self._database.row(
            f"UPDATE jobs SET state='{status.value}', reason=?, finished_at=?, token=NULL, paused_at=NULL,"
            " pause_wanted=0"
            " WHERE id=? AND state='running' AND kind='workflow' RETURNING id",
            (state.end_reason, now, state.job_id),
        )
        if row is None:
            return False
        self._events.add_rows([job_event(now, _JOB_ENDS[status], state.job_id, data)])
        self._gates.after_end(state.job_id, status, now)
        return True

    def count_steps(self, run_id: JobId) -> tuple[int, int, int]:
        """``(left, completed, failed)``: how the steps of the run stand, counted anew."""
        row = self._database.row(
            "SELECT count(*) FILTER (WHERE status IN('pending','ready','running','waiting')),"
            " count(*) FILTER (WHERE status='completed'), count(*) FILTER (WHERE status IN('failed','timeout'))"
            " FROM workflow_steps WHERE job_id=? AND map_index=-1",
            (run_id,),
        )
        return (0, 0, 0) if row is None else (row[0], row[1], row[2])

    def add_events(self, rows: Iterable[EventRow]) -> None:
        """The events are part of the transaction."""
        self._events.add_rows(rows)


def _child_end(row: tuple[Any, ...]) -> ChildEnd:
    return ChildEnd(
        job_id=JobId(row[2]), status=JobStatus(row[3]), step=row[4], map_index=row[5], role=Role(row[6]),
        kind=_maybe(JobKind, row[7]), reason=row[8], exit_code=row[9], error=row[10], started_at=row[11],
        result=_json(row[12]), outputs={} if row[13] is None else json.loads(row[13]),
        outputs_problem=row[10] if row[14] == Reason.OUTPUTS else None,
    )  # fmt: skip


def _maybe(kind: Any, text: str | None) -> Any:
    return None if text is None else kind(text)


def _json(text: str | None) -> Json:
    found: Json = None if text is None else json.loads(text)
    return found
