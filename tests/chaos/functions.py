"""Kill -9 supervisors, workers and both, at random, under many short functions that keep a ledger.

    python -m tests.chaos.functions [--jobs 5000] [--kills 100] [--seed N]

Each call appends ``begin`` and ``end`` lines with O_APPEND and holds a lock of its own job while it runs. Then the
ledger and the store are compared: none ran twice at once, none is lost, every end on record was written, and a job has
no more attempts than the ledger has begins of it: what was handed ahead and never begun is not burnt.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from jobctl.actions.supervisors import wake
from jobctl.executors.processes import ProcessTable
from jobctl.model.specs import OnCrash, RetryPolicy
from jobctl.model.states import JobId, JobStatus
from jobctl.supervisor.identities import Identities
from tests.support.functions import add_toys, call_submission
from tests.support.supervisors import Site, starts_and_ends
from tests.support.waiting import wait_until

MODULE = """
import fcntl, os, time
from jobctl import context

def entry(root, text):
    fd = os.open(root + "/ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (text + chr(10)).encode())
    os.close(fd)

def keep(root, seconds):
    who = os.environ["JOBCTL_JOB_ID"] + " " + os.environ["JOBCTL_ATTEMPT"]
    lock = os.open(root + "/locks/" + os.environ["JOBCTL_JOB_ID"], os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        entry(root, "overlap " + who)
    entry(root, "begin " + who)
    if seconds:
        time.sleep(seconds)
    entry(root, "end " + who)
    os.close(lock)
    return seconds
"""
END_SECONDS = 300.0


@dataclass(slots=True)
class Outcome:
    """What was done and found; without problems every promise held."""

    seed: int
    jobs: int
    kills: Counter[str]
    attempts: int
    seconds: float
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The summary."""
        kills = ", ".join(f"{count} of {what}" for what, count in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {self.jobs} jobs, {self.kills.total()} kills ({kills}), {self.attempts} attempts,"
            f" {len(self.problems)} problems, {self.seconds:.0f} s"
        )


class FunctionChaos:
    """One run on one home."""

    def __init__(self, root: Path, seed: int) -> None:
        self.site = Site(root)
        self._root = root
        self._random = random.Random(seed)
        self._seed = seed
        self._identities = Identities(self.site.store)
        (root / "locks").mkdir()
        add_toys(self.site, MODULE)
        Path(self.site.home.path, "jobctl.yaml").write_text("settings: {modules: [toys]}\n")

    def run(self, jobs: int, kills: int) -> Outcome:
        """The kills have been made, every job has ended and was checked."""
        began = time.monotonic()
        killed: Counter[str] = Counter()
        try:
            supervisor = self.site.up()
            ids: list[JobId] = []
            for left in range(kills, 0, -1):
                before = self._entries()
                ids += self._submit((jobs - len(ids)) // left)
                if self._random.random() < 0.8:  # else it dies while workers start: a place like any other
                    wait_until(partial(self._has_more, before))
                time.sleep(self._random.choice((0.02, 0.05, 0.15)) * self._random.random())
                what = self._random.choices(("the supervisor", "a worker", "both"), (40, 40, 20))[0]
                killed[what] += 1
                if what != "the supervisor":
                    self._kill_worker()
                if what != "a worker":
                    self.site.kill(supervisor)
                    supervisor = self.site.up()
            wait_until(lambda: not self._left(ids), seconds=END_SECONDS)
            problems, attempts = self._check(ids)
            supervisor.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                supervisor.wait(timeout=60)
        finally:
            self.site.close()
        return Outcome(self._seed, jobs, killed, attempts, time.monotonic() - began, problems)

    def _has_more(self, before: int) -> bool:
        return self._entries() > before

    def _entries(self) -> int:
        try:
            return (self._root / "ledger").stat().st_size
        except FileNotFoundError:
            return 0

    def _submit(self, jobs: int) -> list[JobId]:
        """Most do nothing, some take a moment; whatever ends an attempt from outside, it is tried again."""
        wanted = []
        for _ in range(jobs):
            # A long one among short ones of its name has others behind it: they are recalled.
            seconds = self._random.choices((0.0, 0.003, 0.03, 0.6), (60, 30, 9, 1))[0]
            wanted.append(
                call_submission(
                    self.site,
                    "keep",
                    {"root": str(self._root), "seconds": seconds},
                    name="keep",
                    retry=RetryPolicy(attempts=200, delay_seconds=0.01, backoff=1),
                    on_crash=OnCrash.RETRY,
                )
            )
        with self.site.store.write():
            stored = self.site.store.submissions.submit(wanted, self.site.clock.now_ms())
        wake(self.site.home)
        return [one.id for one in stored]

    def _kill_worker(self) -> None:
        """One of those that live, if any does."""
        table = ProcessTable.read()
        tags = [self._identities.worker_tag(number) for number, _ in self.site.store.workers.unended()]
        found = [entry for tag in tags for entry in table.tagged.get(tag, ())]
        if found:
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(found).pid, signal.SIGKILL)

    def _left(self, ids: list[JobId]) -> int:
        counts = self.site.store.jobs.counts()
        return len(ids) - sum(counts[status.value] for status in JobStatus if status.is_terminal)

    def _check(self, ids: list[JobId]) -> tuple[list[str], int]:
        lines = [line.split() for line in (self._root / "ledger").read_text().splitlines()]
        problems = [" ".join(line) for line in lines if line[0] == "overlap"]
        begun = Counter((int(line[1]), int(line[2])) for line in lines if line[0] == "begin")
        ended = Counter((int(line[1]), int(line[2])) for line in lines if line[0] == "end")
        problems += [
            f"job {job} attempt {number} began {n} times" for (job, number), n in begun.items() if n > 1
        ]
        total = 0
        for job_id in ids:
            job, attempts = self.site.store.jobs.get(job_id), self.site.store.attempts.of(job_id)
            total += len(attempts)
            if job is None or job.status is not JobStatus.COMPLETED:
                state = "gone" if job is None else f"{job.status.value} ({job.reason}): {job.error}"
                problems.append(f"job {job_id} is {state}")
                continue
            if not ended[(job_id, job.attempt)]:
                problems.append(f"job {job_id} attempt {job.attempt} is on record and never wrote its end")
            for attempt in attempts:
                # Killed between its record and its first line, an attempt has begun without the ledger's knowing.
                if attempt.finished_at is None:
                    problems.append(f"job {job_id} attempt {attempt.number} never ended")
                if attempt.outcome == "completed" and not begun[(job_id, attempt.number)]:
                    problems.append(f"job {job_id} attempt {attempt.number} completed and never began")
            problems += self._unbalanced(job_id, len(attempts))
        silent = total - len(begun)
        if silent > max(20, len(ids) // 100):
            problems.append(f"{silent} attempts were burnt without a begin")
        return problems, total

    def _unbalanced(self, job_id: JobId, attempts: int) -> list[str]:
        counts = starts_and_ends(self.site.events(job_id))
        wanted = dict.fromkeys(range(1, attempts + 1), (1, 1))
        return [] if counts == wanted else [f"job {job_id}: events {counts} of {attempts} attempts"]


def main() -> int:
    """0 if every promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobctl-chaos-") as root:
        outcome = FunctionChaos(Path(root), options.seed).run(options.jobs, options.kills)
    print(outcome.line)
    for problem in outcome.problems[:50]:
        print(f"  {problem}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
