"""A supervisor whose store is busy or full goes on enforcing, and records everything later, once."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from jobctl.model.lives import StopMode
from jobctl.model.states import JobStatus
from tests.support.supervisors import Stage, starts_and_ends

COMPLETED, FAILED, RUNNING, TIMEOUT = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.RUNNING,
    JobStatus.TIMEOUT,
)


@contextmanager
def another_writer(stage: Stage) -> Iterator[None]:
    connection = apsw.Connection(stage.home.store)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def test_facts_wait_for_a_busy_store_and_are_recorded_once(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.shell("(setsid sleep 1000 &); while [ -e gate ]; do sleep 0.01; done; exit 3")
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    with another_writer(stage):
        (stage.root / "gate").unlink()
        stage.turn_until(supervisor, lambda: supervisor.active[job_id].concluded)
        for _ in range(5):
            supervisor.turn()
        assert stage.status(job_id) is RUNNING
        assert supervisor.pause_seconds() <= 0.05
    job = stage.turn_until_status(supervisor, job_id, FAILED)
    assert job.exit_code == 3
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}
    assert stage.kinds(job_id).count("strays_killed") == 1
    assert supervisor.failed_jobs == 1


def test_time_outs_are_enforced_while_the_store_is_busy(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000", timeout_seconds=60.0)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    with another_writer(stage):
        stage.clock.advance(60)
        stage.turn_until(supervisor, lambda: supervisor.active[job_id].concluded)
        assert stage.processes() == []
        assert stage.status(job_id) is RUNNING
    stage.turn_until_status(supervisor, job_id, TIMEOUT)
    assert supervisor.failed_jobs == 1


def test_a_job_that_was_noticed_while_the_store_was_busy_starts_afterwards(stage: Stage) -> None:
    supervisor = stage.supervise()
    supervisor.turn()
    supervisor.turn()
    job_id = stage.submit("true")
    supervisor.lifeline.drain_wake()  # only the change of the store tells of it
    with another_writer(stage):
        supervisor.turn()
        supervisor.turn()
        assert stage.status(job_id) is JobStatus.QUEUED
    stage.turn_until_status(supervisor, job_id, COMPLETED)


def test_a_stop_while_the_store_is_busy_ends_once_it_is_free(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000")
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    with another_writer(stage):
        supervisor.stop(StopMode.NOW)
        stage.turn_until(supervisor, lambda: supervisor.active[job_id].concluded)
        assert not supervisor.finished
    stage.turn_until(supervisor, lambda: supervisor.finished)
    assert stage.status(job_id) is JobStatus.QUEUED
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_full_store_takes_the_facts_once_there_is_room(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.shell(
        "while [ -e gate ]; do sleep 0.01; done; printf '\"%0300000d\"' 0 >$JOBCTL_RESULT; exit 0"
    )
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    pages = supervisor.store.database.value("PRAGMA page_count")
    supervisor.store.database.value(f"PRAGMA max_page_count = {pages}")
    (stage.root / "gate").unlink()
    stage.turn_until(supervisor, lambda: supervisor.active[job_id].concluded)
    for _ in range(5):
        supervisor.turn()
    assert stage.status(job_id) is RUNNING
    supervisor.store.database.value(f"PRAGMA max_page_count = {pages + 1000}")
    job = stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert len(str(job.result)) == 300_000
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_the_end_of_a_life_waits_for_other_writers(stage: Stage) -> None:
    supervisor = stage.supervise()
    supervisor.turn()
    connection = apsw.Connection(stage.home.store)
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: connection.execute("ROLLBACK"))
    release.start()
    try:
        supervisor.lifeline.end("idle")
    finally:
        release.join()
        connection.close()
    stage.forget(supervisor)
    assert stage.store.lives.unended() == []


@pytest.fixture
def small_stage(tmp_path: Path) -> Iterator[Stage]:
    """A home on a file system of 4 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "jobctl", mount], capture_output=True)
    if made.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        stage = Stage(mount)
        try:
            yield stage
        finally:
            stage.close()
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def fill(path: Path) -> None:
    """The file takes all that the disk has left."""
    with open(path, "wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), b"\0" * 4096)


def test_a_full_disk_stops_nothing_for_good(small_stage: Stage) -> None:
    stage = small_stage
    (stage.root / "gate").touch()
    running = stage.shell("while [ -e gate ]; do sleep 0.01; done; exit 7")
    supervisor = stage.supervise()
    stage.start(supervisor, running)
    queued = [stage.submit("true") for _ in range(3)]
    ballast = stage.root / "ballast"
    fill(ballast)
    assert os.statvfs(stage.root).f_bfree == 0
    (stage.root / "gate").unlink()
    stage.turn_until(
        supervisor, lambda: running not in supervisor.active or supervisor.active[running].concluded
    )
    for _ in range(10):
        supervisor.turn()
        stage.clock.advance(1)
    ballast.unlink()
    stage.turn_until(
        supervisor,
        lambda: all(stage.status(job_id) is COMPLETED for job_id in queued),
        tick=1,
    )
    assert stage.job(running).exit_code == 7
    for job_id in (running, *queued):
        assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_disk_that_is_full_while_nothing_runs_stops_nothing(small_stage: Stage) -> None:
    """The WAL cannot be emptied into the store then."""
    stage = small_stage
    supervisor = stage.supervise()
    big = stage.shell("printf '\"%0900000d\"' 0 >$JOBCTL_RESULT")
    stage.turn_until_status(supervisor, big, COMPLETED)
    fill(stage.root / "ballast")
    for _ in range(5):
        supervisor.turn()
        stage.clock.advance(1)
    (stage.root / "ballast").unlink()
    stage.turn_until_status(supervisor, stage.submit("true"), COMPLETED)
