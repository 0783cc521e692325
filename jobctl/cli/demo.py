"""``jobctl demo``: the main job on real input, in a throw-away home."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from jobctl.cli.invocation import Invocation
from jobctl.errors import BadInputError, JobctlError, UnusableError
from jobctl.model.filters import JobFilter, SortKey
from jobctl.model.homes import Home
from jobctl.model.states import JobStatus
from jobctl.store import Store
from jobctl.views.demo import DemoScreen, DemoTotals

FILES_A_JOB = 40
_NOT_LIBRARY = frozenset({"site-packages", "dist-packages", "__pycache__"})
_FLAKY = 'test -e "$FLAG" && echo "second attempt: fine" && exit; : >"$FLAG"; echo "first attempt: fails" >&2; exit 1'

_SIMULATE = "jobctl.builtin_functions.demo:simulate"
_SIMULATED = {"seconds": 0.2, "items": 20, "item_failure_rate": 0.1, "seed": 7}


def demo(
    call: Invocation,
    directory: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help="What to checksum; else Python's standard library.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's home and say where it is.")] = False,
    concurrency: Annotated[str, typer.Option("--concurrency", metavar="N", help="Jobs at once.")] = "4",
) -> int:
    """Checksum every file under DIR as many small jobs, with live progress; nothing of yours is touched.

    A real batch through the real store and supervisor, in a throw-away home, with one job that fails at first
    and is retried, and one that is a Python function in a warm worker.

    \b
    Examples:
      jobctl demo
      jobctl demo ~/Pictures
      jobctl demo --keep /usr/share/doc
    """
    top = os.path.realpath(directory) if directory is not None else os.path.dirname(os.__file__)
    if not os.path.isdir(top):
        raise BadInputError("not a directory", directory, "name a directory with files", "E_DIRECTORY")
    jobs, files = _jobs(top, library=directory is None)
    home = Home(tempfile.mkdtemp(prefix="jobctl-demo-"))
    try:
        totals = _tour(call, home, top, jobs, files, concurrency)
    finally:
        if not keep:
            shutil.rmtree(home.path, ignore_errors=True)
    if call.json:
        call.print_json(totals.as_json())
    elif keep:
        call.print(f"kept: jobctl --home {home.path} list")
    return 0 if totals.succeeded else 1


def _tour(
    call: Invocation, home: Home, top: str, jobs: list[dict[str, object]], files: int, concurrency: str
) -> DemoTotals:
    began = time.monotonic()
    jobs.append(
        {
            "name": "flaky", "shell": _FLAKY, "env": {"FLAG": f"{home.path}/flag"}, "attempts": 3,
            "retry_delay": 0.3, "tags": ["demo"],
        }
    )  # fmt: skip
    jobs.append({"name": "simulated", "call": _SIMULATE, "args": _SIMULATED, "tags": ["demo"]})
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    _jobctl(home, "submit", "-q", "--jsonl", "-", text=text)
    screen = DemoScreen(top, files, len(jobs), live=call.is_terminal and not call.json, quiet=call.json)
    with open(f"{home.path}/up.log", "wb") as log, call.at(home).store() as store, screen:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "jobctl", "--home", home.path, "up", "--until-idle", "--concurrency", concurrency],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(),
        )  # fmt: skip
        try:
            while supervisor.poll() is None:
                running = store.jobs.list(JobFilter(statuses=_RUNNING, limit=8))
                screen.update(store.jobs.counts(), running, call.clock.now_ms())
                time.sleep(0.1)
        except BaseException:
            supervisor.terminate()
            supervisor.wait()
            raise
        totals = _totals(store, files, time.monotonic() - began)
        screen.update(store.jobs.counts(), [], call.clock.now_ms())
    if supervisor.returncode != 0:
        raise UnusableError("the demo's supervisor failed", supervisor.returncode, f"see {home.path}/up.log")
    screen.final(totals)
    return totals


def _totals(store: Store, files: int, seconds: float) -> DemoTotals:
    counts = store.jobs.counts()
    retried = [job for job in store.jobs.list(JobFilter(name="flaky")) if job.attempt > 1]
    slowest = store.jobs.list(JobFilter(sort=SortKey.DURATION, limit=3))
    return DemoTotals(
        files=files, checksums=_checksums(store), jobs=sum(counts.values()), completed=counts["completed"],
        failed=counts["failed"] + counts["timeout"] + counts["cancelled"], retried=len(retried), seconds=seconds,
        slowest=[(job.name, ((job.finished_at or 0) - (job.started_at or 0)) / 1000) for job in slowest],
    )  # fmt: skip


def _checksums(store: Store) -> int:
    """How many checksums the jobs printed into their logs."""
    total = 0
    for job in store.jobs.list(JobFilter(tags=("checksum",))):
        with open(f"{store.home.attempt(job.id, job.attempt)}/output.log", "rb") as log:
            total += log.read().count(b"\n")
    return total


def _jobs(top: str, *, library: bool) -> tuple[list[dict[str, object]], int]:
    """One job for each directory (or 40 files of it), and how many files there are."""
    jobs: list[dict[str, object]] = []
    total = 0
    for folder, names in _folders(top, library=library):
        total += len(names)
        label = os.path.relpath(folder, top) if folder != top else os.path.basename(top) or "root"
        for start in range(0, len(names), FILES_A_JOB):
            words = ["cksum", *(f"./{name}" for name in names[start : start + FILES_A_JOB])]
            jobs.append(
                {"name": _label(label), "command": words, "cwd": folder, "tags": ["demo", "checksum"]}
            )
    if not total:
        raise BadInputError("no files under", top, "name a directory with files", "E_DIRECTORY")
    return jobs, total


_RUNNING = (JobStatus.RUNNING,)


def _folders(top: str, *, library: bool) -> Iterator[tuple[str, list[str]]]:
    for folder, below, names in os.walk(top):
        below[:] = sorted(name for name in below if not (library and name in _NOT_LIBRARY))
        regular = [name for name in sorted(names) if _is_plain_file(os.path.join(folder, name))]
        if regular:
            yield folder, regular


def _is_plain_file(path: str) -> bool:
    """Readable, regular, and of a name without line breaks (a checksum is one line)."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and os.access(path, os.R_OK) and "\n" not in path
    except OSError:
        return False


def _label(text: str) -> str:
    clean = (
        "".join(ch if ch.isprintable() and ch != "," else "_" for ch in text)[-100:].lstrip(".-@ ").rstrip()
    )
    return clean if clean and not clean.isdigit() else f"folder {clean}".rstrip()


def _jobctl(home: Home, *words: str, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobctl", "--home", home.path, *words], input=text.encode(), capture_output=True,
        env=_environment(), check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise JobctlError(
            "the demo could not submit its jobs", done.stderr.decode("utf-8", "replace").strip()
        )


def _environment() -> dict[str, str]:
    """Not what an enclosing job or home says: the demo has its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOBCTL_")}
