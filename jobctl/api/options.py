"""What callers give, in Python's terms, as the requests that every verb makes."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest, request_of
from jobctl.errors import BadInputError
from jobctl.model.documents import Json, parse_json
from jobctl.model.selectors import Selector, parse_selector

Duration = float | str | timedelta
"""Seconds, a text such as ``"5m"``, or a ``timedelta``."""
Instant = datetime | str
"""An aware ``datetime`` (a naive one is the wall clock here), or a text such as ``"tomorrow 9:00"``."""
Path = str | os.PathLike[str]
Word = str | os.PathLike[str]
Function = Callable[..., object]


class HasId(ABC):
    """A job, a batch or a run of a workflow: what stands for its id where jobs are meant, and nowhere else."""

    __slots__ = ()

    @property
    @abstractmethod
    def id(self) -> int:
        """Of the job that it is."""


Selection = int | str | HasId | Sequence[int | str | HasId]
"""Jobs: an id, a selector of the command line (``"tag:nightly"``), something with an id, or several of these."""
After = int | str | HasId | Sequence[int | str | HasId]


_NEEDS = frozenset({"after", "after_any", "after_failed"})


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
    document = {
        "in" if name == "in_" else name: plain(_ids(value) if name in _NEEDS else value)
        for name, value in options.items()
    }
    if document.get("meta") is not None:
        document["meta"] = _json("meta", document["meta"])
    return document


def _json(what: str, value: object) -> object:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(
            f"{what} is not JSON", str(error), "give what json.dumps takes", "E_JSON"
        ) from None
    return parse_json(text, what)


def _ids(value: object) -> object:
    """Jobs to wait for, by their ids; anything else is left for the check."""
    if isinstance(value, HasId):
        return value.id
    return [_ids(item) for item in value] if isinstance(value, tuple | list | set | frozenset) else value


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
    return value


def texts_of(selection: Selection) -> list[str]:
    """The selectors of ``selection``, one a part."""
    parts = selection if isinstance(selection, Iterable) and not isinstance(selection, str) else [selection]
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
