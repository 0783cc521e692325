"""Where in a shell line a value is put in, and how it is then written so that the shell only ever reads it as data.

A value between double quotes needs other quoting than one outside; inside ``$'…'``, back-quotes or a here-document no
quoting is safe in every shell. So the text before each value is read as POSIX XCU 2.2 to 2.7 say; where this reading
is not certain the value is refused and the way round is told: an environment variable. Refusing is always safe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

_WORD_START = " \t\n;&|("
_WORD_END = " \t\n;&|()<>"
_SIMPLE_BRACES = re.compile(r"\$\{[^'\"`\\{}$\n]*\}")
_SIMPLE_BACKQUOTES = re.compile(r"`[^`'\"\\]*`")
_SPECIAL_PARAMETER = re.compile(r"\$[$?!#@*0-9-]")
_NAME_SO_FAR = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+)\Z")
_OPEN_TILDE = re.compile(r"(?:\A|[=:])~[^/]*\Z")
_HERE = re.compile(r"""<<(-?)[ \t]*((?:[A-Za-z0-9_.!%+-]|'[^'\n]*'|"[^"\n$`\\]*")+)(?=[\s;&|)<>]|\Z)""")
_CASE = re.compile(r"case(?=\s)")


class Place(StrEnum):
    """What surrounds a value in a shell line."""

    PLAIN = "plain"
    SINGLE = "single"
    DOUBLE = "double"
    NUMBER = "number"
    """Inside ``$(( ))``: only numbers are safe."""


def quoted(text: str, place: Place) -> str:
    """``text`` for a place; the shell reads exactly it. At ``NUMBER`` it has to be a number.

    Always in quotes: ``2`` before ``>out``, ``if``, an alias or ``A`` before ``=b`` are more than data without.
    """
    if place is Place.NUMBER:
        return f"({text})" if text.startswith("-") else text
    if place is Place.SINGLE:
        return text.replace("'", "'\\''")
    if place is Place.DOUBLE:
        return re.sub(r'([\\"$`])', r"\\\1", text)
    return "'" + text.replace("'", "'\\''") + "'"


def places_of(texts: Sequence[str]) -> list[Place | str]:
    """The place of each value that stands between two of ``texts``; where none is safe, a word about it."""
    reading = _Reading()
    found: list[Place | str] = []
    for text in texts[:-1]:
        reading.read(text)
        found.append(reading.place())
    return found


class _Reading:
    """What a shell is in the middle of, after the text so far."""

    def __init__(self) -> None:
        self._open: list[str] = []
        """Innermost last: ``'``, ``"``, ``#``, ``(`` (commands), ``((`` and ``(+`` (arithmetic)."""
        self._before = "\n"
        """The last character; ``x`` stands for whatever cannot matter."""
        self._name = ""
        """``$NAME`` where the text so far ends in the middle of it."""
        self._words = [""]
        """The word so far, quoted parts as ``x``; below it those that contain the open parentheses."""
        self._in_test = False
        """Between ``[[`` and ``]]``, where bash takes words for arithmetic, and that for code."""
        self._lost = ""
        self._here: list[tuple[str, bool]] = []
        """Here-documents that start in the next line: the delimiter, and whether tabs before it are cut."""

    def read(self, text: str) -> None:
        """``text`` was read too."""
        index = 0
        if text:
            self._name = ""
        while index < len(text) and not self._lost:
            match self._open[-1] if self._open else "":
                case "'" | "#" as kind:
                    index = self._skipped(text, index, kind)
                case '"':
                    index = self._double(text, index)
                case "((" | "(+":
                    index = self._arithmetic(text, index)
                case _:
                    index = self._plain(text, index)

    def place(self) -> Place | str:
        """Where a value stands now; it is then read as part of a word."""
        if self._lost:
            return self._lost
        if self._before in ("\\", "$"):
            return f"right after {self._before}"
        kind = self._open[-1] if self._open else ""
        if kind == "#":
            return "in a comment"
        if kind in ("((", "(+"):
            is_part = self._before.isalnum() or self._before in "_#"
            self._before = "0"
            return "right after a name or number in (( ))" if is_part else Place.NUMBER
        if kind == '"' and self._name:
            return f"right after {self._name}; write ${{{self._name[1:]}}}"
        if self._in_test:
            return "between [[ and ]]"
        if any("[" in word for word in self._words):
            return "in a word after ["
        if _OPEN_TILDE.search(self._words[-1]):
            return "right after ~"
        self._before = "x"
        self._words[-1] += "x"
        return {"'": Place.SINGLE, '"': Place.DOUBLE}.get(kind, Place.PLAIN)

    def _skipped(self, text: str, index: int, kind: str) -> int:
        """To the end of single quotes (which is read) or of a comment (whose line end is not)."""
        end = text.find("'" if kind == "'" else "\n", index)
        if end < 0:
            self._before = "x"
            return len(text)
        self._open.pop()
        self._before = "x"
        return end + 1 if kind == "'" else end

    def _double(self, text: str, index: int) -> int:
        character = text[index]
        if character == '"':
            self._open.pop()
            self._before = "x"
            return index + 1
        if character in "\\$`":
            return self._special(text, index)
        self._before = character
        return index + 1

    def _plain(self, text: str, index: int) -> int:
        character, before = text[index], self._before
        if character in "\\$`":
            self._words[-1] += "x"
            return self._special(text, index)
        self._before = character
        if character in _WORD_END:
            self._check_word()
            self._words[-1] = self._words[-1] if character == "(" else ""
        else:
            self._words[-1] += "x" if character in "'\"" else character
        if character == "'" and before == "$":
            self._lost = "after $'…'"
        elif character in "'\"" or (character == "#" and before in _WORD_START):
            self._open.append(character)
        elif character == "#" and before in ")<>":
            self._lost = f"after {before}#"
        elif character == "(":
            return self._parenthesis(text, index)
        elif character == ")" and self._open:
            self._open.pop()
            self._words.pop()
        elif character == "<" and text.startswith("<<", index):
            return self._here_document(text, index)
        elif character == "\n" and self._here:
            return self._bodies(text, index + 1)
        elif character == "c" and self._open and before in _WORD_START and _CASE.match(text, index):
            self._lost = "after a case inside parentheses"
        return index + 1

    def _check_word(self) -> None:
        """The word that ends here is seen for what it opens or closes."""
        word, is_array = self._words[-1], len(self._words) > 1 and self._words[-2].endswith("=")
        if word in ("[[", "]]"):
            self._in_test = word == "[["
        elif word != "[" or is_array:
            depth = 0
            for bracket in re.findall(r"[\[\]]", word):
                depth = depth + 1 if bracket == "[" else max(0, depth - 1)
            # bash reads a[b c]=d as one word, and what is in its brackets as code.
            self._lost = "after a [ without ]" if depth else self._lost

    def _parenthesis(self, text: str, index: int) -> int:
        is_double = text.startswith("((", index)
        self._open.append("((" if is_double else "(")
        if not is_double:
            self._words.append("")
        self._before = "("
        return index + (2 if is_double else 1)

    @property
    def _is_word_broken(self) -> bool:
        return self._before not in _WORD_START and '"' not in self._open[-1:]

    def _special(self, text: str, index: int) -> int:
        r"""After ``\``, ``$`` or a back-quote, which mean the same outside and between double quotes."""
        character = text[index]
        if character == "\\":
            if index + 1 == len(text):
                self._before = "\\"
            elif text[index + 1] != "\n":
                self._before = "x"
            elif self._is_word_broken:
                self._lost = "after a word broken by a \\ at the end of its line"
            return index + 2
        if character == "`":
            found = _SIMPLE_BACKQUOTES.match(text, index)
            self._lost = "" if found else "in or after back-quotes"
        elif text.startswith("$(", index):
            return self._parenthesis(text, index + 1)
        elif text.startswith("$[", index):
            self._lost, found = "in or after $[", None
        elif text.startswith("${", index):
            found = _SIMPLE_BRACES.match(text, index)
            self._lost = "" if found else "in or after ${…} with quotes or more in it"
        else:
            found = _SPECIAL_PARAMETER.match(text, index)
            if name := _NAME_SO_FAR.match(text, index):
                self._name = name[0]
        self._before = "x" if found else character
        return found.end() if found else index + 1

    def _arithmetic(self, text: str, index: int) -> int:
        character = text[index]
        self._before = character
        if character == "(":
            self._open.append("(+")
        elif character == ")":
            if self._open.pop() == "((":
                if not text.startswith("))", index):
                    self._lost = "after (( without ))"
                self._before = "x"
                return index + 2
        elif character in "'\"`\\#\n" or text.startswith("$(", index):
            self._lost = "after (( with quotes or commands in it"
        elif character == "$":
            return self._special(text, index)
        return index + 1

    def _here_document(self, text: str, index: int) -> int:
        if text.startswith("<<<", index):
            return index + 3
        found = _HERE.match(text, index)
        if found is None:
            self._lost = "after this here-document"
            return index + 2
        self._here.append((re.sub(r"['\"]", "", found[2]), found[1] == "-"))
        self._before = "x"
        return found.end()

    def _bodies(self, text: str, index: int) -> int:
        """Behind the here-documents that were announced, each up to the line that is its delimiter."""
        for delimiter, cuts_tabs in self._here:
            tabs = "\t*" if cuts_tabs else ""
            found = re.compile(rf"^{tabs}{re.escape(delimiter)}(?:\n|\Z)", re.MULTILINE).search(text, index)
            if found is None or "\\\n" in text[index : found.end()]:
                self._lost = (
                    "in a here-document" if found is None else "after a here-document with \\ at a line's end"
                )
                return len(text)
            index = found.end()
        self._here.clear()
        self._before = "\n"
        return index
