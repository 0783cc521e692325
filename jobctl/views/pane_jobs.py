"""The pane of what runs: progress, time, time left, and what its processes take. Imports Rich."""

from __future__ import annotations

from rich.text import Text

from jobctl.model.dashboards import PaneName, Snapshot, Usage
from jobctl.model.jobs import Job
from jobctl.model.sizes import format_size
from jobctl.model.states import JobKind
from jobctl.views.instants import length
from jobctl.views.jobs import duration_of, eta_of
from jobctl.views.panes import FAINT, Pane, brief, table_lines
from jobctl.views.tables import Column, bar

_TITLED = 4
"""With fewer lines there are no titles of columns."""
_IDLE = "nothing runs"
_KINDS = {JobKind.BATCH: "▤", JobKind.WORKFLOW: "◇"}
"""What stands for many jobs, told apart from one."""


def jobs_pane(snapshot: Snapshot) -> Pane:
    """What runs: those that stand for many first."""
    total = snapshot.counts["running"]

    def draw(width: int, rows: int) -> list[Text]:
        if not snapshot.running:
            return [Text(_idle_text(snapshot), style=FAINT)] if rows else []
        titled = rows >= _TITLED and rows > 1
        room = rows - titled
        shown = snapshot.running if total <= room else snapshot.running[: max(1, room - 1)]
        lines = table_lines(_columns(snapshot, width), shown[:room], width, titled=titled)
        if total > len(shown) and len(lines) < rows:
            lines.append(Text(f"… and {total - len(shown):,} more", style=FAINT))
        return lines

    title = f"running {total:,}" if total else "running"
    return Pane(PaneName.JOBS, title, max(1, total + 1 if total else 1), 1, draw)


def _idle_text(snapshot: Snapshot) -> str:
    if not any(snapshot.counts.values()):
        return f"{_IDLE}; submit a job with: jobctl submit -- COMMAND"
    if snapshot.counts["queued"] and not snapshot.runs:
        return f"{_IDLE}: no supervisor; start one with: jobctl up"
    return _IDLE


def _columns(snapshot: Snapshot, width: int) -> list[Column[Job]]:
    now, cells = snapshot.now, min(30, max(6, width // 9 if width < 100 else width // 6))

    def usage(job: Job) -> Usage | None:
        return snapshot.usage.get(job.id)

    return [
        Column("id", lambda job: str(job.id), right=True, style=lambda _: FAINT),
        Column(
            "name",
            lambda job: f"{_KINDS.get(job.kind, '▶')} {brief(job.name)}",
            least=8,
            style=_style,
        ),
        Column("queue", lambda job: brief(job.queue), drop=8, style=lambda _: FAINT),
        Column("progress", lambda job: _bar(job, cells), drop=2, style=_bar_style),
        Column("items", _items, drop=5, right=True),
        Column("failed", lambda job: _failed(job), drop=3, style=lambda _: "bold red"),
        Column("message", lambda job: brief(job.progress.message or ""), drop=4, least=8),
        Column("time", lambda job: length(_seconds(duration_of(job, now))), drop=1, right=True),
        Column("left", lambda job: _left(job, now), drop=3, right=True, style=lambda _: "cyan"),
        Column("cpu", lambda job: _cpu(usage(job)), drop=6, right=True),
        Column("memory", lambda job: _memory(usage(job)), drop=7, right=True),
    ]


def _style(job: Job) -> str:
    return "yellow" if job.paused_at is not None else "bold"


def _bar(job: Job, cells: int) -> str:
    percent = job.progress.percent
    if job.paused_at is not None:
        return "‖ paused" if percent is None else f"{bar(percent, 100, cells)} {percent:3.0f}% ‖"
    return "" if percent is None else f"{bar(percent, 100, cells)} {percent:3.0f}%"


def _bar_style(job: Job) -> str:
    if job.paused_at is not None:
        return "yellow"
    return "green" if (job.progress.percent or 0) >= 100 else "bright_blue"


def _items(job: Job) -> str:
    done, total = job.progress.items_done, job.progress.items_total
    if done is None and total is None:
        return ""
    return f"{done or 0}/{'?' if total is None else total}"


def _failed(job: Job) -> str:
    return f"✗ {job.progress.items_failed}" if job.progress.items_failed else ""


def _seconds(seconds: float | None) -> float | None:
    """Whole ones: tenths of something that grows tell nobody anything."""
    return None if seconds is None else float(int(seconds))


def _left(job: Job, now: int) -> str:
    eta = _seconds(eta_of(job, now))
    return "" if eta is None else length(eta)


def _cpu(usage: Usage | None) -> str:
    return "" if usage is None else f"{usage.cpu_percent:.0f}%"


def _memory(usage: Usage | None) -> str:
    return "" if usage is None else format_size(usage.rss_bytes)
