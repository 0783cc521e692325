"""The parts of a worker that need no process of their own."""

from __future__ import annotations

import collections
import enum
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.context import Cancelled
from jobctl.executors.results import parse_result
from jobctl.executors.worker.annotations import annotation_converter, annotation_document
from jobctl.executors.worker.cancellation import Cancellation
from jobctl.executors.worker.journal import Journal
from jobctl.executors.worker.orders import OrderPipe
from jobctl.executors.worker.outputs import Outputs
from jobctl.executors.worker.results import ResultError, result_text
from jobctl.executors.worker.targets import Target, find_target
from jobctl.executors.worker.tracebacks import error_document
from jobctl.model.value_types import fits


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


class Strange(enum.Enum):
    IT = object()


class Options(TypedDict):
    a: int


Name = NewType("Name", str)


@pytest.mark.parametrize(
    ("kind", "document", "given", "made"),
    [
        (int, "int", 1, 1),
        (None, "none", None, None),
        (Any, "any", [1], [1]),
        (object, "any", "x", "x"),
        (Name, "str", "x", "x"),
        (Annotated[int, "x"], "int", 1, 1),
        (Path, "str", "/a", Path("/a")),
        (datetime, "str", "2026-01-02T03:04:05+00:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (date, "str", "2026-01-02", date(2026, 1, 2)),
        (uuid.UUID, "str", str(uuid.UUID(int=5)), uuid.UUID(int=5)),
        (Decimal, "str", "1.10", Decimal("1.10")),
        (Color, {"literal": ["red", 2]}, 2, Color.BLUE),
        (Strange, "any", 1, 1),
        (Literal["a", 1], {"literal": ["a", 1]}, "a", "a"),
        (list[Path], {"list": "str"}, ["a"], [Path("a")]),
        (Sequence[int], {"list": "int"}, [1], [1]),
        (tuple[int, ...], {"list": "int"}, [1, 2], (1, 2)),
        (tuple[int, str], "list", [1, "a"], (1, "a")),
        (set[Color], {"list": {"literal": ["red", 2]}}, ["red"], {Color.RED}),
        (Set[int], {"list": "int"}, [1], {1}),
        (frozenset, "list", [1], frozenset({1})),
        (dict[str, Path], {"dict": "str"}, {"a": "b"}, {"a": Path("b")}),
        (Mapping[str, int], {"dict": "int"}, {"a": 1}, {"a": 1}),
        (Options, "dict", {"a": 1}, {"a": 1}),
        (Optional[Path], {"union": ["str", "none"]}, None, None),  # noqa: UP045
        (Path | None, {"union": ["str", "none"]}, "a", Path("a")),
        (Union[int, datetime, None], {"union": ["int", "str", "none"]}, 5, 5),  # noqa: UP007
        (str | Path, {"union": ["str", "str"]}, "a", "a"),
        (collections.OrderedDict, "any", {}, {}),
        (dict[int, str], {"dict": "str"}, {"1": "a"}, {1: "a"}),
        (dict[Path, list[float]], {"dict": {"list": "float"}}, {"a": [1.5]}, {Path("a"): [1.5]}),
        (Mapping[Color, int], {"dict": "int"}, {"red": 1, "2": 2}, {Color.RED: 1, Color.BLUE: 2}),
    ],
)
def test_an_annotation_says_what_json_it_takes_and_what_is_made_of_it(
    kind: Any, document: object, given: Any, made: object
) -> None:
    assert annotation_document(kind) == document
    assert fits(given, annotation_document(kind))
    convert = annotation_converter(kind)
    found = given if convert is None else convert(given)
    assert (found, type(found)) == (made, type(made))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Path, 3),
        (datetime, "yesterday"),
        (Color, "green"),
        (uuid.UUID, "x"),
        (Path | None, 3),
        (Decimal, "x"),
        (dict[int, str], {"one": "a"}),
        (dict[int, str], {"1": "a", "01": "b"}),
        (dict[Color, int], {"green": 1}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_arguments_name(kind: Any, given: object) -> None:
    def function(x: Any) -> None:
        raise NotImplementedError

    function.__annotations__["x"] = kind
    with pytest.raises(ValueError, match="argument x: "):
        Target(function).call({"x": given})


def test_a_target_is_found_once() -> None:
    assert find_target("os.path:join") is find_target("os.path:join")
    assert find_target("os.path:join").call({"a": "x"}) == "x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60)
@given(JSON)
def test_what_a_worker_lets_pass_everybody_reads_back(value: object) -> None:
    assert parse_result(result_text(value).encode()) == (value, None)


class _Text(str):
    __slots__ = ()


class _Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize("value", [_Text("a"), _Number.ONE, [_Number.ONE]])
def test_texts_and_numbers_of_other_names_are_texts_and_numbers(value: object) -> None:
    assert json.loads(result_text(value)) == value


@pytest.mark.parametrize("value", [b"x", datetime.now(UTC), Path("a"), [float("inf")], {None: 1}, 1j])
def test_what_json_does_not_know_is_no_result(value: object) -> None:
    with pytest.raises(ResultError, match="result is not JSON"):
        result_text(value)


def test_a_result_is_measured_in_bytes() -> None:
    assert len(result_text("x" * ((1 << 20) - 2))) == 1 << 20
    for text in ("x" * ((1 << 20) - 1), "ä" * (1 << 19)):
        with pytest.raises(ResultError, match="larger than 1 MiB"):
            result_text(text)


def test_a_full_disk_is_waited_out_and_what_was_torn_stays_apart(tmp_path: Path) -> None:
    # A pipe that is full takes a part of a long record: as a disk does that has some bytes left.
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    got: list[bytes] = []
    filled = _fill(write_end)
    os.read(read_end, 4096)
    record = b"r" * 10_000 + b"\n"

    def make_room() -> bool:
        got.append(os.read(read_end, 1 << 20))
        return False

    assert Journal(write_end, str(tmp_path)).write(record, make_room)
    got.append(os.read(read_end, 1 << 20))
    content = b"".join(got)[filled - 4096 :]
    torn, _, whole = content.partition(b"\n")
    assert (set(torn), len(torn) < len(record)) == ({ord("r")}, True)
    assert whole == record
    for fd in (read_end, write_end):
        os.close(fd)


def _fill(fd: int) -> int:
    size = 0
    while True:
        try:
            size += os.write(fd, b"f" * 4096)
        except BlockingIOError:
            return size


def test_a_record_that_cannot_be_written_is_given_up_when_there_is_no_one_left(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    assert not Journal(full, "/dev/full").write(b"x\n", lambda: True)
    os.close(full)


def test_a_journal_whose_descriptor_was_reused_is_opened_again(tmp_path: Path) -> None:
    path, other = tmp_path / "journal", tmp_path / "other"
    path.touch()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    journal = Journal(fd, str(path))
    os.close(fd)
    assert journal.write(b"one\n")
    assert path.read_bytes() == b"one\n"
    assert not other.exists()


def test_orders_come_whole_however_the_pipe_was_cut(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    pipe = OrderPipe(read_end, str(tmp_path / "orders"))
    content = json.dumps({"job": 1, "token": 7, "function": "m:f"}).encode()
    (tmp_path / "orders").write_bytes(b"xx" + content)
    os.write(write_end, f"1 1 7 2 {len(content)}".encode())
    assert pipe.poll(wait=True)
    pipe.take()
    assert not pipe.hand
    os.write(write_end, b"\n2 1 8 0 2\n3 ")
    assert pipe.poll(wait=False)
    pipe.take()
    first, second = pipe.hand
    pipe.read(first)
    assert (first.document["function"], second.job, second.token) == ("m:f", 2, 8)
    with pytest.raises(ValueError):
        pipe.read(second)
    os.close(write_end)
    assert not pipe.poll(wait=True)
    assert (pipe.is_closed, pipe.is_lost) == (True, False)
    os.close(read_end)
    pipe.poll(wait=False)
    assert pipe.is_lost
    pipe.close()


def cancel_file(path: Path, content: str) -> Cancellation:
    path.write_text(content)
    return Cancellation(str(path))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"why": "x"}', '{"token": 2}'])
def test_what_is_no_cancel_of_this_job_does_nothing(tmp_path: Path, content: str) -> None:
    found = cancel_file(tmp_path / "cancel", content)
    found.begin(1)
    found.inside = True
    found.hear(15, None)
    assert not found.is_made


def test_a_cancel_is_raised_once_and_only_in_the_users_code(tmp_path: Path) -> None:
    found = cancel_file(tmp_path / "cancel", '{"token": 1}')
    found.begin(1)
    found.hear(15, None)
    assert found.is_made
    found.inside = True
    found.hear(15, None)
    with pytest.raises(Cancelled):
        found.check()
    found.begin(2)
    found.check()
    found.begin(1)
    assert found.is_made


def test_code_that_asks_is_not_interrupted(tmp_path: Path) -> None:
    found = cancel_file(tmp_path / "cancel", '{"token": 1}')
    found.begin(1)
    found.inside = found.is_polled = True
    found.hear(15, None)
    assert found.is_made


def failing(depth: int) -> None:
    if depth == 0:
        raise ExceptionGroup("many", [ValueError("a"), KeyError("b")])
    failing(depth - 1)


def caught(function: Callable[[], object]) -> dict[str, str]:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - it is what is looked at
        return error_document(error)
    raise AssertionError("nothing was raised")


def test_a_group_and_a_long_recursion_are_told_in_short() -> None:
    found = caught(lambda: failing(400))
    assert found["text"] == "ExceptionGroup: many (2 sub-exceptions)"
    assert "ValueError: a" in found["traceback"]
    assert "KeyError: 'b'" in found["traceback"]
    assert len(found["traceback"]) < 10_000


def test_text_that_is_not_unicode_is_escaped() -> None:
    def fail() -> None:
        raise ValueError("\udc80")

    found = caught(fail)
    assert found["text"] == "ValueError: \\udc80"
    found["traceback"].encode()


def test_an_error_without_words_is_its_name() -> None:
    def fail() -> None:
        raise StopIteration

    assert caught(fail)["text"] == "StopIteration"


@contextmanager
def outputs_in(directory: Path) -> Iterator[Outputs]:
    """Those of a worker with this directory, in this process; no fixture, for pytest's capture changes in between."""
    streams = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    found = Outputs(str(directory))
    found.begin(None, split=False)
    try:
        yield found
    finally:
        found.leave()
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]


def test_what_was_printed_between_jobs_is_in_no_log(tmp_path: Path) -> None:
    with outputs_in(tmp_path) as outputs:
        print("late words of another job", flush=True)
        outputs.begin(str(tmp_path / "1"), split=False)
        print("own words")
        outputs.end()
    assert (tmp_path / "1" / "output.log").read_text() == "own words\n"


def test_printing_while_no_job_runs_makes_no_directory(tmp_path: Path) -> None:
    with outputs_in(tmp_path) as outputs:
        print("between jobs")
        outputs.prepare()
        assert os.listdir(tmp_path) == ["output.log"]
        assert not outputs.has_directory


def test_without_hard_links_the_file_itself_becomes_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with outputs_in(tmp_path) as outputs:

        def refuse(source: str, target: str) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", refuse)
        for number in "12":
            outputs.begin(str(tmp_path / "runs" / number), split=False)
            print("words", number)
            os.write(1, b"more\n")
            outputs.end()
        assert (tmp_path / "runs/1/output.log").read_text() == "words 1\nmore\n"
        assert (tmp_path / "runs/2/output.log").read_text() == "words 2\nmore\n"


def test_a_log_that_the_supervisor_has_linked_is_left_as_it_is(tmp_path: Path) -> None:
    with outputs_in(tmp_path) as outputs:
        target = tmp_path / "runs"
        outputs.begin(str(target), split=False)
        os.write(1, b"from C\n")
        target.mkdir()
        os.link(tmp_path / "output.log", target / "output.log")
        print("from Python")
        outputs.end()
        assert outputs.has_directory
        assert (target / "output.log").read_text() == "from C\nfrom Python\n"
        assert (tmp_path / "output.log").read_text() == ""


def test_a_directory_that_cannot_be_made_loses_the_log_and_nothing_else(tmp_path: Path) -> None:
    with outputs_in(tmp_path) as outputs:
        (tmp_path / "runs").write_text("in the way")
        outputs.begin(str(tmp_path / "runs" / "1" / "1"), split=False)
        print("lost")
        outputs.end()
        assert not outputs.has_directory
        outputs.begin(str(tmp_path / "other"), split=False)
        print("kept")
        outputs.end()
        assert (tmp_path / "other/output.log").read_text() == "kept\n"
