"""Batches on a terminal. Imports Rich."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobctl.model.batches import Batch
from jobctl.model.jobs import Job
from jobctl.model.states import JobStatus
from jobctl.views.batches import item_number
from jobctl.views.instants import ago
from jobctl.views.job_tables import LEAST_NAME, LEAST_STATUS, STYLES
from jobctl.views.jobs import SYMBOLS, exit_text, status_text
from jobctl.views.tables import Column, bar
from jobctl.views.text import printable

Pair = tuple[Batch, Job]

_BAR_CELLS = 8
_DROPS: Mapping[JobStatus, int] = {
    JobStatus.CREATED: 6,
    JobStatus.QUEUED: 5,
    JobStatus.RUNNING: 3,
    JobStatus.COMPLETED: 7,
    JobStatus.FAILED: 1,
    JobStatus.CANCELLED: 4,
    JobStatus.TIMEOUT: 1,
}


def batch_columns(now_ms: int) -> list[Column[Pair]]:
    """The columns of ``batch list``; a count of none is a blank."""
    return [
        Column("id", lambda pair: str(pair[1].id), right=True),
        Column("name", lambda pair: printable(pair[1].name), flexible=True, least=LEAST_NAME),
        Column(
            "status",
            lambda pair: f"{SYMBOLS[pair[1].status]} {status_text(pair[1])}",
            flexible=True,
            least=LEAST_STATUS,
            style=lambda pair: STYLES[pair[1].status],
        ),
        Column("ended", _ended, drop=2),
        *(_count(status) for status in JobStatus),
        Column("submitted", lambda pair: ago(pair[1].created_at, now_ms), drop=3),
    ]


def _ended(pair: Pair) -> str:
    batch = pair[0]
    return f"{bar(batch.ended, batch.total, _BAR_CELLS)} {batch.ended}/{batch.total}"


def _count(status: JobStatus) -> Column[Pair]:
    count: Callable[[Pair], int] = lambda pair: getattr(pair[0], status.value)  # noqa: E731
    return Column(
        f"{SYMBOLS[status]} {status.value}",
        lambda pair: str(count(pair) or ""),
        drop=_DROPS[status],
        right=True,
        style=lambda _: STYLES[status],
    )


def failed_columns(batch: Batch) -> list[Column[Job]]:
    """The columns of the items that failed, in ``batch show``."""
    return [
        Column("#", lambda job: str(item_number(batch, job)), right=True),
        Column("job", lambda job: str(job.id), right=True),
        Column(
            "status",
            lambda job: f"{SYMBOLS[job.status]} {status_text(job)}",
            flexible=True,
            least=LEAST_STATUS,
            style=lambda job: STYLES[job.status],
        ),
        Column("exit", exit_text, drop=1, right=True),
        Column("item", lambda job: printable(job.spec.item or ""), flexible=True),
        Column("error", lambda job: printable(job.error or ""), drop=2, flexible=True, least=16),
    ]
