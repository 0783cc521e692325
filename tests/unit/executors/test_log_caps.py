"""Logs that lose their middle, and readers that skip it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.executors import holes, log_caps
from jobctl.executors.holes import HolesRefusedError, data_ranges, dropped_bytes
from jobctl.executors.log_caps import LogCap
from jobctl.executors.logs import Dropped, LogFollower, read_head, read_tail, tail_offset
from jobctl.model.sizes import format_size

CAP = 1 << 20
LINE = b"%011d\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def write_lines(path: Path, first: int, count: int) -> None:
    """Numbered lines of 12 bytes are appended."""
    with open(path, "ab") as file:
        file.write(b"".join(LINE % number for number in range(first, first + count)))


def blocks(path: Path) -> int:
    """The bytes that a file takes on disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return path.stat().st_blocks * 512


def cut_log(path: Path, rounds: int = 20) -> int:
    """A log of many caps, looked at after each half cap; the number of its lines."""
    cap, lines = LogCap([str(path)], CAP), 0
    for _ in range(rounds):
        write_lines(path, lines, CAP // 24)
        lines += CAP // 24
        cap.look()
    return lines


def test_a_log_within_its_cap_is_left_alone(log: Path) -> None:
    write_lines(log, 0, CAP // 12)
    look = LogCap([str(log)], CAP).look()
    assert (look.cut, look.problem) == (False, None)
    assert dropped_bytes(str(log)) == (log.stat().st_size, 0)


def test_a_log_over_its_cap_keeps_its_size_its_head_and_its_tail(log: Path) -> None:
    lines = cut_log(log)
    size, dropped = dropped_bytes(str(log))
    assert size == lines * 12
    assert CAP // 2 <= size - dropped <= CAP
    assert blocks(log) <= CAP + (1 << 16)
    with open(log, "rb") as file:
        [(begin, head), (tail, end)] = data_ranges(file.fileno(), size)
        assert (begin, end) == (0, size)
        assert CAP // 8 <= head <= CAP // 2
        file.seek(0)
        assert file.read(head) == b"".join(LINE % number for number in range(lines))[:head]
        file.seek(tail)
        assert file.read() == b"".join(LINE % number for number in range(lines))[tail:]


def test_readers_show_a_marker_and_never_a_nul(log: Path) -> None:
    lines = cut_log(log)
    with LogFollower({"output": str(log)}) as follower:
        chunks: list[bytes] = []
        while found := follower.read():
            chunks += [chunk for _, chunk in found]
    text = b"".join(chunks)
    assert b"\0" not in text
    assert text.startswith(LINE % 0)
    assert text.endswith(LINE % (lines - 1))
    [marker] = [chunk for chunk in chunks if isinstance(chunk, Dropped)]
    assert (
        marker.decode().strip() == f"[… {format_size(dropped_bytes(str(log))[1])} dropped by the log limit …]"
    )
    assert text.splitlines().count(marker.strip()) == 1


def test_a_tail_stays_behind_the_hole_or_goes_on_before_it(log: Path) -> None:
    lines = cut_log(log)
    assert read_tail(str(log), 3) == b"".join(LINE % number for number in range(lines - 3, lines))
    many = read_tail(str(log), CAP // 12 - 2000)
    assert b"\0" not in many
    assert many.count(b"dropped by the log limit") <= 1
    everything = read_tail(str(log), lines)
    assert tail_offset(str(log), lines) == 0
    assert everything.startswith(LINE % 0)
    assert everything.count(b"dropped by the log limit") == 1


def test_the_beginning_of_a_cut_log_is_read_without_its_hole(log: Path) -> None:
    cut_log(log)
    found, cut = read_head(str(log), 10 * CAP)
    assert cut
    assert b"\0" not in found
    assert read_head(str(log), 12) == (LINE % 0, True)
    assert read_head(str(log) + ".none", 12) == (b"", False)


def test_a_follower_that_is_overtaken_by_the_hole_says_so_once(log: Path) -> None:
    write_lines(log, 0, 100)
    with LogFollower({"output": str(log)}) as follower:
        [(_, first)] = follower.read()
        assert first.count(b"\n") == 100
        lines = cut_log(log)
        rest = b""
        markers = 0
        while found := follower.read():
            markers += sum(isinstance(chunk, Dropped) for _, chunk in found)
            rest += b"".join(chunk for _, chunk in found)
    assert markers == 1
    assert b"\0" not in rest
    assert rest.endswith(LINE % (lines - 1))


def test_a_cap_below_the_least_counts_as_the_least(log: Path) -> None:
    write_lines(log, 0, log_caps.LEAST_CAP // 12 - 1)
    assert LogCap([str(log)], 1).look().cut is False
    write_lines(log, 0, log_caps.LEAST_CAP // 4)
    assert LogCap([str(log)], 1).look().cut is True
    assert dropped_bytes(str(log))[1] > 0


def test_where_no_holes_can_be_punched_it_says_so_once_and_the_log_grows(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise HolesRefusedError("the file system punches no holes")

    monkeypatch.setattr(log_caps, "punch", refuse)
    cap = LogCap([str(log)], CAP)
    write_lines(log, 0, CAP)
    assert cap.look().problem == "the file system punches no holes"
    assert cap.look().problem is None
    assert dropped_bytes(str(log)) == (CAP * 12, 0)


def test_a_system_without_fallocate_punches_none(monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    monkeypatch.setattr(holes, "LINUX", False)
    holes._fallocate.cache_clear()
    try:
        with pytest.raises(HolesRefusedError), open(log, "r+b") as file:
            holes.punch(file.fileno(), 0, 4096)
    finally:
        holes._fallocate.cache_clear()


def test_a_log_that_grows_fast_asks_for_another_look(log: Path) -> None:
    cap = LogCap([str(log)], 1 << 40)
    assert not cap.look().hot
    os.truncate(log, log_caps.HOT_BYTES + 1)
    assert cap.look().hot
    assert not cap.look(hot=True).hot
    assert not LogCap([str(log) + ".none"], CAP).look().hot
