"""Queues on a terminal. Imports Rich."""

from __future__ import annotations

from jobctl.model.queues import Queue
from jobctl.views.job_tables import LEAST_NAME
from jobctl.views.queues import queue_state
from jobctl.views.tables import Column, bar
from jobctl.views.text import printable

_BAR_CELLS = 8


def queue_columns() -> list[Column[Queue]]:
    """The columns of ``queue list``."""
    return [
        Column("name", lambda queue: printable(queue.name), flexible=True, least=LEAST_NAME),
        Column("state", lambda queue: f"{_symbol(queue)} {queue_state(queue)}", style=_style),
        Column("slots in use", _slots, drop=1, style=lambda queue: "blue" if queue.running else "dim"),
        Column("rate", lambda queue: "" if queue.rate is None else str(queue.rate), drop=3),
        Column("queued", lambda queue: str(queue.queued), right=True, style=lambda _: "cyan"),
        Column("waiting", lambda queue: str(queue.created or ""), drop=2, right=True, style=lambda _: "dim"),
    ]


def _slots(queue: Queue) -> str:
    shown = bar(queue.running, queue.concurrency, _BAR_CELLS)
    return f"{shown} {queue.running}/{queue.concurrency}".strip()


def _symbol(queue: Queue) -> str:
    return "‖" if queue.paused else "◑" if queue.draining else "●"


def _style(queue: Queue) -> str:
    return "yellow" if queue.paused or queue.draining else "green"
