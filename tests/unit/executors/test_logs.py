"""Tails and followers of logs."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.executors import logs
from jobctl.executors.logs import LogFollower, read_tail, tail_offset


def test_a_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\n\nthree")
    assert read_tail(str(log), 0) == b""
    assert read_tail(str(log), 1) == b"three"
    assert read_tail(str(log), 2) == b"\nthree"
    assert read_tail(str(log), 3) == b"two\n\nthree"
    assert read_tail(str(log), 99) == b"one\ntwo\n\nthree"


def test_a_missing_log_has_an_empty_tail(tmp_path: Path) -> None:
    assert read_tail(str(tmp_path / "none"), 5) == b""
    assert tail_offset(str(tmp_path / "none"), 0) == 0


def test_a_tail_crosses_blocks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d\n" % number for number in range(50_000)))
    expected = b"".join(b"%d\n" % number for number in range(50_000 - 30_000, 50_000))
    assert read_tail(str(log), 30_000) == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\n", b"a", b"bc"])).map(b"".join), st.integers(1, 9), st.integers(1, 7))
def test_a_tail_equals_the_last_of_all_lines(content: bytes, lines: int, block: int) -> None:
    before, logs._BLOCK = logs._BLOCK, block
    try:
        with NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            assert read_tail(file.name, lines) == b"".join(content.splitlines(keepends=True)[-lines:])
    finally:
        logs._BLOCK = before


def test_a_follower_gives_each_byte_once_as_files_appear_and_grow(tmp_path: Path) -> None:
    paths = {"stdout": str(tmp_path / "out"), "stderr": str(tmp_path / "err")}
    with LogFollower(paths) as follower:
        assert follower.read() == []
        (tmp_path / "err").write_bytes(b"oops")
        assert follower.read() == [("stderr", b"oops")]
        assert follower.read() == []
        (tmp_path / "out").write_bytes(b"1\n")
        with (tmp_path / "err").open("ab") as file:
            file.write(b"!\n")
        assert follower.read() == [("stdout", b"1\n"), ("stderr", b"!\n")]
        assert follower.offsets == {"stdout": 2, "stderr": 6}


def test_a_follower_begins_where_a_tail_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\n")
    with LogFollower({"output": str(log)}, {"output": tail_offset(str(log), 1)}) as follower:
        assert follower.read() == [("output", b"two\n")]


def test_a_large_log_comes_in_bounded_chunks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 600_000)
    with LogFollower({"output": str(log)}) as follower:
        sizes = [len(follower.read()[0][1]) for _ in range(3)]
        assert sizes == [262_144, 262_144, 75_712]
        assert follower.read() == []
