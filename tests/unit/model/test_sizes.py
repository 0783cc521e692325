"""Sizes: powers of 1024, read exactly, shown short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.sizes import LARGEST_BYTES, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1 << 20),
        ("1", 1),
        ("512M", 512 << 20),
        ("512m", 512 << 20),
        ("2G", 2 << 30),
        ("1GiB", 1 << 30),
        ("1gb", 1 << 30),
        ("100k", 102400),
        ("100B", 100),
        ("1.5g", 3 << 29),
        ("0.5k", 512),
        ("1T", 1 << 40),
        ("9223372036854775807", LARGEST_BYTES),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_a_size_means_these_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "M", "1X", "1 M", " 1M", "1M ", "1M\n", "1e3", "1_0", "５M", "1Mi b", "0x10", "+1M", "1iB",
     ".5G", "1.G", "nan", "inf", "1.5.5G", "9" * 5000, "1KM", "1\u212a", "1,5G"],
)  # fmt: skip
def test_a_malformed_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_size(text, "max-memory")
    assert caught.value.code == "E_SIZE"
    assert caught.value.what == "bad max-memory"
    assert "512M" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-5M", "size must be positive"),
        ("0", "size must be positive"),
        ("0.0001k", "size must be positive"),
        ("1.5", "size must be whole bytes"),
        ("1.5B", "size must be whole bytes"),
        ("9223372036854775808", "size is too large"),
        ("8192P", "size is too large"),
    ],
)
def test_an_impossible_size_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        parse_size(text)


def test_zero_is_a_size_where_the_caller_allows_it() -> None:
    assert parse_size("0", allow_zero=True) == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (100, "100B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (1536, "1.5KiB"),
        (1048575, "1MiB"),
        (512 << 30, "512GiB"),
        (-2048, "-2KiB"),
        (1 << 60, "1024PiB"),
    ],
)
def test_a_size_is_shown_short(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(1, (1 << 62)))
def test_a_shown_size_reads_back_within_five_percent(size: int) -> None:
    assert abs(parse_size(format_size(size)) - size) <= size * 0.05


@given(st.integers(1, 1 << 60))
def test_whole_bytes_read_exactly(size: int) -> None:
    assert parse_size(str(size)) == size


@given(st.text())
def test_any_text_is_a_positive_size_or_bad_input(text: str) -> None:
    try:
        size = parse_size(text)
    except BadInputError as error:
        assert error.exit_code == 2  # noqa: PT017
    else:
        assert 0 < size <= LARGEST_BYTES
