"""Batches: a parent with many like children, the items; how their commands are made and what their ends mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobctl.errors import BadInputError
from jobctl.model.names import LONGEST_NAME, parse_whole
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus, Reason

MOST_ITEMS = 1_000_000
ITEM_SUFFIX = ":item"

_REPLACED = r"\{(|\.|/|//|/\.|#)\}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands: its limits, and how many of its items are in each state."""

    job_id: JobId
    total: int
    created: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    timeout: int
    max_parallel: int | None
    max_failures: int | None

    @property
    def failures(self) -> int:
        """Items that failed or ran out of time."""
        return self.failed + self.timeout

    @property
    def ended(self) -> int:
        """Items that have ended, however."""
        return self.completed + self.failed + self.cancelled + self.timeout

    @property
    def summary(self) -> str:
        """What is not as it should be: ``3 of 100 failed``; else ``100 completed``."""
        parts = [
            f"{count} of {self.total} {word}"
            for count, word in ((self.failures, "failed"), (self.cancelled, "cancelled"))
            if count
        ]
        return ", ".join(parts) or f"{self.completed} completed"


@dataclass(frozen=True, slots=True)
class Item:
    """One item and the command made of it: an argv, or a shell line."""

    text: str
    command: tuple[str, ...] | str


@dataclass(frozen=True, slots=True)
class BatchSubmission:
    """A batch as a caller asks for it: ``child`` is what its items have in common."""

    parent: Submission
    child: Submission
    items: Sequence[Item]
    max_parallel: int | None = None
    max_failures: int | None = None


def outcome_of(batch: Batch, stop_reason: str | None) -> tuple[JobStatus, Reason | None]:
    """How a batch without open items ended.

    Failures up to ``max_failures``, where that is given, do not make it fail.
    """
    if batch.completed == batch.total:
        return JobStatus.COMPLETED, None
    if stop_reason == Reason.REQUESTED:
        return JobStatus.CANCELLED, Reason.REQUESTED
    if batch.failures > (batch.max_failures or 0):
        return JobStatus.FAILED, Reason.ITEMS_FAILED
    if batch.cancelled:
        return JobStatus.CANCELLED, Reason.ITEMS_CANCELLED
    return JobStatus.COMPLETED, None


def parse_max_failures(text: str, total: int) -> int:
    """How many of ``total`` items may fail: ``3``, or ``10%`` of them, rounded down.

    Raises:
        BadInputError: ``E_NUMBER``.
    """
    if not text.endswith("%"):
        return parse_whole(text, "max failures", 0, MOST_ITEMS)
    return total * parse_whole(text[:-1], "max failures", 0, 100) // 100


def item_name(batch_name: str) -> str:
    """The name that all items of a batch have."""
    return batch_name[: LONGEST_NAME - len(ITEM_SUFFIX)] + ITEM_SUFFIX


def items_of(texts: Sequence[str], command: Sequence[str] | None, shell: str | None) -> list[Item]:
    """Each item with its command: replacement strings are those of GNU parallel.

    ``{}`` the item, ``{.}`` without its extension, ``{/}`` its last part, ``{//}`` its directory, ``{/.}`` the
    last part without extension, ``{#}`` its number from 1. Without any of them the item is the last argument. In a
    shell line each is quoted for the shell.

    Raises:
        BadInputError: ``E_ITEMS``: an item with a NUL, or too many of them.
    """
    if len(texts) > MOST_ITEMS:
        raise BadInputError("too many items", len(texts), f"at most {MOST_ITEMS:,} a batch", "E_ITEMS")
    for number, text in enumerate(texts, start=1):
        if "\0" in text:
            raise BadInputError(
                f"NUL character in item {number}", text, "no program can be given one", "E_ITEMS"
            )
    if shell is not None:
        line = _Template(shell if re.search(_REPLACED, shell) else f"{shell} {{}}", quoted=True)
        return [Item(text, line.filled(text, number)) for number, text in enumerate(texts, start=1)]
    words = list(command or ())
    if not any(re.search(_REPLACED, word) for word in words):
        words.append("{}")
    templates = [_Template(word) for word in words]
    return [
        Item(text, tuple(template.filled(text, number) for template in templates))
        for number, text in enumerate(texts, start=1)
    ]


class _Template:
    """A word with replacement strings, taken apart once for 100,000 items."""

    def __init__(self, word: str, *, quoted: bool = False) -> None:
        # re.split gives texts and, between them, what stood between the braces.
        parts = re.split(_REPLACED, word)
        self._texts, self._kinds = parts[0::2], parts[1::2]
        self._quoted = quoted

    def filled(self, item: str, number: int) -> str:
        """The word for one item."""
        if not self._kinds:
            return self._texts[0]
        return "".join(self._pieces(item, number))

    def _pieces(self, item: str, number: int) -> Iterator[str]:
        yield self._texts[0]
        for kind, text in zip(self._kinds, self._texts[1:], strict=True):
            value = replaced(kind, item, number)
            yield shlex.quote(value) if self._quoted else value
            yield text


def replaced(kind: str, item: str, number: int) -> str:
    """What GNU parallel 20221122 puts in place of ``{kind}``; its rules are Perl's ``s:.*/::``, ``s:\\.[^/.]*$::``."""
    match kind:
        case "":
            return item
        case ".":
            return _without_extension(item)
        case "/":
            return item.rpartition("/")[2]
        case "//":
            return _directory(item)
        case "/.":
            return _without_extension(item.rpartition("/")[2])
        case _:
            return str(number)


def _without_extension(text: str) -> str:
    stem, dot, extension = text.rpartition(".")
    return stem if dot and "/" not in extension else text


def _directory(path: str) -> str:
    """As Perl's ``File::Basename::dirname``."""
    stripped = path.rstrip("/")
    if not stripped:
        return "/" if path else "."
    directory, slash, _ = stripped.rpartition("/")
    return (directory.rstrip("/") or "/") if slash else "."
