"""The pane of what comes next: schedules and jobs that wait for their time. Imports Rich."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from jobctl.model.dashboards import PaneName, Snapshot
from jobctl.views.instants import ago
from jobctl.views.panes import FAINT, Pane, brief, table_lines
from jobctl.views.schedules import when_text
from jobctl.views.tables import Column

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Coming:
    at: int
    kind: str
    name: str
    about: str


def next_pane(snapshot: Snapshot) -> Pane:
    """The soonest first."""
    coming = sorted([*_jobs(snapshot), *_schedules(snapshot)], key=lambda one: one.at)
    now = snapshot.now

    def draw(width: int, rows: int) -> list[Text]:
        return table_lines(_columns(now), coming[:rows], width)

    return Pane(PaneName.NEXT, "next", len(coming), 1, draw)


def _jobs(snapshot: Snapshot) -> list[_Coming]:
    return [
        _Coming(
            job.eligible_at or snapshot.now, f"↻ job {job.id}" if job.reason == "retry" else f"◌ job {job.id}",
            brief(job.name), f"attempt {job.attempt + 1}" if job.reason == "retry" else "",
        )
        for job in snapshot.upcoming
    ]  # fmt: skip


def _schedules(snapshot: Snapshot) -> list[_Coming]:
    return [
        _Coming(one.next_at or snapshot.now, "◷ schedule", brief(one.name), when_text(one))
        for one in snapshot.schedules
    ]


def _columns(now: int) -> list[Column[_Coming]]:
    return [
        Column("in", lambda one: ago(max(one.at, now), now), right=True, style=lambda _: "cyan"),
        Column("at", lambda one: _wall(one.at, now), drop=3, right=True, style=lambda _: FAINT),
        Column("kind", lambda one: one.kind, drop=2),
        Column("name", lambda one: one.name, least=8, style=lambda _: "bold"),
        Column("about", lambda one: one.about, drop=1, least=8, style=lambda _: FAINT),
    ]


def _wall(at: int, now: int) -> str:
    """The time of day; with the date when it is not within a day."""
    form = "%H:%M" if at - now < _DAY_MS else "%m-%d %H:%M"
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime(form)
