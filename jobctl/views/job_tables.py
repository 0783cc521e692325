"""Jobs on a terminal: a table as wide as it, with symbols, colours and bars. Imports Rich."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from jobctl.model.jobs import Job
from jobctl.model.states import JobKind, JobStatus
from jobctl.views.instants import length
from jobctl.views.jobs import SYMBOLS, duration_of, exit_text, progress_text, started_text, status_text
from jobctl.views.text import printable, shorten, width_of

STYLES = {
    JobStatus.CREATED: "dim",
    JobStatus.QUEUED: "cyan",
    JobStatus.RUNNING: "bold blue",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.CANCELLED: "yellow",
    JobStatus.TIMEOUT: "bold magenta",
}

_BAR_CELLS = 8
_LEAST_FLEXIBLE = 8


@dataclass(frozen=True, slots=True)
class _Column:
    """One column; a flexible one shrinks before any is dropped, and the highest ``drop`` goes first."""

    title: str
    cell: Callable[[Job, int], str]
    drop: int = 0
    flexible: bool = False
    right: bool = False
    styled: bool = False


_COLUMNS = (
    _Column("id", lambda job, _: str(job.id), right=True),
    _Column("name", lambda job, _: printable(job.name), flexible=True),
    _Column("kind", lambda job, _: "" if job.kind is JobKind.COMMAND else job.kind.value, drop=5),
    _Column("status", lambda job, _: f"{SYMBOLS[job.status]} {status_text(job)}", styled=True),
    _Column("queue", lambda job, _: job.queue, drop=3),
    _Column("pri", lambda job, _: str(job.priority), drop=4, right=True),
    _Column("progress", lambda job, _: _progress(job), drop=1, flexible=True),
    _Column("started", started_text, drop=2),
    _Column("duration", lambda job, now: length(duration_of(job, now)), drop=0, right=True),
    _Column("exit", lambda job, _: exit_text(job), drop=0, right=True),
)


def jobs_table(jobs: Sequence[Job], now_ms: int, width: int) -> Table:
    """The jobs in at most ``width`` cells, one line each; nothing in them is read as markup."""
    columns = [(column, [column.cell(job, now_ms) for job in jobs]) for column in _COLUMNS]
    columns = [(column, cells) for column, cells in columns if column.drop == 0 or any(cells)]
    while True:
        widths = _widths(columns, width)
        if widths is not None:
            break
        worst = max(column.drop for column, _ in columns)
        if not worst:
            widths = [max(map(width_of, [column.title, *cells])) for column, cells in columns]
            break
        columns = [(column, cells) for column, cells in columns if column.drop != worst]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for (column, _), cells in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(
            Text(shorten(column.title, cells)),
            width=cells,
            no_wrap=True,
            justify=justify,
            overflow="ellipsis",
        )
    for index, job in enumerate(jobs):
        table.add_row(
            *(
                Text(shorten(cells[index], room), style=STYLES[job.status] if column.styled else "")
                for (column, cells), room in zip(columns, widths, strict=True)
            )
        )
    return table


def _widths(columns: Sequence[tuple[_Column, list[str]]], width: int) -> list[int] | None:
    """The width of each column, flexible ones shortened fairly; None when they do not fit."""
    natural = [max(map(width_of, [column.title, *cells])) for column, cells in columns]
    excess = sum(natural) + 2 * len(natural) - width
    flexible = [index for index, (column, _) in enumerate(columns) if column.flexible]
    while excess > 0:
        widest = max(flexible, key=lambda index: natural[index])
        if natural[widest] <= _LEAST_FLEXIBLE:
            return None
        natural[widest] -= 1
        excess -= 1
    return natural


def _progress(job: Job) -> str:
    percent = job.progress.percent
    if percent is None:
        return progress_text(job)
    filled = round(percent / 100 * _BAR_CELLS)
    # The figure comes first: a narrow column cuts the bar, not what it says.
    figure, _, rest = progress_text(job).partition(" ")
    return f"{figure:>4} {'━' * filled}{'╌' * (_BAR_CELLS - filled)} {rest}".rstrip()
