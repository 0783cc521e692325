"""Waiting for the end of jobs."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.actions.changes import ChangeWatch
from jobctl.model.jobs import Job
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store

REFUSED = 125
"""The exit code of ``run`` where the job has none: jobctl itself failed or refused."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A job has ended, or (``job`` is None) is no longer there."""

    id: JobId
    job: Job | None

    @property
    def completed(self) -> bool:
        """Whether the job did what was asked."""
        return self.job is not None and self.job.status is JobStatus.COMPLETED


class Wait:
    """Some jobs and which of them have not ended yet; ``poll`` takes 20 µs while nothing changes."""

    def __init__(self, store: Store, ids: Sequence[JobId], watch: ChangeWatch | None = None) -> None:
        self._store = store
        self.watch = watch or ChangeWatch(store)
        self.pending: set[JobId] = set(ids)

    def poll(self) -> list[Ending]:
        """What has ended since the last call, in the order of the ends."""
        if not self.pending or not self.watch.changed():
            return []
        statuses = self._store.jobs.statuses(sorted(self.pending))
        over = [
            job_id
            for job_id in sorted(self.pending)
            if job_id not in statuses or statuses[job_id].is_terminal
        ]
        endings = []
        for job_id in over:
            job = self._store.jobs.get(job_id)
            if job is None or job.status.is_terminal:  # it may have been retried between the two reads
                endings.append(Ending(job_id, job))
                self.pending.discard(job_id)
        return sorted(endings, key=_ended_at)


def _ended_at(ending: Ending) -> tuple[int, int]:
    return (ending.job.finished_at or 0 if ending.job else 0, ending.id)


def exit_code_of(job: Job) -> int:
    """The exit code of ``run`` for an ended job (CLI.md)."""
    if job.status is JobStatus.COMPLETED:
        return 0
    if job.status is JobStatus.TIMEOUT:
        return 124
    if job.status is JobStatus.CANCELLED:
        return 128 + signal.SIGTERM
    if job.exit_code:
        return job.exit_code
    return REFUSED if job.signal is None else 128 + _number_of(job.signal)


def _number_of(name: str) -> int:
    """``SIGKILL`` is 9; a real-time signal without a name of its own is stored as ``SIG40``."""
    try:
        return int(signal.Signals[name])
    except KeyError:
        return int(name.removeprefix("SIG"))
