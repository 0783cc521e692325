from __future__ import annotations

import time
from pathlib import Path

from jobctl.actions.admissions import submit
from jobctl.model.lives import LifeKind
from jobctl.model.states import JobId, JobStatus, Reason
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.supervisor.pruner import PAUSE_SECONDS, SPARE_PAGES, Pruner
from tests.support.clocks import ManualClock
from tests.support.stores import make_submission
from tests.support.supervisors import Stage

DAY = 86_400.0


def ended_jobs(stage: Stage, count: int, *, directories: bool = True) -> list[JobId]:
    """Jobs that were cancelled just now, with a directory each."""
    jobs = submit(stage.store, [make_submission() for _ in range(count)], stage.clock)
    with stage.store.write():
        for job in jobs:
            stage.store.transitions.cancel_waiting(job, Reason.REQUESTED, stage.clock.now_ms())
    for job in jobs if directories else ():
        attempt = stage.attempt_path(job)
        attempt.mkdir(parents=True)
        (attempt / "output.log").write_text("words")
    return jobs


def one_pass(pruner: Pruner, clock: ManualClock) -> int:
    """A whole pass is over; how many slices it took."""
    clock.advance(pruner.pause_seconds())
    slices = 0
    while True:
        pruner.step()
        slices += 1
        if pruner.pause_seconds() > 1:
            return slices
        clock.advance(pruner.pause_seconds())


def left(stage: Stage) -> list[int]:
    return [row[0] for row in stage.store.database.rows("SELECT id FROM jobs ORDER BY id")]


def test_a_pass_comes_after_a_minute_and_then_every_interval(stage: Stage) -> None:
    pruner = Pruner(stage.store, stage.clock, Settings(cleanup_interval=600))
    assert pruner.pause_seconds() == 60.0
    one_pass(pruner, stage.clock)
    assert 590 < pruner.pause_seconds() <= 600


def test_what_ended_before_the_retention_goes_with_its_files(stage: Stage) -> None:
    old = ended_jobs(stage, 3)
    stage.clock.advance(2 * DAY)
    young = ended_jobs(stage, 2)
    waiting = stage.submit("true", hold=True)
    one_pass(Pruner(stage.store, stage.clock, Settings(retention_age=DAY)), stage.clock)
    assert left(stage) == [*young, waiting]
    assert not any(Path(stage.home.job(job)).exists() for job in old)
    assert all(Path(stage.home.job(job)).exists() for job in young)


def test_of_too_many_ended_jobs_the_oldest_go(stage: Stage) -> None:
    jobs = []
    for _ in range(5):
        jobs += ended_jobs(stage, 20)
        stage.clock.advance(1)
    one_pass(Pruner(stage.store, stage.clock, Settings(retention_jobs=30)), stage.clock)
    assert left(stage) == jobs[-30:]


def test_many_jobs_go_in_slices_of_which_none_lasts_long(stage: Stage) -> None:
    ended_jobs(stage, 300)
    stage.clock.advance(2 * DAY)
    pruner = Pruner(stage.store, stage.clock, Settings(retention_age=DAY))
    stage.clock.advance(pruner.pause_seconds())
    lengths = []
    while left(stage):
        began = time.thread_time()
        pruner.step()
        lengths.append(time.thread_time() - began)
        assert pruner.pause_seconds() < 1
        stage.clock.advance(pruner.pause_seconds())
    assert len(lengths) >= 8
    assert sorted(lengths)[len(lengths) // 2] < 0.05


def test_children_of_a_job_that_has_not_ended_stay(stage: Stage) -> None:
    parent = stage.submit("true", hold=True)
    (child,) = submit(stage.store, [make_submission(parent_id=parent)], stage.clock)
    with stage.store.write():
        stage.store.transitions.cancel_waiting(child, Reason.REQUESTED, stage.clock.now_ms())
    stage.clock.advance(2 * DAY)
    settings = Settings(retention_age=DAY, retention_jobs=0)
    one_pass(Pruner(stage.store, stage.clock, settings), stage.clock)
    assert left(stage) == [parent, child]


def test_old_events_go_and_the_newest_stays(stage: Stage) -> None:
    ended_jobs(stage, 700, directories=False)
    stage.clock.advance(2 * DAY)
    settings = Settings(retention_age=DAY)
    one_pass(Pruner(stage.store, stage.clock, settings), stage.clock)
    kinds = {event.kind for event in stage.store.events.after(0, 10_000)}
    assert kinds == {"job.removed"}
    newest = stage.store.events.last_id()
    stage.clock.advance(2 * DAY)
    one_pass(Pruner(stage.store, stage.clock, settings), stage.clock)
    assert [event.id for event in stage.store.events.after(0)] == [newest]


def test_lives_that_left_nothing_behind_go(stage: Stage) -> None:
    supervisor = stage.supervise()
    job = stage.submit("true")
    stage.turn_until_status(supervisor, job, JobStatus.COMPLETED)
    stage.kill(supervisor)
    with stage.store.write():
        empty = stage.store.lives.begin(LifeKind.RUN, 1, "test", stage.clock.now_ms())
        open_ = stage.store.lives.begin(LifeKind.RUN, 1, "test", stage.clock.now_ms())
        for life in (supervisor.lifeline.id, empty):
            stage.store.lives.end(life, "done", stage.clock.now_ms())
    stage.clock.advance(2 * DAY)
    one_pass(
        Pruner(stage.store, stage.clock, Settings(retention_age=DAY * 5, retention_jobs=10)), stage.clock
    )
    assert lives(stage.store) == [supervisor.lifeline.id, empty, open_]
    one_pass(Pruner(stage.store, stage.clock, Settings(retention_age=DAY)), stage.clock)
    assert lives(stage.store) == [open_]


def lives(store: Store) -> list[int]:
    return [row[0] for row in store.database.rows("SELECT id FROM lives ORDER BY id")]


def test_directories_whose_job_is_gone_go(stage: Stage) -> None:
    (job,) = ended_jobs(stage, 1)
    runs = Path(stage.home.runs)
    for name in ("900", "901", "notes"):
        (runs / name / "1").mkdir(parents=True)
    one_pass(Pruner(stage.store, stage.clock, Settings()), stage.clock)
    assert sorted(path.name for path in runs.iterdir()) == [str(job), "notes"]


def test_free_pages_are_given_back_but_for_a_spare(stage: Stage) -> None:
    meta = "x" * 3000
    submit(stage.store, [make_submission(meta=meta) for _ in range(2000)], stage.clock)
    with stage.store.write():
        stage.store.database.rows("DELETE FROM jobs")
    before = stage.store.removals.free_pages()
    assert before > SPARE_PAGES
    one_pass(Pruner(stage.store, stage.clock, Settings()), stage.clock)
    assert stage.store.removals.free_pages() <= SPARE_PAGES


def test_a_busy_store_only_delays_a_pass(stage: Stage) -> None:
    ended_jobs(stage, 3)
    stage.clock.advance(2 * DAY)
    pruner_store = Store.open(stage.home, stage.clock, timeout_seconds=0)
    pruner = Pruner(pruner_store, stage.clock, Settings(retention_age=DAY))
    stage.clock.advance(pruner.pause_seconds())
    with stage.store.write():
        for _ in range(5):
            pruner.step()
            stage.clock.advance(PAUSE_SECONDS)
    assert len(left(stage)) == 3
    one_pass(pruner, stage.clock)
    assert left(stage) == []
    pruner_store.close()


def test_the_supervisor_prunes_in_its_turns(stage: Stage) -> None:
    jobs = ended_jobs(stage, 2)
    supervisor = stage.supervise()
    supervisor.pruner.use(Settings(retention_jobs=0, cleanup_interval=5))
    stage.clock.advance(5)
    for _ in range(20):
        supervisor.turn()
        stage.clock.advance(PAUSE_SECONDS)
    assert left(stage) == []
    assert not any(Path(stage.home.job(job)).exists() for job in jobs)


def test_every_removal_uses_indexes(stage: Stage) -> None:
    """What deletes look up in other tables is never a scan (SQLite tells of foreign keys nothing in its plan)."""
    indexed = {
        (row[0], row[1])
        for table in ("jobs", "job_specs", "attempts")
        for row in stage.store.database.rows(
            "SELECT m.tbl_name, i.name FROM sqlite_schema m JOIN pragma_index_info(m.name) i"
            " WHERE m.type='index' AND i.seqno=0 AND m.tbl_name=?",
            (table,),
        )
    }
    assert {
        ("jobs", "parent_id"), ("jobs", "workflow_id"), ("jobs", "life_id"), ("attempts", "life_id"),
        ("job_specs", "environment_hash"),
    } <= indexed  # fmt: skip
