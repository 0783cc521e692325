"""The dashboard: a snapshot of a home as lines of a terminal, whatever its size. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from jobctl.model.dashboards import PaneName, Snapshot
from jobctl.model.states import JobStatus
from jobctl.model.statistics import Depth
from jobctl.views.instants import length, seconds_between
from jobctl.views.job_tables import STYLES
from jobctl.views.jobs import SYMBOLS
from jobctl.views.pane_daemons import daemons_pane
from jobctl.views.pane_jobs import jobs_pane
from jobctl.views.pane_next import next_pane
from jobctl.views.pane_queues import queues_pane
from jobctl.views.pane_recent import recent_pane
from jobctl.views.panes import FAINT, LABEL, Pane, allocate, beside, brief, fit

WIDE = 140
"""From so many cells on there are two columns."""
LOW = 9
"""Below so many lines there is one line of header, and no footer."""
_GUTTER = 3
_LEFT_SHARE = 0.56
_UNBOUNDED = 100_000
_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST_SPARKS = 30

_LEAST = {PaneName.JOBS: 6, PaneName.DAEMONS: 3, PaneName.RECENT: 3, PaneName.QUEUES: 3, PaneName.NEXT: 2}
"""Lines, title included, that a pane has before others get more."""
_IMPORTANCE = (PaneName.JOBS, PaneName.QUEUES, PaneName.DAEMONS, PaneName.RECENT, PaneName.NEXT)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a dashboard is looked at."""

    width: int
    height: int | None
    """None: as much as there is."""
    pane: PaneName | None = None
    """The only one that is shown; None: all."""
    keys: str = ""
    """What can be pressed; printable, like the others."""
    way_out: str = ""
    """How it ends."""
    notice: str = ""
    """Trouble, in the place of the keys."""


def dashboard_lines(snapshot: Snapshot, frame: Frame) -> list[Text]:
    """Exactly ``height`` lines of ``width`` cells; without a height as many as there are."""
    width, height = max(0, frame.width), frame.height
    low = height is not None and height < LOW
    head = [_first_line(snapshot, width)]
    foot = [] if low or height is None else [_footer(frame, width)]
    if not low:
        head.append(_second_line(snapshot, width))
    room = _UNBOUNDED if height is None else max(0, height - len(head) - len(foot))
    body = _body(snapshot, frame.pane, width, room)
    if height is None:
        return [*head, *body]
    lines = [*head, *body[:room], *[fit(Text(), width)] * (room - len(body)), *foot]
    return lines[:height]


def _body(snapshot: Snapshot, name: PaneName | None, width: int, room: int) -> list[Text]:
    panes = _panes(snapshot)
    if name is not None:
        pane = panes[name]
        return pane.lines(width, min(room, pane.demand + 1 if room == _UNBOUNDED else room))
    shown = [pane for key in _IMPORTANCE if (pane := panes[key]).demand]
    if width < WIDE:
        return _column(shown, width, room)
    left = int((width - _GUTTER) * _LEFT_SHARE)
    right = width - _GUTTER - left
    columns = (
        _column([pane for pane in shown if pane.name in (PaneName.JOBS, PaneName.RECENT)], left, room),
        _column([pane for pane in shown if pane.name not in (PaneName.JOBS, PaneName.RECENT)], right, room),
    )
    return _side_by_side(columns, (left, right))


def _panes(snapshot: Snapshot) -> dict[PaneName, Pane]:
    panes = [pane(snapshot) for pane in (jobs_pane, queues_pane, next_pane, daemons_pane, recent_pane)]
    if snapshot.run is not None:
        from jobctl.views.pane_workflow import workflow_pane  # only who watches one pays for their model

        panes.append(workflow_pane(snapshot.run, snapshot.now))
    return {pane.name: pane for pane in panes}


def _column(panes: Sequence[Pane], width: int, room: int) -> list[Text]:
    """One below the other, in the order of their names; the most important ones get their lines first."""
    given = allocate([pane.demand + 1 for pane in panes], [_LEAST[pane.name] for pane in panes], room)
    if panes and room and not any(given):  # no room for a title
        return [fit(line, width) for line in panes[0].draw(width, room)]
    order = list(PaneName)
    placed = sorted(zip(panes, given, strict=True), key=lambda found: order.index(found[0].name))
    return [line for pane, rows in placed for line in pane.lines(width, rows)]


def _side_by_side(columns: tuple[list[Text], list[Text]], widths: tuple[int, int]) -> list[Text]:
    rows = max(map(len, columns))
    left, right = (
        column + [fit(Text(), width)] * (rows - len(column))
        for column, width in zip(columns, widths, strict=True)
    )
    return [Text.assemble(a, " " * _GUTTER, b) for a, b in zip(left, right, strict=True)]


# --- header and footer ---


def _first_line(snapshot: Snapshot, width: int) -> Text:
    """Who supervises, for how long, where; load and time at the right."""
    left = Text.assemble((" jobctl ", "bold reverse"), "  ", _state(snapshot))
    life = snapshot.life
    if life is not None:
        up = length(float(int(seconds_between(life.started_at, snapshot.now) or 0)))
        left.append(f"  up {up}").append(f"  pid {life.pid}", style=FAINT)
    clock = datetime.fromtimestamp(snapshot.now / 1000, UTC).astimezone().strftime("%H:%M")
    right = Text(clock, style=LABEL)
    if snapshot.load is not None:
        load = Text(f"load {' '.join(f'{value:.2f}' for value in snapshot.load)}   ", style=FAINT)
        if left.cell_len + load.cell_len + right.cell_len + 2 <= width:
            right = Text.assemble(load, right)
    where = Text(f"  {brief(snapshot.home)}", style=FAINT)
    if left.cell_len + where.cell_len + right.cell_len + 2 <= width:
        left.append(where)
    return beside(left, right, width)


def _state(snapshot: Snapshot) -> Text:
    life = snapshot.life
    if life is not None and (life.draining or life.stop_requested):
        total = snapshot.counts["running"]
        known = sum(job.life_id == life.id for job in snapshot.running)
        waiting = known if len(snapshot.running) >= total else total  # only some were read
        text = f"◑ draining, waiting for {waiting} running" if waiting else "◑ draining"
        return Text(text, style="bold yellow")
    if snapshot.runs:
        return Text("● running", style="bold green")
    return Text("○ no supervisor; start one with: jobctl up", style="bold yellow")


def _second_line(snapshot: Snapshot, width: int) -> Text:
    """How many jobs are in each state; how many were queued lately at the right."""
    left = Text(" ")
    for status in JobStatus:
        if count := snapshot.counts[status.value]:
            word = "waiting" if status is JobStatus.CREATED else status.value
            left.append(f"{SYMBOLS[status]} {count:,} ", style=STYLES[status]).append(
                f"{word}   ", style=FAINT
            )
    if left.cell_len == 1:
        left.append("no jobs yet", style=FAINT)
    room = min(_MOST_SPARKS, width - left.cell_len - len("queued  ") - 2)
    if room < 5:
        return fit(left, width)
    sparks = sparkline(snapshot.depths, snapshot.depths_since, snapshot.now, room)
    right = Text.assemble(("queued ", FAINT), (sparks, "cyan")) if sparks.strip() else Text()
    return beside(left, right, width)


def sparkline(depths: Sequence[Depth], since: int, until: int, cells: int) -> str:
    """The highest number of queued jobs in each part of the time, as a row of blocks; each holds until the next."""
    highest = [0] * cells
    span = max(1, until - since)
    for index, depth in enumerate(depths):
        end = depths[index + 1].at if index + 1 < len(depths) else until
        first = min(cells - 1, max(0, (depth.at - since) * cells // span))
        last = min(cells - 1, max(first, (end - since) * cells // span - (index + 1 < len(depths))))
        for cell in range(first, last + 1):
            highest[cell] = max(highest[cell], depth.queued)
    most = max(highest)
    return "".join(_BLOCKS[0 if not value else max(1, value * 8 // most)] for value in highest)


def _footer(frame: Frame, width: int) -> Text:
    """Trouble, or what can be pressed; how to leave at the right."""
    left = Text(f" {frame.notice}", "bold yellow") if frame.notice else Text(f" {frame.keys}", FAINT)
    return beside(left, Text(f"{frame.way_out} ", FAINT), width)
