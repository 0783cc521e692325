"""Progress lines and what they add up to."""

from __future__ import annotations

import json
import math
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.progress import MAX_ITEM_ERRORS, Progress, fold


def folded(*lines: str) -> Progress:
    return reduce(fold, lines, Progress())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("40", Progress(percent=40.0)),
        ("40%", Progress(percent=40.0)),
        (" 12.5 % half way\n", Progress(percent=12.5, message="half way")),
        ("0", Progress(percent=0.0)),
        ("100 done", Progress(percent=100.0, message="done")),
        ("12/300 reading", Progress(percent=4.0, items_done=12, items_total=300, message="reading")),
        ("/300", Progress(items_total=300)),
        ("0/0", Progress(items_done=0, items_total=0)),
        ("+1", Progress(items_done=1)),
        ("+5 more", Progress(items_done=5, message="more")),
        ("!a.txt no such file", Progress(items_failed=1, item_errors=(("a.txt", "no such file"),))),
        ("!a.txt", Progress(items_failed=1, item_errors=(("a.txt", ""),))),
        ('{"percent": 7}', Progress(percent=7.0)),
        ('{"done": 1, "total": 4, "failed": 2}', Progress(25.0, 1, 4, 2)),
        ('{"add": 2, "message": "x"}', Progress(items_done=2, message="x")),
        ('{"item": "a b", "error": "bad"}', Progress(items_failed=1, item_errors=(("a b", "bad"),))),
        ('{"item": "a", "error": "bad", "failed": 9}', Progress(items_failed=9, item_errors=(("a", "bad"),))),
    ],
)
def test_a_line_says(line: str, expected: Progress) -> None:
    assert folded(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "200", "-1", "100.1", "NaN", "nan", "inf", "1e2", "hello", "5/3", "+", "+x", "+-1", "!", "/", "1/x",
        "٤٠",
        "{", "{}", '{"percent": NaN}', '{"percent": 200}', '{"percent": true}', '{"percent": "4"}',
        '{"done": -1}', '{"done": 1.5}', '{"done": 1e400}', '{"message": 4}', '{"item": "a"}', '{"other": 1}',
        '{"done": 5, "total": 3}', '{"a":' * 700, '{"done": 99999999999999999999}',
        '{"percent": 4, "done": "x"}',
        "9" * 5000,
    ],
)  # fmt: skip
def test_nonsense_is_counted_and_changes_nothing(line: str) -> None:
    before = folded("10/40 fine")
    after = fold(before, line)
    assert after == Progress(25.0, 10, 40, message="fine", ignored=1)


@pytest.mark.parametrize("line", ["", "   ", "\n", "\r\n"])
def test_an_empty_line_is_no_nonsense(line: str) -> None:
    assert folded(line) == Progress()


def test_percent_follows_from_items_once_both_are_known() -> None:
    assert folded("50", "/10").percent == 50.0
    assert folded("50", "/10", "+1").percent == 10.0
    assert folded("/10", "+1", "90").percent == 10.0


def test_more_items_than_expected_are_still_100_percent() -> None:
    progress = folded("/2", "+3")
    assert (progress.items_done, progress.percent) == (3, 100.0)


def test_a_message_stays_until_the_next() -> None:
    assert folded("1 first", "2", "3 second", "4").message == "second"


def test_a_message_is_cut_and_holds_no_lone_surrogate() -> None:
    message = folded(json.dumps({"message": "\ud800" + "x" * 900})).message
    assert message is not None
    assert message == "?" + "x" * 499


def test_a_control_character_is_kept_as_text() -> None:
    assert folded("1 \x1b[31mred").message == "\x1b[31mred"


def test_failed_items_are_all_counted_and_the_first_thousand_kept() -> None:
    progress = folded(*(f"!i{number} bad" for number in range(MAX_ITEM_ERRORS + 5)))
    assert progress.items_failed == MAX_ITEM_ERRORS + 5
    assert len(progress.item_errors) == MAX_ITEM_ERRORS
    assert progress.item_errors[-1] == ("i999", "bad")


LINES = st.one_of(
    st.text(),
    st.lists(st.sampled_from(["+", "!", "/", "1", "20", "300", ".", "%", " ", "x"])).map("".join),
    st.dictionaries(
        st.sampled_from(["percent", "done", "total", "failed", "add", "message", "item", "error"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    ).map(json.dumps),
)


@settings(deadline=None)
@given(st.lists(LINES))
def test_no_lines_break_the_fold(lines: list[str]) -> None:
    progress = folded(*lines)
    assert progress.percent is None or (0 <= progress.percent <= 100 and not math.isnan(progress.percent))
    assert progress.items_failed >= 0
    assert progress.ignored <= len(lines)
    (progress.message or "").encode("utf-8")
    json.dumps(progress.item_errors).encode("utf-8")
