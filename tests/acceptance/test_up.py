"""``jobctl up``: one a home, up to idle, and right after a crash."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobStatus
from tests.support.cli import cli_environment, run_cli
from tests.support.supervisors import Site

COMPLETED, CREATED, FAILED, QUEUED = (
    JobStatus.COMPLETED,
    JobStatus.CREATED,
    JobStatus.FAILED,
    JobStatus.QUEUED,
)
LOCK_SECONDS = 2.0
STARTUP_SECONDS = 15.0
"""What a loaded machine may take for the start of an interpreter."""


@pytest.mark.parametrize("deleted", [False, True])
def test_a_second_supervisor_is_refused_soon(site: Site, deleted: bool) -> None:
    up = site.up()
    if deleted:
        Path(site.home.supervisor_lock).unlink()
    began = time.monotonic()
    second = run_cli("up", home=site.home.path)
    assert time.monotonic() - began < LOCK_SECONDS + STARTUP_SECONDS
    assert second.code == 4
    assert second.err.count("\n") == 1
    assert str(up.pid) in second.err
    assert up.poll() is None
    job_id = site.submit("true")
    run_cli("hold", str(site.submit("true", hold=True)), home=site.home.path)  # pokes the first one
    assert site.wait_status(job_id).status is COMPLETED


def test_a_supervisor_starts_right_after_one_was_killed(site: Site) -> None:
    for _ in range(3):
        site.kill(site.up())
    assert site.up().poll() is None


def test_until_idle_ends_with_0_when_all_went_well(site: Site) -> None:
    jobs = [site.submit("true") for _ in range(3)]
    up = site.up("--until-idle")
    assert site.finish(up) == 0
    assert {site.status(job_id) for job_id in jobs} == {COMPLETED}


def test_until_idle_waits_for_retries_and_ends_with_1_after_a_failure(site: Site) -> None:
    job_id = site.shell("exit 1", retry=RetryPolicy(attempts=3, delay_seconds=0.2, backoff=1.0))
    assert site.finish(site.up("--until-idle")) == 1
    assert (site.status(job_id), len(site.attempts(job_id))) == (FAILED, 3)


def test_until_idle_leaves_held_future_and_paused_jobs_and_says_so(site: Site) -> None:
    with site.store.write():
        site.store.queues.add("lane", 1, 0)
        site.store.queues.set_paused("lane", True, 0)
    held = site.submit("true", hold=True)
    future = site.submit("true", eligible_at=site.clock.now_ms() + 3_600_000)
    paused = site.submit("true", queue="lane")
    up = site.spawn("up", "--until-idle", name="up")
    assert site.finish(up) == 0
    assert [site.status(job_id) for job_id in (held, future, paused)] == [CREATED, CREATED, QUEUED]
    said = (site.root / "up.out").read_text() + (site.root / "up.err").read_text()
    for words in ("1 held", "1 for later", "1 in the paused queue lane"):
        assert words in said


def test_concurrency_is_the_default_queues_for_this_run(site: Site) -> None:
    text = "echo in >>ledger; sleep 0.2; echo out >>ledger"
    for _ in range(4):
        site.shell(text)
    assert site.finish(site.up("--until-idle", "--concurrency", "1")) == 0
    assert (site.root / "ledger").read_text() == "in\nout\n" * 4
    assert site.store.queues.limits()[0].concurrency == 5


def test_events_are_json_lines_if_asked_for(site: Site) -> None:
    import json

    job_id = site.submit("true")
    assert site.finish(site.spawn("up", "--until-idle", "--log-format", "json", name="up")) == 0
    events = [json.loads(line) for line in (site.root / "up.out").read_text().splitlines()]
    kinds = [event["kind"] for event in events if event["entity_id"] == job_id and event["entity"] == "job"]
    assert kinds[-2:] == ["job.started", "job.completed"]


def test_a_reader_that_stops_reading_stops_no_job(site: Site) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "jobctl", "up"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=cli_environment(site.home.path), start_new_session=True,
    ) as up:  # fmt: skip
        try:
            for _ in range(2):
                jobs = [site.submit("true", name="x" * 100) for _ in range(150)]
                site.wait_for(lambda jobs=jobs: all(site.status(job_id).is_terminal for job_id in jobs))  # type: ignore[misc]
        finally:
            up.kill()


def test_too_few_descriptors_are_refused_with_a_clear_word(site: Site) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"ulimit -n 30; exec {sys.executable} -m jobctl up"],
        capture_output=True, text=True, env=cli_environment(site.home.path), timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 5
    assert "open files" in ended.stderr
    assert ended.stderr.count("\n") == 1
