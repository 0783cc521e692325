"""Jobs on a terminal: a table as wide as it, with symbols, colours and bars. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from jobctl.model.jobs import Job
from jobctl.model.states import JobKind, JobStatus
from jobctl.views.instants import ago, length
from jobctl.views.jobs import (
    SYMBOLS,
    duration_of,
    exit_text,
    progress_text,
    result_text,
    started_text,
    status_text,
)
from jobctl.views.tables import Column, bar, table_of
from jobctl.views.text import printable

STYLES = {
    JobStatus.CREATED: "dim",
    JobStatus.QUEUED: "cyan",
    JobStatus.RUNNING: "bold blue",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.CANCELLED: "yellow",
    JobStatus.TIMEOUT: "bold magenta",
}

LEAST_NAME = 12
LEAST_STATUS = 11
"""``✓ completed``: a reason may be cut."""
_BAR_CELLS = 8


def jobs_table(jobs: Sequence[Job], now_ms: int, width: int) -> Table:
    """The jobs in at most ``width`` cells, one line each; nothing in them is read as markup."""
    return table_of(job_columns(now_ms), jobs, width)


def job_columns(now_ms: int) -> list[Column[Job]]:
    """The columns of ``list``."""
    return [
        Column("id", lambda job: str(job.id), right=True),
        Column("name", lambda job: printable(job.name), flexible=True, least=LEAST_NAME),
        Column("kind", lambda job: "" if job.kind is JobKind.COMMAND else job.kind.value, drop=7),
        status_column(),
        Column("queue", lambda job: printable(job.queue), drop=5),
        Column("pri", lambda job: str(job.priority), drop=6, right=True),
        Column("progress", _progress, drop=2, flexible=True, least=14),
        Column("started", lambda job: started_text(job, now_ms), drop=4),
        Column("duration", lambda job: length(duration_of(job, now_ms)), drop=1, right=True),
        Column("exit", exit_text, drop=3, right=True),
    ]


def history_columns(now_ms: int) -> list[Column[Job]]:
    """The columns of ``history``: the runs of one name, and what came of each."""
    return [
        Column("id", lambda job: str(job.id), right=True),
        status_column(),
        Column("started", lambda job: ago(job.started_at, now_ms), drop=1),
        Column("finished", lambda job: ago(job.finished_at, now_ms), drop=4),
        Column("duration", lambda job: length(duration_of(job, now_ms)), right=True),
        Column("exit", exit_text, drop=2, right=True),
        Column("attempt", lambda job: str(job.attempt) if job.attempt > 1 else "", drop=5, right=True),
        Column("result", result_text, drop=3, flexible=True, least=16),
    ]


def status_column() -> Column[Job]:
    """Symbol, status and reason, in the colour of the status."""
    return Column(
        "status",
        lambda job: f"{SYMBOLS[job.status]} {status_text(job)}",
        flexible=True,
        least=LEAST_STATUS,
        style=style_of,
    )


def style_of(job: Job) -> str:
    """The colour of its status."""
    return STYLES[job.status]


def _progress(job: Job) -> str:
    percent = job.progress.percent
    if percent is None or job.status.is_terminal:
        return progress_text(job)
    # The figure comes first: a narrow column cuts the bar, not what it says.
    figure, _, rest = progress_text(job).partition(" ")
    return f"{figure:>4} {bar(percent, 100, _BAR_CELLS)} {rest}".rstrip()
