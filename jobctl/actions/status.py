"""How a home stands: its supervisor, counts, what runs and what is next."""

from __future__ import annotations

from jobctl.actions.supervisors import running_supervisor, supervisor_runs
from jobctl.model.filters import JobFilter
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.states import JobStatus
from jobctl.store import Store
from jobctl.views.supervisors import Status

_MOST_UPCOMING = 10
_MOST_RUNNING = 100


def home_status(home: Home, store: Store | None) -> Status:
    """How it stands now; ``store`` is None where none was made yet."""
    if store is None:
        counts = dict.fromkeys((status.value for status in JobStatus), 0)
        return Status(None, supervisor_runs(home), counts, (), (), ())
    life = running_supervisor(store)
    return Status(
        life=life,
        runs=life is not None or supervisor_runs(home),
        counts=store.jobs.counts(),
        queues=store.queues.list(),
        running=running_jobs(store),
        upcoming=store.jobs.upcoming(_MOST_UPCOMING),
        daemons=store.daemons.all(),
        workers=store.workers.figures(),
        schedules=store.schedules.upcoming(_MOST_UPCOMING),
    )


def running_jobs(store: Store) -> list[Job]:
    """What runs, the first hundred of it."""
    return store.jobs.list(JobFilter(statuses=(JobStatus.RUNNING,), limit=_MOST_RUNNING))
