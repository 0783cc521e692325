"""What ``status`` says, on a terminal. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from jobctl.model.states import JobStatus
from jobctl.views.daemon_tables import daemon_columns
from jobctl.views.instants import length, seconds_between
from jobctl.views.job_tables import STYLES, jobs_table
from jobctl.views.jobs import SYMBOLS
from jobctl.views.queue_tables import queue_columns
from jobctl.views.supervisors import Status, next_texts, state_of
from jobctl.views.tables import Column, table_of
from jobctl.views.text import printable, shorten

_LABEL = 12
_STATES = {"running": ("●", "green"), "draining": ("◑", "yellow"), "down": ("○", "bold red")}


def status_parts(status: Status, home: str, now_ms: int, width: int) -> list[RenderableType]:
    """A few lines and a table for each noun that there is something of, in at most ``width`` cells."""
    parts: list[RenderableType] = [
        _head(status, now_ms, width),
        _labelled("home", printable(home), width),
        *_counts(status, width),
    ]
    if status.queues:
        parts += [*_title("queues"), table_of(queue_columns(), status.queues, width)]
    if status.running:
        parts += [*_title("running"), jobs_table(status.running, now_ms, width)]
    if status.daemons:
        parts += [*_title("daemons"), table_of(daemon_columns(now_ms), status.daemons, width)]
    upcoming = next_texts(status, now_ms)
    if upcoming:
        columns: Sequence[Column[tuple[str, str]]] = (
            Column("when", lambda one: one[1], style=lambda _: "cyan"),
            Column("what", lambda one: one[0], flexible=True, least=12),
        )
        parts += [*_title("next"), table_of(columns, upcoming, width)]
    return parts


def _title(text: str) -> list[Text]:
    return [Text(), Text(text, style="bold underline")]


def _head(status: Status, now_ms: int, width: int) -> Text:
    state = state_of(status)
    symbol, style = _STATES[state]
    text = Text.assemble(("supervisor  ", "dim"), (f"{symbol} {state}", style))
    if (life := status.life) is not None:
        up = length(seconds_between(life.started_at, now_ms))
        rest = f", pid {life.pid}, up {up}, version {printable(life.version)}"
        text.append(shorten(rest, max(0, width - text.cell_len)))
    return text


def _labelled(label: str, text: str, width: int) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", "dim"), shorten(text, width - _LABEL))


def _counts(status: Status, width: int) -> list[Text]:
    """``✓ 12 completed  ✗ 1 failed``, broken between two of them where the terminal ends."""
    lines = [Text("jobs        ", style="dim")]
    for state, count in status.counts.items():
        if not count:
            continue
        one = JobStatus(state)
        text = f"{SYMBOLS[one]} {count} {state}"
        if lines[-1].cell_len + len(text) > width and lines[-1].cell_len > _LABEL:
            lines.append(Text(" " * _LABEL))
        lines[-1] = Text.assemble(lines[-1], (text, STYLES[one]), "  ")
    if lines[-1].cell_len == _LABEL:
        lines[-1].append("none", style="not dim")
    for line in lines:
        line.rstrip()
    return lines
