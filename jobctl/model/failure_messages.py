"""What a failure says, without what differs from one time to the next: the key by which failures recur."""

from __future__ import annotations

import re

LONGEST = 200
_LONGEST_READ = 2000

_PARTS = (
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "<hex>"),
    # A quote in a word, as in "can't", opens nothing.
    (re.compile(r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|‘[^’]*’|“[^”]*”"), "<text>"),
    (re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://\S+"), "<url>"),
    (re.compile(r"(?<![\w.])(?:~|\.{1,2})?/[^\s:;,()\[\]{}<>'\"]*"), "<path>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<hex>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)


def normalised(text: str) -> str:
    """``text`` on one line with numbers, paths, ids and what is quoted replaced, at most 200 characters."""
    line = " ".join(text[:_LONGEST_READ].split())
    for pattern, placeholder in _PARTS:
        line = pattern.sub(placeholder, line)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def failure_message(
    outcome: str, reason: str | None, exit_code: int | None, signal: str | None, said: str | None
) -> str:
    """How an attempt failed, then what it said: ``exit code 3: ValueError: bad line <n>``.

    Args:
        outcome: of the attempt.
        reason: why, in the word of the store.
        exit_code: its own; what it means is kept, not replaced.
        signal: that ended it.
        said: its error, else the last line it printed.
    """
    if outcome == "timeout":
        how = "time-out"
    elif outcome == "lost":
        how = "lost"
    elif signal is not None:
        how = f"ended by {signal}"
    elif reason is not None and reason != "exit":
        how = reason.replace("_", " ")
    else:
        how = "failed" if exit_code is None else f"exit code {exit_code}"
    what = "" if said is None else normalised(said)
    return f"{how}: {what}" if what else how
