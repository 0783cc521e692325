"""``jobctl run``: an embedded supervisor for one job, beside any number of others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from jobctl.model.lives import LifeKind
from jobctl.model.states import JobId, JobStatus
from tests.support.cli import run_cli
from tests.support.supervisors import Site, starts_and_ends

COMPLETED, FAILED, QUEUED, RUNNING = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
)
FIRST = JobId(1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--", "true"), 0), (("--shell", "exit 7"), 7), (("--shell", "kill -KILL $$"), 137),
        (("--timeout", "0.3", "--", "sleep", "1000"), 124), (("--", "/etc/passwd"), 126),
        (("--", "no-such-program"), 127), (("--no-such-flag", "--", "true"), 125),
        (("--priority", "0", "--", "true"), 125),
    ],
)  # fmt: skip
def test_the_exit_code_is_the_jobs(site: Site, words: tuple[str, ...], code: int) -> None:
    assert run_cli("run", *words, home=site.home.path).code == code


def test_a_function_that_dies_or_fails_says_so_as_a_program_does(site: Site) -> None:
    Path(site.home.path, "jobctl.yaml").write_text("settings: {modules: [dying]}\n")
    Path(site.home.path, "dying.py").write_text(
        "import os\ndef die():\n    os.write(2, b'last words\\n')\n    os.kill(os.getpid(), 9)\n"
        "def fail():\n    raise ValueError('no good')\n"
    )
    died = run_cli("run", "--call", "dying:die", home=site.home.path)
    assert (died.code, died.out, died.err.splitlines()[0]) == (137, "", "last words")
    failed = run_cli("run", "--call", "dying:fail", home=site.home.path)
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("Traceback")
    assert 'dying.py", line 6, in fail' in failed.err
    private = run_cli("submit", "--call", "dying:_own", home=site.home.path)
    assert private.code == 2
    assert "is private" in private.err


def test_the_exit_code_is_the_jobs_under_a_supervisor_too(site: Site) -> None:
    site.up()
    for words, code in ((("--", "true"), 0), (("--shell", "exit 7"), 7), (("--", "no-such-program"), 127)):
        assert run_cli("run", *words, home=site.home.path).code == code
    assert all(life.kind is LifeKind.UP for life in site.store.lives.unended())


@pytest.mark.parametrize("supervised", [False, True])
def test_stdout_and_stderr_stay_apart(site: Site, supervised: bool) -> None:
    if supervised:
        site.up()
    ended = run_cli("run", "--shell", "echo out; echo err >&2; printf last", home=site.home.path)
    assert (ended.code, ended.out, ended.err) == (0, "out\nlast", "err\n")


def test_every_byte_arrives(site: Site) -> None:
    ended = run_cli("run", "--shell", "head -c 3000000 /dev/zero | tr '\\0' x", home=site.home.path)
    assert (ended.code, len(ended.out), set(ended.out)) == (0, 3_000_000, {"x"})


def test_json_prints_the_job_with_its_output_and_nothing_else(site: Site) -> None:
    ended = run_cli("run", "--json", "--shell", "echo out; printf '\\377' >&2; exit 3", home=site.home.path)
    assert ended.code == 3
    found = ended.document
    assert (found["stdout"], found["stderr"], found["truncated"]) == ("out\n", "\ufffd", False)
    assert (found["status"], found["exit_code"]) == ("failed", 3)


def test_a_bad_flag_with_json_is_a_json_error(site: Site) -> None:
    ended = run_cli("run", "--json", "--priority", "11", "--", "true", home=site.home.path)
    assert ended.code == 125
    assert json.loads(ended.out)["error"]["code"].startswith("E_")


def test_standard_input_reaches_the_job(site: Site) -> None:
    ended = run_cli("run", "--stdin", "-", "--", "cat", home=site.home.path, input=b"a\0b\n" * 50_000)
    assert (ended.code, len(ended.out)) == (0, 200_000)
    assert os.listdir(site.home.spool) == []


def test_retries_are_streamed_attempt_after_attempt(site: Site) -> None:
    ended = run_cli(
        "run", "--attempts", "3", "--retry-delay", "0.1", "--shell", "echo $JOBCTL_ATTEMPT; [ $JOBCTL_ATTEMPT = 3 ]",
        home=site.home.path,
    )  # fmt: skip
    assert (ended.code, ended.out) == (0, "1\n2\n3\n")


def started(site: Site, *words: str) -> tuple[subprocess.Popen[bytes], JobId]:
    before = site.store.jobs.counts()
    run = site.spawn("run", *words, name="run")
    site.wait_for(lambda: site.store.jobs.counts()["running"] > before["running"] or run.poll() is not None)
    job_id = JobId(int(site.store.database.value("SELECT max(id) FROM jobs")))
    site.wait_running(job_id)
    return run, job_id


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stop_signal_cancels_the_job_and_its_tree(
    site: Site, number: signal.Signals, code: int, supervised: bool
) -> None:
    if supervised:
        site.up()
    run, job_id = started(site, "--grace", "1s", "--shell", "setsid sleep 1000 & sleep 1000")
    run.send_signal(number)
    assert site.finish(run) == code
    assert site.status(job_id) is JobStatus.CANCELLED
    assert site.processes() == []


def test_a_second_interrupt_kills_what_ignores_the_first(site: Site) -> None:
    run, job_id = started(site, "--grace", "10m", "--shell", "trap '' TERM; while :; do sleep 0.05; done")
    site.wait_for(lambda: len(site.processes()) >= 2)
    run.send_signal(signal.SIGINT)
    site.wait_for(lambda: site.job(job_id).cancel_requested_at is not None)
    run.send_signal(signal.SIGINT)
    assert site.finish(run) == 130
    assert site.processes() == []


def test_an_interrupt_may_leave_the_job_to_the_next_supervisor(site: Site) -> None:
    (site.root / "gate").touch()
    run, job_id = started(
        site, "--detach-on-interrupt", "--shell", "while [ -e gate ]; do sleep 0.02; done; exit 5"
    )
    run.send_signal(signal.SIGINT)
    assert site.finish(run) == 130
    assert site.status(job_id) is RUNNING
    assert site.processes()
    site.up()
    site.wait_for(lambda: "adopted" in site.kinds(job_id))
    (site.root / "gate").unlink()
    assert site.wait_status(job_id).exit_code == 5


def test_the_job_of_a_killed_run_is_adopted(site: Site) -> None:
    (site.root / "gate").touch()
    run, job_id = started(site, "--shell", "while [ -e gate ]; do sleep 0.02; done; exit 6")
    site.kill(run)
    site.up()
    site.wait_for(lambda: "adopted" in site.kinds(job_id))
    (site.root / "gate").unlink()
    job = site.wait_status(job_id)
    assert (job.exit_code, job.attempt) == (6, 1)
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}


def test_the_job_of_a_run_that_died_in_the_queue_is_free_for_the_next(site: Site) -> None:
    with site.store.write():
        site.store.queues.set_paused("default", True, 0)
    run = site.spawn("run", "--", "true", name="run")
    site.wait_for(lambda: site.store.jobs.counts()["queued"] == 1)
    site.kill(run)
    with site.store.write():
        site.store.queues.set_paused("default", False, 0)
    site.up()
    assert site.wait_status(FIRST).status is COMPLETED


def test_twenty_side_by_side_respect_the_queue_and_disturb_nobody(site: Site) -> None:
    with site.store.write():
        site.store.queues.set_concurrency("default", 3, 0)
    text = "echo in >>ledger; sleep 0.05; echo out >>ledger; exit 4"
    runs = [site.spawn("run", "--shell", text) for _ in range(20)]
    assert {site.finish(run) for run in runs} == {4}
    depth = highest = 0
    for line in (site.root / "ledger").read_text().split():
        depth += 1 if line == "in" else -1
        highest = max(highest, depth)
    assert highest <= 3
    assert site.store.jobs.counts()["failed"] == 20
    for number in range(1, 21):
        assert starts_and_ends(site.events(JobId(number))) == {1: (1, 1)}
    assert site.store.lives.unended() == []
    assert list(Path(site.home.lives).iterdir()) == []


def test_a_supervisor_that_starts_meanwhile_disturbs_nothing(site: Site) -> None:
    (site.root / "gate").touch()
    run, job_id = started(site, "--shell", "while [ -e gate ]; do sleep 0.02; done; echo done; exit 3")
    site.up()
    other = site.submit("true")
    with site.store.write():
        site.store.queues.set_concurrency("default", 5, 0)
    site.wait_status(other)
    (site.root / "gate").unlink()
    assert site.finish(run) == 3
    assert (site.root / "run.out").read_text() == "done\n"
    assert "adopted" not in site.kinds(job_id)
    assert starts_and_ends(site.events(job_id)) == {1: (1, 1)}
