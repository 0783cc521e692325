"""Promise 4 from outside: a cancel or a time-out ends the whole tree, and no stranger is ever signalled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.executors.processes import tag_supported
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId, JobStatus
from tests.support.supervisors import Site

GRACE = 1.0
BUDGET = GRACE + 2.0
SLACK = 6.0
"""What a machine that others use too may take on top."""

NASTY = """
trap '' TERM HUP INT
setsid sleep 1000 &
(sleep 1000 &)
(setsid sh -c "trap '' TERM; while :; do sleep 0.1; done" &)
(env -i setsid sleep 1000 &)
(env -i /bin/sh -c "trap '' TERM; (setsid sleep 1000 &) ; sleep 1000" &)
echo ready
while :; do sleep 1000; done
"""

STORM = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
end = time.time() + 60  # whatever becomes of the test, this does not fork for ever
while time.time() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.003)
"""

pytestmark = pytest.mark.skipif(not tag_supported(), reason="only a tag finds what cleared its environment")


def ask_cancel(site: Site, job_id: JobId) -> None:
    cancel(site.store, parse_selector(str(job_id)), site.clock, CancelOptions())


@contextmanager
def within_budget() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < BUDGET + SLACK


def test_a_cancelled_nasty_tree_is_gone_within_its_budget(site: Site) -> None:
    job_id = site.shell(NASTY, grace_seconds=GRACE)
    site.up()
    site.wait_for(lambda: site.output(job_id) == "ready\n" and len(site.processes()) >= 9)
    with within_budget():
        ask_cancel(site, job_id)
        job = site.wait_status(job_id)
    assert (job.status, job.signal) == (JobStatus.CANCELLED, "SIGKILL")
    assert site.processes() == []


def test_a_nasty_tree_that_runs_too_long_is_gone_within_its_budget(site: Site) -> None:
    job_id = site.shell(NASTY, grace_seconds=GRACE, timeout_seconds=3.0)
    site.up()
    job = site.wait_status(job_id)
    assert job.status is JobStatus.TIMEOUT
    assert job.started_at is not None
    assert site.attempts(job_id)[0].finished_at is not None
    assert site.clock.now_ms() - job.started_at < (3.0 + BUDGET + SLACK) * 1000
    assert site.processes() == []


def test_a_process_that_forks_itself_on_is_caught(site: Site) -> None:
    job_id = site.submit(sys.executable, "-c", STORM, grace_seconds=0.2, keep_children=True)
    site.up()
    site.wait_status(job_id)  # its leader has ended, the storm goes on
    site.wait_for(site.processes)  # one look at /proc may miss what lives 3 ms at a time
    other = site.shell(f"{sys.executable} -c '{STORM}'; echo ready; sleep 1000", grace_seconds=0.2)
    site.wait_for(lambda: "ready\n" in site.output(other))
    ask_cancel(site, other)
    assert site.wait_status(other).status is JobStatus.CANCELLED
    site.wait_for(site.processes)


def test_what_an_ended_job_left_behind_is_killed(site: Site) -> None:
    job_id = site.shell("(setsid sleep 1000 &); (env -i setsid sleep 1000 &); exit 5")
    site.up()
    assert site.wait_status(job_id).exit_code == 5
    assert site.processes() == []


def test_what_an_ended_job_was_to_keep_lives_on(site: Site) -> None:
    job_id = site.shell("(setsid sleep 1000 &); exit 0", keep_children=True)
    assert site.finish(site.up("--until-idle")) == 0
    assert site.status(job_id) is JobStatus.COMPLETED
    assert len(site.processes()) == 1


@pytest.mark.parametrize("crash", [False, True])
def test_a_stranger_in_the_pid_file_is_never_signalled(site: Site, crash: bool) -> None:
    job_id = site.submit("sleep", "1000", grace_seconds=0.0)
    up = site.up()
    site.wait_running(job_id)
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        pid_file = Path(site.attempt_path(job_id) / "pid")
        pid_file.write_text(f"{stranger.pid}\n")
        if crash:
            site.kill(up)
            site.up()
            site.wait_for(lambda: "adopted" in site.kinds(job_id))
        ask_cancel(site, job_id)
        assert site.wait_status(job_id).status is JobStatus.CANCELLED
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert site.processes() == []
