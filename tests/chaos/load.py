"""Many simulated function jobs of every temper through one supervisor; then each must have ended as it had to.

    python -m tests.chaos.load --jobs 500 [--seed N]

``demo.simulate`` takes its time, fails, crashes, hangs, ignores its cancellation, fills memory, loses items. What each
job has to end as is known beforehand. The seed is printed first.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobctl.model.filters import JobFilter
from jobctl.model.jobs import Job
from jobctl.model.states import JobStatus
from tests.support.cli import cli_environment
from tests.support.supervisors import Site, starts_and_ends

FUNCTION = "jobctl.builtin_functions.demo:simulate"


@dataclass(frozen=True, slots=True)
class Temper:
    """A kind of job: how often it comes, what it is given, and how it has to end."""

    share: int
    args: dict[str, Any]
    options: dict[str, Any]
    holds: Callable[[Job], bool]


def _ended(status: JobStatus, **wanted: object) -> Callable[[Job], bool]:
    return lambda job: (
        job.status is status and all(getattr(job, key) == value for key, value in wanted.items())
    )


COMPLETED, FAILED, TIMEOUT = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.TIMEOUT
TEMPERS = {
    "quick": Temper(60, {"seconds": 0}, {}, _ended(COMPLETED, attempt=1)),
    "usual": Temper(15, {"seconds": 0.01, "distribution": "lognormal"}, {}, _ended(COMPLETED, attempt=1)),
    "busy": Temper(5, {"seconds": 0.02, "cpu": 1.0, "memory": 8 << 20}, {}, _ended(COMPLETED)),
    "items": Temper(
        6, {"seconds": 0.01, "items": 20, "item_failure_rate": 1.0}, {},
        lambda job: job.status is COMPLETED and (job.progress.items_done, job.progress.items_failed) == (20, 20),
    ),
    "failing": Temper(
        8, {"seconds": 0, "failure_rate": 1}, {"attempts": 2, "retry_delay": 0}, _ended(FAILED, attempt=2)
    ),
    "leaving": Temper(2, {"seconds": 0, "crash": "7"}, {}, _ended(FAILED, exit_code=7)),
    "crashing": Temper(2, {"seconds": 0, "crash": "SEGV"}, {}, _ended(FAILED, signal="SIGSEGV")),
    "hanging": Temper(1, {"seconds": 0, "hang": True}, {"timeout": 0.3}, _ended(TIMEOUT)),
    "deaf": Temper(
        1, {"seconds": 0, "hang": True, "ignore_cancellation": True}, {"timeout": 0.3, "grace": 0.3}, _ended(TIMEOUT)
    ),
}  # fmt: skip


def requests(count: int, seed: int) -> list[dict[str, Any]]:
    """Lines of ``submit --jsonl``, each kind at least once."""
    chance = random.Random(seed)
    names = [*TEMPERS, *chance.choices(list(TEMPERS), [one.share for one in TEMPERS.values()], k=count)]
    chance.shuffle(names)
    return [
        {
            "name": name,
            "call": FUNCTION,
            "args": {**TEMPERS[name].args, "seed": seed},
            **TEMPERS[name].options,
        }
        for name in names[: max(count, len(TEMPERS))]
    ]


def run(site: Site, count: int, seed: int) -> list[str]:
    """What was wrong; the figures are printed."""
    lines = "".join(json.dumps(one) + "\n" for one in requests(count, seed))
    environment = cli_environment(site.home.path, {"JOBCTL_CONCURRENCY": "4"})
    submit = [sys.executable, "-m", "jobctl", "submit", "-q", "--jsonl", "-"]
    subprocess.run(submit, input=lines.encode(), env=environment, capture_output=True, check=True)
    began = time.monotonic()
    up = site.up("--until-idle", "--no-dashboard")
    while up.poll() is None:
        time.sleep(0.1)
    seconds = time.monotonic() - began
    jobs = site.store.jobs.list(JobFilter())
    wrong = [_wrong(job) for job in jobs if not TEMPERS[job.name].holds(job)]
    for job in jobs:
        counted = starts_and_ends(site.events(job.id))
        if any(pair != (1, 1) for pair in counted.values()) or len(counted) != job.attempt:
            wrong.append(f"job {job.id} {job.name}: starts and ends {counted}")
    found = ", ".join(f"{count} {name}" for name, count in Counter(job.name for job in jobs).most_common())
    left = len(site.processes())
    wrong += [f"{left} processes are left"] if left else []
    print(f"{len(jobs)} jobs in {seconds:.1f} s ({len(jobs) / seconds:.0f}/s): {found}; {len(wrong)} wrong")
    return wrong


def _wrong(job: Job) -> str:
    return f"job {job.id} {job.name}: {job.status} {job.reason} {job.exit_code} {job.signal} {job.attempt} {job.error}"


def main() -> None:
    """The command line; exit 1 if a job ended otherwise than it had to."""
    parser = argparse.ArgumentParser(description="Simulated function jobs of every temper.")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobctl-load-") as root:
        site = Site(Path(root))
        try:
            wrong = run(site, options.jobs, options.seed)
        finally:
            site.close()
    print("\n".join(wrong[:50]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
