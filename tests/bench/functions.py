"""No-op functions a second in two warm workers, beside huey with SQLite in the same run and with the same durability.

``pip`` puts huey (and numpy) into a throw-away virtual environment outside the project: nothing but this bench
needs them, and it needs the network. Huey runs two worker processes and ``fsync=True``; it keeps no history, and what
runs in it when it is killed is lost. Budget: ≥ 3 × huey.

    python -m tests.bench.functions [JOBS]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobctl.actions.supervisors import wake
from jobctl.clock import SystemClock
from jobctl.executors.processes import ProcessTable
from jobctl.model.calls import Call
from jobctl.model.homes import Home
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.store import Store
from jobctl.supervisor.identities import Identities
from tests.bench.support import (
    JOBCTL,
    figure,
    headline,
    milliseconds,
    number_argument,
    store_of,
    supervisor,
    throwaway_home,
    timed,
)
from tests.support.cli import cli_environment
from tests.support.waiting import wait_until

TOYS = """
def noop(): return None
def heavy():
    import time
    began = time.perf_counter()
    import numpy
    return [time.perf_counter() - began, int(numpy.arange(10).sum())]
"""
HUEY = """
from huey import SqliteHuey
huey = SqliteHuey(filename={path!r}, fsync=True, results=False)
@huey.task()
def noop(): return None
"""


def main() -> None:
    """Print the figures."""
    count = number_argument(20_000)
    headline(f"functions: {count:,} no-ops, 2 workers")
    with tools() as python:
        theirs = huey_rate(python, max(2000, count // 4))
        ours = jobctl_rate(count)
        figure("jobctl up --until-idle, 2 warm workers", f"{ours:,.0f}/s from its start to its exit")
        figure(
            "huey, SQLite, fsync, 2 processes", f"{theirs:,.0f}/s; jobctl is {ours / theirs:.1f} × that (≥ 3)"
        )
        memory()
        warm_start(python)


@contextmanager
def tools() -> Iterator[str]:
    """The Python of an environment that has huey and numpy."""
    path = tempfile.mkdtemp(prefix="jobctl-bench-venv-")
    try:
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        python = f"{path}/bin/python"
        subprocess.run([python, "-m", "pip", "install", "-q", "huey", "numpy"], check=True)
        yield python
    finally:
        shutil.rmtree(path, ignore_errors=True)


def add_calls(store: Store, home: Home, function: str, count: int) -> list[JobId]:
    """So many calls are queued."""
    spec = JobSpec(call=Call(function, {}), cwd=home.path, supervisor_env=True)
    job = Submission(function, spec, {}, kind=JobKind.FUNCTION)
    with store.write():
        stored = store.submissions.submit([job] * count, SystemClock().now_ms())
    return [one.id for one in stored]


def jobctl_rate(count: int) -> float:
    """Calls a second of a supervisor that starts for them and ends after them."""
    with throwaway_home() as home:
        Path(home.path, "toys.py").write_text(TOYS)
        with store_of(home) as store:
            add_calls(store, home, "toys:noop", count)
        environment = cli_environment(home.path) | {"JOBCTL_MAX_WORKERS": "2", "JOBCTL_MODULES": "toys"}
        words = [*JOBCTL, "up", "--until-idle", "--no-dashboard"]
        seconds = timed(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, env=environment, check=True))
        with store_of(home) as store:
            assert store.jobs.counts()["completed"] == count
    return count / seconds


def huey_rate(python: str, count: int) -> float:
    """Tasks a second of a huey consumer, from its start to an empty queue."""
    with throwaway_home() as home:
        Path(home.path, "tasks.py").write_text(HUEY.format(path=f"{home.path}/huey.db"))
        environment = {**os.environ, "PYTHONPATH": home.path}
        fill = f"import tasks\nfor _ in range({count}): tasks.noop()"
        subprocess.run([python, "-c", fill], env=environment, check=True)
        consumer = os.path.join(os.path.dirname(python), "huey_consumer")
        began = time.perf_counter()
        process = subprocess.Popen(
            [consumer, "tasks.huey", "-w", "2", "-k", "process", "-q"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            left = "import tasks, time\nwhile tasks.huey.pending_count(): time.sleep(0.02)"
            subprocess.run([python, "-c", left], env=environment, check=True, timeout=300)
            return count / (time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait()


def memory() -> None:
    """What a warm worker takes that has done something small."""
    with throwaway_home() as home:
        Path(home.path, "toys.py").write_text(TOYS)
        Path(home.path, "jobctl.yaml").write_text("settings: {modules: [toys]}\n")
        with supervisor(home), store_of(home) as store:
            (job_id,) = add_calls(store, home, "toys:noop", 1)
            wake(home)
            wait_until(lambda: store.jobs.statuses([job_id])[job_id].is_terminal)
            ((number, _),) = store.workers.unended()
            tag = Identities(store).worker_tag(number)
            (entry,) = ProcessTable.read().tagged[tag]
            figure("memory of a warm worker", f"{entry.rss_bytes / (1 << 20):.0f} MiB")


def warm_start(python: str) -> None:
    """The import of numpy in a new process, and in a worker that has done it before."""
    cold = min(timed(lambda: subprocess.run([python, "-c", "import numpy"], check=True)) for _ in range(3))
    with throwaway_home() as home:
        Path(home.path, "toys.py").write_text(TOYS)
        Path(home.path, "jobctl.yaml").write_text(
            f"settings: {{worker_python: {python}, max_workers: 1, modules: [toys]}}\n"
        )
        with supervisor(home), store_of(home) as store:
            spans = [_called(store, home) for _ in range(5)]
    figure("python -c 'import numpy'", milliseconds(cold))
    figure("the same as a function, in a new worker", milliseconds(spans[0]))
    figure("the same in a warm worker", f"{milliseconds(min(spans[1:]))} from submit to end")


def _called(store: Store, home: Home) -> float:
    began = time.perf_counter()
    (job_id,) = add_calls(store, home, "toys:heavy", 1)
    wake(home)
    wait_until(lambda: store.jobs.statuses([job_id])[job_id].is_terminal)
    seconds = time.perf_counter() - began
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.error is None, job.error
    return seconds


if __name__ == "__main__":
    main()
