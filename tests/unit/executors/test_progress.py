"""The tail of a progress file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.executors.progress import MAX_LINE_BYTES, ProgressTail


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_each_complete_line_comes_once(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    tail = ProgressTail(str(path))
    assert tail.read() == []
    append(path, b"10\n20 ha")
    assert tail.read() == ["10"]
    assert tail.consumed == 3
    assert tail.read() == []
    append(path, b"lf\n\n30")
    assert tail.read() == ["20 half", ""]
    assert tail.read(final=True) == ["30"]
    assert tail.read(final=True) == []
    assert tail.consumed == 14


def test_a_look_and_the_end_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    append(path, b"+1\n" * 1_000_000)
    tail = ProgressTail(str(path))
    assert len(tail.read()) == (1 << 15) // 3
    assert len(tail.read(final=True)) == pytest.approx((1 << 20) // 3, abs=2)


def test_the_end_brings_everything_that_is_left(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    append(path, b"+1\n" * 100_000)
    tail = ProgressTail(str(path))
    assert len(tail.read()) + len(tail.read(final=True)) == 100_000
    assert tail.consumed == 300_000


def test_a_later_tail_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    append(path, b"10\n20")
    first = ProgressTail(str(path))
    assert first.read() == ["10"]
    append(path, b"\n")
    assert ProgressTail(str(path), first.consumed).read() == ["20"]


def test_an_endless_line_is_cut_and_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    tail = ProgressTail(str(path))
    for _ in range(3):
        append(path, b"x" * 3000)
        assert tail.read() == []
    append(path, b"\n40\n")
    assert tail.read() == ["x" * MAX_LINE_BYTES, "40"]


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    append(path, b"1 \xff\n")
    assert ProgressTail(str(path)).read() == ["1 �"]


def test_a_fifo_in_place_of_the_file_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "progress")
    assert ProgressTail(str(tmp_path / "progress")).read(final=True) == []


def test_what_follows_a_line_of_megabytes_comes_soon(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    append(path, b"\0" * 5_000_000 + b"\n7/10 fine\n")
    tail = ProgressTail(str(path))
    lines = [line for _ in range(6) for line in tail.read()]
    assert lines[-1] == "7/10 fine"
