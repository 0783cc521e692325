"""README.md as data: its fenced blocks, its tables, its two commands and its shell examples."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARKER = re.compile(r"<!-- (\w+): ([\w -]+) -->\n```\w*\n(.*?)\n```", re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")
_SHELL_STOPS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "#", ")", "\n"})


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text and the line of README.md it starts at."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One ``$ `` line of a console block and the exit code it must have."""

    text: str
    exit_code: int


def text() -> str:
    """The whole file."""
    return README.read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks in these languages, in order."""
    whole = text()
    return [
        Block(match[1], match[2], whole.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(whole)
        if match[1] in languages
    ]


def marked(kind: str) -> dict[str, str]:
    """The blocks that follow ``<!-- kind: name -->``, by name."""
    return {match[2]: match[3] for match in _MARKER.finditer(text()) if match[1] == kind}


def commands(block: Block) -> list[Command]:
    """The ``$ `` lines of a block, with their here-documents; ``# exit N`` at the end of one says its exit code."""
    found = []
    lines = iter(block.text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            expected = _EXIT.search(line)
            text = _EXIT.sub("", line[2:])
            if text.endswith("<<'END'"):
                text = "\n".join([text, *takewhile(lambda below: below != "END", lines), "END"])
            found.append(Command(text, int(expected[1]) if expected else 0))
    return found


def tables() -> Iterator[list[list[str]]]:
    """Every table: its rows as cells, the header first, code marks removed."""
    rows: list[list[str]] = []
    for line in [*text().splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if not set("".join(cells)) <= set("-|: "):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []


def table(*header: str) -> list[list[str]]:
    """The body of every table whose header starts with these cells, joined."""
    return [row for rows in tables() if rows[0][: len(header)] == list(header) for row in rows[1:]]


def calls(shell_text: str) -> Iterator[list[str]]:
    """The words of each call of jobctl in a shell text, up to ``--`` or the end of the command."""
    for line in shell_text.splitlines():
        for match in re.finditer(r"(?:^|[\s'(/])jobctl (?=\S)", line):
            yield _words(line[match.end() :].split("`")[0])


def _words(rest: str) -> list[str]:
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for word in lexer:
            if word == "--" or word in _SHELL_STOPS or set(word) <= set(";&|<>()"):
                break
            words.append(word.rstrip(")\"'"))
    except ValueError:  # the quotes of an enclosing word: what was read until there counts
        pass
    return words
