"""Schedules on a terminal. Imports Rich."""

from __future__ import annotations

from jobctl.model.schedule_records import Schedule
from jobctl.views.instants import ago
from jobctl.views.job_tables import STYLES as JOB_STYLES
from jobctl.views.jobs import SYMBOLS as JOB_SYMBOLS
from jobctl.views.schedules import SYMBOLS, state_of, when_text
from jobctl.views.tables import Column
from jobctl.views.text import printable

STYLES = {"on": "green", "off": "yellow", "broken": "bold red", "ended": "dim"}


def schedule_columns(now_ms: int) -> list[Column[Schedule]]:
    """The columns of ``schedule list``."""
    return [
        Column("name", lambda one: printable(one.name), flexible=True, least=10),
        Column(
            "state",
            lambda one: f"{SYMBOLS[state_of(one)]} {state_of(one)}",
            style=lambda one: STYLES[state_of(one)],
        ),
        Column("kind", lambda one: one.text.kind, drop=7),
        Column("when", when_text, drop=1, flexible=True, least=10),
        Column("next", lambda one: ago(one.next_fire_at, now_ms)),
        Column("last", lambda one: _last_text(one, now_ms), drop=2, style=_last_style),
        Column("runs", lambda one: str(one.runs or ""), drop=5, right=True),
        Column("skipped", lambda one: str(one.skipped or ""), drop=6, right=True, style=lambda _: "yellow"),
        Column(
            "missed", lambda one: str(one.missed_count or ""), drop=6, right=True, style=lambda _: "yellow"
        ),
    ]


def _last_text(one: Schedule, now_ms: int) -> str:
    """``✓ completed 5m ago``; empty before the first run."""
    status = "" if one.last_status is None else f"{JOB_SYMBOLS[one.last_status]} {one.last_status.value}"
    return f"{status} {ago(one.last_at, now_ms)}".strip()


def _last_style(one: Schedule) -> str:
    return "" if one.last_status is None else JOB_STYLES[one.last_status]
