"""Panes: the parts that a dashboard is put together from, each a title and lines of an exact width. Imports Rich."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from jobctl.model.dashboards import PaneName
from jobctl.views.tables import Column, Row, layout
from jobctl.views.text import printable, shorten, width_of

LABEL = "bold"
FAINT = "dim"
_GAP = "  "
_ELLIPSIS = "…"
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Pane:
    """One part of a dashboard, below its title."""

    name: PaneName
    title: str
    """Printable."""
    demand: int
    """How many lines it could fill."""
    least: int
    """With fewer lines it is not worth its title."""
    draw: Callable[[int, int], list[Text]]
    """At most so many lines, for a width and a number of lines."""

    def lines(self, width: int, rows: int) -> list[Text]:
        """The title and what fits below it, exactly ``rows`` lines of ``width`` cells."""
        if rows <= 0:
            return []
        body = self.draw(width, rows - 1) if rows > 1 else []
        blank = [Text()] * (rows - 1 - len(body))
        return [fit(line, width) for line in [self._heading(width), *body[: rows - 1], *blank]]

    def _heading(self, width: int) -> Text:
        line = Text.assemble((self.title, "bold cyan"), " ")
        return line.append("─" * max(0, width - line.cell_len), style=FAINT)


def allocate(demands: Sequence[int], minimums: Sequence[int], room: int) -> list[int]:
    """Lines for each, the first the most important: none or its minimum at least, never more than it asks for.

    The first takes what there is, even if it is less than its minimum. What is left over after the minimums is
    shared evenly among those that want more.
    """
    given = [0] * len(demands)
    for index, demand in enumerate(demands):
        least = min(demand, minimums[index])
        if index == 0:
            least = min(least, room)
        if least <= room:
            given[index] = least
            room -= least
    while room > 0:
        wanting = [index for index, rows in enumerate(given) if 0 < rows < demands[index]]
        if not wanting:
            break
        share = max(1, room // len(wanting))
        for index in wanting:
            more = min(share, demands[index] - given[index], room)
            given[index] += more
            room -= more
    return given


def table_lines(
    columns: Sequence[Column[Row]], rows: Sequence[Row], width: int, *, titled: bool = False
) -> list[Text]:
    """A line a row, in columns that fit the width, below their titles if ``titled``."""
    if not titled:
        columns = [replace(column, title="") for column in columns]
    shown, widths = layout(columns, rows, width)
    lines = []
    if titled:
        titles = [
            (column.title, room, column.right, FAINT) for (column, _), room in zip(shown, widths, strict=True)
        ]
        lines.append(_joined(titles))
    for index, row in enumerate(rows):
        cells = [
            (texts[index], room, column.right, column.style(row) if column.style else "")
            for (column, texts), room in zip(shown, widths, strict=True)
        ]
        lines.append(_joined(cells))
    return lines


def _joined(cells: Sequence[tuple[str, int, bool, str]]) -> Text:
    line = Text()
    for index, (text, room, right, style) in enumerate(cells):
        short = shorten(text, room)
        blank = " " * (room - width_of(short))
        line.append(_GAP if index else "")
        line.append(blank if right else "")
        _append_bar(line, short, style)
        line.append("" if right else blank)
    return line


def _append_bar(line: Text, text: str, style: str) -> None:
    """The text; what is still to do of a bar is faint."""
    head, mark, rest = text.partition("╌")
    if not mark:
        line.append(text, style=style or None)
        return
    tail = rest.lstrip("╌")
    line.append(head, style=style or None)
    line.append(mark + rest[: len(rest) - len(tail)], style=FAINT)
    line.append(tail, style=style or None)


def brief(text: str) -> str:
    """Printable text, of which no more is looked at than a terminal could show."""
    return printable(text[:_MOST_SHOWN])


def beside(left: Text, right: Text, width: int) -> Text:
    """Both on one line, the right one at its end; it goes when there is no room for it."""
    gap = width - left.cell_len - right.cell_len
    if gap < 2:
        return fit(left, width)
    return fit(Text.assemble(left, " " * gap, right), width)


def fit(line: Text, width: int) -> Text:
    """The line in exactly ``width`` cells, by Rich's measure and by ours: they differ about odd characters."""
    if width <= 0:
        return Text()
    found = line.copy()
    found.no_wrap, found.overflow = True, "crop"
    if found.cell_len > width or width_of(found.plain) > width:
        room = width - 1
        while room > 0 and (found.cell_len > width - 1 or width_of(found.plain) > width - 1):
            found.truncate(room, overflow="crop")
            room -= 1
        found = found if room > 0 else Text(no_wrap=True, overflow="crop")
        found.append(_ELLIPSIS, style=FAINT)
    found.append(" " * (width - max(found.cell_len, width_of(found.plain))))
    return found
