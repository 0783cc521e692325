"""How a supervisor ends: drained, stopped, or leaving its jobs to the next one."""

from __future__ import annotations

import signal

import pytest

from jobctl.model.specs import OnCrash
from jobctl.model.states import JobStatus
from tests.support.cli import run_cli
from tests.support.supervisors import Site, starts_and_ends

COMPLETED, FAILED, QUEUED, RUNNING = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
)
WAIT = "while [ -e gate ]; do sleep 0.02; done"


def draining(site: Site) -> bool:
    return any(life.draining for life in site.store.lives.unended())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(site: Site, number: signal.Signals) -> None:
    (site.root / "gate").touch()
    running = site.shell(WAIT)
    up = site.up()
    site.wait_running(running)
    up.send_signal(number)
    site.wait_for(lambda: draining(site))
    queued = site.submit("true")
    assert up.poll() is None
    (site.root / "gate").unlink()
    assert site.finish(up) == 0
    assert (site.status(running), site.status(queued)) == (COMPLETED, QUEUED)
    said = (site.root / f"up-{0}.out").read_text()
    assert f"waiting for job {running}" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_stops_and_puts_jobs_back_unburnt(
    site: Site, number: signal.Signals, code: int
) -> None:
    back, fatal = site.submit("sleep", "1000"), site.submit("sleep", "1000", on_crash=OnCrash.FAIL)
    up = site.up()
    site.wait_running(back)
    site.wait_running(fatal)
    up.send_signal(number)
    site.wait_for(lambda: draining(site))
    up.send_signal(number)
    assert site.finish(up) == code
    job = site.job(back)
    assert (job.status, job.attempts_used) == (QUEUED, 0)
    assert (site.status(fatal), site.job(fatal).reason) == (FAILED, "stopped")
    assert starts_and_ends(site.events(back)) == {1: (1, 1)}
    assert site.processes() == []
    site.up()
    site.wait_running(back)
    assert site.job(back).attempt == 2


def test_down_drains(site: Site) -> None:
    (site.root / "gate").touch()
    running = site.shell(WAIT)
    up = site.up()
    site.wait_running(running)
    down = site.spawn("down", name="down")
    site.wait_for(lambda: "waiting for 1 running job" in (site.root / "down.err").read_text())
    queued = site.submit("true")
    assert (up.poll(), down.poll()) == (None, None)
    (site.root / "gate").unlink()
    assert (site.finish(down), site.finish(up)) == (0, 0)
    assert (site.status(running), site.status(queued)) == (COMPLETED, QUEUED)


def test_down_now_stops_and_puts_jobs_back(site: Site) -> None:
    job_id = site.submit("sleep", "1000")
    up = site.up()
    site.wait_running(job_id)
    assert run_cli("down", "--now", home=site.home.path).code == 0
    assert site.finish(up) == 0
    assert (site.status(job_id), site.job(job_id).attempts_used) == (QUEUED, 0)
    assert site.processes() == []


def test_down_leave_running_leaves_jobs_to_the_next(site: Site) -> None:
    (site.root / "gate").touch()
    job_id = site.shell(f"{WAIT}; exit 7")
    up = site.up()
    pid = site.wait_running(job_id)
    assert run_cli("down", "--leave-running", home=site.home.path).code == 0
    assert site.finish(up) == 0
    assert site.status(job_id) is RUNNING
    assert len(site.processes()) >= 2
    site.up()
    site.wait_for(lambda: "adopted" in site.kinds(job_id))
    (site.root / "gate").unlink()
    job = site.wait_status(job_id)
    assert (job.status, job.exit_code) == (FAILED, 7)
    assert site.attempts(job_id)[0].pid == pid
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}


def test_down_without_a_supervisor_says_so(site: Site) -> None:
    ended = run_cli("down", home=site.home.path)
    assert (ended.code, ended.out) == (6, "")
    assert ended.err.count("\n") == 1


def test_down_gives_up_waiting_after_its_time_and_the_request_stands(site: Site) -> None:
    (site.root / "gate").touch()
    job_id = site.shell(WAIT)
    up = site.up()
    site.wait_running(job_id)
    assert run_cli("down", "--timeout", "0.2", home=site.home.path).code == 124
    (site.root / "gate").unlink()
    assert site.finish(up) == 0
    assert site.status(job_id) is COMPLETED
