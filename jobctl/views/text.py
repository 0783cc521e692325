r"""What a terminal may be shown: hostile text comes out escaped, ordinary text unchanged (DESIGN, promise 9).

Escaped are control characters (C0, C1), format characters (bidi overrides, zero-width joiners), surrogates,
private and unassigned code points, line and paragraph separators. Blanks of other scripts stay.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

_MOST_REMEMBERED = 4096


class _Escapes(dict[int, str | int]):
    """A table for ``str.translate`` that works out each character once.

    It stops growing at 4096 entries: a log of random code points must not fill the memory.
    """

    def __init__(
        self, show: Callable[[str], str | int], known: Mapping[int, str | int] = MappingProxyType({})
    ) -> None:
        super().__init__(known)
        self._show = show

    def __missing__(self, code: int) -> str | int:
        shown = self._show(chr(code))
        if len(self) < _MOST_REMEMBERED:
            self[code] = shown
        return shown


def printable(text: str) -> str:
    r"""``text`` on one line that a terminal can only show, never obey: ``\x1b``, ``\u202e``, ``\n``.

    A byte that was not UTF-8 (a surrogate after ``os.fsdecode``) is shown as that byte: ``\xff``.
    """
    return text if text.isprintable() else text.translate(_LINE)


def printable_bytes(data: bytes) -> str:
    r"""``data`` read as UTF-8 and made printable; bytes that are not UTF-8 are shown as ``\xff``."""
    return printable(data.decode("utf-8", "surrogateescape"))


def printable_lines(data: bytes) -> str:
    r"""A piece of a log made printable, its line breaks and tabs kept.

    ``\r\n`` and a lone ``\r`` (a progress bar redrawn) are line breaks. A piece should end at a line break: a
    character or a ``\r\n`` cut in two shows as two broken halves.
    """
    text = data.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\x1b", r"\x1b")  # colours are most of it: 20 times as fast as the table
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return text.translate(_LINES)


def printable_json(text: str) -> str:
    r"""The same JSON document, with what a terminal would obey or hide as ``\u202e``: JSON escapes C0 alone."""
    return text if text.isprintable() else text.translate(_JSON)


def width_of(text: str) -> int:
    """The terminal cells that printable ``text`` takes: wide characters two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def shorten(text: str, width: int) -> str:
    """Printable ``text`` in at most ``width`` cells, its end cut and marked with ``…`` if need be."""
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width - 1:
            return text[:index] + "…"
    return text


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _shown_json(character: str) -> str | int:
    if character.isprintable() or character in "\t\n" or unicodedata.category(character) == "Zs":
        return ord(character)
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _shown(character: str) -> str | int:
    code = ord(character)
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return code
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


_LINE = _Escapes(_shown)
_LINES = _Escapes(_shown, {ord("\n"): "\n", ord("\t"): "\t"})
_JSON = _Escapes(_shown_json)
