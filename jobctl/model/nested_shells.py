"""Whether a value of a template ends up in a program that something else reads: ``sh -c "echo ${{ params.x }}"``.

The shell of a job gets every value quoted, and a program its words as they are. But a shell started in there reads its
word once more, as a program: no quoting of ours reaches so far. This finds the usual ways, to warn of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobctl.model.templates import OPENING

_SHELLS = frozenset(
    {"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "su", "runuser"}
)
_LANGUAGES = {"python": "c", "perl": "eE", "ruby": "e", "node": "ep", "php": "r", "lua": "e", "Rscript": "e"}
_READERS = _SHELLS | {"eval", "ssh"}
_SSH_ARGUMENTS = "BbcDEeFIiJLlmOopQRSWw"
"""Options of ssh that take the next word; ssh(1)."""
_CLOSING = "}}"
_PLACE = OPENING + _CLOSING
_MOST_STARTS = 16
"""Programs looked at in one command: beyond, a line that long is nobody's, and looking at each is O(n²)."""
_WORD = re.compile(
    r"""(?:\$\{\{\}\}|"(?:\\[\s\S]|\$\{\{\}\}|[^"\\])*+"|'[^']*+'|\\[\s\S]|[^\s"'\\;&|()`<>])++|[;&|()`\n]"""
)


def reader_of(command: Sequence[str]) -> str | None:
    """The program that would read a value as part of a program, in an argv; None: there is none."""
    starts = 0
    for index, word in enumerate(command):
        name = _plain(word).rpartition("/")[2]
        if (starts := starts + (name in _READERS or _language(name) in _LANGUAGES)) > _MOST_STARTS:
            return None
        rest = command[index + 1 :]
        if name in _SHELLS:
            told = _after_option(rest, "c", skips_words=name in ("su", "runuser"))
        elif (language := _language(name)) in _LANGUAGES:
            told = _after_option(rest, _LANGUAGES[language], skips_words=False)
        elif name == "eval":
            told = " ".join(rest)
        elif name == "ssh":
            told = " ".join(_remote_words(rest))
        else:
            continue
        if OPENING in told:
            return name
    return None


def reader_in(shell: str) -> str | None:
    """As :func:`reader_of`, in a shell line. O(n): the line may be anybody's."""
    if OPENING not in shell:
        return None
    command: list[str] = []
    for found in _WORD.finditer(_emptied(shell)):
        word = found[0]
        if len(word) == 1 and word in ";&|()`\n":
            if (reader := reader_of(command)) is not None:
                return reader
            command = []
        else:
            command.append(word)
    return reader_of(command)


def _emptied(shell: str) -> str:
    """The line with nothing inside its places for values: an expression may hold quotes and blanks."""
    parts: list[str] = []
    at = 0
    while (start := shell.find(OPENING, at)) >= 0 and (end := shell.find(_CLOSING, start)) >= 0:
        parts += (shell[at:start], _PLACE)
        at = end + len(_CLOSING)
    return "".join(parts) + shell[at:]


def _language(name: str) -> str:
    return name.rstrip("0123456789.")


def _plain(word: str) -> str:
    return word.strip("\"'$")


def _after_option(words: Sequence[str], letters: str, *, skips_words: bool) -> str:
    """The word after the first option with one of the letters (``-lc``); empty without one."""
    for index, word in enumerate(words):
        plain = _plain(word)
        if re.fullmatch(rf"-[A-Za-z]*[{letters}][A-Za-z]*", plain):
            return words[index + 1] if index + 1 < len(words) else ""
        if not plain.startswith(("-", "+")) and not skips_words:
            return ""
    return ""


def _remote_words(words: Sequence[str]) -> Sequence[str]:
    """What of the words behind ``ssh`` the shell over there reads: those behind the host."""
    index = 0
    while index < len(words) and _plain(words[index]).startswith("-"):
        takes_next = re.fullmatch(rf"-[A-Za-z0-9]*[{_SSH_ARGUMENTS}]", _plain(words[index])) is not None
        index += 2 if takes_next else 1
    return words[index + 1 :]
