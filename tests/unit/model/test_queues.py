from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.queues import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/min", Rate(10, 60.0)), ("10/m", Rate(10, 60.0)), ("2/s", Rate(2, 1.0)), ("100/h", Rate(100, 3600.0)),
     ("1/day", Rate(1, 86_400.0)), ("3/90s", Rate(3, 90.0)), ("100/6h", Rate(100, 21_600.0))],
)  # fmt: skip
def test_a_rate_is_starts_in_a_time(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


def test_none_is_no_rate() -> None:
    assert parse_rate("none") is None


@pytest.mark.parametrize(
    "text",
    ["", "10", "0/min", "-1/min", "10/", "10/0s", "10/mn", "1.5/s", "10 / min", "9999999/s", "1/min/2"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_rate(text)
    assert caught.value.code == "E_RATE"


@given(
    st.integers(1, 1_000_000),
    st.sampled_from([1.0, 60.0, 3600.0, 86_400.0]) | st.integers(1, 10_000_000).map(float),
)
def test_a_rate_is_read_back_as_it_is_written(count: int, seconds: float) -> None:
    assert parse_rate(str(Rate(count, seconds))) == Rate(count, seconds)
