"""What a waiting job waits for besides a slot: its time, other jobs, a lock, resources.

A job that needs others, or whose time has not come, is ``created``. A lock and resources are asked for at the
claim: a job that cannot have them steps aside (``created`` with the reason) until they are given back, and is
asked for again in its turn. So nothing is held by a job that does not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.events import EventKind
from jobctl.model.states import JobId, JobStatus, Reason
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.waiting_runs import WaitingRuns


class Gates:
    """Opens and closes the gates of waiting jobs; each method expects an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._waiting_runs = WaitingRuns(database, events)

    # --- time and other jobs ---

    def settle(self, job_id: JobId, now: int) -> JobStatus | None:
        """The waiting job is queued, or created with what it still waits for; None when it does not wait.

        A held job stays held; a run of a workflow needs no slot and is running.
        """
        row = self._database.row(
            "UPDATE jobs SET state=CASE WHEN needs_left>0 OR eligible_at>?1 THEN 'created' WHEN kind='workflow'"
            " THEN 'running' ELSE 'queued' END,"
            " reason=CASE WHEN needs_left>0 THEN 'dependency' WHEN eligible_at>?1 THEN 'time' END,"
            " queued_at=CASE WHEN needs_left>0 OR eligible_at>?1 OR kind='workflow' THEN queued_at ELSE ?1 END,"
            # A run holds no slot: it begins at once, and belongs to no life.
            " token=CASE WHEN needs_left>0 OR eligible_at>?1 THEN NULL WHEN kind='workflow' THEN 0 END,"
            " started_at=CASE WHEN needs_left>0 OR eligible_at>?1 OR kind<>'workflow' THEN started_at ELSE ?1 END"
            " WHERE id=?2 AND state='created' AND reason<>'hold' RETURNING state",
            (now, job_id),
        )
        if row is None:
            return None
        if row[0] == "queued":
            self._events.add_rows([job_event(now, EventKind.JOB_QUEUED, job_id)])
        elif row[0] == "running":
            self._waiting_runs.begin(job_id, now)
        return JobStatus(row[0])

    def add_dependencies(self, job_id: JobId, needs: Iterable[Dependency]) -> tuple[int, Dependency | None]:
        """``(undecided, unmet)``: how many needed jobs have not ended, and one that ended otherwise."""
        unmet: Dependency | None = None
        for need in needs:
            self._database.rows(
                "INSERT INTO dependencies(job_id, needs_id, condition) VALUES(?,?,?) ON CONFLICT DO NOTHING",
                (job_id, need.needs, need.condition.value),
            )
        undecided = 0
        for needed, condition, state in self._database.rows(
            "SELECT d.needs_id, d.condition, j.state FROM dependencies d LEFT JOIN jobs j ON j.id=d.needs_id"
            " WHERE d.job_id=?",
            (job_id,),
        ):
            if state is None or JobStatus(state).is_terminal:
                if state is None or not Condition(condition).is_met_by(JobStatus(state)):
                    unmet = unmet or Dependency(JobId(needed), Condition(condition))
            else:
                undecided += 1
        self._database.rows("UPDATE jobs SET needs_left=? WHERE id=?", (undecided, job_id))
        return undecided, unmet

    def after_end(self, job_id: JobId, status: JobStatus, now: int) -> None:
        """Jobs that need the ended one go on, or are cancelled where they no longer can; and so on down."""
        waiting = [(job_id, status)]
        while waiting:
            ended, how = waiting.pop()
            for dependent, condition in self._database.rows(
                "SELECT d.job_id, d.condition FROM dependencies d JOIN jobs j ON j.id=d.job_id"
                " WHERE d.needs_id=? AND j.state='created' AND j.needs_left>0 ORDER BY d.job_id",
                (ended,),
            ):
                if Condition(condition).is_met_by(how):
                    self._one_need_less(dependent, now)
                elif self.cancel_unmet(dependent, ended, now):
                    waiting.append((dependent, JobStatus.CANCELLED))

    def _one_need_less(self, job_id: JobId, now: int) -> None:
        row = self._database.row(
            "UPDATE jobs SET needs_left=needs_left-1 WHERE id=? AND needs_left>0 RETURNING needs_left",
            (job_id,),
        )
        if row is not None and row[0] == 0:
            self.settle(job_id, now)

    def cancel_unmet(self, job_id: JobId, needed: JobId, now: int) -> bool:
        """The waiting job is cancelled because ``needed`` can no longer end as it must."""
        row = self._database.row(
            "UPDATE jobs SET state='cancelled', reason='dependency', finished_at=?, needs_left=0"
            " WHERE id=? AND state='created' RETURNING id",
            (now, job_id),
        )
        if row is None:
            return False
        data = {"reason": Reason.DEPENDENCY.value, "needs": needed}
        self._events.add_rows([job_event(now, EventKind.JOB_CANCELLED, job_id, data)])
        return True

    def revive(self, job_id: JobId, now: int) -> list[JobId]:
        """What was cancelled because this job ended badly waits for it again, now that it is retried."""
        revived: list[JobId] = []
        waiting = [job_id]
        while waiting:
            needed = waiting.pop()
            # Who still waits for others waits for this one again too.
            self._database.rows(
                "UPDATE jobs SET needs_left=needs_left+(SELECT count(*) FROM dependencies d WHERE d.job_id=jobs.id"
                " AND d.needs_id=?1) WHERE state='created' AND needs_left>0"
                " AND id IN (SELECT job_id FROM dependencies WHERE needs_id=?1)",
                (needed,),
            )
            for dependent in self._cancelled_for(needed):
                if self._revive_one(dependent):
                    revived.append(dependent)
                    waiting.append(dependent)
        for dependent in revived:
            undecided, unmet = self.add_dependencies(dependent, ())
            self._events.add_rows([job_event(now, EventKind.JOB_RETRIED, dependent, {"by": "dependency"})])
            if unmet is not None:
                self.cancel_unmet(dependent, unmet.needs, now)
            elif not undecided:
                self.settle(dependent, now)
        return revived

    def _cancelled_for(self, needed: JobId) -> list[JobId]:
        rows = self._database.rows(
            "SELECT j.id FROM jobs j JOIN dependencies d ON d.job_id=j.id WHERE d.needs_id=?"
            " AND j.state='cancelled' AND j.finished_at IS NOT NULL AND j.reason='dependency' ORDER BY j.id DESC",
            (needed,),
        )
        return [JobId(row[0]) for row in rows]

    def _revive_one(self, job_id: JobId) -> bool:
        """One at a time and the newest first: of several with one unique key only one can wait again."""
        row = self._database.row(
            "UPDATE jobs SET state='created', reason='dependency', revision=revision+1, finished_at=NULL,"
            " started_at=NULL, cancel_requested_at=NULL WHERE id=? AND state='cancelled'"
            " AND NOT EXISTS(SELECT 1 FROM jobs u WHERE u.unique_key=jobs.unique_key"
            " AND u.state IN('created','queued','running')) RETURNING id",
            (job_id,),
        )
        return row is not None

    # --- locks and resources ---

    def takes_all(self, job_id: JobId, lock_key: str | None) -> bool:
        """Whether the queued job has its lock and its resources; otherwise it steps aside and has neither."""
        return self.takes_lock(job_id, lock_key) and self.takes_resources(job_id) is not None

    def takes_lock(self, job_id: JobId, lock_key: str | None) -> bool:
        """Whether the queued job may run as far as its lock is concerned; otherwise it steps aside."""
        if lock_key is None:
            return True
        held = self._database.row("SELECT id FROM jobs WHERE lock_key=? AND state='running'", (lock_key,))
        if held is None:
            return True
        self._step_aside(job_id, Reason.LOCK)
        return False

    def free_lock(self, lock_key: str, now: int) -> None:
        """The most urgent job that waits for the lock is queued, unless the lock is held or one is queued already."""
        row = self._database.row(
            "UPDATE jobs SET state='queued', reason=NULL WHERE id=(SELECT id FROM jobs WHERE lock_key=?1"
            " AND state='created' AND reason='lock' ORDER BY priority, id LIMIT 1)"
            " AND NOT EXISTS(SELECT 1 FROM jobs WHERE lock_key=?1 AND state='running') RETURNING id",
            (lock_key,),
        )
        if row is not None:
            self._events.add_rows([job_event(now, EventKind.JOB_QUEUED, row[0])])

    # --- resources ---

    def takes_resources(self, job_id: JobId) -> dict[str, list[int]] | None:
        """The indices the queued job gets of each resource it needs; None when it steps aside.

        One that waits for a resource is not overtaken by a less urgent or later one that wants it too.
        """
        wanted = self._database.rows(
            "SELECT r.name, r.amount, ifnull(t.total, 0) FROM job_resources r LEFT JOIN resources t ON t.name=r.name"
            " WHERE r.job_id=? ORDER BY r.name",
            (job_id,),
        )
        given: dict[str, list[int]] = {}
        for name, amount, total in wanted:
            free = self.free_indices(name, total)
            if len(free) < amount or self._is_behind(job_id, name):
                self._step_aside(job_id, Reason.RESOURCE)
                return None
            given[name] = free[:amount]
        for name, indices in given.items():
            self._database.rows(
                "UPDATE job_resources SET indices=? WHERE job_id=? AND name=?",
                (json.dumps(indices), job_id, name),
            )
        return given

    def given_to(self, job_id: JobId) -> dict[str, tuple[int, ...]]:
        """The indices a running job has of each resource."""
        rows = self._database.rows(
            "SELECT name, indices FROM job_resources WHERE job_id=? ORDER BY name", (job_id,)
        )
        return {name: tuple(json.loads(indices or "[]")) for name, indices in rows}

    def free_indices(self, name: str, total: int) -> list[int]:
        """Which of the ``total`` units of a resource no running job has."""
        taken: set[int] = set()
        for (indices,) in self._database.rows(
            "SELECT r.indices FROM jobs j JOIN job_resources r ON r.job_id=j.id AND r.name=?"
            " WHERE j.state='running' AND j.gated=1",
            (name,),
        ):
            taken.update(json.loads(indices or "[]"))
        return [index for index in range(total) if index not in taken]

    def _is_behind(self, job_id: JobId, name: str) -> bool:
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM jobs w JOIN job_resources r ON r.job_id=w.id AND r.name=?"
                " JOIN jobs j ON j.id=? WHERE w.state='created' AND w.reason='resource'"
                " AND (w.priority, w.id)<(j.priority, j.id))",
                (name, job_id),
            )
        )

    def free_resources(self, now: int) -> None:
        """Jobs that waited for resources and can have them now are queued, most urgent first; none overtakes."""
        waiting = self._database.rows(
            "SELECT id FROM jobs WHERE state='created' AND reason='resource' ORDER BY priority, id LIMIT 100"
        )
        if not waiting:
            return
        totals: dict[str, int] = dict(self._database.rows("SELECT name, total FROM resources"))
        free = {name: len(self.free_indices(name, total)) for name, total in totals.items()}
        for (job_id,) in waiting:
            wanted = self._database.rows("SELECT name, amount FROM job_resources WHERE job_id=?", (job_id,))
            fits = all(free.get(name, 0) >= amount for name, amount in wanted)
            for name, amount in wanted:
                free[name] = free.get(name, 0) - amount if fits else 0
            if fits:
                self._queue(job_id, now)

    def _queue(self, job_id: JobId, now: int) -> None:
        self._database.rows(
            "UPDATE jobs SET state='queued', reason=NULL WHERE id=? AND state='created'", (job_id,)
        )
        self._events.add_rows([job_event(now, EventKind.JOB_QUEUED, job_id)])

    def _step_aside(self, job_id: JobId, reason: Reason) -> None:
        self._database.rows(
            "UPDATE jobs SET state='created', reason=? WHERE id=? AND state='queued'", (reason.value, job_id)
        )

    def repair(self, now: int) -> None:
        """No job waits for a lock or a resource that is free: what a cancelled or held job left is passed on."""
        for (lock_key,) in self._database.rows(
            "SELECT DISTINCT lock_key FROM jobs w WHERE lock_key IS NOT NULL AND state='created' AND reason='lock'"
            " AND NOT EXISTS(SELECT 1 FROM jobs h WHERE h.lock_key=w.lock_key AND h.state IN('running','queued'))"
        ):
            self.free_lock(lock_key, now)
        self.free_resources(now)


def needs_of(database: Database, job_id: JobId) -> Sequence[Dependency]:
    """What a job needs, by id."""
    rows = database.rows(
        "SELECT needs_id, condition FROM dependencies WHERE job_id=? ORDER BY needs_id", (job_id,)
    )
    return [Dependency(JobId(needed), Condition(condition)) for needed, condition in rows]
