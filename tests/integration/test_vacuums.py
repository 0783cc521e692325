"""Giving room back: in slices beside others, or all at once alone."""

from __future__ import annotations

import os

import pytest

from jobctl.actions.integrity import check_store
from jobctl.actions.removals import remove
from jobctl.actions.vacuums import vacuum_store
from jobctl.errors import StateConflictError, StoreBusyError
from jobctl.model.selectors import parse_selector
from jobctl.store.vacuums import Vacuum
from tests.support.supervisors import Stage


def silent(*_: object) -> None:
    """Nobody wants to know."""


def empty(stage: Stage, jobs: int = 200) -> None:
    """The store has many free pages."""
    for number in range(jobs):
        stage.submit("true", "x" * 4000 + str(number), hold=True)
    remove(stage.store, parse_selector("all"), stage.clock)


def is_sound(stage: Stage) -> bool:
    return check_store(stage.home, quick=False, report=silent).is_sound


@pytest.mark.parametrize("full", [False, True])
def test_free_pages_are_given_back(stage: Stage, full: bool) -> None:
    empty(stage)
    kept = stage.submit("true", hold=True)
    told: list[tuple[int, int, str]] = []
    done = vacuum_store(stage.store, full=full, report=lambda *said: told.append(said))
    assert done.pages_freed > 150
    assert (done.free_pages, done.wal_emptied, done.full) == (0, True, full)
    assert done.size_bytes == os.stat(stage.home.store).st_size < done.size_bytes_before - 150 * 4096
    assert (stage.status(kept), is_sound(stage)) == ("created", True)
    assert told[-1][0] == told[-1][1]
    assert [said[0] for said in told] == sorted(said[0] for said in told)
    assert stage.store.database.value("PRAGMA auto_vacuum") == 2
    assert stage.store.database.value("PRAGMA temp_store") == 2


def test_twice_gives_nothing_more(stage: Stage) -> None:
    empty(stage, 20)
    vacuum_store(stage.store, full=False, report=silent)
    again = vacuum_store(stage.store, full=False, report=silent)
    assert (again.pages_freed, again.free_pages) == (0, 0)


def test_a_reader_in_the_way_is_not_waited_for(stage: Stage) -> None:
    empty(stage)
    with stage.store.__class__.open(stage.home, stage.clock) as reader:
        reader.database.rows("BEGIN")
        reader.database.rows("SELECT count(*) FROM jobs")
        done = vacuum_store(stage.store, full=False, report=silent)
        reader.database.rows("ROLLBACK")
    assert (done.wal_emptied, done.free_pages) == (False, 0)
    assert vacuum_store(stage.store, full=False, report=silent).wal_emptied


def test_writers_get_their_turn_between_slices(stage: Stage) -> None:
    empty(stage)
    with stage.store.__class__.open(stage.home, stage.clock, timeout_seconds=0) as writer:

        def write(done: int, total: int, what: str) -> None:
            with writer.write():
                writer.database.rows("UPDATE queues SET concurrency=concurrency+1")

        before = writer.database.value("SELECT concurrency FROM queues")
        done = vacuum_store(stage.store, full=False, report=write)
        assert writer.database.value("SELECT concurrency FROM queues") > before + 3
    assert done.pages_freed > 150


def test_a_full_one_is_refused_while_somebody_supervises(stage: Stage) -> None:
    empty(stage, 20)
    supervisor = stage.supervise()
    for _ in range(2):
        with pytest.raises(StateConflictError, match="for itself"):
            vacuum_store(stage.store, full=True, report=silent)
        supervisor.turn()
    assert vacuum_store(stage.store, full=False, report=silent).free_pages == 0
    stage.kill(supervisor)
    assert vacuum_store(stage.store, full=True, report=silent).full
    stage.supervise().turn()  # its lock is free again


def test_a_full_one_is_refused_during_a_run_of_its_own(stage: Stage) -> None:
    from tests.support.supervisors import submission

    supervisor = stage.supervise(reserved=submission(stage.root, "true"))
    with pytest.raises(StateConflictError):
        vacuum_store(stage.store, full=True, report=silent)
    stage.kill(supervisor)
    assert vacuum_store(stage.store, full=True, report=silent).full


def test_a_failed_one_leaves_the_connection_as_it_was(stage: Stage) -> None:
    empty(stage, 20)
    database = stage.store.database
    patience = database.value("PRAGMA busy_timeout")
    assert patience == 30_000

    def stop(done: int, total: int, what: str) -> None:
        if what == "done":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vacuum_store(stage.store, full=False, report=stop)
    assert database.value("PRAGMA busy_timeout") == patience
    database.set_timeout(0)
    other = stage.store.__class__.open(stage.home, stage.clock)
    with other as writer, writer.write(), pytest.raises(StoreBusyError):
        Vacuum(database).rewrite()
    assert database.value("PRAGMA temp_store") == 2


@pytest.mark.parametrize("seconds", [0.05, 7.0])
def test_a_checkpoint_waits_for_nobody_and_leaves_the_patience_as_it_was(
    stage: Stage, seconds: float
) -> None:
    stage.store.database.set_timeout(seconds)
    stage.submit("true", hold=True)
    assert stage.store.database.checkpoint()
    assert stage.store.database.value("PRAGMA busy_timeout") == seconds * 1000
