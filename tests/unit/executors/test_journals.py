"""Reading a worker's journal: complete records only, each once, and nothing that is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.executors.journals import (
    MOST_BYTES,
    Begin,
    Bye,
    End,
    Journal,
    Ready,
    Recalled,
    record_of,
    records_of,
)

BEGIN = {"t": "begin", "job": 1, "attempt": 2, "token": 3, "at": 4}
END = {
    "t": "end", "job": 1, "attempt": 2, "token": 3, "at": 5, "outcome": "completed", "code": 0, "result": [1],
    "error": None, "cpu": 0.5, "rss": 100, "dir": False, "children": 0, "cancel": False,
}  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal that is empty yet."""
    path = tmp_path / "journal"
    path.touch()
    journal = Journal(str(path))
    yield journal
    journal.close()


def write(journal: Journal, *records: dict[str, Any] | bytes) -> None:
    with open(journal.path, "ab") as file:
        for record in records:
            file.write(record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n")


def test_records_come_once_and_in_order(journal: Journal) -> None:
    write(journal, {"t": "ready", "pid": 7, "at": 1}, BEGIN)
    assert journal.read() == [Ready(7), Begin(1, 2, 3, 4)]
    assert journal.read() == []
    write(journal, END, {"t": "recalled", "tokens": [4, 5]}, {"t": "bye", "why": "hangup", "error": None})
    end, *rest = journal.read()
    assert isinstance(end, End)
    assert (end.result, end.code, end.cpu_seconds) == ([1], 0, 0.5)
    assert rest == [Recalled((4, 5)), Bye("hangup", None)]


def test_a_line_without_its_newline_was_never_written(journal: Journal) -> None:
    text = json.dumps(BEGIN).encode()
    write(journal, text[:9])
    assert journal.read() == []
    write(journal, text[9:])
    assert journal.read() == []
    write(journal, b"\n")
    assert journal.read() == [Begin(1, 2, 3, 4)]


def test_a_result_longer_than_one_read_comes_whole(journal: Journal) -> None:
    write(journal, END | {"result": "x" * (3 * MOST_BYTES)}, BEGIN)
    found = journal.read_all()
    assert isinstance(found[0], End)
    assert found[0].result == "x" * (3 * MOST_BYTES)
    assert found[1:] == [Begin(1, 2, 3, 4)]


def test_what_was_read_gives_its_room_back_and_the_rest_is_read_on(journal: Journal) -> None:
    for _ in range(20):
        write(journal, END | {"result": "x" * 100_000})
        assert len(journal.read_all()) == 1
        journal.forget_read()
    used = Path(journal.path).stat().st_blocks * 512
    assert used < 1_500_000
    fresh = Journal(journal.path)
    write(journal, BEGIN)
    assert fresh.read_all()[-1] == Begin(1, 2, 3, 4)
    fresh.close()


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\xff\xfe", b"{", b"[]", b"12", b"null", b'{"t": "other"}', b'{"t": ["end"]}',
        json.dumps(BEGIN | {"job": "1"}).encode(), json.dumps(BEGIN | {"job": True}).encode(),
        json.dumps(BEGIN | {"at": 1 << 70}).encode(), json.dumps(END | {"outcome": "done"}).encode(),
        json.dumps(END | {"result": float("nan")}).encode(), json.dumps(END | {"code": 1 << 60}).encode(),
        json.dumps({"t": "recalled", "tokens": [None]}).encode(), b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_record_is_passed_over(line: bytes) -> None:
    assert record_of(line) is None


@pytest.mark.parametrize(
    "junk", [b"x", b"[", b"{}", b'{"t":"ready","pid":1},{"t":"ready","pid":2}', b"\xff", b""]
)
def test_junk_among_records_hides_none_of_them(junk: bytes) -> None:
    good = [b'{"t":"begin","job":%d,"attempt":1,"token":7,"at":9}' % number for number in (1, 2)]
    assert records_of([good[0], junk, good[1]]) == [Begin(1, 1, 7, 9), Begin(2, 1, 7, 9)]


def test_texts_are_what_the_store_can_hold() -> None:
    error = {"text": "\ud800 and \0", "traceback": 5}
    end = record_of(json.dumps(END | {"error": error}).encode())
    assert isinstance(end, End)
    assert (end.error, end.traceback) == ("\\ud800 and \\x00".replace("\\x00", "\\0"), None)


def test_a_journal_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert Journal(str(tmp_path / "none")).read_all() == []
