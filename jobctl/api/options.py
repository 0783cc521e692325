"""What callers give, in Python's terms, as the requests that every verb makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict, runtime_checkable

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest, request_of
from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.selectors import Selector, parse_selector

Duration = float | str | timedelta
"""Seconds, a text such as ``"5m"``, or a ``timedelta``."""
Instant = datetime | str
"""An aware ``datetime`` (a naive one is the wall clock here), or a text such as ``"tomorrow 9:00"``."""
Path = str | os.PathLike[str]
Word = str | os.PathLike[str]
Function = Callable[..., object]


@runtime_checkable
class HasId(Protocol):
    """A job, a batch or a run of a workflow."""

    @property
    def id(self) -> int:
        """Its id."""


Selection = int | str | HasId | Sequence[int | str | HasId]
"""Jobs: an id, a selector of the command line (``"tag:nightly"``), something with an id, or several of these."""
After = int | str | Sequence[int | str]


class CommandOptions(TypedDict, total=False):
    """The options of ``submit``, with underscores. Each is checked, and its default is, as on the command line."""

    name: str
    tags: Sequence[str]
    queue: str
    priority: int
    """1 (most urgent) to 10."""
    at: Instant
    in_: Duration
    hold: bool
    timeout: Duration
    grace: Duration
    attempts: int
    retry_delay: Duration
    backoff: float
    max_delay: Duration
    retry_on: Sequence[int]
    env: Mapping[str, str]
    env_file: Path
    secret_env: Sequence[str]
    clean_env: bool
    cwd: Path
    stdin: Path
    split_output: bool
    meta: Json
    type: str
    category: str
    user: str
    on_crash: str
    keep_children: bool
    detach: bool
    after: After
    after_any: After
    after_failed: After
    unique: str
    on_duplicate: str
    lock: str
    resources: Mapping[str, int]
    max_memory: int | str
    max_log: int | str
    nice: int
    progress_from: str
    on_success: str
    on_failure: str


class JobOptions(CommandOptions, total=False):
    """Those, and the arguments of a function."""

    args: Mapping[str, Json]
    """By name."""


def job_request(
    command: Sequence[Word] | None,
    shell: str | None,
    call: str | Function | None,
    options: Mapping[str, Any],
    defaults: JobRequest | None = None,
) -> JobRequest:
    """The request that these make.

    Raises:
        BadInputError: an unknown option, or a value of the wrong type.
    """
    document = document_of(options)
    if isinstance(command, str | bytes):
        hint = 'give a list of words: ["ls", "-l"]; or shell="ls -l"'
        raise BadInputError("the command is one text", command, hint, "E_COMMAND")
    given = {"command": None if command is None else [*command], "shell": shell, "call": function_name(call)}
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise BadInputError(f"{several[0]} and {several[1]}", hint="give one of them", code="E_COMMAND")
    document |= {name: plain(value) for name, value in given.items() if value is not None}
    return request_of(document, JobRequest() if defaults is None else defaults)


def document_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as a line of ``submit --jsonl`` writes them."""
    return {"in" if name == "in_" else name: plain(value) for name, value in options.items()}


def function_name(call: str | Function | None) -> str | None:
    """``pkg.mod:func`` of a function or of its name."""
    if call is None or isinstance(call, str):
        return call
    name = getattr(call, "__qualname__", "")
    if not name.isidentifier() or getattr(call, "__module__", "__main__") == "__main__":
        hint = "a worker imports it: define it with def at the top of a module, and name it package.module:function"
        raise BadInputError("no function that a worker could find", name or repr(call), hint, "E_FUNCTION")
    return f"{call.__module__}:{name}"


def plain(value: Any) -> Any:
    """A value of Python as JSON has it, where there is one way only; anything else is left for the check."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.astimezone().isoformat()
    if isinstance(value, os.PathLike):
        return portable(os.fspath(value))
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, HasId):
        return value.id
    return value


def texts_of(selection: Selection) -> list[str]:
    """The selectors of ``selection``, one a part."""
    parts: Iterable[int | str | HasId]
    parts = [selection] if isinstance(selection, int | str | HasId) else selection
    texts = []
    for part in parts:
        found = part.id if isinstance(part, HasId) else part
        if isinstance(found, bool) or not isinstance(found, int | str):
            raise BadInputError("no selection of jobs", repr(found), "give ids or selectors", "E_SELECTOR")
        texts.append(str(found))
    return texts


def selector_of(selection: Selection) -> Selector:
    """The selector of ``selection``; without parts for an empty list.

    Raises:
        BadInputError: ``E_SELECTOR``.
    """
    return Selector(tuple(part for text in texts_of(selection) for part in parse_selector(text).parts))


def number_text(value: Any) -> str | None:
    """A number, duration or text as an option of the command line has it; None stays None."""
    found = plain(value)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadInputError("no number", repr(value), "give a number or a text", "E_NUMBER")
    return str(found) if isinstance(found, int) else _decimal(found)


def _decimal(value: float) -> str:
    text = repr(value)
    return f"{value:.6f}" if "e" in text else text


def seconds_text(value: Duration | None) -> str | None:
    """A duration as a text that ``parse_duration`` reads."""
    return number_text(value)
