"""The schedules' queries use their indexes at many rows, and writes keep their promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.errors import UnusableError
from jobctl.model.schedule_records import Fire, ScheduleSource, ScheduleText, Trigger
from jobctl.model.slots import Outcome
from jobctl.model.states import JobId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.schedules import _READY, Standing
from jobctl.supervisor import pruner
from tests.support.stores import NOON, HandClock, open_store

MANY = 3000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, HandClock()) as store:
        yield store


def text(**changes: object) -> ScheduleText:
    """A schedule for every minute."""
    given = {
        "kind": "cron", "expression": "* * * * *", "rule": {"kind": "cron", "lines": ["* * * * *"]},
        "timezone": "UTC", "template": {"job": {"command": ["true"]}},
    }  # fmt: skip
    return ScheduleText(**{**given, **changes})  # type: ignore[arg-type]


def add(store: Store, name: str = "s") -> int:
    """A schedule that is due at noon."""
    with store.write():
        schedule_id = store.schedules.add(name, text(), ScheduleSource.COMMAND_LINE, NOON)
        store.schedules.stand(schedule_id, Standing(NOON, NOON))
    return schedule_id


def slot(due_at: int | None, outcome: str = "fired", **changes: object) -> Fire:
    """A decision."""
    trigger = Trigger.MANUAL if due_at is None else Trigger.SLOT
    return Fire(due_at, NOON, Outcome(outcome), trigger, **changes)  # type: ignore[arg-type]


def plan_of(store: Store, sql: str, *parameters: object) -> str:
    return " / ".join(row[3] for row in store.database.rows(f"EXPLAIN QUERY PLAN {sql}", parameters))


def test_the_hot_queries_read_no_table_at_many_rows(store: Store) -> None:
    with store.write():
        store.database.many(
            "INSERT INTO schedules(name, kind, expression, rule, timezone, created_at, updated_at, enabled, missed,"
            " missed_grace_seconds, overlap, jitter_seconds, template, source, cursor_at, next_at)"
            " VALUES(?,'cron','','{}','UTC',0,0,1,'skip',0,'skip',0,'{}','file',0,?)",
            ((f"s{number}", NOON + number) for number in range(MANY)),
        )
        store.database.many(
            "INSERT INTO schedule_fires(schedule_id, due_at, decided_at, outcome, trigger)"
            " VALUES(?,?,?,'fired','slot')",
            ((1 + number % MANY, number, number) for number in range(5 * MANY)),
        )
    store.database.rows("ANALYZE")
    assert store.schedules.due(NOON + 1, 10) == [1, 2]
    assert store.schedules.outlook() == (NOON, False)
    plans = {
        "SELECT id FROM schedules INDEXED BY schedules_due WHERE next_at IS NOT NULL AND next_at<=?"
        " ORDER BY next_at, id LIMIT 9": "schedules_due",
        _READY.replace("LIMIT ?", "LIMIT 9"): "schedules_waiting",
        "SELECT 1 FROM schedule_fires WHERE schedule_id=? AND due_at=5 AND due_at IS NOT NULL AND outcome<>'pending'":
        "schedule_fires_slot",
        "SELECT id FROM schedule_fires INDEXED BY schedule_fires_decided WHERE outcome<>'pending' AND decided_at<?"
        " ORDER BY decided_at LIMIT 9": "schedule_fires_decided",
        "SELECT id FROM schedule_fires f WHERE f.schedule_id=? ORDER BY f.id DESC LIMIT 9": "schedule_fires_history",
    }  # fmt: skip
    for sql, index in plans.items():
        found = plan_of(store, sql, *[1] * sql.count("?"))
        assert index in found, found
        assert "SCAN" not in found.replace("SCAN s USING INDEX schedules_waiting", "").replace(
            "SCAN s USING COVERING INDEX schedules_waiting", ""
        ), found
        assert "TEMP B-TREE" not in found, found


def test_a_slot_is_decided_once(store: Store) -> None:
    schedule_id = add(store)
    with store.write():
        assert store.schedules.decide(schedule_id, slot(NOON, job_id=JobId(1)))
        assert not store.schedules.decide(schedule_id, slot(NOON, job_id=JobId(2)))
        assert not store.schedules.decide(schedule_id, slot(NOON, "missed"))
        assert not store.schedules.decide(schedule_id, slot(NOON, "pending"))
    assert [(fire.outcome, fire.job_id) for fire in store.schedules.fires(schedule_id)] == [("fired", 1)]
    assert store.schedules.is_decided(schedule_id, NOON)


def test_a_pending_slot_is_decided_later_in_the_same_row(store: Store) -> None:
    schedule_id = add(store)
    with store.write():
        assert store.schedules.decide(schedule_id, slot(NOON, "pending"))
        assert not store.schedules.is_decided(schedule_id, NOON)
        assert store.schedules.decide(schedule_id, slot(NOON, job_id=JobId(1), late_ms=7))
    (fire,) = store.schedules.fires(schedule_id)
    assert (fire.outcome, fire.job_id, fire.late_ms) == ("fired", 1, 7)


def test_runs_by_hand_have_no_slot_and_any_number(store: Store) -> None:
    schedule_id = add(store)
    with store.write():
        assert all(store.schedules.decide(schedule_id, slot(None, job_id=JobId(number))) for number in (1, 2))
    assert len(store.schedules.fires(schedule_id)) == 2


def test_pruning_keeps_the_newest_and_what_waits(store: Store) -> None:
    schedule_id = add(store)
    with store.write():
        store.schedules.decide(schedule_id, slot(NOON - 5, "pending"))
        for number in range(10):
            store.schedules.decide(schedule_id, slot(NOON + number))
        assert store.schedules.prune(NOON, 100) == 0
        upto = store.schedules.surplus(schedule_id, 4)
        assert upto is not None
        assert store.schedules.trim(schedule_id, upto, 5) == 5
        assert store.schedules.trim(schedule_id, upto, 5) == 1
        assert store.schedules.trim(schedule_id, upto, 5) == 0
    assert [fire.due_at for fire in store.schedules.fires(schedule_id)] == [
        NOON + 9, NOON + 8, NOON + 7, NOON + 6, NOON - 5,
    ]  # fmt: skip
    with store.write():
        assert store.schedules.prune(NOON + 1, 3) == 3
    assert store.schedules.get("s").cursor_at == NOON  # type: ignore[union-attr]


def test_a_savepoint_takes_back_its_own_part_only(store: Store) -> None:
    with store.write():
        store.schedules.add("kept", text(), ScheduleSource.FILE, NOON)
        with pytest.raises(ZeroDivisionError):
            _fail_inside(store)
        with store.database.savepoint():
            store.schedules.add("also kept", text(), ScheduleSource.FILE, NOON)
    assert store.schedules.names() == ["also kept", "kept"]


def _fail_inside(store: Store) -> None:
    with store.database.savepoint():
        store.schedules.add("inner", text(), ScheduleSource.FILE, NOON)
        with store.database.savepoint():
            store.schedules.add("innermost", text(), ScheduleSource.FILE, NOON)
        raise ZeroDivisionError


def test_the_retention_takes_old_decisions_and_what_is_too_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruner, "FIRES_KEPT", 5)
    monkeypatch.setattr(pruner, "FIRES_A_SLICE", 3)
    first, second = add(store), add(store, "other")
    with store.write():
        for number in range(20):
            store.schedules.decide(first, slot(NOON + number))
        store.schedules.decide(second, slot(NOON))
    clock = HandClock(NOON)
    one = pruner.Pruner(store, clock, Settings(retention_age=86_400.0))
    for days, left in ((0, (5, 1)), (2, (0, 0))):
        clock.now += days * 86_400_000 + 3_700_000
        for _ in range(50):
            clock.now += 20
            one.step()
        assert (len(store.schedules.fires(first)), len(store.schedules.fires(second))) == left
    assert store.schedules.get("s").cursor_at == NOON  # type: ignore[union-attr]


def test_slots_whose_rows_were_pruned_stay_decided(store: Store) -> None:
    """A wrong clock leaves a gap of days: what lies in it was never decided, and may still fire."""
    schedule_id, day = add(store), 86_400_000
    with store.write():
        for number in range(4):
            store.schedules.decide(schedule_id, slot(NOON + number * 1000))
            store.schedules.decide(schedule_id, slot(NOON + 30 * day + number * 1000))
        missed = slot(NOON + 2 * day, "missed", reason="grace", count=9, last_due_at=NOON + 29 * day)
        store.schedules.decide(schedule_id, missed)
        assert store.schedules.trim(schedule_id, 1000, 3) == 3
        assert store.schedules.trim(schedule_id, 1000, 100) == 6
    assert store.schedules.fires(schedule_id) == []
    decided = [NOON, NOON + 3000, NOON + 30 * day, NOON + 30 * day + 3000]
    free = [NOON - 1000, NOON + 4000, NOON + 2 * day, NOON + 29 * day, NOON + 30 * day + 4000]
    assert all(store.schedules.is_decided(schedule_id, due) for due in decided)
    assert not any(store.schedules.is_decided(schedule_id, due) for due in free)
    assert store.database.value("SELECT count(*) FROM schedule_trims") == 2
    with store.write():
        store.schedules.remove(schedule_id)
    assert store.database.value("SELECT count(*) FROM schedule_trims") == 0


def test_nothing_is_written_once_the_transaction_is_gone(store: Store) -> None:
    def after_rollback() -> None:
        with store.write():
            store.database.rows("ROLLBACK")  # as SQLite does by itself when it cannot read or has no memory
            with store.database.savepoint():
                store.schedules.add("stray", text(), ScheduleSource.FILE, NOON)

    with pytest.raises(UnusableError, match="rolled back"):
        after_rollback()
    assert store.schedules.get("stray") is None
