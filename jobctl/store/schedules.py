"""Schedules as rows, and what became of each of their slots."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.clock import to_ms
from jobctl.model.schedule_records import (
    SUBMITTER,
    Fire,
    Schedule,
    ScheduleSource,
    ScheduleText,
    Trigger,
    policy_of,
)
from jobctl.model.slots import Outcome, Reason
from jobctl.model.states import JobId, JobStatus
from jobctl.store.database import Database
from jobctl.store.migrations.m0007_schedules import IS_SCHEDULED
from jobctl.store.schedule_trims import TRIMMED, remember

_COLUMNS = (
    "s.id, s.name, s.kind, s.expression, s.rule, s.timezone, s.type, s.user, s.created_at, s.updated_at, s.enabled,"
    " s.disabled_until, s.disabled_reason, s.missed, s.missed_grace_seconds, s.overlap, s.jitter_seconds, s.start_at,"
    " s.end_at, s.template, s.source, s.cursor_at, s.next_at, s.settled_for, s.last_ended_at, s.waiting, s.ended,"
    " s.last_at, s.last_job_id, s.runs, s.skipped, s.missed_count,"
    " (SELECT j.state FROM jobs j WHERE j.id=s.last_job_id), s.broken"
)
_READY = (
    "SELECT s.id FROM schedules s WHERE s.waiting=1 AND s.id>? AND NOT EXISTS(SELECT 1 FROM jobs"
    f" INDEXED BY jobs_scheduled_open WHERE submitted_by='{SUBMITTER}'||s.name AND finished_at IS NULL"
    f" AND {IS_SCHEDULED}) ORDER BY s.id LIMIT ?"
)
_FIRE = (
    "f.due_at, f.decided_at, f.outcome, f.trigger, f.reason, f.job_id, f.late_ms, f.count, f.is_exact,"
    " f.last_due_at"
)


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job of a schedule that has not ended."""

    id: JobId
    status: JobStatus
    cancelling: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a schedule stands after it was looked at."""

    cursor_at: int
    next_at: int | None
    waiting: bool = False
    ended: bool = False
    settled_for: str | None = None
    last_ended_at: int | None = None


class Schedules:
    """The tables of schedules. Writing methods expect an open write transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- reading ---

    def get(self, name: str) -> Schedule | None:
        """The schedule of this name."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM schedules s WHERE s.name=?", (name,))
        return None if row is None else _schedule(row)

    def by_id(self, schedule_id: int) -> Schedule | None:
        """The schedule with this id."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM schedules s WHERE s.id=?", (schedule_id,))
        return None if row is None else _schedule(row)

    def list(self) -> builtins.list[Schedule]:
        """Every schedule: what is due next first, then by name."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM schedules s ORDER BY s.enabled=0, s.next_at IS NULL, s.next_at, s.name"
        )
        return [_schedule(row) for row in rows]

    def upcoming(self, limit: int) -> builtins.list[Schedule]:
        """The enabled schedules that fire next, the soonest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM schedules s INDEXED BY schedules_due"
            " WHERE s.next_at IS NOT NULL AND s.enabled=1 ORDER BY s.next_at LIMIT ?",
            (limit,),
        )
        return [_schedule(row) for row in rows]

    def names(self, prefix: str = "") -> builtins.list[str]:
        """The names that start with ``prefix``."""
        rows = self._database.rows(
            "SELECT name FROM schedules WHERE name>=? AND name<? ORDER BY name",
            (prefix, prefix + "\U0010ffff"),
        )
        return [row[0] for row in rows]

    def fires(self, schedule_id: int, limit: int | None = None) -> builtins.list[Fire]:
        """What became of its slots, the newest decision first."""
        rows = self._database.rows(
            f"SELECT {_FIRE}, j.state FROM schedule_fires f LEFT JOIN jobs j ON j.id=f.job_id"
            " WHERE f.schedule_id=? ORDER BY f.id DESC LIMIT ?",
            (schedule_id, -1 if limit is None else limit),
        )
        return [_fire(row) for row in rows]

    def fires_between(self, schedule_id: int, first: int, last: int) -> builtins.list[Fire]:
        """What became of the slots due in these milliseconds, the oldest first, and runs by hand begun in them."""
        rows = self._database.rows(
            f"SELECT {_FIRE}, j.state FROM schedule_fires f LEFT JOIN jobs j ON j.id=f.job_id"
            " WHERE f.schedule_id=?1 AND ifnull(f.last_due_at, ifnull(f.due_at, f.decided_at))>=?2"
            " AND ifnull(f.due_at, f.decided_at)<=?3 ORDER BY f.id",
            (schedule_id, first, last),
        )
        return [_fire(row) for row in rows]

    def open_jobs(self, name: str) -> builtins.list[OpenJob]:
        """Its jobs that have not ended, the oldest first."""
        rows = self._database.rows(
            "SELECT id, state, cancel_requested_at IS NOT NULL FROM jobs INDEXED BY jobs_scheduled_open"
            f" WHERE submitted_by=? AND finished_at IS NULL AND {IS_SCHEDULED} ORDER BY id",
            (f"{SUBMITTER}{name}",),
        )
        return [OpenJob(JobId(row[0]), JobStatus(row[1]), bool(row[2])) for row in rows]

    def last_end(self, job_id: int | None) -> int | None:
        """When the job ended; None when it has not, or is gone."""
        return self._database.value("SELECT finished_at FROM jobs WHERE id=?", (job_id,))  # type: ignore[no-any-return]

    # --- what the scheduler asks ---

    def outlook(self) -> tuple[int | None, bool]:
        """When the next one is to be looked at, and whether any waits for the end of a job (4 µs)."""
        row = self._database.row(
            "SELECT (SELECT min(next_at) FROM schedules INDEXED BY schedules_due WHERE next_at IS NOT NULL),"
            " EXISTS(SELECT 1 FROM schedules INDEXED BY schedules_waiting WHERE waiting=1)"
        )
        return (None, False) if row is None else (row[0], bool(row[1]))

    def due(self, now: int, limit: int) -> builtins.list[int]:
        """Ids of the schedules to be looked at by ``now``, the longest due first."""
        rows = self._database.rows(
            "SELECT id FROM schedules INDEXED BY schedules_due WHERE next_at IS NOT NULL AND next_at<=?"
            " ORDER BY next_at, id LIMIT ?",
            (now, limit),
        )
        return [row[0] for row in rows]

    def ready(self, schedule_id: int, limit: int) -> builtins.list[int]:
        """The next ids behind this one of schedules that waited for the end of a job, and no job of theirs is left."""
        return [row[0] for row in self._database.rows(_READY, (schedule_id, limit))]

    def behind(self, schedule_id: int, limit: int) -> builtins.list[int]:
        """The next ids behind this one."""
        rows = self._database.rows(
            "SELECT id FROM schedules WHERE id>? ORDER BY id LIMIT ?", (schedule_id, limit)
        )
        return [row[0] for row in rows]

    def pending(self, schedule_id: int) -> builtins.list[Fire]:
        """Its slots that wait for the end of a job, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_FIRE}, NULL FROM schedule_fires f INDEXED BY schedule_fires_pending"
            " WHERE f.schedule_id=? AND f.outcome='pending' ORDER BY f.due_at",
            (schedule_id,),
        )
        return [_fire(row) for row in rows]

    # --- writing: slots ---

    def decide(self, schedule_id: int, fire: Fire) -> bool:
        """The slot has this outcome; False when it had been decided before, which stands."""
        row = self._database.row(
            "INSERT INTO schedule_fires(schedule_id, due_at, decided_at, outcome, trigger, reason, job_id, late_ms,"
            " count, is_exact, last_due_at) VALUES(?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT(schedule_id, due_at) WHERE due_at IS NOT NULL DO UPDATE SET decided_at=excluded.decided_at,"
            " outcome=excluded.outcome, reason=excluded.reason, job_id=excluded.job_id, late_ms=excluded.late_ms"
            " WHERE schedule_fires.outcome='pending' AND excluded.outcome<>'pending' RETURNING id",
            (
                schedule_id, fire.due_at, fire.decided_at, fire.outcome.value, fire.trigger.value, fire.reason,
                fire.job_id, fire.late_ms, fire.count, fire.is_exact, fire.last_due_at,
            ),
        )  # fmt: skip
        return row is not None

    def release_missed(self, schedule_id: int, now: int) -> None:
        """Slots that are yet to come are not missed any more: a clock that was far ahead had it so."""
        rows = self._database.rows(
            "DELETE FROM schedule_fires WHERE schedule_id=? AND due_at>? AND outcome='missed' RETURNING count",
            (schedule_id, now),
        )
        self.count(schedule_id, missed=-sum(row[0] for row in rows))

    def is_decided(self, schedule_id: int, due_at: int) -> bool:
        """Whether the slot fired or will not fire any more."""
        return bool(
            self._database.value(
                "SELECT EXISTS(SELECT 1 FROM schedule_fires WHERE schedule_id=?1 AND due_at=?2 AND due_at IS NOT NULL"
                " AND outcome<>'pending') OR EXISTS(SELECT 1 FROM schedule_trims WHERE schedule_id=?1"
                " AND first_due<=?2 AND last_due>=?2)",
                (schedule_id, due_at),
            )
        )

    def count(self, schedule_id: int, *, skipped: int = 0, missed: int = 0) -> None:
        """So many more slots were skipped or missed."""
        self._database.rows(
            "UPDATE schedules SET skipped=skipped+?, missed_count=missed_count+? WHERE id=?",
            (skipped, missed, schedule_id),
        )

    def note_run(self, schedule_id: int, job_id: JobId, now: int) -> None:
        """This job is its last one."""
        self._database.rows(
            "UPDATE schedules SET runs=runs+1, last_at=?, last_job_id=? WHERE id=?",
            (now, job_id, schedule_id),
        )

    def stand(self, schedule_id: int, standing: Standing) -> None:
        """It stands so."""
        self._database.rows(
            "UPDATE schedules SET cursor_at=?, next_at=?, waiting=?, ended=?, settled_for=?,"
            " last_ended_at=ifnull(?, last_ended_at) WHERE id=?",
            (
                standing.cursor_at, standing.next_at, standing.waiting, standing.ended, standing.settled_for,
                standing.last_ended_at, schedule_id,
            ),
        )  # fmt: skip

    # --- writing: schedules ---

    def add(self, name: str, text: ScheduleText, source: ScheduleSource, now: int) -> int:
        """A new schedule exists, enabled and owing nothing; returns its id."""
        values = _values(text)
        row = self._database.row(
            f"INSERT INTO schedules(name, source, created_at, updated_at, enabled, cursor_at, {', '.join(values)})"
            f" VALUES(?,?,?,?,1,?{',?' * len(values)}) RETURNING id",
            (name, source.value, now, now, now, *values.values()),
        )
        if row is None:
            raise AssertionError("an INSERT returned no id")
        return int(row[0])

    def change(self, schedule_id: int, text: ScheduleText, source: ScheduleSource, now: int) -> None:
        """It says this from now on, and is not known as broken any more; what it owed before is not touched."""
        values = _values(text)
        self._database.rows(
            f"UPDATE schedules SET source=?, broken=NULL, updated_at=?, {', '.join(f'{name}=?' for name in values)}"
            " WHERE id=?",
            (source.value, now, *values.values(), schedule_id),
        )

    def enable(self, schedule_id: int, now: int) -> None:
        """It is enabled."""
        self._database.rows(
            "UPDATE schedules SET enabled=1, disabled_until=NULL, disabled_reason=NULL, updated_at=? WHERE id=?",
            (now, schedule_id),
        )

    def disable(self, schedule_id: int, until: int | None, reason: str | None, now: int) -> None:
        """It fires no more until then, or until it is enabled; slots that waited are skipped."""
        self._database.rows(
            "UPDATE schedules SET enabled=0, disabled_until=?, disabled_reason=?, next_at=?, waiting=0,"
            " updated_at=? WHERE id=?",
            (until, reason, until, now, schedule_id),
        )
        self.drop_pending(schedule_id, Reason.DISABLED, now)

    def mark_broken(self, schedule_id: int, why: str, now: int) -> None:
        """It is not looked at any more until it is repaired; slots that waited are skipped."""
        self._database.rows(
            "UPDATE schedules SET broken=?, next_at=NULL, waiting=0 WHERE id=?", (why, schedule_id)
        )
        self.drop_pending(schedule_id, Reason.BROKEN, now)

    def repair(self, schedule_id: int) -> None:
        """It is not known as broken any more."""
        self._database.rows("UPDATE schedules SET broken=NULL WHERE id=?", (schedule_id,))

    def postpone(self, schedule_id: int, next_at: int) -> None:
        """It is looked at again then, with nothing settled."""
        self._database.rows("UPDATE schedules SET next_at=? WHERE id=?", (next_at, schedule_id))

    def drop_pending(self, schedule_id: int, reason: Reason, now: int) -> None:
        """Slots that waited for the end of a job are skipped."""
        dropped = self._database.rows(
            "UPDATE schedule_fires SET outcome='skipped', reason=?, decided_at=? WHERE schedule_id=?"
            " AND outcome='pending' RETURNING id",
            (reason.value, now, schedule_id),
        )
        if dropped:
            self.count(schedule_id, skipped=len(dropped))

    def remove(self, schedule_id: int) -> None:
        """It is gone with its history; its jobs stay."""
        self._database.rows("DELETE FROM schedules WHERE id=?", (schedule_id,))

    def prune(self, before: int, limit: int) -> int:
        """At most ``limit`` decisions from before an instant are gone; returns how many. No slot comes again."""
        gone = self._database.rows(
            "DELETE FROM schedule_fires WHERE id IN (SELECT id FROM schedule_fires"
            " INDEXED BY schedule_fires_decided WHERE outcome<>'pending' AND decided_at<?"
            f" ORDER BY decided_at LIMIT ?) RETURNING {TRIMMED}",
            (before, limit),
        )
        remember(self._database, gone)
        return len(gone)

    def surplus(self, schedule_id: int, keep: int) -> int | None:
        """The newest decision of the schedule beyond its newest ``keep``; for ``trim``."""
        found = self._database.value(
            "SELECT id FROM schedule_fires WHERE schedule_id=? ORDER BY id DESC LIMIT 1 OFFSET ?",
            (schedule_id, keep),
        )
        return None if found is None else int(found)

    def trim(self, schedule_id: int, upto: int, limit: int) -> int:
        """At most ``limit`` decisions of the schedule up to this one are gone; returns how many."""
        gone = self._database.rows(
            "DELETE FROM schedule_fires WHERE id IN (SELECT id FROM schedule_fires WHERE schedule_id=? AND id<=?"
            f" AND outcome<>'pending' ORDER BY id LIMIT ?) RETURNING {TRIMMED}",
            (schedule_id, upto, limit),
        )
        remember(self._database, gone)
        return len(gone)


def _values(text: ScheduleText) -> dict[str, Any]:
    policy = text.policy
    return {
        "kind": text.kind,
        "expression": text.expression,
        "rule": _json(text.rule),
        "timezone": text.timezone,
        "type": text.type,
        "user": text.user,
        "missed": policy.missed.value,
        "missed_grace_seconds": policy.missed_grace_seconds,
        "overlap": policy.overlap.value,
        "jitter_seconds": policy.jitter_seconds,
        "start_at": None if policy.start_at is None else to_ms(policy.start_at),
        "end_at": None if policy.end_at is None else to_ms(policy.end_at),
        "template": _json(text.template),
    }


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def _schedule(row: tuple[Any, ...]) -> Schedule:
    text = ScheduleText(
        kind=row[2], expression=row[3], rule=json.loads(row[4]), timezone=row[5], type=row[6], user=row[7],
        policy=policy_of(row[13], row[14], row[15], row[16], (row[17], row[18])), template=json.loads(row[19]),
    )  # fmt: skip
    return Schedule(
        id=row[0], name=row[1], text=text, source=ScheduleSource(row[20]), created_at=row[8], updated_at=row[9],
        enabled=bool(row[10]), disabled_until=row[11], disabled_reason=row[12], cursor_at=row[21], next_at=row[22],
        settled_for=row[23], last_ended_at=row[24], waiting=bool(row[25]), ended=bool(row[26]), last_at=row[27],
        last_job_id=None if row[28] is None else JobId(row[28]), runs=row[29], skipped=row[30], missed_count=row[31],
        last_status=None if row[32] is None else JobStatus(row[32]),
        broken=row[33],
    )  # fmt: skip


def _fire(row: tuple[Any, ...]) -> Fire:
    return Fire(
        due_at=row[0], decided_at=row[1], outcome=Outcome(row[2]), trigger=Trigger(row[3]), reason=row[4],
        job_id=None if row[5] is None else JobId(row[5]), late_ms=row[6], count=row[7], is_exact=bool(row[8]),
        last_due_at=row[9], status=None if row[10] is None else JobStatus(row[10]),
    )  # fmt: skip
