"""Memory limits, log limits, priorities and progress from output, under supervisors turned by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.executors.holes import dropped_bytes
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import Tree
from jobctl.model.attempts import Outcome
from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobId, JobStatus
from jobctl.supervisor import attempts
from jobctl.supervisor.supervisor import Supervisor
from jobctl.supervisor.watcher import USAGE_SECONDS
from jobctl.views.jobs import eta_of
from tests.support.supervisors import Stage

COMPLETED, FAILED, RUNNING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.RUNNING
MIB = 1 << 20


def hog(mib: int) -> tuple[str, ...]:
    """A program whose child uses so much memory until ``gate`` is gone."""
    text = (
        f"import os, time; block = bytearray({mib} << 20); open('ready', 'w').close()\n"
        "while os.path.exists('gate'): time.sleep(0.01)"
    )
    return ("/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", text)


def turn_clock(
    stage: Stage, supervisor: Supervisor, until: Callable[[], object], seconds: float = 0.25
) -> None:
    """The supervisor turned, ``seconds`` apart by its clock, until it was so."""

    def later() -> object:
        stage.clock.advance(seconds)
        return until()

    stage.turn_until(supervisor, later)


def test_a_tree_over_its_memory_limit_is_ended_as_a_failure(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.submit(*hog(120), max_memory_bytes=60 * MIB, retry=RetryPolicy(attempts=2))
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.turn_until(supervisor, (stage.root / "ready").exists)
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is JobStatus.CREATED)
    [attempt] = stage.attempts(job_id)
    assert (attempt.outcome, attempt.reason) == (Outcome.FAILED, "memory")
    assert attempt.error is not None
    assert attempt.error.startswith("its processes used 1")
    assert attempt.error.endswith("the limit is 60MiB")
    assert attempt.max_rss_bytes is not None
    assert attempt.max_rss_bytes > 120 * MIB
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is FAILED)
    job = stage.job(job_id)
    assert (job.reason, job.attempt, job.error) == ("memory", 2, stage.attempts(job_id)[1].error)
    assert not stage.processes()


def test_an_adopted_tree_is_limited_too(stage: Stage) -> None:
    (stage.root / "gate").touch()
    job_id = stage.submit(*hog(120), max_memory_bytes=60 * MIB)
    first = stage.supervise()
    stage.start(first, job_id)
    stage.kill(first)
    second = stage.supervise()
    stage.turn_until(second, (stage.root / "ready").exists)
    turn_clock(stage, second, lambda: stage.status(job_id) is FAILED)
    assert stage.job(job_id).reason == "memory"


@pytest.mark.parametrize(
    ("samples", "ended"),
    [
        ((90, 99, 100), False),
        ((101, 100, 101), False),
        ((101, 101), True),
        ((150, 90, 150), False),
        ((151,), True),
    ],
)
def test_two_samples_over_the_limit_or_one_far_over_it_end_a_tree(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, samples: tuple[int, ...], ended: bool
) -> None:
    values = iter(samples)

    def usage(_table: ProcessTable, _tree: Tree) -> tuple[int, float]:
        return next(values, 0) * MIB, 0.0

    monkeypatch.setattr(attempts, "tree_usage", usage)
    (stage.root / "gate").touch()
    job_id = stage.submit(*hog(1), max_memory_bytes=100 * MIB)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    for _ in samples:
        stage.clock.advance(1)
        supervisor.turn()
        if supervisor.active[job_id].kill is not None:
            break
    assert (supervisor.active[job_id].kill is not None) is ended
    (stage.root / "gate").unlink()


def test_only_jobs_with_a_limit_are_sampled_every_second(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled: list[Tree] = []

    def usage(_table: ProcessTable, tree: Tree) -> tuple[int, float]:
        sampled.append(tree)
        return 0, 0.0

    monkeypatch.setattr(attempts, "tree_usage", usage)
    (stage.root / "gate").touch()
    plain, limited = stage.submit(*hog(1)), stage.submit(*hog(1), max_memory_bytes=MIB)
    supervisor = stage.supervise()
    for job_id in (plain, limited):
        stage.start(supervisor, job_id)
    for _ in range(round(USAGE_SECONDS) * 4):
        stage.clock.advance(1)
        supervisor.turn()
    counts = [sampled.count(supervisor.active[job_id].tree) for job_id in (plain, limited)]
    assert counts[0] == 4
    assert counts[1] >= 19
    (stage.root / "gate").unlink()


def test_a_priority_reaches_the_command(stage: Stage) -> None:
    job_id = stage.submit("nice", nice=7)
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert stage.output(job_id) == f"{min(19, os.nice(0) + 7)}\n"


# --- logs ---

WRITER = (
    "import os\nline = b'%011d\\n' * 5461 % tuple(range(5461))\n"
    "for _ in range({mib} * 16): os.write(1, line)\n"
    "os.write({fd}, b'the end\\n')"
)


def test_a_log_over_its_limit_is_cut_while_the_job_runs_on(stage: Stage) -> None:
    job_id = stage.submit(sys.executable, "-c", WRITER.format(mib=200, fd=1), max_log_bytes=4 * MIB)
    supervisor = stage.supervise()
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)
    path = stage.attempt_path(job_id) / "output.log"
    size, dropped = dropped_bytes(str(path))
    assert size == 200 * 16 * 65532 + 8
    assert size - dropped <= 4 * MIB
    cut = [event for event in stage.events(job_id) if event.kind == "job.log_cut"]
    assert [event.data for event in cut] == [{"attempt": 1, "cap_bytes": 4 * MIB}]


def test_each_stream_has_the_limit_for_itself_and_the_setting_counts_without_one(stage: Stage) -> None:
    supervisor = stage.supervise()
    supervisor.watcher._log_cap = 2 * MIB
    job_id = stage.submit(sys.executable, "-c", WRITER.format(mib=20, fd=2), split_output=True)
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)
    directory = stage.attempt_path(job_id)
    size, dropped = dropped_bytes(str(directory / "stdout.log"))
    assert size - dropped <= 2 * MIB
    assert (directory / "stderr.log").read_bytes() == b"the end\n"


# --- progress ---


def test_progress_is_read_from_real_output_with_carriage_returns(stage: Stage) -> None:
    samples = Path(__file__).parents[1] / "data" / "progress"
    text = f"head -c 1500 {samples}/tqdm*.log >&2; while [ -e gate ]; do sleep 0.01; done; cat {samples}/tqdm*.log >&2"
    (stage.root / "gate").touch()
    job_id = stage.shell(text, progress_from=r"(\d+)/(\d+) \[", split_output=True)
    supervisor = stage.supervise()
    turn_clock(stage, supervisor, lambda: stage.job(job_id).progress.items_total == 300)
    halfway = stage.job(job_id).progress.percent
    assert halfway is not None
    assert 5 < halfway < 95
    (stage.root / "gate").unlink()
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)
    progress = stage.job(job_id).progress
    assert (progress.percent, progress.items_done) == (100, 300)


def test_a_pattern_that_takes_too_long_is_dropped_and_the_job_goes_on(stage: Stage) -> None:
    job_id = stage.shell(
        "printf '%01000d\\n' 0; while [ -e gate ]; do sleep 0.01; done", progress_from="(0+)+x"
    )
    (stage.root / "gate").touch()
    supervisor = stage.supervise()
    turn_clock(stage, supervisor, lambda: "pattern_dropped" in stage.kinds(job_id))
    (stage.root / "gate").unlink()
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)
    assert stage.kinds(job_id).count("pattern_dropped") == 1


def test_a_new_attempt_begins_without_the_progress_of_the_last(stage: Stage) -> None:
    text = (
        "[ $JOBCTL_ATTEMPT = 2 ] || { echo 90 >>$JOBCTL_PROGRESS; exit 1; };"
        " while [ -e gate ]; do sleep 0.01; done"
    )
    (stage.root / "gate").touch()
    job_id = stage.shell(text, retry=RetryPolicy(attempts=2, delay_seconds=1.0))
    supervisor = stage.supervise()
    turn_clock(stage, supervisor, lambda: len(stage.attempts(job_id)) == 2)
    assert stage.job(job_id).progress.percent is None
    (stage.root / "gate").unlink()
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)


def test_failed_items_are_on_record(stage: Stage) -> None:
    job_id = stage.shell("printf '/3\\n+1\\n!a.png torn\\n+1\\n!b.png\\n' >>$JOBCTL_PROGRESS")
    supervisor = stage.supervise()
    turn_clock(stage, supervisor, lambda: stage.status(job_id) is COMPLETED)
    progress = stage.job(job_id).progress
    assert (progress.items_done, progress.items_total, progress.items_failed) == (2, 3, 2)
    assert progress.item_errors == (("a.png", "torn"), ("b.png", ""))


def ended_jobs(stage: Stage, supervisor: Supervisor, seconds: list[int]) -> None:
    """Completed jobs of the same name on record, one of each duration."""
    (stage.root / "gate").touch()
    for duration in seconds:
        (stage.root / "gate").touch()
        job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done")
        stage.start(supervisor, job_id)
        stage.clock.advance(duration)
        (stage.root / "gate").unlink()
        stage.turn_until_status(supervisor, job_id, COMPLETED)


def eta(stage: Stage, job_id: JobId) -> float | None:
    [job] = stage.store.jobs.with_usual([stage.job(job_id)])
    return eta_of(job, stage.clock.now_ms())


def test_the_time_left_follows_from_the_rate_else_from_the_history_of_the_name(stage: Stage) -> None:
    supervisor = stage.supervise()
    ended_jobs(stage, supervisor, [10, 60, 20, 30])
    (stage.root / "gate").touch()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done; echo 20 >>$JOBCTL_PROGRESS; sleep 1000")
    assert eta(stage, job_id) is None, "it does not run yet"
    stage.start(supervisor, job_id)
    stage.clock.advance(5)
    assert eta(stage, job_id) == 20, "the median of 10, 20, 30 and 60 is 25"
    stage.clock.advance(25)
    assert eta(stage, job_id) is None, "it took longer than usual already"
    (stage.root / "gate").unlink()
    turn_clock(stage, supervisor, lambda: stage.job(job_id).progress.percent == 20)
    job = replace(stage.job(job_id), paused_ms=10_000)
    now = (job.started_at or 0) + 30_000
    assert eta_of(job, now) == 80, "20 seconds for 20 percent: a pause does not count"
    assert eta_of(replace(job, paused_at=now), now) is None


def test_the_history_of_a_name_is_read_by_its_index(stage: Stage) -> None:
    plan = stage.store.database.rows(
        "EXPLAIN QUERY PLAN SELECT state, started_at, finished_at FROM jobs WHERE name=? AND id<?"
        " ORDER BY id DESC LIMIT 200",
        ("x", 5),
    )
    assert "jobs_name" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_pause_requests_are_read_by_their_index(stage: Stage) -> None:
    plan = stage.store.database.rows(
        "EXPLAIN QUERY PLAN SELECT id, token, pause_wanted FROM jobs INDEXED BY jobs_pausing"
        " WHERE state='running' AND life_id=? AND pause_wanted<>(paused_at IS NOT NULL)",
        (1,),
    )
    assert "jobs_pausing" in str(plan)
