"""Figures about jobs on a terminal. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobctl.model.stats import Stats
from jobctl.views.statistics import (
    FAILURE_TITLES,
    GROUP_TITLES,
    ends_text,
    failure_rows,
    group_rows,
    headline,
    present_text,
    sparkline,
    summary_rows,
)
from jobctl.views.text import shorten, width_of

_STYLES = {"worse": "red", "better": "green", "": ""}
_LEAST_NAME = 12
_TREND = 1 + GROUP_TITLES.index("TREND")
_FAILED = 1 + GROUP_TITLES.index("FAILED")
_DROPPED = ("BUSY", "P95", "TREND", "DONE", "MEDIAN")
"""Columns that a narrow terminal goes without, in this order."""


def stats_view(stats: Stats, now_ms: int, width: int) -> RenderableType:
    """All figures in at most ``width`` cells."""
    parts: list[RenderableType] = [
        Text(headline(stats), style="bold"),
        _ends(stats),
        Text(f"now: {present_text(stats)}"),
    ]
    if any(depth.queued or depth.running for depth in stats.depths):
        parts += [_depth_line(stats, "queued", width), _depth_line(stats, "running", width)]
    parts += [Text(), _summary(stats)]
    if stats.by is not None:
        parts += [Text(), _groups(stats, width) if stats.groups else Text("nothing happened", style="dim")]
    if stats.failures:
        parts += [Text(), _failures(stats, now_ms, width)]
    return Group(*parts)


def print_view(view: RenderableType, *, color: bool) -> None:
    """The view is on standard output."""
    Console(no_color=not color, highlight=False).print(view)


def _ends(stats: Stats) -> Text:
    text = Text(ends_text(stats))
    text.highlight_regex(r"✓ [\d,]+ \w+", "green")
    text.highlight_regex(r"✗ [\d,]+ \w+", "red")
    text.highlight_regex(r"⊘ [\d,]+ \w+", "yellow")
    text.highlight_regex(r"⏱ [\d,]+ \w+", "magenta")
    return text


def _depth_line(stats: Stats, what: Literal["queued", "running"], width: int) -> Text:
    values = [depth.queued if what == "queued" else depth.running for depth in stats.depths]
    line = Text(f"{what:<8}", style="dim")
    line.append(sparkline(values, max(10, min(60, width - 24))), style="cyan" if what == "queued" else "blue")
    line.append(f" at most {max(values):,}", style="dim")
    return line


def _summary(stats: Stats) -> Table:
    table = _table(("figure", "now", "before", "change"))
    for label, now, before, change, judgement in summary_rows(stats):
        table.add_row(
            Text(label),
            Text(now, style="bold"),
            Text(before, style="dim"),
            Text(change, style=_STYLES[judgement]),
        )
    return table


def _groups(stats: Stats, width: int) -> Table:
    titles = [(stats.by.value if stats.by is not None else "").upper(), *GROUP_TITLES]
    rows = group_rows(stats)
    kept = list(range(len(titles)))
    for title in ("", *_DROPPED):
        kept = [index for index in kept if titles[index] != title]
        rest = sum(_natural(titles[index], [cells[index] for cells, _ in rows]) + 2 for index in kept[1:])
        if width - rest >= min(_LEAST_NAME, _natural(titles[0], [cells[0] for cells, _ in rows])):
            break
    table = _table([titles[index].lower() for index in kept])
    room = max(_LEAST_NAME // 2, width - rest)
    for cells, judgement in rows:
        table.add_row(*(_cell(index, cells[index], judgement, room) for index in kept))
    return table


def _cell(index: int, text: str, judgement: str, room: int) -> Text:
    if index == 0:
        return Text(shorten(text, room))
    if index == _TREND:
        return Text(text, style=_STYLES[judgement])
    return Text(text, style="red" if index == _FAILED and text != "0" else "")


def _failures(stats: Stats, now_ms: int, width: int) -> Table:
    rows = failure_rows(stats.failures, now_ms)
    table = _table([title.lower() for title in FAILURE_TITLES], left=(3, 4))
    names = min(max(8, width // 4), _natural("NAME", [row[3] for row in rows]))
    fixed = sum(_natural(FAILURE_TITLES[index], [row[index] for row in rows]) + 2 for index in (0, 1, 2))
    for count, last, job, name, message in rows:
        table.add_row(
            Text(count, style="bold red"),
            Text(last, style="dim"),
            Text(job, style="dim"),
            Text(shorten(name, names)),
            Text(shorten(message, max(10, width - fixed - names - 2))),
        )
    return table


def _table(titles: Sequence[str], left: Sequence[int] = (0,)) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for index, title in enumerate(titles):
        table.add_column(Text(title), justify="left" if index in left else "right", no_wrap=True)
    return table


def _natural(title: str, cells: Sequence[str]) -> int:
    return max(map(width_of, (title, *cells)))
