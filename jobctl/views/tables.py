"""Tables on a terminal: as wide as it, one line a row, an ellipsis where something is cut. Imports Rich.

Every list is made here, so that all of them shrink, drop columns and colour their states alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from jobctl.views.text import shorten, width_of

Row = TypeVar("Row")

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column; ``cell`` gives printable text.

    Flexible columns shrink down to their ``least`` width before any column is dropped; the highest ``drop`` goes
    first, and those of 0 stay. A column with a ``drop`` in which no row has anything is left out.
    """

    title: str
    cell: Callable[[Row], str]
    drop: int = 0
    flexible: bool = False
    least: int = 8
    right: bool = False
    style: Callable[[Row], str] | None = None


def layout(
    columns: Sequence[Column[Row]], rows: Sequence[Row], width: int
) -> tuple[list[tuple[Column[Row], list[str]]], list[int]]:
    """The columns that are shown, each with its cells, and how wide each is."""
    filled = [(column, [column.cell(row) for row in rows]) for column in columns]
    shown = [(column, cells) for column, cells in filled if not column.drop or any(cells)]
    while True:
        widths = _widths(shown, width)
        worst = max((column.drop for column, _ in shown), default=0)
        if widths is not None or not worst:
            return shown, widths or _squeezed(shown, width)
        shown = [(column, cells) for column, cells in shown if column.drop != worst]


def table_of(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> Table:
    """The rows in at most ``width`` cells under the titles; nothing in them is read as markup."""
    shown, widths = layout(columns, rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for (column, _), room in zip(shown, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        title = Text(shorten(column.title, room))
        table.add_column(title, width=room, no_wrap=True, justify=justify, overflow="ellipsis")
    for index, row in enumerate(rows):
        table.add_row(
            *(
                Text(shorten(cells[index], room), style="" if column.style is None else column.style(row))
                for (column, cells), room in zip(shown, widths, strict=True)
            )
        )
    return table


def _widths(shown: Sequence[tuple[Column[Row], list[str]]], width: int) -> list[int] | None:
    """The width of each column, the widest that may shrink shortened first; None when they do not fit."""
    natural = _natural(shown)
    least = [
        min(have, column.least) if column.flexible else have
        for (column, _), have in zip(shown, natural, strict=True)
    ]
    room = width - _GAP * (len(natural) - 1)
    return None if sum(least) > room else _shrunk(natural, least, room)


def _squeezed(shown: Sequence[tuple[Column[Row], list[str]]], width: int) -> list[int]:
    """Widths on a terminal too narrow for what must stay: whatever is widest gives way."""
    natural = _natural(shown)
    return _shrunk(natural, [1] * len(natural), max(len(natural), width - _GAP * (len(natural) - 1)))


def _shrunk(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """At most ``room`` in all: nothing is wider than a common limit, except where its ``least`` is."""
    low, high = 0, max(natural, default=0)
    while low < high:  # the greatest limit that fits
        limit = (low + high + 1) // 2
        fits = sum(max(floor, min(have, limit)) for have, floor in zip(natural, least, strict=True)) <= room
        low, high = (limit, high) if fits else (low, limit - 1)
    widths = [max(floor, min(have, low)) for have, floor in zip(natural, least, strict=True)]
    left = room - sum(widths)
    for index, have in enumerate(natural):  # what a common limit leaves over: a cell each, from the left
        if left > 0 and low <= widths[index] < have:
            widths[index], left = widths[index] + 1, left - 1
    return widths


def _natural(shown: Sequence[tuple[Column[Row], list[str]]]) -> list[int]:
    return [max(map(width_of, (column.title, *cells))) for column, cells in shown]


def bar(done: float, total: float, cells: int) -> str:
    """``━━━╌╌``: how much of ``total`` is done; empty without a total."""
    if total <= 0:
        return ""
    filled = round(min(1.0, max(0.0, done / total)) * cells)
    return "━" * filled + "╌" * (cells - filled)


def terminal(*, color: bool) -> Console:
    """Standard output, which people look at."""
    return Console(file=sys.stdout, no_color=not color, highlight=False, markup=False, emoji=False)


def show_table(columns: Sequence[Column[Row]], rows: Sequence[Row], *, color: bool) -> None:
    """The rows are on standard output."""
    show(lambda width: [table_of(columns, rows, width)], color=color)


def show(parts: Callable[[int], Sequence[RenderableType]], *, color: bool) -> None:
    """What ``parts`` gives for the width of the terminal is on it, one below the other."""
    console = terminal(color=color)
    for part in parts(console.width):
        console.print(part)


def show_fields(
    heading: str, fields: Sequence[tuple[str, str]], styles: Mapping[str, str], *, color: bool
) -> None:
    """A heading and a line a field; long ones are left to the terminal, so that they can be copied whole.

    Args:
        styles: of the values, by label.
    """
    console = terminal(color=color)
    console.print(Text(heading, style="bold"), soft_wrap=True)
    for label, text in fields:
        line = Text.assemble("  ", (f"{label:<13} ", "dim"), (text, styles.get(label, "")))
        console.print(line, soft_wrap=True)
