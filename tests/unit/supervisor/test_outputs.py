"""Reading progress from output: bounded in time and bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from jobctl.executors.output_lines import LOOK_BYTES, OutputLines
from jobctl.model.progress_patterns import parse_progress_pattern
from jobctl.supervisor.outputs import OutputProgress, TooSlowError, limited

EVIL = ["(a+)+b", "(a|a)*b", "(a*)a*a*a*b", "(.*)(.*)(?:.*)(?:.*)x", r"(?:\w+\s?)+:(\d+)%", "(?:x+x+)+(y)"]


@pytest.mark.parametrize("pattern", EVIL)
def test_a_pattern_that_backtracks_for_ever_is_stopped(pattern: str) -> None:
    line = ("x" if "x+" in pattern else "a") * 1000
    began = time.process_time()
    with pytest.raises(TooSlowError):
        limited(parse_progress_pattern(pattern), [line])
    assert time.process_time() - began < 2


def test_a_pattern_that_proved_too_slow_is_not_used_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a" * 999 + b"\n")
    progress = OutputProgress("(a+)+b", [str(log)])
    assert progress.read() == []
    assert progress.problem is not None
    began = time.process_time()
    log.write_bytes(b"a" * 999 + b"\n" + b"a" * 999 + b"\n")
    assert progress.read() == []
    assert time.process_time() - began < 0.05


def test_of_very_many_lines_the_newest_counts() -> None:
    lines = [f"{number % 90}% {'x' * 900}" for number in range(20_000)] + ["95%"]
    assert limited(parse_progress_pattern(r"(\d+)%"), lines)[-1] == '{"percent":95.0}'


def test_a_carriage_return_ends_a_line_as_a_newline_does(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = OutputLines([str(log)])
    assert lines.read() == []
    log.write_bytes(b"10%\r20%\r\n30")
    assert lines.read() == ["10%", "20%"]
    with open(log, "ab") as file:
        file.write(b"%\r40%")
    assert lines.read() == ["30%"]
    assert lines.read() == ["40%"], "an unfinished line that stopped growing"
    assert lines.read() == []
    with open(log, "ab") as file:
        file.write(b"\r50%")
    assert lines.read(final=True) == ["40%", "50%"]


def test_a_reader_that_fell_behind_goes_on_near_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1%\n" + b"x" * (2 * LOOK_BYTES) + b"\n99%\n")
    read = OutputLines([str(log)]).read()
    assert read[-1] == "99%"
    assert sum(map(len, read)) <= LOOK_BYTES


def test_streams_are_read_apart(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    out.write_bytes(b"1")
    err.write_bytes(b"2\n")
    lines = OutputLines([str(out), str(err)])
    assert lines.read() == ["2"]
    with open(out, "ab") as file:
        file.write(b"0%\n")
    assert lines.read() == ["10%"]
