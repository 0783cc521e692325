"""Framing: whatever is written comes back, in lines of bounded length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobctl.executors.log_lines import Frame, frames, parse_line

HEAD = b"2026-11-22T03:00:00.123Z o"
texts = st.lists(
    st.sampled_from([b"\n", b"a", b"\xc3\xa9", b"\xff", b"\x00", b"\xe2\x82\xac", b"word "]), max_size=60
)


def unframed(found: list[Frame]) -> bytes:
    """What was written, with a newline at the end of each whole line."""
    out = b""
    for frame in found:
        for raw in frame.text.split(b"\n")[:-1]:
            line = parse_line(raw)
            assert line.stream == "stdout"
            assert line.continues == frame.cut
            out += line.text + (b"" if line.continues else b"\n")
    return out


@given(texts, st.integers(4, 40), st.booleans())
def test_frames_stand_for_what_was_written(parts: list[bytes], longest: int, final: bool) -> None:
    data = b"".join(parts)
    found = list(frames(data, HEAD, longest, final=final))
    taken = sum(len(frame.text) - frame.overhead * frame.text.count(b"\n") for frame in found)
    back = unframed(found)
    if final:
        assert taken == len(data)
        assert back == (data if data.endswith(b"\n") or not data else data + b"\n")
    else:
        assert back == data[:taken]
        assert b"\n" not in data[taken:]
        assert len(data) - taken <= longest
    for frame in found:
        assert all(len(raw) - len(HEAD) - 1 <= longest for raw in frame.text.split(b"\n"))


@given(st.text(alphabet="aé€😀", min_size=1, max_size=80), st.integers(4, 20))
def test_no_character_is_cut(text: str, longest: int) -> None:
    for frame in frames(text.encode() + b"\n", HEAD, longest, final=False):
        frame.text.decode("utf-8")
