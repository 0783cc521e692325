"""Pieces of a log become whole lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobctl.actions.logs import LineCutter


@given(st.lists(st.binary(max_size=20)), st.booleans())
def test_nothing_is_lost_repeated_or_reordered(pieces: list[bytes], whole: bool) -> None:
    cutter = LineCutter(whole=whole)
    out = b"".join(cutter.cut(piece) + cutter.partial() for piece in pieces) + cutter.rest()
    assert out == b"".join(pieces)


@given(st.text(), st.integers(1, 5))
def test_no_character_is_cut_in_two(text: str, size: int) -> None:
    data, cutter = text.encode(), LineCutter()
    for start in range(0, len(data), size):
        cutter.cut(data[start : start + size]).decode()
        cutter.partial().decode()
    cutter.rest().decode()


def test_an_unfinished_line_is_kept_until_its_end() -> None:
    cutter = LineCutter()
    assert cutter.cut(b"one\ntw") == b"one\n"
    assert cutter.cut(b"o\n") == b"two\n"


def test_an_unfinished_line_can_be_asked_for_unless_lines_are_wanted_whole() -> None:
    shown, whole = LineCutter(), LineCutter(whole=True)
    for cutter in (shown, whole):
        cutter.cut(b"prompt> ")
    assert shown.partial() == b"prompt> "
    assert whole.partial() == b""
    assert whole.rest() == b"prompt> "


def test_a_carriage_return_waits_for_its_line_feed() -> None:
    cutter = LineCutter()
    assert cutter.cut(b"a\r") == b""
    assert cutter.partial() == b"a"
    assert cutter.cut(b"\nb") == b"\r\n"


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    cutter = LineCutter()
    assert len(cutter.cut(b"x" * (LineCutter.LONGEST + 1))) == LineCutter.LONGEST + 1
