"""Figures are counted once and for good, whoever is killed when and whatever is removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.removals import PruneRequest, prunable, prune
from jobctl.actions.statistics import StatsRequest, count_up, last_lines, stats_of
from jobctl.model.statistics import DAY, FINE, HOUR, OTHER, Depth, Dimension, Figures, Period, periods
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.removals import Place
from jobctl.store.rollups import KEPT_KEYS, MOST_GROUPS, MOST_KEYS
from jobctl.supervisor.pruner import Pruner
from jobctl.supervisor.statistician import LOOK_SECONDS, Statistician
from tests.support.histories import History
from tests.support.supervisors import Stage


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "home")
    yield made
    made.close()


def ever(store: Store, now: int) -> Figures:
    return store.statistics.totals(Period(None, now), now)


def counted(figures: Figures) -> tuple[int, ...]:
    return (
        figures.submitted,
        figures.completed,
        figures.failed,
        figures.cancelled,
        figures.attempts,
        figures.errors,
    )


def test_what_happened_is_counted_by_all_by_type_by_queue_and_by_name(history: History) -> None:
    for code in (0, 0, 3):
        history.run("train", code, type="export")
    history.run("mail", 0)
    now = history.clock.now_ms()
    count_up(history.store, now)
    assert counted(ever(history.store, now)) == (4, 3, 1, 0, 4, 1)
    day, _ = periods(now - DAY, now)
    for dimension, expected in (
        (Dimension.ALL, [("", 4)]),
        (Dimension.TYPE, [("export", 3), ("", 1)]),
        (Dimension.QUEUE, [("default", 4)]),
        (Dimension.NAME, [("train", 3), ("mail", 1)]),
    ):
        for period in (day, Period(None, now)):
            found = history.store.statistics.groups(dimension, period, now)
            assert [(group.key, group.figures.submitted) for group in found] == expected


def test_an_attempt_that_is_tried_again_is_an_attempt_and_no_end(history: History) -> None:
    job = history.submit(attempts=2)
    history.start(job)
    history.end(job, 1, again=True)
    history.start(job)
    history.end(job, 0)
    now = history.clock.now_ms()
    count_up(history.store, now)
    assert counted(ever(history.store, now)) == (1, 1, 0, 0, 2, 1)


def test_counting_twice_changes_nothing_and_a_page_counts_for_whoever_is_first(history: History) -> None:
    history.run("a")
    store, now = history.store, history.clock.now_ms()
    first, second = store.rollups.read(now), store.rollups.read(now)
    assert first is not None
    assert second is not None
    with store.write():
        assert store.rollups.add(first, now)
        assert not store.rollups.add(second, now)
    count_up(store, now)
    assert store.rollups.backlog() == 0
    assert counted(ever(store, now)) == (1, 1, 0, 0, 1, 0)


def test_who_is_killed_while_counting_has_counted_nothing(history: History) -> None:
    history.run("a")
    store, now = history.store, history.clock.now_ms()
    page = store.rollups.read(now)
    assert page is not None

    def killed() -> None:
        with store.write():
            store.rollups.add(page, now)
            raise KeyboardInterrupt  # as a kill: nothing is committed

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert counted(ever(store, now)) == (0, 0, 0, 0, 0, 0)
    count_up(store, now)
    assert counted(ever(store, now)) == (1, 1, 0, 0, 1, 0)


def test_figures_survive_the_removal_of_what_was_not_counted_yet(history: History) -> None:
    for code in (0, 0, 1):
        history.run("a", code)
    store, now = history.store, history.clock.now_ms()
    with store.write():  # as a supervisor's pruner does, before anybody has counted
        assert (
            len(store.removals.remove([one.id for one in store.removals.ended(_start(), now + 1, 9)], now))
            == 3
        )
    assert counted(ever(store, now)) == (3, 2, 1, 0, 3, 1)
    count_up(store, now)
    assert counted(ever(store, now)) == (3, 2, 1, 0, 3, 1)


def test_pruning_by_hand_keeps_the_figures(history: History) -> None:
    for _ in range(3):
        history.run("a")
    list(prune(history.store, prunable(history.store, PruneRequest(keep=0), history.clock), history.clock))
    now = history.clock.now_ms()
    assert history.store.jobs.counts()["completed"] == 0
    assert counted(ever(history.store, now)) == (3, 3, 0, 0, 3, 0)


def test_events_that_are_not_counted_stay(history: History) -> None:
    history.run("a")
    store, later = history.store, history.clock.now_ms() + DAY
    with store.write():
        assert store.removals.remove_events(later, 100) == 0
    count_up(store, later)
    with store.write():
        assert store.removals.remove_events(later, 100) > 0
    assert counted(ever(store, later)) == (1, 1, 0, 0, 1, 0)


def test_a_supervisor_counts_what_it_has_recorded_a_few_seconds_later(stage: Stage) -> None:
    supervisor = stage.supervise()
    job = stage.submit("true", name="alone")
    stage.turn_until(supervisor, lambda: stage.status(job).is_terminal)
    stage.clock.advance(LOOK_SECONDS)
    supervisor.turn()
    now = stage.clock.now_ms()
    assert stage.store.rollups.backlog() == 0  # the supervisor has counted
    assert ever(stage.store, now).timed == 1


# --- too many names, too many messages ---


def test_of_too_many_names_the_busiest_stay_and_the_totals_are_exact(history: History) -> None:
    for _ in range(3):
        history.run("busy")
    count_up(history.store, history.clock.now_ms())
    for number in range(MOST_KEYS + 5):
        history.submit(f"n{number}")
    now = history.clock.now_ms()
    count_up(history.store, now)
    groups = history.store.statistics.groups(Dimension.NAME, periods(now - HOUR, now)[0], now)
    assert len(groups) <= KEPT_KEYS + 2  # at the turn of an hour they are in two slots
    assert (groups[0].key, groups[0].figures.completed) == ("busy", 3)
    assert (groups[-1].key, groups[-1].is_other) == (OTHER, True)
    assert sum(group.figures.submitted for group in groups) == MOST_KEYS + 8


def test_a_name_like_the_one_of_the_others_is_another_one(history: History) -> None:
    history.run(OTHER)
    now = history.clock.now_ms()
    count_up(history.store, now)
    [group] = history.store.statistics.groups(Dimension.NAME, Period(None, now), now)
    assert (group.key, group.is_other) == (OTHER, False)


def test_failures_recur_by_name_and_message_whatever_the_numbers(history: History) -> None:
    jobs = [
        history.run("load", 3, f"start\nbad row {number} in /tmp/f{number}\n\n".encode())
        for number in (1, 22)
    ]
    history.run("load", 4, b"bad row 5\n")
    history.run("send", 3, b"bad row 5\n")
    now = history.clock.now_ms()
    count_up(history.store, now)
    found = history.store.statistics.failures(Period(now - HOUR, now + 1), 10)
    assert (found[0].name, found[0].message, found[0].count) == (
        "load",
        "exit code 3: bad row <n> in <path>",
        2,
    )
    assert found[0].job_id == jobs[-1]
    assert {(one.name, one.message) for one in found[1:]} == {
        ("load", "exit code 4: bad row <n>"), ("send", "exit code 3: bad row <n>")
    }  # fmt: skip
    assert not history.store.statistics.failures(Period(now + 2 * HOUR, now + 3 * HOUR), 10)


def test_messages_that_never_recur_do_not_grow_without_bound(history: History) -> None:
    history.run("load", 1, b"it recurs\n")
    history.run("load", 1, b"it recurs\n")
    store, now = history.store, history.clock.now_ms()
    count_up(store, now)
    with store.write():
        store.database.rows(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?) INSERT INTO failure_groups"
            "(name, message, count, first_at, last_at, job_id) SELECT 'x', 'm'||i, 1, 1, ?+i, 1 FROM n",
            (MOST_GROUPS + 20, now),
        )
    history.run("load", 1, b"another one\n")
    count_up(store, now + 1)
    assert store.database.value("SELECT count(*) FROM failure_groups") == MOST_GROUPS
    assert store.database.value("SELECT count FROM failure_groups WHERE message LIKE '%it recurs'") == 2


def test_a_last_line_is_read_from_plain_files_only(history: History, tmp_path: Path) -> None:
    job = history.submit()
    history.start(job)
    attempt = Path(history.home.attempt(job, 1))
    os.unlink(attempt / "output.log")
    os.mkfifo(attempt / "output.log")
    assert last_lines(history.home)(job, 1) is None
    os.unlink(attempt / "output.log")
    os.symlink(tmp_path / "secret", attempt / "output.log")
    (tmp_path / "secret").write_text("secret\n")
    assert last_lines(history.home)(job, 1) is None


# --- depth, and keeping it small ---


def test_depth_holds_the_peak_of_a_minute_and_what_came_after_it(stage: Stage) -> None:
    stage.clock.advance(60 - stage.clock.now_ms() / 1000 % 60)
    store, start = stage.store, stage.clock.now_ms()

    def look(after: float) -> None:
        stage.clock.advance(after)
        with store.write():
            store.rollups.sample_depth(stage.clock.now_ms())

    look(0)
    jobs = [stage.submit("true") for _ in range(3)]
    look(5)
    with store.write():
        for job in jobs:
            store.transitions.cancel_waiting(job, "requested", stage.clock.now_ms())
    look(5)
    look(60)
    look(600)
    assert store.statistics.depths(Period(start, stage.clock.now_ms() + 1)) == [
        Depth(start, 3, 0), Depth(start + 60_000, 0, 0)
    ]  # fmt: skip


def test_old_slots_and_depths_go_and_totals_stay(history: History) -> None:
    history.run("a")
    store, now = history.store, history.clock.now_ms()
    count_up(store, now)
    hour = now - now % HOUR
    with store.write():
        store.database.many(
            "INSERT OR REPLACE INTO depth_samples VALUES(?,?,?)",
            [(hour + minute * 60_000, minute, 1) for minute in range(60)],
        )

    def tidy(at: int) -> None:
        more = True
        while more:
            with store.write():
                more = store.rollups.tidy(at)

    tidy(now + 3 * DAY)
    spans = {row[0] for row in store.database.rows("SELECT DISTINCT span FROM stat_slots")}
    assert spans == {0, HOUR, DAY}
    assert FINE not in spans
    assert store.statistics.depths(Period(hour, hour + HOUR)) == [Depth(hour, 59, 1)]
    tidy(now + 5 * 366 * DAY)
    assert {row[0] for row in store.database.rows("SELECT DISTINCT span FROM stat_slots")} == {0}
    assert store.statistics.depths(Period(None, now + 5 * 366 * DAY)) == []
    assert counted(ever(store, now)) == (1, 1, 0, 0, 1, 0)


def test_a_supervisor_counts_all_it_finds_before_it_prunes(stage: Stage) -> None:
    for _ in range(5):
        job = stage.submit("true")
        with stage.store.write():
            stage.store.transitions.cancel_waiting(job, "requested", stage.clock.now_ms())
    statistician = Statistician(stage.store, stage.clock, str(stage.root / "nothing"))
    statistician.beat()  # a lock that has gone is no trouble
    pruner = Pruner(stage.store, stage.clock, Settings(retention_jobs=0))
    statistician.step(is_busy=False)
    assert not statistician.behind
    stage.clock.advance(pruner.pause_seconds())
    for _ in range(20):
        pruner.step()
        stage.clock.advance(pruner.pause_seconds())
    now = stage.clock.now_ms()
    assert stage.store.jobs.counts()["cancelled"] == 0
    assert counted(ever(stage.store, now)) == (5, 0, 0, 5, 0, 0)


def test_the_trend_compares_with_the_time_before(history: History) -> None:
    history.run("a")
    store, now = history.store, history.clock.now_ms()
    store.database.rows("UPDATE migrations SET applied_at=applied_at-?", (9 * DAY,))
    store.database.rows("UPDATE events SET at=at-?", (DAY + HOUR,))
    count_up(store, now)
    for _ in range(2):
        history.run("a", 1)
    now = history.clock.now_ms()
    count_up(store, now)
    stats = stats_of(store, StatsRequest(now - DAY, Dimension.NAME, errors=True), now)
    assert stats.before is not None
    assert (stats.before[1].submitted, stats.figures.submitted) == (1, 2)
    trend = stats.trends()["submitted_per_second"]
    assert trend.change == pytest.approx(1.0, rel=0.1)
    assert stats.trends()["error_rate"].now == 1.0
    assert stats.trends_of(stats.groups[0])["error_rate"].before == 0.0
    assert stats.total == 2


def _start() -> Place:

    return Place()
