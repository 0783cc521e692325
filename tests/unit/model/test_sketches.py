from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.sketches import ERROR, Sketch, bucket_of, merged

DURATIONS = st.lists(st.integers(0, 40 * 86_400_000), min_size=1, max_size=60)


def sketch_of(values: list[int]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@settings(max_examples=60)
@given(DURATIONS, st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_quantile_is_off_by_less_than_a_twentieth_of_itself(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)] / 1000
    found = sketch_of(values).quantile_seconds(share)
    assert found is not None
    assert abs(found - exact) <= exact * ERROR + 1e-9 <= exact * 0.05 + 1e-9


@settings(max_examples=40)
@given(DURATIONS, DURATIONS)
def test_two_sketches_merged_are_the_sketch_of_all(some: list[int], others: list[int]) -> None:
    both = sketch_of(some + others)
    assert Sketch.of(merged(sketch_of(some).text(), sketch_of(others).text())).counts == both.counts
    assert Sketch.of_all(f"{sketch_of(some).text()},{sketch_of(others).text()}").counts == both.counts
    assert both.total == len(some) + len(others)


def test_an_empty_sketch_knows_nothing() -> None:
    assert Sketch().quantile_seconds(0.5) is None
    assert Sketch().bars(5) == []
    assert Sketch.of_all("").total == 0


@settings(max_examples=40)
@given(DURATIONS, st.integers(1, 20))
def test_bars_adjoin_and_hold_all(values: list[int], most: int) -> None:
    bars = sketch_of(values).bars(most)
    assert len(bars) <= most
    assert sum(count for _, _, count in bars) == len(values)
    assert all(one[1] == pytest.approx(after[0]) for one, after in pairwise(bars))


def test_what_a_bucket_holds_is_counted_below_a_bound() -> None:
    sketch = sketch_of([100, 200, 5000])
    assert [sketch.at_most(seconds) for seconds in (0.05, 0.1, 0.2, 4, 6)] == [0, 1, 2, 2, 3]


def test_what_lasts_longer_than_anything_still_has_a_bucket() -> None:
    assert bucket_of(10**30) == bucket_of(10**40)
