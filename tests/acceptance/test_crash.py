"""Promises 2 and 3 from outside: supervisors, shims and everything killed by ``kill -9``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.model.attempts import Outcome
from jobctl.model.specs import OnCrash, RetryPolicy
from jobctl.model.states import JobId, JobStatus
from tests.chaos.ledger import Chaos
from tests.support.supervisors import Site, starts_and_ends

COMPLETED, FAILED, QUEUED, RUNNING = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
)


@contextmanager
def gate(site: Site) -> Iterator[Path]:
    """While the file exists, jobs that wait for it run on."""
    path = site.root / "gate"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


WAIT = "while [ -e gate ]; do sleep 0.02; done; "


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def adopted(site: Site, job_id: JobId) -> bool:
    return "adopted" in site.kinds(job_id)


def test_running_jobs_are_adopted_with_their_pid_and_true_code(site: Site) -> None:
    with gate(site) as path:
        job_id = site.shell(f"echo before; {WAIT}echo after; exit 7")
        up = site.up()
        pid = site.wait_running(job_id)
        site.kill(up)
        site.up()
        site.wait_for(lambda: adopted(site, job_id))
        assert not gone(pid)
        path.unlink()
        released = time.time_ns() // 1_000_000
        job = site.wait_status(job_id)
    assert (job.status, job.exit_code, job.attempt) == (FAILED, 7, 1)
    assert job.finished_at is not None
    assert job.finished_at >= released - 20
    [attempt] = site.attempts(job_id)
    assert (attempt.pid, attempt.outcome) == (pid, Outcome.FAILED)
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}
    assert site.output(job_id) == "before\nafter\n"


def test_a_job_that_ended_while_nobody_watched_keeps_its_code_and_time(site: Site) -> None:
    with gate(site) as path:
        job_id = site.shell(f"{WAIT}exit 7")
        up = site.up()
        pid = site.wait_running(job_id)
        site.kill(up)
        path.unlink()
        site.wait_for(lambda: gone(pid))
    ended_at = (site.attempt_path(job_id) / "exit").stat().st_mtime_ns // 1_000_000
    site.up()
    job = site.wait_status(job_id)
    assert (job.status, job.exit_code, job.finished_at) == (FAILED, 7, ended_at)
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}


def test_the_death_of_the_shim_alone_is_a_lost_attempt_and_its_tree_is_ended_first(site: Site) -> None:
    job_id = site.shell("echo $$ >>pids; exec sleep 1000", grace_seconds=1.0)
    site.up()
    pid = site.wait_running(job_id)
    site.wait_for(lambda: (site.root / "pids").exists())
    os.kill(pid, signal.SIGKILL)
    site.wait_for(lambda: len((site.root / "pids").read_text().split()) == 2)
    first, second = map(int, (site.root / "pids").read_text().split())
    assert gone(first)
    assert not gone(second)
    assert site.attempts(job_id)[0].outcome is Outcome.LOST
    site.wait_running(job_id)
    assert site.job(job_id).attempts_used == 0


def test_the_death_of_the_whole_group_is_a_lost_attempt(site: Site) -> None:
    job_id = site.submit("sleep", "1000", on_crash=OnCrash.FAIL, retry=RetryPolicy(attempts=5))
    site.up()
    os.killpg(site.wait_running(job_id), signal.SIGKILL)
    job = site.wait_status(job_id)
    assert (job.status, job.reason, job.attempt) == (FAILED, "lost", 1)


def test_the_death_of_everything_at_once_starts_the_job_again(site: Site) -> None:
    with gate(site) as path:
        job_id = site.shell(WAIT)
        up = site.up()
        pid = site.wait_running(job_id)
        os.kill(up.pid, signal.SIGSTOP)  # so that it sees nothing of what follows
        os.killpg(pid, signal.SIGKILL)
        site.kill(up)
        path.unlink()
    site.up()
    job = site.wait_status(job_id)
    assert (job.status, job.attempt, job.attempts_used, job.crashes) == (COMPLETED, 2, 1, 1)
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1), 2: (1, 1)}


def test_a_queue_of_one_never_runs_two_whatever_dies(site: Site) -> None:
    with site.store.write():
        site.store.queues.set_concurrency("default", 1, 0)
    text = "flock -n lane -c 'echo in >>ledger; sleep 0.15; echo out >>ledger' || echo overlap >>ledger"
    jobs = [site.shell(text) for _ in range(8)]
    for number in range(4):
        up = site.up()
        done = 2 * number + 1
        site.wait_for(
            lambda done=done: (
                (site.root / "ledger").exists()  # type: ignore[misc]
                and (site.root / "ledger").read_text().count("in\n") >= done
            )
        )
        site.kill(up)
    site.finish(site.up("--until-idle"))
    assert (site.root / "ledger").read_text() == "in\nout\n" * 8
    assert {site.status(job_id) for job_id in jobs} == {COMPLETED}


@pytest.mark.parametrize(
    ("argv", "code", "reason"),
    [
        (("exit", "3"), 127, "spawn_error"), (("cd", "/"), 127, "spawn_error"), (("true",), 0, None),
    ],
)  # fmt: skip
def test_shell_words_as_commands_are_programs_or_nothing(
    site: Site, argv: tuple[str, ...], code: int, reason: str | None
) -> None:
    job_id = site.submit(*argv)
    site.finish(site.up("--until-idle"))
    assert (site.job(job_id).exit_code, site.job(job_id).reason) == (code, reason)


def test_odd_commands_survive_a_crash_with_their_code(site: Site) -> None:
    with gate(site) as path:
        closing = (
            "import os, time\nos.closerange(0, 200)\n"
            f"while os.path.exists('{path}'): time.sleep(0.02)\nos._exit(9)"
        )
        jobs = {
            site.shell(f"{WAIT}exit 3"): 3,
            site.shell(f"cd /; cd {site.root}; {WAIT}exec true"): 0,
            site.submit("python3", "-c", closing): 9,
            site.shell(f"exec >&- 2>&- <&-; {WAIT}exit 4"): 4,
        }
        up = site.up()
        for job_id in jobs:
            site.wait_running(job_id)
        site.kill(up)
        following = site.up("--until-idle")
        site.wait_for(lambda: all(adopted(site, job_id) for job_id in jobs))
        path.unlink()
        assert site.finish(following) == 1
    assert {job_id: site.job(job_id).exit_code for job_id in jobs} == jobs
    for job_id in jobs:
        assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}


def test_a_cancellation_survives_the_supervisor(site: Site) -> None:
    job_id = site.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", grace_seconds=1.0)
    up = site.up()
    site.wait_for(lambda: site.output(job_id) == "ready\n")
    with site.store.write():
        site.store.transitions.request_cancel(job_id, None, None, None, site.clock.now_ms())
    site.kill(up)
    site.up()
    assert site.wait_status(job_id).status is JobStatus.CANCELLED
    assert site.processes() == []


def test_ten_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    outcome = Chaos(tmp_path, 20261122, "supervisor").run(10)
    assert outcome.findings.problems == []
    assert outcome.findings.attempts == outcome.jobs == 40


def test_six_kills_of_anything_never_overlap_and_never_lie(tmp_path: Path) -> None:
    outcome = Chaos(tmp_path, 20261123, "everything").run(6)
    assert outcome.findings.problems == []
