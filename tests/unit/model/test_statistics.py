from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.statistics import (
    DAY,
    FINE,
    HOUR,
    KEPT,
    Depth,
    Dimension,
    Figures,
    Period,
    cut,
    periods,
    slots_of,
    spans_of,
    thinned,
)
from jobctl.model.stats import Trend

NOW = 1_795_348_923_456


@settings(max_examples=200)
@given(st.integers(0, 500 * DAY), st.integers(0, DAY))
def test_a_period_and_the_one_before_are_made_of_slots_that_are_kept(length: int, shift: int) -> None:
    now = NOW + shift
    for period in periods(now - length, now):
        assert period.since is not None
        at = period.since
        for span, start, end in slots_of(Dimension.ALL, period, now):
            assert start == at
            assert (end - start) % span == start % span == 0
            assert start >= now - KEPT[span] - span
            at = end
        # Whole slots: up to its end, or past it where that is now.
        assert at == period.until or (period.until == now and at > now)


@settings(max_examples=100)
@given(st.integers(0, 500 * DAY))
def test_a_period_begins_no_later_than_asked_and_the_one_before_is_as_long(length: int) -> None:
    period, before = periods(NOW - length, NOW)
    assert period.since is not None
    assert before.since is not None
    assert period.since <= NOW - length
    assert before.until == period.since
    assert period.until - period.since <= before.until - before.since + FINE


@settings(max_examples=100)
@given(st.integers(0, 4 * 366 * DAY))
def test_what_is_cut_still_belongs_to_the_same_slots(age: int) -> None:
    at = NOW - age
    for span in spans_of(Dimension.ALL, at, NOW):
        if span:
            short = cut(at, NOW)
            assert short - short % span == at - at % span


def test_all_time_is_one_slot_but_for_names() -> None:
    assert slots_of(Dimension.ALL, Period(None, NOW), NOW) == [(0, 0, 1)]
    assert slots_of(Dimension.NAME, Period(None, NOW), NOW) == [(DAY, 0, NOW)]
    assert 0 not in spans_of(Dimension.NAME, NOW, NOW)


def test_figures_are_judged_without_cancellations() -> None:
    figures = Figures(completed=6, failed=1, timeout=1, cancelled=5)
    assert (figures.finished, figures.error_rate, figures.mean_seconds) == (13, 0.25, None)
    assert Figures(cancelled=3).error_rate is None


def test_thinned_depths_keep_the_highest() -> None:
    depths = [Depth(at, at % 7, at % 3) for at in range(100)]
    few = thinned(depths, 10)
    assert len(few) == 10
    assert max(depth.queued for depth in few) == 6
    assert thinned(depths[:5], 10) == depths[:5]


def test_a_trend_needs_something_to_compare_with() -> None:
    assert Trend(3.0, 2.0).change == 0.5
    assert Trend(3.0, 0.0).change is None
    assert Trend(None, 2.0).change is None


def test_an_hour_ago_is_told_by_five_minutes_and_a_month_by_days() -> None:
    recent, _ = periods(NOW - HOUR, NOW)
    old, _ = periods(NOW - 30 * DAY, NOW)
    assert recent.since is not None
    assert old.since is not None
    assert recent.since % FINE == 0
    assert NOW - HOUR - recent.since < FINE
    assert old.since % DAY == 0
