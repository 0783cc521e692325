"""A ledger: jobs append what they do to a file, and its lines are checked against the store afterwards.

A job's line is one ``write`` with O_APPEND, so lines never mix. A job holds ``flock`` on a file of its own
while it runs: whoever does not get it at once runs beside another attempt of the same job.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from jobctl.model.attempts import Attempt, Outcome
from jobctl.model.events import Entity
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from tests.support.supervisors import starts_and_ends

SCRIPT = """
exec 9>>"$0/lock.$JOBCTL_JOB_ID"
flock -n 9 || echo "overlap $JOBCTL_JOB_ID $JOBCTL_ATTEMPT" >>"$0/ledger"
echo "start $JOBCTL_JOB_ID $JOBCTL_ATTEMPT" >>"$0/ledger"
sleep "$2"
echo "end $JOBCTL_JOB_ID $JOBCTL_ATTEMPT $1" >>"$0/ledger"
exit "$1"
"""
"""Arguments: the ledger's directory as ``$0``, the exit code, how many seconds to run."""


def ledger_command(directory: Path, code: int, seconds: float) -> tuple[str, ...]:
    """The argv of a job that keeps the ledger."""
    return ("/bin/sh", "-c", SCRIPT, str(directory), str(code), f"{seconds:.3f}")


@dataclass(slots=True)
class Findings:
    """What is wrong, in words; all lists are empty when every promise held."""

    lost: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    attempts: int = 0
    restarted: int = 0
    """Attempts beyond the first of a job, whatever the reason."""

    @property
    def problems(self) -> list[str]:
        """Everything that breaks a promise."""
        return [*self.lost, *self.overlapping, *self.doubled, *self.untrue, *self.unbalanced]


def check_ledger(store: Store, directory: Path, codes: dict[JobId, int], *, once: bool) -> Findings:
    """What the ledger and the store say of the jobs that were acknowledged.

    Args:
        store: where the facts are.
        directory: where the ledger is.
        codes: the exit code that each acknowledged job was told to end with.
        once: no process of a job was ever killed, so no job may have been started twice.
    """
    found = Findings()
    lines = [line.split() for line in (directory / "ledger").read_text().splitlines()]
    begun = Counter((int(line[1]), int(line[2])) for line in lines if line[0] == "start")
    ended = Counter((int(line[1]), int(line[2])) for line in lines if line[0] == "end")
    found.overlapping = [" ".join(line) for line in lines if line[0] == "overlap"]
    for job_id, code in codes.items():
        _check_job(store, job_id, code, begun, ended, found, once=once)
    return found


def _check_job(
    store: Store,
    job_id: JobId,
    code: int,
    begun: Counter[tuple[int, int]],
    ended: Counter[tuple[int, int]],
    found: Findings,
    *,
    once: bool,
) -> None:
    job = store.jobs.get(job_id)
    if job is None or not job.status.is_terminal:
        found.lost.append(f"job {job_id} is {job.status.value if job else 'gone'}")
        return
    attempts = store.attempts.of(job_id)
    found.attempts += len(attempts)
    found.restarted += len(attempts) - 1
    starts = sum(count for (number, _), count in begun.items() if number == job_id)
    twice = any(count > 1 for (number, _), count in begun.items() if number == job_id)
    if twice or (once and (starts != 1 or len(attempts) != 1)):
        found.doubled.append(f"job {job_id} started {starts} times in {len(attempts)} attempts")
    for attempt in attempts:
        _check_attempt(attempt, code, ended, found)
    expected = (JobStatus.COMPLETED, 0) if code == 0 else (JobStatus.FAILED, code)
    if job.reason != "lost" and (job.status, job.exit_code) != expected:
        found.untrue.append(f"job {job_id}: {job.status.value} {job.exit_code}, not {expected[1]}")
    counts = starts_and_ends(store.events.about(Entity.JOB, job_id))
    if counts != {attempt.number: (1, 1) for attempt in attempts}:
        found.unbalanced.append(f"job {job_id}: events {counts} of {len(attempts)} attempts")


def _check_attempt(attempt: Attempt, code: int, ended: Counter[tuple[int, int]], found: Findings) -> None:
    """A recorded code is the true one and its last line was written; without a code it was lost."""
    name = f"job {attempt.job_id} attempt {attempt.number}"
    if attempt.finished_at is None or attempt.outcome is None:
        found.unbalanced.append(f"{name} never ended")
    elif attempt.outcome is Outcome.LOST:
        if attempt.exit_code is not None:
            found.untrue.append(f"{name} is lost with the code {attempt.exit_code}")
    elif attempt.exit_code != code or not ended[(attempt.job_id, attempt.number)]:
        found.untrue.append(f"{name} has the code {attempt.exit_code}, not {code}, or never wrote its end")
