"""The text of an expression as Python's parser can read it: ``steps.import``, ``steps.build-all`` and all.

Step names may be words of Python (``import``) or hold hyphens. Since an expression knows no arithmetic, a name
after a dot is taken whole; what Python would misread is replaced by letters outside ASCII, one for one, so
that columns stay. Those letters are refused where a user writes them outside quotes.
"""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple

from jobctl.errors import ExpressionError

DEEPEST_BRACKETS = 50

_STRING = r"""'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*\""""
_TOKEN = re.compile(
    rf"""(?P<string>{_STRING})|(?P<member>\.[ \t\r\n]*[A-Za-z_][A-Za-z0-9_-]*)|(?P<other>[\s\S])"""
)
_HYPHEN = "\u04c0"
_SMALL, _CAPITAL = 0x430, 0x410
"""Cyrillic letters: each is a letter to Python, one character, and unchanged by its normalisation (NFKC)."""
_WRITTEN = {
    ord(_HYPHEN): "-",
    **{_SMALL + index: chr(ord("a") + index) for index in range(26)},
    **{_CAPITAL + index: chr(ord("A") + index) for index in range(26)},
}


class Parsable(NamedTuple):
    """A text for ``ast.parse``, and how many characters were cut off its start."""

    source: str
    offset: int

    def column(self, byte: int) -> int:
        """The column (from 1) of an offset of ``ast`` (bytes of UTF-8, from 0)."""
        if self.source.isascii():
            return self.offset + byte + 1
        before = self.source.encode("utf-8", "surrogatepass")[:byte]
        return self.offset + len(before.decode("utf-8", "ignore")) + 1


def parsable(text: str) -> Parsable:
    """``text`` as Python's parser can read it.

    Raises:
        ExpressionError: empty, a character or quotes that have no place, or brackets too deep.
    """
    source = text.lstrip()
    offset = len(text) - len(source)
    source = source.rstrip()
    if not source:
        raise ExpressionError("the expression is empty", 1, None, "write one, such as params.mode == 'full'")
    pieces: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(source):
        kind, piece, column = token.lastgroup, token[0], offset + token.start() + 1
        if kind == "member":
            piece = _as_identifier(piece)
        elif kind == "other":
            depth += (piece in "([{") - (piece in ")]}")
            if depth > DEEPEST_BRACKETS:
                raise ExpressionError(f"nested deeper than {DEEPEST_BRACKETS}", column, None, "simplify it")
            piece = _checked(piece, column)
        elif source.startswith(piece[0] * 3, token.start()) and len(piece) == 2:
            raise ExpressionError("three quotes are not known here", column, None, "use one")
        elif "\0" in piece or "\n" in piece:
            raise ExpressionError(
                "a text ends in the line it starts in", column, None, r"write \n for a line break"
            )
        pieces.append(piece)
    return Parsable("".join(pieces), offset)


def written(name: str) -> str:
    """The name as the user wrote it, from the one that Python read."""
    return name if name.isascii() else name.translate(_WRITTEN)


def _as_identifier(member: str) -> str:
    name = member[1:].lstrip()
    if keyword.iskeyword(name):
        base = _SMALL - ord("a") if name[0].islower() else _CAPITAL - ord("A")
        name = chr(base + ord(name[0])) + name[1:]
    return "." + " " * (len(member) - 1 - len(name)) + name.replace("-", _HYPHEN)


def _checked(character: str, column: int) -> str:
    if character in " \t\r\n":
        return " "
    if character in "'\"":
        raise ExpressionError("a quote is not closed", column, None, f"add {character}")
    if not "!" <= character <= "~" or character in "\\#;@`$?":
        raise ExpressionError("character has no place here", column, character, "put texts in quotes")
    return character
