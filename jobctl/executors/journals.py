"""A worker's journal as its supervisor reads it: complete records only, each once.

User code shares the process that writes it, so nothing in it is believed unseen: a line that is no record of ours, or
holds what the store could not, is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.executors.holes import HolesRefusedError, punch
from jobctl.executors.results import check_value

MOST_BYTES = 1 << 18
"""Read in one go, unless one record is longer."""
LONGEST_RECORD = 1 << 22
_PUNCH_BYTES = 1 << 20
_BLOCK = 1 << 12
_WORST = (1 << 53) - 1
_ENDS = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker takes jobs and heeds signals."""

    pid: int


@dataclass(frozen=True, slots=True)
class Begin:
    """An attempt has begun; ``at`` in milliseconds UTC."""

    job: int
    attempt: int
    token: int
    at: int


@dataclass(frozen=True, slots=True)
class End:
    """An attempt has ended."""

    job: int
    attempt: int
    token: int
    at: int
    outcome: str
    """``completed``, ``failed`` or ``cancelled``."""
    code: int
    result: object
    error: str | None
    traceback: str | None
    cpu_seconds: float | None
    rss_bytes: int | None
    has_directory: bool
    children: int
    """How many processes it left behind."""
    was_cancelled: bool
    """Whether a cancellation reached it, whatever it made of it."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Jobs that were in hand and will never begin."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """Nothing begins any more, and why."""

    why: str
    error: str | None


Record = Ready | Begin | End | Recalled | Bye


class Journal:
    """The records of one journal, from its beginning; one descriptor while it is open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._pending = b""
        self._read = 0
        self._punched = 0

    def read(self) -> list[Record]:
        """What was completed since the last call, at most ``MOST_BYTES`` or one long record."""
        found: list[Record] = []
        while not found:
            chunk = self._chunk()
            if not chunk:
                break
            *lines, self._pending = (self._pending + chunk).split(b"\n")
            if len(self._pending) > LONGEST_RECORD:
                self._pending = b""
            found = records_of(lines)
        return found

    def read_until(self, offset: int) -> list[Record]:
        """All records that were complete when the journal was ``offset`` bytes long and are not read yet."""
        found: list[Record] = []
        while self._read < offset and (chunk := self._chunk(offset - self._read)):
            *lines, self._pending = (self._pending + chunk).split(b"\n")
            found += records_of(lines)
        return found

    @property
    def size(self) -> int:
        """How long it is now; 0 if it is not there."""
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def read_all(self) -> list[Record]:
        """What was completed since the last call, all of it."""
        found: list[Record] = []
        while records := self.read():
            found += records
        return found

    def _chunk(self, most: int = MOST_BYTES) -> bytes:
        if self._fd is None:
            try:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:  # gone, or no descriptors left: the next turn looks again
                return b""
        chunk = os.pread(self._fd, min(most, MOST_BYTES), self._read)
        self._read += len(chunk)
        return chunk

    def forget_read(self) -> None:
        """What was read takes no more room on the disk, where that is much and possible."""
        end = (self._read - len(self._pending)) // _BLOCK * _BLOCK
        if self._fd is None or end - self._punched < _PUNCH_BYTES:
            return
        with contextlib.suppress(HolesRefusedError, OSError):  # else it stays until the worker is replaced
            punch(self._fd, self._punched, end)
        self._punched = end

    def close(self) -> None:
        """The descriptor is closed; reading on opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def records_of(lines: Sequence[bytes]) -> list[Record]:
    """The records that lines hold; those that hold none are passed over.

    All are decoded at once, which takes half the time; only where that fails, line by line.
    """
    try:
        documents = _DECODER.decode(f"[{b','.join(lines).decode()}]")
    except (ValueError, RecursionError):
        documents = []
    if len(documents) != len(lines):
        return [record for line in lines if (record := record_of(line)) is not None]
    return [record for found in documents if (record := _made(found)) is not None]


def record_of(line: bytes) -> Record | None:
    """The record that a line holds; None for anything else."""
    try:
        text = line.lstrip(b"\0").decode()
        found, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return _made(found) if end == len(text) else None


def _made(found: Any) -> Record | None:
    try:
        return _MAKERS[found["t"]](found)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _refuse(name: str) -> object:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # json.loads would make one for each line


def _number(value: Any) -> int:
    if type(value) is not int or not -_WORST <= value <= _WORST:
        raise ValueError("no number")
    return value


def _end(found: Mapping[str, Any]) -> End:
    error = found.get("error")
    error = error if type(error) is dict else {}
    if found["outcome"] not in _ENDS:
        raise ValueError("outcome")
    cpu, rss, result = found.get("cpu"), found.get("rss"), found.get("result")
    outcome, code, text = found["outcome"], _number(found["code"]), _text(error.get("text"))
    try:
        if result is not None:
            check_value(result)
    except (ValueError, RecursionError) as problem:
        outcome, code, result, text = "failed", 1, None, f"result is not usable JSON: {problem or 'too deep'}"
    return End(
        _number(found["job"]), _number(found["attempt"]), _number(found["token"]), _number(found["at"]),
        outcome, code, result, text, _text(error.get("traceback")) if error else None,
        float(cpu) if type(cpu) is float or type(cpu) is int else None, rss if type(rss) is int else None,
        found.get("dir") is True, _number(found.get("children", 0)), found.get("cancel") is True,
    )  # fmt: skip


def _text(value: object) -> str | None:
    """A text that the store can hold: no lone surrogates, no NUL."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _bye(found: Mapping[str, Any]) -> Bye:
    error = found.get("error")
    return Bye(str(found["why"])[:40], _text(error.get("text")) if isinstance(error, dict) else None)


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "ready": lambda found: Ready(_number(found["pid"])),
    "begin": lambda found: Begin(
        _number(found["job"]), _number(found["attempt"]), _number(found["token"]), _number(found["at"])
    ),
    "end": _end,
    "recalled": lambda found: Recalled(tuple(map(_number, found["tokens"]))),
    "bye": _bye,
}
