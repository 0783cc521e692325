"""Lines of a daemon's log: ``2026-11-22T03:00:00.123Z o text``.

The letter is ``o`` (stdout) or ``e`` (stderr). After it comes a space, or a ``+`` when the next line of that stream
goes on where this one was cut. Text is bytes as they were written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jobctl.clock import Milliseconds, to_datetime
from jobctl.model.instants import format_instant

LONGEST_PART = 1 << 20
"""A longer line is cut into parts of so many bytes."""
HEADER_BYTES = 27

_LETTERS = {"stdout": b"o", "stderr": b"e"}
_STREAMS = {b"o": "stdout", b"e": "stderr"}
_INSTANT_BYTES = 24


class DaemonLine(NamedTuple):
    """One line of a daemon's log."""

    at: str
    """When the supervisor read it, RFC 3339 with ``Z``; empty in a line that is not one of jobctl's."""
    stream: str
    text: bytes
    """Without its newline."""
    continues: bool
    """It is a part: the next line of this stream goes on."""


class Frame(NamedTuple):
    """Lines ready for the log, that stand for ``len(text) - overhead × lines`` bytes of the spool."""

    text: bytes
    overhead: int
    """What each line of it has more than in the spool."""
    cut: bool = False


def stamp(at: Milliseconds) -> bytes:
    """An instant as it begins a line."""
    return format_instant(to_datetime(at)).encode()


def frames(data: bytes, head: bytes, longest: int, *, final: bool) -> Iterator[Frame]:
    """What of ``data`` is ready for the log: whole lines, and parts of lines longer than ``longest``.

    Args:
        data: as it was written, from the beginning of a line or part on.
        head: of each line, without the character that tells parts: ``<instant> o``.
        longest: bytes of a line, at least 4 (a UTF-8 character is never cut).
        final: nothing will follow, so a last line without newline is one too.
    """
    end = data.rfind(b"\n") + 1
    whole = head + b" "
    if end:
        lines = data[:end]
        if end - 1 <= longest or max(map(len, lines.split(b"\n"))) <= longest:
            yield Frame(whole + lines[:-1].replace(b"\n", b"\n" + whole) + b"\n", HEADER_BYTES)
        else:
            yield from _cut_lines(lines, head, longest)
    rest = data[end:]
    if len(rest) > longest:
        *parts, rest = _parts(rest, longest)
        for part in parts:
            yield Frame(head + b"+" + part + b"\n", HEADER_BYTES + 1, cut=True)
    if final and rest:
        yield Frame(whole + rest + b"\n", HEADER_BYTES + 1)


def _cut_lines(lines: bytes, head: bytes, longest: int) -> Iterator[Frame]:
    whole = head + b" "
    run: list[bytes] = []
    for line in lines.split(b"\n")[:-1]:
        if len(line) <= longest:
            run.append(line)
            continue
        if run:
            yield _run(run, whole)
            run.clear()
        *parts, rest = _parts(line, longest)
        for part in parts:
            yield Frame(head + b"+" + part + b"\n", HEADER_BYTES + 1, cut=True)
        run.append(rest)
    yield _run(run, whole)


def _run(lines: list[bytes], whole: bytes) -> Frame:
    return Frame(whole + (b"\n" + whole).join(lines) + b"\n", HEADER_BYTES)


def _parts(line: bytes, longest: int) -> list[bytes]:
    """The line in parts of at most ``longest`` bytes, no UTF-8 character cut, the last part never empty."""
    parts: list[bytes] = []
    begin = 0
    while len(line) - begin > longest:
        end = begin + longest
        for back in range(4):
            if line[end - back] & 0xC0 != 0x80:
                end -= back
                break
        parts.append(line[begin:end])
        begin = end
    parts.append(line[begin:])
    return parts


def head_of(at: bytes, stream: str) -> bytes:
    """What lines of ``stream`` begin with, read at the instant ``at``; one character short of ``HEADER_BYTES``."""
    return at + b" " + _LETTERS[stream]


def letter_of(stream: str) -> bytes:
    """How the log spells a stream."""
    return _LETTERS[stream]


def stream_letter(raw: bytes) -> bytes:
    """The letter of a raw line; empty if it is not one of jobctl's."""
    return raw[_INSTANT_BYTES + 1 : _INSTANT_BYTES + 2]


def parse_line(raw: bytes) -> DaemonLine:
    """What a raw line without its newline says; a strange one is all text."""
    stream = _STREAMS.get(raw[_INSTANT_BYTES + 1 : _INSTANT_BYTES + 2])
    mark = raw[_INSTANT_BYTES + 2 : HEADER_BYTES]
    if stream is None or mark not in (b" ", b"+") or not raw[:_INSTANT_BYTES].isascii():
        return DaemonLine("", "stdout", raw, continues=False)
    return DaemonLine(raw[:_INSTANT_BYTES].decode("ascii"), stream, raw[HEADER_BYTES:], mark == b"+")
