"""The pane of what has ended lately. Imports Rich."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from jobctl.model.dashboards import PaneName, Snapshot
from jobctl.model.jobs import Job
from jobctl.views.instants import ago, length
from jobctl.views.job_tables import STYLES
from jobctl.views.jobs import SYMBOLS, duration_of, exit_text, result_text, status_text
from jobctl.views.panes import FAINT, Pane, brief, table_lines
from jobctl.views.tables import Column

_MOST_SHOWN = 300


def recent_pane(snapshot: Snapshot) -> Pane:
    """The newest end first."""
    now, endings = snapshot.now, snapshot.endings

    def draw(width: int, rows: int) -> list[Text]:
        return table_lines(_columns(now), endings[:rows], width)

    return Pane(PaneName.RECENT, "recent", len(endings), 1, draw)


def _columns(now: int) -> list[Column[Job]]:
    return [
        Column("id", lambda job: str(job.id), right=True, style=lambda _: FAINT),
        Column("status", lambda job: f"{SYMBOLS[job.status]} {status_text(job)}", style=_style),
        Column("name", lambda job: brief(job.name), least=8),
        Column("exit", _exit, drop=2, style=_style),
        Column("took", lambda job: length(duration_of(job, now)), drop=3, right=True),
        Column("ended", lambda job: ago(job.finished_at, now), drop=1, right=True, style=lambda _: FAINT),
        Column("result", lambda job: result_text(_cut(job)), drop=4, least=8, style=lambda _: FAINT),
    ]


def _style(job: Job) -> str:
    return STYLES[job.status]


def _exit(job: Job) -> str:
    text = exit_text(job)
    return "" if text in ("", "0") else f"exit {text}" if text.isdigit() else text


def _cut(job: Job) -> Job:
    """The job with no more of its error than can be shown."""
    return replace(job, error=job.error[:_MOST_SHOWN]) if job.error else job
