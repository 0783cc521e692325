"""Gathers the figures that monitoring systems collect."""

from __future__ import annotations

from jobctl import __version__
from jobctl.actions.statistics import count_up
from jobctl.actions.supervisors import running_supervisor
from jobctl.model.metrics import Metrics
from jobctl.model.statistics import Dimension, Period
from jobctl.store import Store
from jobctl.store.figures import figures_of


def metrics_of(store: Store, now: int) -> Metrics:
    """How the home stands, and all that was ever counted; counters never go down, also when jobs are pruned."""
    count_up(store, now)
    life, ever, file = running_supervisor(store), Period(None, now), figures_of(store.database)
    return Metrics(
        version=__version__,
        counts=store.jobs.counts(),
        queues=store.queues.list(),
        ever=store.statistics.totals(ever, now),
        by_queue=store.statistics.groups(Dimension.QUEUE, ever, now),
        by_type=store.statistics.groups(Dimension.TYPE, ever, now),
        daemons=store.daemons.all(),
        schedules=store.schedules.list(),
        supervisor_started_at=None if life is None else life.started_at,
        store_bytes=file.size_bytes,
        wal_bytes=file.wal_bytes,
    )
