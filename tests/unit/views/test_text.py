"""What reaches a terminal: hostile text escaped, ordinary text unchanged."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.views.text import printable, printable_bytes, printable_lines, shorten, width_of

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
any_text = st.text(st.characters(exclude_categories=()))


def categories(text: str) -> set[str]:
    return {unicodedata.category(character) for character in text}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "größe 日本語 ελληνικά",
        "😀☠️",
        "[/b] :skull: x[/]y",
        "back\\slash",
        "a\u00a0b\u3000c",
        "e\u0301",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert printable(text) == text
    assert printable_bytes(text.encode()) == text
    assert printable_lines(text.encode()) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]52;c;eA==\x07", r"\x1b[2J\x1b]52;c;eA==\x07"),
        ("\u009b2J", r"\x9b2J"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("a\u200db", r"a\u200db"),
        ("a\nb\tc\rd\0", r"a\nb\tc\rd\x00"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ue000\U000e0001\U0010ffff", r"\ue000\U000e0001\U0010ffff"),
        ("\udcff\udcfe", r"\xff\xfe"),
        ("\ud800", r"\ud800"),
        ("\x7f", r"\x7f"),
        ("\u0378", r"\u0378"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_bytes_that_are_not_utf8_are_shown_as_bytes() -> None:
    assert printable_bytes(b"\xff\xfe ok \xc3\xb6 \xc3") == r"\xff\xfe ok ö \xc3"
    assert printable_bytes(b"\xed\xa0\x80") == r"\xed\xa0\x80"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a\nb\tc\n", "a\nb\tc\n"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"10%\r20%\r30%\n", "10%\n20%\n30%\n"),
        (b"\x1b[32mok\x1b[0m\n", "\\x1b[32mok\\x1b[0m\n"),
        (b"\x1b\x00\x0b\x0c\x08\n", "\\x1b\\x00\\x0b\\x0c\\x08\n"),
        ("a\u2028b\x85\n".encode(), "a\\u2028b\\x85\n"),
        (b"\xff\x1b\n", "\\xff\\x1b\n"),
        (b"\xe2\x80\xae\n", "\\u202e\n"),
    ],
)
def test_a_log_keeps_its_lines_and_tabs(data: bytes, shown: str) -> None:
    assert printable_lines(data) == shown


@given(any_text)
def test_nothing_forbidden_leaves_printable(text: str) -> None:
    assert not categories(printable(text)) & FORBIDDEN


@given(any_text)
def test_printable_text_is_not_escaped_again(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.binary() | any_text.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_forbidden_leaves_printable_bytes_and_lines(data: bytes) -> None:
    assert not categories(printable_bytes(data)) & FORBIDDEN
    assert not categories(printable_lines(data).replace("\n", "").replace("\t", "")) & FORBIDDEN


def test_code_points_are_safe_even_after_the_table_stopped_growing() -> None:
    everything = "".join(map(chr, [*range(0x10000), *range(0x10000, 0x110000, 97)]))
    assert not categories("".join(set(printable(everything)))) & FORBIDDEN
    assert printable("\U000f1234\x1b") == r"\U000f1234\x1b"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("abcd", -1, ""),
        ("", 0, ""),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("e\u0301e\u0301e", 2, "e\u0301…"),
    ],
)
def test_text_is_cut_to_the_cells_it_may_take(text: str, width: int, shown: str) -> None:
    assert shorten(text, width) == shown


@given(st.text(max_size=30), st.integers(-1, 20))
def test_shortened_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    shown = shorten(text, width)
    assert width_of(shown) <= max(width, 0)
    assert text.startswith(shown.removesuffix("…")) or shown == text
