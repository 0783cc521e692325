"""Batches as rows: a parent in ``jobs``, its limits and counters in ``batches``, its items as its children.

The parent is ``running`` without a life while items are open; it holds no slot and no queue claims it. Triggers
(migration 3) count the items; ``settle`` does what follows from the counts, whoever changed them, so that ends at the
same moment, crashes, retries and removals need nothing of their own.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from json.encoder import encode_basestring_ascii
from typing import Any

from jobctl.model.batches import Batch, BatchSubmission, Item, outcome_of
from jobctl.model.events import EventKind
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus, Reason
from jobctl.store.database import Database
from jobctl.store.events import Events, job_event
from jobctl.store.gates import Gates, needs_of
from jobctl.store.migrations.m0003_batches import DUE
from jobctl.store.specs import environment_text, spec_text
from jobctl.store.submissions import Stored, Submissions, first_state
from jobctl.store.transitions import Transitions

_COLUMNS = "job_id, total, created, queued, running, completed, failed, cancelled, timeout, max_parallel, max_failures"
_DUE = f"SELECT {_COLUMNS}, stop_wanted, stop_done, stop_reason, ended FROM batches WHERE {DUE}"
_ENDED = {
    JobStatus.COMPLETED: EventKind.JOB_COMPLETED,
    JobStatus.FAILED: EventKind.JOB_FAILED,
    JobStatus.CANCELLED: EventKind.JOB_CANCELLED,
}
_NOT_COMPLETED = "state IN('failed','timeout','cancelled') AND finished_at IS NOT NULL"
_FAILED = "(state IN('failed','timeout') OR (state='cancelled' AND reason='max_failures')) AND finished_at IS NOT NULL"


class Batches:
    """The batches table; writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._gates = Gates(database, events)
        self._transitions = Transitions(database, events)
        self._submissions = Submissions(database, events)

    # --- reading ---

    def get(self, job_id: int) -> Batch | None:
        """The batch with this id."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM batches WHERE job_id=?", (job_id,))
        return None if row is None else Batch(*row)

    def list(self, limit: int | None = None) -> builtins.list[Batch]:
        """Every batch, newest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM batches ORDER BY job_id DESC LIMIT ?", (-1 if limit is None else limit,)
        )
        return [Batch(*row) for row in rows]

    def items(self, job_id: JobId) -> builtins.list[JobId]:
        """The ids of the items, in their order."""
        rows = self._database.rows("SELECT id FROM jobs WHERE parent_id=? ORDER BY id", (job_id,))
        return [JobId(row[0]) for row in rows]

    def failed_items(self, job_id: JobId, limit: int) -> builtins.list[JobId]:
        """The first items that failed or ran out of time."""
        rows = self._database.rows(
            "SELECT id FROM jobs WHERE parent_id=? AND state IN('failed','timeout') ORDER BY id LIMIT ?",
            (job_id, limit),
        )
        return [JobId(row[0]) for row in rows]

    # --- new ones ---

    def submit(self, batch: BatchSubmission, now: int) -> Stored:
        """The parent and every item are stored; or the batch there is with the same unique key."""
        stored = self._submissions.submit([replace(batch.parent, hold=True, after=())], now)[0]
        if not stored.is_new:
            return stored
        parent = stored.id
        # What the parent was made to wait for (the batch it replaces), its items wait for.
        child = replace(
            batch.child, parent_id=parent, submitted_by=f"batch:{parent}",
            after=(*batch.child.after, *needs_of(self._database, parent)),
        )  # fmt: skip
        plain = not (child.after or child.resources)
        insert = self._insert_items if plain else self._insert_needy
        counts = insert(child, batch, now)
        self._database.rows(
            f"INSERT INTO batches(job_id, total, max_parallel, max_failures, {', '.join(counts)})"
            f" VALUES(?,?,?,?{',?' * len(counts)})",
            (parent, len(batch.items), batch.max_parallel, batch.max_failures, *counts.values()),
        )
        self._database.rows(
            "UPDATE jobs SET state='running', reason=NULL, token=0, started_at=?, needs_left=0 WHERE id=?",
            (now, parent),
        )
        return stored

    def _insert_items(self, child: Submission, batch: BatchSubmission, now: int) -> dict[str, int]:
        """All items by four statements, right behind their parent; those over ``max_parallel`` wait for their turn."""
        first = (child.parent_id or 0) + 1
        state, reason = first_state(child, now)
        waits = child.hold or state is not JobStatus.QUEUED
        at_once = len(batch.items) if waits or batch.max_parallel is None else batch.max_parallel
        rows = (
            (first + offset, state.value, reason)
            if offset < at_once
            else (first + offset, JobStatus.CREATED.value, Reason.BATCH)
            for offset in range(len(batch.items))
        )
        gated = child.lock_key is not None
        self._database.many(
            "INSERT INTO jobs(id, state, reason, queued_at, kind, name, queue, priority, type, category, user,"
            " parent_id, submitted_by, created_at, eligible_at, lock_key, gated)"
            " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                (
                    number, what, why, now if what == "queued" else None, child.kind.value, child.name, child.queue,
                    child.priority, child.type, child.category, child.user, child.parent_id, child.submitted_by,
                    now, child.eligible_at, child.lock_key, gated,
                )
                for number, what, why in rows
            ),
        )  # fmt: skip
        digest, body = environment_text(child.environment)
        self._database.rows(
            "INSERT INTO environments(hash, body) VALUES(?,?) ON CONFLICT DO NOTHING", (digest, body)
        )
        meta = None if child.meta is None else json.dumps(child.meta, separators=(",", ":"))
        self._database.many(
            "INSERT INTO job_specs(job_id, spec, meta, environment_hash) VALUES(?,?,?,?)",
            (
                (first + offset, text, meta, digest)
                for offset, text in enumerate(_spec_texts(child, batch.items))
            ),
        )
        tags = sorted(set(child.tags))
        if tags:
            self._database.many(
                "INSERT INTO job_tags(tag, job_id) VALUES(?,?)",
                ((tag, first + offset) for offset in range(len(batch.items)) for tag in tags),
            )
        told = job_event(now, EventKind.JOB_SUBMITTED, 0, {"name": child.name, "status": state.value})
        self._events.add_rows(
            (*told[:3], number, told[4]) for number in range(first, first + len(batch.items))
        )
        ready = min(at_once, len(batch.items))
        counts = {"created": 0, state.value: ready}
        if ready < len(batch.items):
            counts["created"] += len(batch.items) - ready
        return counts

    def _insert_needy(self, child: Submission, batch: BatchSubmission, now: int) -> dict[str, int]:
        """Items that need other jobs or resources, one by one; ``settle`` keeps back what is too many."""
        jobs = [
            replace(child, spec=replace(child.spec, item=item.text, **_work(item))) for item in batch.items
        ]
        self._submissions.submit(jobs, now)
        rows = self._database.rows(
            "SELECT state, count(*) FROM jobs WHERE parent_id=? GROUP BY state", (child.parent_id,)
        )
        return {"created": 0, **dict(rows)}

    # --- what follows from the counts ---

    def settle(self, now: int) -> builtins.list[JobId]:
        """Every batch is as its items and its limits demand; the ids of those that ended by this.

        In the transaction of whatever moved items; costs one look at an index that is mostly empty.
        """
        ended: builtins.list[JobId] = []
        for _ in range(3):  # a stop ends items, which ends the batch, which may reopen nothing
            again = False
            for row in self._database.rows(_DUE):
                batch = Batch(*row[:11])
                wanted, done, why, is_ended = row[11:]
                if is_ended:
                    self._reopen(batch.job_id, now)
                    again = True  # its end may have cancelled what now waits for it again
                elif batch.ended == batch.total:
                    if self._end(batch, why, now):
                        ended.append(batch.job_id)
                elif wanted > done or (not wanted and self._fails(batch)):
                    self._stop(batch, wanted, why, now)
                    again = True
                elif batch.max_parallel is not None:
                    self._keep_parallel(batch, now)
            if not again:
                break
        return ended

    @staticmethod
    def _fails(batch: Batch) -> bool:
        return batch.max_failures is not None and batch.failures > batch.max_failures

    def _end(self, batch: Batch, why: str | None, now: int) -> bool:
        status, reason = outcome_of(batch, why)
        self._database.rows("UPDATE batches SET ended=1 WHERE job_id=?", (batch.job_id,))
        row = self._database.row(
            f"UPDATE jobs SET state='{status.value}', reason=?, finished_at=?, token=NULL"
            " WHERE id=? AND state='running' AND kind='batch' RETURNING id",
            (reason, now, batch.job_id),
        )
        if row is None:
            return False
        self._database.rows(
            "INSERT OR REPLACE INTO job_progress(job_id, message, updated_at) VALUES(?,?,?)",
            (batch.job_id, batch.summary, now),
        )
        data: dict[str, object] = {
            "total": batch.total,
            "failed": batch.failures,
            "cancelled": batch.cancelled,
        }
        if reason is not None:
            data["reason"] = reason.value
        self._events.add_rows([job_event(now, _ENDED[status], batch.job_id, data)])
        self._gates.after_end(batch.job_id, status, now)
        return True

    def _reopen(self, job_id: JobId, now: int) -> None:
        """An item of the ended batch is to run again, so the batch goes on."""
        self._database.rows(
            "UPDATE batches SET ended=0, stop_wanted=0, stop_done=0, stop_reason=NULL WHERE job_id=?",
            (job_id,),
        )
        row = self._database.row(
            "UPDATE jobs SET state='running', reason=NULL, token=0, revision=revision+1, started_at=?,"
            " finished_at=NULL, cancel_requested_at=NULL,"
            # Somebody else may have the key by now; the supervisor reopens batches too and cannot refuse.
            " unique_key=CASE WHEN NOT EXISTS(SELECT 1 FROM jobs u WHERE u.unique_key=jobs.unique_key"
            " AND u.state IN('created','queued','running')) THEN unique_key END"
            " WHERE id=? AND finished_at IS NOT NULL RETURNING id",
            (now, job_id),
        )
        if row is None:
            return
        for table in ("job_progress", "cancel_requests"):
            self._database.rows(f"DELETE FROM {table} WHERE job_id=?", (job_id,))
        self._events.add_rows([job_event(now, EventKind.JOB_RETRIED, job_id, {"by": "items"})])
        self._gates.revive(job_id, now)

    def _stop(self, batch: Batch, wanted: int, why: str | None, now: int) -> None:
        """Waiting items are cancelled, running ones will be; asked again, they are hurried."""
        why = why or Reason.MAX_FAILURES.value
        wanted = max(1, wanted)
        self._database.rows(
            "UPDATE batches SET stop_wanted=?, stop_done=?, stop_reason=? WHERE job_id=?",
            (wanted, wanted, why, batch.job_id),
        )
        self._cancel_waiting(batch.job_id, why, now)
        how = self._database.row(
            "SELECT grace_seconds, signal, reason FROM cancel_requests WHERE job_id=?", (batch.job_id,)
        )
        grace, number, text = how or (None, None, why)
        for job_id, asked in self._database.rows(
            "SELECT j.id, ifnull(c.requests, 0) FROM jobs j LEFT JOIN cancel_requests c ON c.job_id=j.id"
            " WHERE j.parent_id=? AND j.state='running'",
            (batch.job_id,),
        ):
            if asked < wanted:
                self._transitions.request_cancel(job_id, grace, number, text, now)

    def _cancel_waiting(self, parent: JobId, why: str, now: int) -> None:
        moved = self._database.rows(
            "UPDATE jobs SET state='cancelled', reason=?, finished_at=? WHERE parent_id=?"
            " AND state IN('created','queued') RETURNING id, gated",
            (why, now, parent),
        )
        data = {"reason": why}
        self._events.add_rows(job_event(now, EventKind.JOB_CANCELLED, row[0], data) for row in moved)
        self._tell_dependents([row[0] for row in moved], now)
        if any(row[1] for row in moved):
            self._gates.repair(now)

    def _tell_dependents(self, ids: Sequence[int], now: int) -> None:
        needed = self._database.rows(
            "SELECT DISTINCT needs_id FROM dependencies WHERE needs_id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        for (job_id,) in needed:
            self._gates.after_end(JobId(job_id), JobStatus.CANCELLED, now)

    def _keep_parallel(self, batch: Batch, now: int) -> None:
        """As many items are queued or running as may be, the first ones first."""
        room = (batch.max_parallel or 0) - batch.queued - batch.running
        if room > 0:
            moved = self._database.rows(
                "UPDATE jobs SET state='queued', reason=NULL, queued_at=? WHERE id IN (SELECT id FROM jobs"
                " WHERE parent_id=? AND state='created' AND reason='batch' ORDER BY id LIMIT ?) RETURNING id",
                (now, batch.job_id, room),
            )
            self._events.add_rows(job_event(now, EventKind.JOB_QUEUED, row[0]) for row in moved)
        elif room < 0:
            self._database.rows(
                "UPDATE jobs SET state='created', reason='batch' WHERE id IN (SELECT id FROM jobs"
                " WHERE parent_id=? AND state='queued' ORDER BY id DESC LIMIT ?)",
                (batch.job_id, -room),
            )

    # --- callers ---

    def retry(self, job_id: JobId, now: int, *, failed_only: bool) -> int:
        """Ended items that did not complete are queued again, with a fresh budget; returns how many.

        Args:
            failed_only: not the ones that were cancelled, unless because too many others failed.
        """
        condition = _FAILED if failed_only else _NOT_COMPLETED
        moved = self._database.rows(
            "UPDATE jobs SET state='queued', reason=NULL, revision=revision+1, queued_at=?, eligible_at=NULL,"
            " started_at=NULL, finished_at=NULL, attempts_used=0, crashes=0, cancel_requested_at=NULL,"
            " exit_code=NULL, signal=NULL, reserved=0, life_id=NULL, needs_left=0"
            f" WHERE parent_id=? AND {condition} RETURNING id, attempt",
            (now, job_id),
        )
        ids = json.dumps([row[0] for row in moved])
        for table in ("job_results", "job_progress", "cancel_requests"):
            self._database.rows(
                f"DELETE FROM {table} WHERE job_id IN (SELECT value FROM json_each(?))", (ids,)
            )
        self._events.add_rows(
            job_event(now, EventKind.JOB_RETRIED, row[0], {"by": "hand", "attempts_before": row[1]})
            for row in moved
        )
        for (needed,) in self._database.rows(
            "SELECT DISTINCT needs_id FROM dependencies WHERE needs_id IN (SELECT value FROM json_each(?))",
            (ids,),
        ):
            self._gates.revive(JobId(needed), now)
        return len(moved)


def _work(item: Item) -> dict[str, Any]:
    if isinstance(item.command, str):
        return {"shell": item.command, "command": ()}
    return {"command": item.command}


def _spec_texts(child: Submission, items: Iterable[Item]) -> Iterable[str]:
    """The JSON of each item's spec: what all have in common is written once."""
    quoted = encode_basestring_ascii
    base = spec_text(replace(child.spec, command=(), shell=None, item=None))
    head = base[:-1] + ("" if base == "{}" else ",")
    for item in items:
        if isinstance(item.command, str):
            work = f'"shell":{quoted(item.command)}'
        else:
            work = f'"command":[{",".join(map(quoted, item.command))}]'
        yield f'{head}{work},"item":{quoted(item.text)}}}'
