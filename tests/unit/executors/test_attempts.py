"""The attempt directory."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from jobctl.executors.attempts import MAX_FILE_BYTES, AttemptDirectory, ExitRecord
from jobctl.executors.base import SpawnError
from tests.support.processes import make_order


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptDirectory:
    order = make_order(tmp_path, "true")
    directory = AttemptDirectory(order.directory)
    os.close(directory.create(order))
    return directory


def write(attempt: AttemptDirectory, name: str, content: bytes) -> None:
    (Path(attempt.path) / name).write_bytes(content)


def test_everything_is_for_the_owner_only(tmp_path: Path) -> None:
    order = make_order(tmp_path, "true", split_output=True)
    os.close(AttemptDirectory(order.directory).create(order))
    found = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in Path(order.directory).iterdir()}
    assert found.pop("in") == 0o777  # a symbolic link has no mode of its own
    assert found == dict.fromkeys(("pid", "exit", "lock", "stdout.log", "stderr.log"), 0o600)
    for folder in (Path(order.directory), Path(order.directory).parent, Path(order.directory).parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_new_attempt_is_blank(attempt: AttemptDirectory) -> None:
    assert attempt.read_pid() is None
    assert attempt.read_exit() is None
    assert attempt.read_result() == (None, None)
    assert attempt.read_outputs() == ({}, None)
    assert attempt.log_paths() == {"output": attempt.path + "/output.log"}
    assert not attempt.is_held()


def test_the_lock_is_held_as_long_as_its_descriptor(tmp_path: Path) -> None:
    order = make_order(tmp_path, "true")
    directory = AttemptDirectory(order.directory)
    lock = directory.create(order)
    assert directory.is_held()
    assert directory.is_held()
    os.close(lock)
    assert not directory.is_held()


def test_probers_do_not_disturb_one_another(attempt: AttemptDirectory) -> None:
    fd = os.open(attempt.path + "/lock", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not attempt.is_held()
    finally:
        os.close(fd)


def test_no_directory_is_not_held_and_tells_nothing(tmp_path: Path) -> None:
    missing = AttemptDirectory(str(tmp_path / "missing"))
    assert not missing.is_held()
    assert missing.read_pid() is None
    assert missing.read_exit() is None
    missing.remove()


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"0   \n", 0), (b"255 \n", 255), (b"     ", None), (b"13   ", None), (b"", None), (b"x   \n", None)],
)
def test_an_exit_record_counts_when_it_is_complete(
    attempt: AttemptDirectory, content: bytes, code: int | None
) -> None:
    write(attempt, "exit", content)
    os.utime(attempt.path + "/exit", ns=(0, 1_700_000_000_123_456_789))
    expected = None if code is None else ExitRecord(code, 1_700_000_000_123)
    assert attempt.read_exit() == expected


@pytest.mark.parametrize(("content", "pid"), [(b"77\n        ", 77), (b" " * 12, None), (b"77", None)])
def test_a_pid_counts_when_it_is_complete(attempt: AttemptDirectory, content: bytes, pid: int | None) -> None:
    write(attempt, "pid", content)
    assert attempt.read_pid() == pid


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, "\xc3\xa4"]}', {"a": [1, 2.5, None, "ä"]}),
        (b" 3 ", 3),
        (b"null", None),
        (b"", None),
    ],
)
def test_a_result_is_any_json_value(attempt: AttemptDirectory, content: bytes, value: object) -> None:
    write(attempt, "result", content)
    assert attempt.read_result() == (value, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"1e999", "too large"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"\xff", "UTF-8"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b"9" * 5000, "not JSON"),
        (b'"' + b"x" * (1 << 20) + b'"', "1 MiB"),
    ],
)
def test_a_result_nobody_else_can_read_is_refused(
    attempt: AttemptDirectory, content: bytes, said: str
) -> None:
    write(attempt, "result", content)
    value, error = attempt.read_result()
    assert value is None
    assert error is not None
    assert said in error


def test_a_result_nested_64_deep_is_fine(attempt: AttemptDirectory) -> None:
    write(attempt, "result", b"[" * 64 + b"]" * 64)
    assert attempt.read_result()[1] is None


def test_a_fifo_in_place_of_a_file_blocks_nobody(attempt: AttemptDirectory) -> None:
    os.mkfifo(attempt.result_path)
    os.mkfifo(attempt.output_path)
    assert attempt.read_result() == (None, "result cannot be read: not a regular file")
    assert attempt.read_outputs() == ({}, "outputs cannot be read: not a regular file")


def test_outputs_are_lines_and_blocks(attempt: AttemptDirectory) -> None:
    text = b"a=1\nb = x=y\nnonsense\n=empty\nc<<EOF\none\n\ntwo=2\nEOF\na=2\nd=a<<b\nbad=\xff\ne<<END\nrest"
    write(attempt, "outputs", text)
    outputs, problem = attempt.read_outputs()
    assert problem is None
    assert outputs == {
        "a": "2",
        "b": " x=y",
        "c": "one\n\ntwo=2",
        "d": "a<<b",
        "bad": "�",
        "e": "rest",
    }


def test_of_too_many_outputs_none_is_taken(attempt: AttemptDirectory) -> None:
    write(attempt, "outputs", b"a=1\nb=" + b"x" * MAX_FILE_BYTES)
    assert attempt.read_outputs() == ({}, "outputs are larger than 1 MiB")


def test_removing_an_attempt_removes_its_job_with_the_last_one(tmp_path: Path) -> None:
    first, second = (AttemptDirectory(str(tmp_path / "runs" / "1" / number)) for number in "12")
    for directory in (first, second):
        os.close(directory.create(make_order(tmp_path, "true")))
    first.remove()
    assert (tmp_path / "runs" / "1" / "2" / "pid").exists()
    second.remove()
    assert not (tmp_path / "runs" / "1").exists()
    assert (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_this_attempts_own_trouble(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    order = make_order(tmp_path, "true")
    with pytest.raises(SpawnError, match="cannot write"):
        AttemptDirectory(order.directory).create(order)
