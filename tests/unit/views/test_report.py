"""The parts of a report: axes, markup, rows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.period_reports import Ends, Run, Span, Uptime, merged_ends, packed
from jobctl.model.statistics import DAY, HOUR, Period
from jobctl.views.markup import Markup, element, text
from jobctl.views.report_axes import MOST_TICKS, Axis
from jobctl.views.report_charts import DurationScale
from tests.support.stores import NOON


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_texts_are_escaped_and_markup_is_not() -> None:
    made = element("p", "a<b & c", Markup("<i>d</i>"), title='"e"\x1b', class_="f", data_x=None)
    assert made == r'<p title="&quot;e&quot;\x1b" class="f">a&lt;b &amp; c<i>d</i></p>'
    assert text("x" * 100, 5) == "xxxx…"


@pytest.mark.usefixtures("berlin")
def test_ticks_stand_at_round_local_times_also_where_the_clocks_change() -> None:
    start = 1_774_735_200_000  # 2026-03-28 23:00 in Berlin; the clocks go from 2:00 to 3:00
    labels = [tick.label for tick in Axis.of(Period(start, start + 24 * HOUR)).ticks]
    assert labels == ["29 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "30 Mar"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4_000_000_000_000), st.integers(0, 40 * 366 * DAY))
def test_there_are_few_ticks_and_they_lie_in_the_period(start: int, length: int) -> None:
    axis = Axis.of(Period(start, start + length))
    instants = [tick.at for tick in axis.ticks]
    assert len(instants) <= MOST_TICKS + 1
    assert instants == sorted(set(instants))
    assert all(axis.start <= at <= axis.end for at in instants)


def test_what_is_short_has_a_width() -> None:
    axis = Axis.of(Period(0, 366 * DAY))
    assert axis.extent(5 * DAY, 5 * DAY + 1) == ("1.366%", "0.05%")


def run_at(start: int, end: int | None) -> Run:
    return Run(1, 1, "a", "default", "completed", None, start, end)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_runs_of_a_row_do_not_overlap(times: list[tuple[int, int]]) -> None:
    runs = [run_at(start, start + length) for start, length in sorted(times)]
    rows = packed(runs, 100, 20)
    for row in set(rows):
        ends = 0
        for run, own in zip(runs, rows, strict=True):
            if own == row:
                assert run.started_at >= ends
                ends = run.finished_at or 0


def test_too_many_runs_at_once_share_the_last_row() -> None:
    assert packed([run_at(0, None), run_at(1, 9), run_at(2, 9), run_at(10, 11)], 20, 2) == [0, 1, 1, 1]


def test_merged_ends_lose_nothing() -> None:
    ends = [Ends(at, at + 1, at, 1, 2, 3) for at in range(10)]
    merged = merged_ends(ends, 3)
    assert [(one.at, one.until) for one in merged] == [(0, 4), (4, 8), (8, 10)]
    assert sum(one.total for one in merged) == sum(one.total for one in ends)
    assert merged_ends([], 3) == []


def test_uptime_counts_only_the_known_part_of_the_period() -> None:
    period = Period(NOON - 10 * HOUR, NOON)
    spans = [Span(NOON - 20 * HOUR, NOON - 8 * HOUR), Span(NOON - 1 * HOUR, None)]
    assert Uptime("web", "running", NOON - 20 * HOUR, spans).up_share(period) == pytest.approx(0.3)
    assert Uptime("web", "running", NOON - 4 * HOUR, spans).up_share(period) == pytest.approx(0.25)
    assert Uptime("web", "running", NOON, ()).up_share(period) is None


@pytest.mark.parametrize(("longest", "shortest"), [(0.0, 0.0), (0.004, 0.002), (1e9, 1e-9), (10, 10)])
def test_durations_stand_in_their_order(longest: float, shortest: float) -> None:
    scale = DurationScale(longest, shortest)
    assert 0 <= scale.share(shortest) <= scale.share(longest) <= 1
    assert len(scale.named) >= 2
