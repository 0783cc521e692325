"""Report progress from inside a job: one line appended to the file that its supervisor reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from jobctl.errors import BadInputError, UnusableError
from jobctl.model.names import parse_whole
from jobctl.model.progress import MAX_COUNT, MAX_ITEM, MAX_MESSAGE, Progress, fold

_LIKE_A_NUMBER = "+0123456789/"
_EXAMPLES = "examples: 40, 40%, 12/300, +1"


def progress_line(words: Sequence[str], total: str | None = None, failed_item: str | None = None) -> str:
    """The JSON line that says what ``progress WORDS`` means; it holds no line break.

    Args:
        words: a percentage, ``DONE/TOTAL``, ``+N`` or none of them, then a message.
        total: how many items there are.
        failed_item: an item that failed; the message is then its error.

    Raises:
        BadInputError: ``E_PROGRESS`` or ``E_NUMBER``: out of range, no such thing, or nothing at all.
    """
    amount, message = _split(words)
    said = _amount(amount) if amount else {}
    if total is not None:
        said["total"] = parse_whole(total, "total", 0, MAX_COUNT)
    if failed_item is not None:
        said |= {"item": failed_item[:MAX_ITEM], "error": message[:MAX_MESSAGE]}
    elif message:
        said["message"] = message[:MAX_MESSAGE]
    if not said:
        raise BadInputError("nothing to report", hint=f"{_EXAMPLES}, or a message", code="E_PROGRESS")
    # As UTF-8, not as \\u escapes: the reader cuts lines at 4 KiB.
    line = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    line = line.encode("utf-8", "replace").decode()
    if fold(Progress(), line).ignored:
        raise BadInputError(
            "progress is out of range", amount, "0 to 100 percent, or DONE up to TOTAL", "E_PROGRESS"
        )
    return line


def report_progress(line: str, environment: Mapping[str, str]) -> None:
    """The line is part of the job's progress; parallel children never mix theirs.

    Raises:
        BadInputError: ``E_NO_JOB``: this is no process of a job.
        UnusableError: the file cannot be written.
    """
    path = environment.get("JOBCTL_PROGRESS")
    if not path:
        hint = "progress is for the command of a job, where JOBCTL_PROGRESS is set"
        raise BadInputError("not inside a job", hint=hint, code="E_NO_JOB")
    try:
        # One write to an O_APPEND file is one piece (POSIX write, "atomically appended").
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        hint = "has the attempt ended?"
        raise UnusableError(f"cannot report progress ({error.strerror})", path, hint, "E_PROGRESS") from error


def _split(words: Sequence[str]) -> tuple[str, str]:
    if words and words[0] and words[0][0] in _LIKE_A_NUMBER:
        return words[0], " ".join(words[1:])
    return "", " ".join(words)


def _amount(text: str) -> dict[str, object]:
    """What the first word says, read by the rules of plain progress lines."""
    read = fold(Progress(), text)
    if read.ignored:
        raise BadInputError("bad progress", text, _EXAMPLES, "E_PROGRESS")
    if read.message is not None:  # a blank inside the word
        raise BadInputError("bad progress", text, "give the message as a word of its own", "E_PROGRESS")
    if text.startswith("+"):
        return {"add": read.items_done}
    said: dict[str, object] = {"done": read.items_done, "total": read.items_total}
    found = {key: value for key, value in said.items() if value is not None}
    return found or {"percent": read.percent}
