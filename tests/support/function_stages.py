"""What tests of function jobs ask of a stage: settings, ends, gates and the workers there are."""

from __future__ import annotations

from pathlib import Path

from jobctl.model.states import JobId
from jobctl.settings import Settings
from jobctl.supervisor.kept_worker import KeptWorker
from jobctl.supervisor.supervisor import Supervisor
from tests.support.functions import call
from tests.support.supervisors import Stage

ONE = Settings(max_workers=1, modules=("toys",))
TWO = Settings(max_workers=2, modules=("toys",))


def all_ended(stage: Stage, ids: list[JobId]) -> bool:
    """Whether each of the jobs has ended."""
    return all(status.is_terminal for status in stage.store.jobs.statuses(ids).values())


def finish(stage: Stage, supervisor: Supervisor, *ids: JobId, tick: float = 0.0) -> None:
    """Each of the jobs has ended."""
    stage.turn_until(supervisor, lambda: all_ended(stage, list(ids)), tick=tick)


def running_worker(stage: Stage, supervisor: Supervisor, job_id: JobId) -> KeptWorker:
    """The worker that has begun the job, whose start is on record."""
    stage.turn_until(supervisor, lambda: stage.attempts(job_id) and job_id in supervisor.active)
    (worker,) = [
        w for w in supervisor.workers.kept.values() if w.current and w.current.claim.job_id == job_id
    ]
    return worker


def warm_up(stage: Stage, supervisor: Supervisor) -> None:
    """Calls named quick are known to be short: they are handed ahead from now on."""
    for _ in range(3):
        finish(stage, supervisor, call(stage, "noop", name="quick"))


def gate(stage: Stage, name: str = "gate") -> Path:
    """A file that a call can wait for to vanish."""
    path = stage.root / name
    path.touch()
    return path


def workers_of(supervisor: Supervisor) -> list[KeptWorker]:
    """Those that live."""
    return [worker for worker in supervisor.workers.kept.values() if not worker.gone]
