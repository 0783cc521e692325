"""Steps of runs as a supervisor moves them; every method expects its open write transaction.

Nothing here decides: ``supervisor.workflow_runs`` does. A write about a step names the states it may come from, so
that what was decided once is never decided again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.model.documents import Json
from jobctl.model.states import JobId
from jobctl.model.workflow_runs import Answer, Role, shortened
from jobctl.model.workflow_states import StepStatus
from jobctl.store.database import Database
from jobctl.store.events import Events
from jobctl.store.runs import Runs, RunState

_OPEN = "status IN('pending','ready','running','waiting')"
_EACH = "(SELECT value FROM json_each(?))"
_PAGE = 32
"""Items whose outputs are read at once: each may have a MiB."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How a step ends."""

    status: StepStatus
    reason: str | None = None
    message: str | None = None
    cause: str | None = None
    exit_code: int | None = None
    outputs: Mapping[str, Json] | None = None
    result: Json = None
    is_partial: bool = False
    when_result: bool | None = None
    started_at: int | None = None


@dataclass(frozen=True, slots=True)
class StepPlace:
    """A step, or an item of one, that may start or be undone."""

    step: str
    map_index: int
    item: Json
    child_id: JobId | None = None
    status: StepStatus = StepStatus.READY
    start_seq: int = 0


class Steps:
    """The workflow_steps table and what belongs to it."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._runs = Runs(database, events)

    # --- readiness ---

    def one_need_less(self, run_id: JobId, steps: Sequence[str]) -> list[str]:
        """Those of the waiting ``steps`` whose last need has ended by this, in the order of the file."""
        if not steps:
            return []
        rows = self._database.rows(
            "UPDATE workflow_steps SET left_needs=left_needs-1 WHERE job_id=? AND map_index=-1"
            f" AND status='pending' AND left_needs>0 AND step_id IN {_EACH}"
            " RETURNING left_needs, position, step_id",
            (run_id, json.dumps(steps)),
        )
        return [row[2] for row in sorted(rows, key=lambda row: (row[1], row[2])) if not row[0]]

    def undecided(self, run_id: JobId) -> list[str]:
        """Waiting steps whose needs have all ended, in the order of the file."""
        rows = self._database.rows(
            "SELECT step_id FROM workflow_steps WHERE job_id=? AND map_index=-1 AND status='pending'"
            " AND left_needs=0 ORDER BY position",
            (run_id,),
        )
        return [row[0] for row in rows]

    def known(self, run_id: JobId, steps: Iterable[str] | None) -> dict[str, tuple[Any, ...]]:
        """``(status, reason, exit_code, outputs, child_id, attempt, result, cause, message)`` of each step.

        Args:
            run_id: the run.
            steps: only these; None means all.
        """
        chosen = "" if steps is None else f" AND step_id IN {_EACH}"
        rows = self._database.rows(
            "SELECT step_id, status, reason, exit_code, outputs, child_id, attempt, result, cause, message"
            f" FROM workflow_steps WHERE job_id=? AND map_index=-1{chosen}",
            (run_id,) if steps is None else (run_id, json.dumps(list(steps))),
        )
        return {row[0]: row[1:] for row in rows}

    def needs_of(self, run_id: JobId, steps: Iterable[str]) -> dict[str, tuple[StepStatus, str | None]]:
        """The status of each step, and of one that did not run because of another: which failed first."""
        rows = self._database.rows(
            f"SELECT step_id, status, cause FROM workflow_steps WHERE job_id=? AND map_index=-1 AND step_id IN {_EACH}",
            (run_id, json.dumps(list(steps))),
        )
        return {row[0]: (StepStatus(row[1]), row[2]) for row in rows}

    def make_ready(self, run_id: JobId, step: str, when_result: bool | None, now: int) -> None:
        """The step starts as soon as there is room."""
        self._database.rows(
            "UPDATE workflow_steps SET status='ready', ready_at=?, when_result=?, child_id=NULL WHERE job_id=?"
            " AND step_id=? AND map_index=-1 AND status='pending'",
            (now, when_result, run_id, step),
        )

    def make_waiting(self, state: RunState, step: str, prompt: str, expires_at: int | None, now: int) -> None:
        """The step waits for a person."""
        self._database.rows(
            "UPDATE workflow_steps SET status='waiting', reason='approval', message=?, expires_at=?, ready_at=?,"
            " started_at=?, attempt=?, start_seq=?, decision=NULL, decided_by=NULL WHERE job_id=? AND step_id=?"
            " AND map_index=-1 AND status IN('pending','ready')",
            (storable(prompt), expires_at, now, now, state.attempt, state.starts, state.job_id, step),
        )

    def decided(self, run_id: JobId) -> list[tuple[str, Answer, str | None]]:
        """Waiting steps that a person has answered, with who did."""
        rows = self._database.rows(
            "SELECT step_id, decision, decided_by FROM workflow_steps WHERE job_id=? AND status='waiting'"
            " AND decision IS NOT NULL ORDER BY position",
            (run_id,),
        )
        return [(row[0], Answer(row[1]), row[2]) for row in rows]

    # --- items ---

    def make_items(
        self, state: RunState, step: str, items: Sequence[Json], at_once: int | None, now: int
    ) -> None:
        """The step runs once for each item; the first ``at_once`` are ready."""
        row = self._database.row(
            "UPDATE workflow_steps SET status='running', items=?, items_left=?, items_failed=0, attempt=?,"
            " start_seq=?, ready_at=?, started_at=? WHERE job_id=? AND step_id=? AND map_index=-1"
            " AND status IN('pending','ready') RETURNING position, spec_hash",
            (len(items), len(items), state.attempt, state.starts, now, now, state.job_id, step),
        )
        if row is None:
            return
        ready = len(items) if at_once is None else at_once
        self._database.many(
            "INSERT INTO workflow_steps(job_id, step_id, map_index, position, spec_hash, item, status, ready_at)"
            " VALUES(?,?,?,?,?,?,?,?)",
            (
                (state.job_id, step, index, *row, _text(item), "ready" if index < ready else "pending",
                 now if index < ready else None)
                for index, item in enumerate(items)
            ),
        )  # fmt: skip

    def items_ended(self, run_id: JobId, step: str, count: int, failed: int) -> tuple[int, int, int]:
        """``(items, left, failed)`` of the step, now that ``count`` more items have ended."""
        rows = self._database.rows(
            "UPDATE workflow_steps SET items_left=items_left-?, items_failed=items_failed+? WHERE job_id=?"
            " AND step_id=? AND map_index=-1 RETURNING items, items_left, items_failed",
            (count, failed, run_id, step),
        )
        items, left, failures = rows[0]
        return items, left, failures

    def next_item(self, run_id: JobId, step: str, now: int) -> None:
        """The first item that waits for its turn is ready."""
        self._database.rows(
            "UPDATE workflow_steps SET status='ready', ready_at=? WHERE job_id=? AND step_id=? AND map_index="
            "(SELECT min(map_index) FROM workflow_steps WHERE job_id=? AND step_id=? AND status='pending'"
            " AND map_index>=0)",
            (now, run_id, step, run_id, step),
        )

    def has_cancelled_item(self, run_id: JobId, step: str) -> bool:
        """Whether an item of the step was cancelled."""
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM workflow_steps WHERE job_id=? AND step_id=? AND map_index>=0"
                " AND status='cancelled')",
                (run_id, step),
            )
        )

    def item_outputs(self, run_id: JobId, step: str) -> Iterator[Mapping[str, Json]]:
        """The outputs of each item, in their order, read a few at a time."""
        index = -1
        while True:
            rows = self._database.rows(
                "SELECT map_index, outputs FROM workflow_steps WHERE job_id=? AND step_id=? AND map_index>?"
                " AND map_index>=0 ORDER BY map_index LIMIT ?",
                (run_id, step, index, _PAGE),
            )
            yield from ({} if row[1] is None else json.loads(row[1]) for row in rows)
            if len(rows) < _PAGE:
                return
            index = rows[-1][0]

    # --- starts and ends ---

    def startable(self, run_id: JobId, limit: int) -> list[StepPlace]:
        """The first ready steps and items that have no job yet, in the order of the file."""
        rows = self._database.rows(
            "SELECT step_id, map_index, item FROM workflow_steps WHERE job_id=? AND status='ready'"
            " AND child_id IS NULL ORDER BY position, map_index LIMIT ?",
            (run_id, limit),
        )
        return [StepPlace(row[0], row[1], _json(row[2])) for row in rows]

    def record_start(self, state: RunState, place: StepPlace, child_id: JobId) -> None:
        """The job of the step is stored; it is the run's only one for it in this attempt."""
        self._runs.record_child(state.job_id, place.step, place.map_index, Role.STEP, state.attempt, child_id)
        self._database.rows(
            "UPDATE workflow_steps SET child_id=?, attempt=?, start_seq=? WHERE job_id=? AND step_id=?"
            " AND map_index=? AND status='ready'",
            (child_id, state.attempt, state.starts, state.job_id, place.step, place.map_index),
        )

    def end(
        self,
        run_id: JobId,
        place: tuple[str, int],
        finish: Finish,
        now: int,
        *,
        child_id: JobId | None = None,
    ) -> bool:
        """The step has ended so; False when it had ended before.

        Args:
            run_id: the run.
            place: the step and the ``map_index``.
            finish: how.
            now: milliseconds UTC.
            child_id: the job whose end this is; of one that is no longer the step's nothing follows.
        """
        fence = "" if child_id is None else f" AND child_id={int(child_id)}"
        row = self._database.row(
            "UPDATE workflow_steps SET status=?, reason=?, cause=?, message=ifnull(?, message),"
            " exit_code=?, outputs=?, result=?, is_partial=?, when_result=ifnull(?, when_result),"
            " started_at=ifnull(started_at, ?), finished_at=?, expires_at=NULL"
            f" WHERE job_id=? AND step_id=? AND map_index=? AND {_OPEN}{fence} RETURNING 1",
            (
                finish.status.value, finish.reason, finish.cause, storable(finish.message), finish.exit_code,
                _text(finish.outputs or None), _text(finish.result), finish.is_partial, finish.when_result,
                finish.started_at, now, run_id, *place,
            ),
        )  # fmt: skip
        return row is not None

    def cancel_unstarted(self, run_id: JobId, reason: str, now: int) -> list[tuple[str, int]]:
        """Steps and items without a job are cancelled, approvals too; which they were.

        A step whose items run goes on until they have ended.
        """
        rows = self._database.rows(
            "UPDATE workflow_steps SET status='cancelled', reason=?, finished_at=?, expires_at=NULL WHERE job_id=?"
            " AND (status IN('pending','waiting') OR (status='ready' AND child_id IS NULL))"
            " RETURNING map_index, position, step_id",
            (reason, now, run_id),
        )
        return [(row[2], row[0]) for row in sorted(rows, key=lambda row: (row[0], row[1]))]

    def cancel_all(self, run_id: JobId, reason: str, message: str | None, now: int, *, started: bool) -> None:
        """Steps and items that have not ended are cancelled; those that were started only if ``started``."""
        which = (
            _OPEN if started else "(status IN('pending','waiting') OR (status='ready' AND child_id IS NULL))"
        )
        self._database.rows(
            "UPDATE workflow_steps SET status='cancelled', reason=?, message=?, finished_at=?, expires_at=NULL"
            f" WHERE job_id=? AND {which}",
            (reason, storable(message), now, run_id),
        )

    def ends(self, run_id: JobId) -> list[tuple[str, StepStatus, bool]]:
        """How each step has ended, and whether in part."""
        rows = self._database.rows(
            "SELECT step_id, status, is_partial FROM workflow_steps WHERE job_id=? AND map_index=-1",
            (run_id,),
        )
        return [(row[0], StepStatus(row[1]), bool(row[2])) for row in rows]


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _json(text: str | None) -> Json:
    found: Json = None if text is None else json.loads(text)
    return found


def storable(text: str | None) -> str | None:
    """``text`` fit for a TEXT column: short, and what stands for a byte that was not UTF-8 (PEP 383) is written out."""
    return None if text is None else shortened(text).encode("utf-8", "backslashreplace").decode("utf-8")
