"""The pane of the queues: slots in use and what waits. Imports Rich."""

from __future__ import annotations

from rich.text import Text

from jobctl.model.dashboards import PaneName, Snapshot
from jobctl.model.queues import Queue
from jobctl.views.panes import FAINT, Pane, brief, table_lines
from jobctl.views.queues import queue_state
from jobctl.views.tables import Column, bar

_BAR_CELLS = 10


def queues_pane(snapshot: Snapshot) -> Pane:
    """Every queue; where there is no room for all, those with work first."""
    queues = snapshot.queues

    def draw(width: int, rows: int) -> list[Text]:
        shown = list(queues)
        if len(shown) > rows:
            shown = sorted(shown, key=lambda queue: not (queue.running or queue.queued))[: max(1, rows - 1)]
        lines = table_lines(_columns(), shown[:rows], width)
        if len(queues) > len(shown) and len(lines) < rows:
            lines.append(Text(f"… and {len(queues) - len(shown):,} more", style=FAINT))
        return lines

    return Pane(PaneName.QUEUES, "queues", max(1, len(queues)), 1, draw)


def _columns() -> list[Column[Queue]]:
    return [
        Column("name", lambda queue: f"{_symbol(queue)} {brief(queue.name)}", least=8, style=_style),
        Column("slots", _slots, drop=1, style=lambda queue: "bright_blue" if queue.running else FAINT),
        Column("queued", lambda queue: f"○ {queue.queued:,} queued" if queue.queued else "", drop=2,
               style=lambda _: "cyan"),
        Column("waiting", lambda queue: f"◌ {queue.created:,} waiting" if queue.created else "", drop=3,
               style=lambda _: FAINT),
        Column("rate", lambda queue: "" if queue.rate is None else str(queue.rate), drop=4),
        Column("state", lambda queue: "" if queue_state(queue) == "open" else queue_state(queue), drop=2,
               style=lambda _: "yellow"),
    ]  # fmt: skip


def _slots(queue: Queue) -> str:
    return f"{bar(queue.running, queue.concurrency, _BAR_CELLS)} {queue.running}/{queue.concurrency}".strip()


def _symbol(queue: Queue) -> str:
    return "‖" if queue.paused else "◑" if queue.draining else "●"


def _style(queue: Queue) -> str:
    return "yellow" if queue.paused or queue.draining else ""
