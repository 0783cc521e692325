"""How a dashboard shares its lines, and fits each into its width."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from jobctl.model.statistics import Depth
from jobctl.views.dashboard import sparkline
from jobctl.views.panes import allocate, fit
from jobctl.views.text import width_of

counts = st.integers(0, 60)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(counts, st.integers(1, 8)), max_size=6), st.integers(0, 80))
def test_lines_are_shared_within_the_room_and_the_demand(panes: list[tuple[int, int]], room: int) -> None:
    demands, minimums = [demand for demand, _ in panes], [least for _, least in panes]
    given_rows = allocate(demands, minimums, room)
    assert sum(given_rows) <= room
    for index, (rows, (demand, least)) in enumerate(zip(given_rows, panes, strict=True)):
        assert rows <= demand
        assert rows == 0 or rows >= min(demand, least, room if index == 0 else demand)
    if all(given_rows[index] for index, demand in enumerate(demands) if demand):
        assert sum(given_rows) == min(room, sum(demands))


def test_the_first_is_the_most_important() -> None:
    assert allocate([10, 10, 10], [3, 3, 3], 5) == [5, 0, 0]
    assert allocate([10, 2, 10], [3, 3, 3], 20) == [9, 2, 9]
    assert allocate([10, 3], [6, 2], 4) == [4, 0]
    assert allocate([], [], 5) == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.integers(0, 30))
def test_a_line_is_never_wider_than_asked_by_either_measure(text: str, width: int) -> None:
    line = fit(Text(text.replace("\n", " ")), width)
    assert line.cell_len <= width
    assert width_of(line.plain) <= width
    assert max(line.cell_len, width_of(line.plain)) == width


@pytest.mark.parametrize("text", ["界" * 20, "e\u0301" * 30, "👩‍👩‍👧" * 8, "\u0301" * 500, "x" * 10_000])
def test_a_cut_line_ends_with_an_ellipsis(text: str) -> None:
    line = fit(Text(text), 9)
    assert width_of(line.plain) <= 9
    assert line.cell_len <= 9
    assert "…" in line.plain or text.startswith("\u0301")


def test_a_sparkline_shows_the_highest_of_each_part_and_holds_until_the_next() -> None:
    depths = [Depth(0, 0, 0), Depth(500, 8, 1), Depth(700, 4, 1), Depth(1000, 1, 1)]
    assert sparkline(depths, 0, 1000, 10) == "     ██▄▄▄"
    assert sparkline([], 0, 1000, 5) == "     "
    assert sparkline([Depth(-50, 3, 0)], 0, 1000, 4) == "████"
