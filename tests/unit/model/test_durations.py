"""Durations: what is read, what is refused, how they are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.durations import LONGEST_SECONDS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1w", 604800),
        ("1w2d3h4m5s6ms", 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5.006),
        ("1.5s", 1.5),
        ("0.5", 0.5),
        ("250ms", 0.25),
        ("5m250ms", 300.25),
        ("100000m", 6_000_000),
        ("090s", 90),
    ],
)
def test_a_duration_means_these_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "5 parsecs", "5parsecs", "1e400", "1e3", "1E3s", "nan", "NaN", "inf", "Infinity", "1_0", "1_0s",
     "５", "５s", "٣m", " 5s", "5s ", "5 s", "5s\n", "\n5s", "+5s", "s", "ms", ".5s", "5.s", "5M", "5S",
     "30m1h", "1h1h", "1:30", "1h-5m", "--5s", "0x10", "1,5s", "5sm", "1m5", "PT5M", "²s", "5s\0"],
)  # fmt: skip
def test_a_malformed_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_duration(text, "timeout")
    assert caught.value.code == "E_DURATION"
    assert caught.value.what == "bad timeout"
    assert "90s" in caught.value.hint


@pytest.mark.parametrize("text", ["-5s", "-1", "-1h30m", "-0.5", "0", "0s", "0h0m", "0.0001s", "0.4ms"])
def test_a_duration_that_is_not_positive_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="timeout must be positive"):
        parse_duration(text, "timeout")


@pytest.mark.parametrize("text", ["101w1000000d", "99999999999999", "36526d", "9" * 5000, "9" * 5000 + "w"])
def test_an_absurd_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="too long"):
        parse_duration(text)


def test_zero_is_a_duration_where_the_caller_allows_it() -> None:
    assert parse_duration("0", allow_zero=True) == 0
    with pytest.raises(BadInputError):
        parse_duration("-1", allow_zero=True)


def test_the_limits_of_the_caller_count_and_include_themselves() -> None:
    assert parse_duration("1s", minimum_seconds=1, maximum_seconds=1) == 1
    with pytest.raises(BadInputError, match="interval is too short: '500ms'; give at least 1s"):
        parse_duration("500ms", "interval", minimum_seconds=1)
    with pytest.raises(BadInputError, match="interval is too long: '2h'; give at most 1h"):
        parse_duration("2h", "interval", maximum_seconds=3600)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.04, "40ms"),
        (0.3, "0.3s"),
        (1, "1s"),
        (4.26, "4.3s"),
        (9.99, "10s"),
        (12, "12s"),
        (59.9, "59s"),
        (60, "1m"),
        (185, "3m 5s"),
        (7800, "2h 10m"),
        (7200, "2h"),
        (3659, "1h"),
        (3 * 86400 + 4 * 3600, "3d 4h"),
        (-5, "-5s"),
        (-0.0001, "0s"),
        (math.inf, "?"),
        (math.nan, "?"),
    ],
)
def test_a_duration_is_shown_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.001, max_value=LONGEST_SECONDS))
def test_a_shown_duration_reads_back_within_its_smaller_unit(seconds: float) -> None:
    shown = format_duration(seconds)
    again = parse_duration(shown.replace(" ", ""))
    assert abs(again - seconds) <= max(0.05, seconds * 0.1)


@given(st.lists(st.integers(0, 99), min_size=6, max_size=6))
def test_units_in_order_add_up(amounts: list[int]) -> None:
    units = ("w", "d", "h", "m", "s", "ms")
    text = "".join(f"{amount}{unit}" for amount, unit in zip(amounts, units, strict=True) if amount)
    factors = (604800, 86400, 3600, 60, 1, 0.001)
    expected = sum(amount * factor for amount, factor in zip(amounts, factors, strict=True))
    if text:
        assert math.isclose(parse_duration(text), expected)


@given(st.text())
def test_any_text_is_a_finite_positive_duration_or_bad_input(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except BadInputError as error:
        assert error.exit_code == 2  # noqa: PT017
    else:
        assert 0 < seconds <= LONGEST_SECONDS
        assert text.isascii()
