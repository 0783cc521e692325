from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.model.scalars import plain_value


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "y", "n", "On", "NO", "012", "-012", "00", "1:30", "190:20:30", "1_000", "0b1",
     "2026-11-22", "2026-11-22T03:00:00Z", "tRue", "nULL", "none", "=", "<<", "1.2.3", "1e", "+", "-", ".",
     "0x", "0o8", "inf", "nan", "012.5", "1 ", "١"],
)  # fmt: skip
def test_what_yaml_1_1_would_turn_into_something_else_stays_a_text(text: str) -> None:
    assert plain_value(text) == text
    assert isinstance(plain_value(text), str)


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_has_five_spellings(text: str) -> None:
    assert plain_value(text) is None


@pytest.mark.parametrize("word", ["true", "false"])
def test_truth_has_three_spellings_each(word: str) -> None:
    for text in (word, word.capitalize(), word.upper()):
        assert plain_value(text) is (word == "true")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-7", -7), ("+7", 7), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5),
     ("-.5", -0.5), ("1.", 1.0), (".inf", math.inf), ("-.INF", -math.inf), ("0.1", 0.1)],
)  # fmt: skip
def test_numbers_are_those_of_the_core_schema(text: str, value: float) -> None:
    found = plain_value(text)
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_a_float() -> None:
    found = plain_value(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@given(st.integers())
def test_every_whole_number_is_read_as_itself(number: int) -> None:
    assert plain_value(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_as_itself(number: float) -> None:
    found = plain_value(repr(number))
    assert (found, type(found)) == (number, float)


@given(st.text())
def test_any_text_is_a_null_a_truth_value_a_number_or_itself(text: str) -> None:
    found = plain_value(text)
    assert found is None or isinstance(found, bool | int | float) or found == text


@given(st.from_regex(r"[-+]?0[0-9]+(:[0-9]+)?", fullmatch=True))
def test_a_leading_zero_makes_a_text(text: str) -> None:
    assert plain_value(text) == text


def test_a_number_too_long_for_python_stays_a_text() -> None:
    assert plain_value("9" * 5000) == "9" * 5000
