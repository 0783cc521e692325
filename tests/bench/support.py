"""What benches share: throw-away homes, a spawned supervisor, and figures printed with the machine's load."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jobctl.actions.callers import caller_context
from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from jobctl.store import Store
from tests.support.cli import cli_environment
from tests.support.waiting import wait_until

JOBCTL = (sys.executable, "-m", "jobctl")


def headline(name: str) -> None:
    """Which bench this is and what the machine is doing besides."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"\n{name}: {os.cpu_count()} cores, load {load}, Python {python}", flush=True)


def figure(label: str, text: str) -> None:
    """One line of the result."""
    print(f"  {label:<46} {text}", flush=True)


def milliseconds(seconds: float) -> str:
    """A short time for people."""
    return f"{seconds * 1000:.2f} ms"


@contextmanager
def throwaway_home() -> Iterator[Home]:
    """A new home that is gone afterwards."""
    path = tempfile.mkdtemp(prefix="jobctl-bench-")
    try:
        yield Home(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def jobctl(home: Home, *words: str, text: str = "") -> str:
    """``jobctl words…`` succeeded; its standard output."""
    done = subprocess.run(
        [*JOBCTL, *words],
        input=text.encode(),
        capture_output=True,
        env=cli_environment(home.path),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@contextmanager
def supervisor(home: Home, *flags: str, open_files: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor runs for ``home``; with ``open_files`` under ``ulimit -n`` of that number."""
    words = [*JOBCTL, "up", *flags]
    if open_files is not None:
        words = ["/bin/sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh", *words]
    with open(f"{home.path}.log", "wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=cli_environment(home.path)
        )
    try:
        wait_until(lambda: b"supervisor for" in Path(log.name).read_bytes(), seconds=60)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.unlink(log.name)


@contextmanager
def store_of(home: Home) -> Iterator[Store]:
    """The open store of ``home``, made if need be."""
    with Store.open(home, SystemClock(), create=True) as store:
        yield store


def submission(home: Home, *command: str) -> Submission:
    """One checked job, as ``submit -- command…`` makes it."""
    context = caller_context(home.path, SystemClock().now_ms())
    return SubmissionBuilder(context, Settings(), lambda: ["default"]).build(JobRequest(command=command))


def timed(call: Callable[[], object]) -> float:
    """The seconds one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> str:
    """Median, least and 95th percentile of seconds."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    median = statistics.median(values)
    return f"median {milliseconds(median)}, least {milliseconds(ordered[0])}, p95 {milliseconds(p95)}"


def number_argument(default: int) -> int:
    """The whole number given on the command line, else ``default``."""
    return int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else default
