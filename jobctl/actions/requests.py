"""Jobs as callers write them: one table of fields behind every line of ``submit --jsonl``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobctl.errors import BadInputError, JobctlError
from jobctl.model.documents import LARGEST_DOCUMENT, canonical_json, parse_json

LONGEST_LINE = 4 << 20
"""Bytes of one line: an argument list may be larger than a document."""


@dataclass(frozen=True, eq=False)
class JobRequest:
    """What a caller asks for, as written: numbers, durations and instants are still texts.

    Texts hold bytes that are not UTF-8 as lone surrogates (PEP 383), whatever the locale.
    """

    command: tuple[str, ...] | None = None
    shell: str | None = None
    call: str | None = None
    """A Python function, ``pkg.mod:func``."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments by name."""
    arg_texts: Mapping[str, str] = field(default_factory=dict)
    """Arguments as a command line writes them; the function's signature says what they mean. No key of a line."""
    name: str | None = None
    tags: tuple[str, ...] = ()
    queue: str | None = None
    priority: str | None = None
    at: str | None = None
    in_: str | None = None
    hold: bool = False
    timeout: str | None = None
    grace: str | None = None
    attempts: str | None = None
    retry_delay: str | None = None
    backoff: str | None = None
    max_delay: str | None = None
    retry_on: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str | None = None
    secret_env: tuple[str, ...] = ()
    clean_env: bool = False
    cwd: str | None = None
    stdin: str | None = None
    split_output: bool = False
    meta: object = None
    type: str | None = None
    category: str | None = None
    user: str | None = None
    on_crash: str | None = None
    keep_children: bool = False
    detach: bool = False
    after: tuple[str, ...] = ()
    after_any: tuple[str, ...] = ()
    after_failed: tuple[str, ...] = ()
    unique: str | None = None
    on_duplicate: str | None = None
    lock: str | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    max_memory: str | None = None
    max_log: str | None = None
    nice: str | None = None
    progress_from: str | None = None
    on_success: str | None = None
    on_failure: str | None = None
    supervisor_env: bool = False
    """Nothing of the caller's environment is stored: the job gets the supervisor's. No key of a line."""
    definition: str | None = None
    """The name of the definition it is made from. No key of a line."""

    @property
    def says_work(self) -> bool:
        """Whether it says what to run."""
        return self.command is not None or self.shell is not None or self.call is not None


class NumberedRequest(NamedTuple):
    """A request and where it was written: ``jobs.jsonl:12``."""

    where: str
    request: JobRequest


def read_requests(lines: Iterable[bytes], source: str, defaults: JobRequest) -> Iterator[NumberedRequest]:
    """One request a line of JSON; what a line leaves open, ``defaults`` says. Blank lines are skipped.

    Raises:
        BadInputError: a line is no such object; the error names ``source:line``.
    """
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            continue
        where = f"{source}:{number}"
        try:
            request = request_of(parse_json(text, "the job", max_bytes=LONGEST_LINE), defaults)
        except JobctlError as error:
            raise located(error, where) from None
        yield NumberedRequest(where, request)


def located(error: JobctlError, where: str) -> JobctlError:
    """``error`` as one about a line of many, of the same kind and exit code."""
    hint = f"{error.hint}; {_NOTHING_DONE}" if error.hint else _NOTHING_DONE
    return type(error)(f"{where}: {error.what}", error.value, hint, error.code)


_NOTHING_DONE = "none of the jobs was submitted"


def request_of(document: object, defaults: JobRequest) -> JobRequest:
    """The request that one JSON object writes.

    Raises:
        BadInputError: ``E_FIELD``: no object, an unknown key, or a value of the wrong type.
    """
    if not isinstance(document, dict):
        raise BadInputError("the job is no JSON object", hint='write {"command": ["true"]}', code="E_FIELD")
    changes: dict[str, Any] = {}
    for key, value in document.items():
        known = FIELDS.get(key)
        if known is None:
            raise _unknown_field(key)
        if value is not None:
            changes[known[0]] = known[1](value, key)
    for group in EXCLUSIVE:
        if any(name in changes for name in group):
            changes = dict.fromkeys(group) | changes
    if "env" in changes:
        changes["env"] = {**defaults.env, **changes["env"]}
    if "call" in changes or "args" in changes:
        changes |= _arguments(changes, defaults)
    return replace(defaults, **changes)


def _arguments(changes: dict[str, Any], defaults: JobRequest) -> dict[str, Any]:
    """The arguments of the call: those of the defaults count for the same function only."""
    given = changes.get("args", {})
    if "call" in changes and changes["call"] != defaults.call:
        return {"args": given, "arg_texts": {}}
    texts = {name: text for name, text in defaults.arg_texts.items() if name not in given}
    return {"args": {**defaults.args, **given}, "arg_texts": texts}


def request_document(request: JobRequest) -> dict[str, object]:
    """The JSON object that writes ``request``: ``request_of`` gives it back. What equals the default is left out."""
    blank = JobRequest()
    found: dict[str, object] = {}
    for key, (name, _) in FIELDS.items():
        value = getattr(request, name)
        if value == getattr(blank, name):
            continue
        found[key] = list(value) if isinstance(value, tuple) else value
    return found


EXCLUSIVE = (("command", "shell", "call"), ("at", "in_"))
"""What a line says of one overrules what the defaults say of the others."""


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, key, "a string")
    return value


def _texts(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong_type(value, key, "a list of strings")
    return tuple(_text(item, key) for item in value)


def _flag(value: object, key: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, key, "true or false")
    return value


def _number(value: object, key: str) -> str:
    """A number or its text, as text; never in the exponent form, which nothing reads."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(value, key, "a number or a string")
    return str(value) if isinstance(value, int) else _plain(value)


def _plain(value: float) -> str:
    text = repr(value)
    return f"{value:.6f}" if "e" in text else text


def _codes(value: object, key: str) -> str:
    if isinstance(value, list):
        return ",".join(_number(item, key) for item in value)
    return _number(value, key)


def _variables(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        # The value is not shown: it may hold a secret.
        raise BadInputError(f"{key} must be an object of strings", code="E_FIELD")
    for name, text in value.items():
        if not name or "=" in name or "\0" in name or "\0" in text:
            raise BadInputError("bad environment name or value", name, "no '=' and no NUL in it", "E_ENV")
    return value


def _selectors(value: object, key: str) -> tuple[str, ...]:
    """One selector, an id or a text, or a list of them."""
    found = value if isinstance(value, list) else [value]
    texts = []
    for item in found:
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise _wrong_type(value, key, "an id, a selector or a list of them")
        texts.append(str(item))
    return tuple(texts)


def _named(value: object, key: str) -> dict[str, Any]:
    """Arguments by name; whoever calls the function looks at the values."""
    if not isinstance(value, dict):
        raise _wrong_type(value, key, 'an object such as {"days": 7}')
    return value


def _amounts(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong_type(value, key, 'an object such as {"gpu": 1}')
    return {name: _number(amount, key) for name, amount in value.items()}


def _anything(value: object, key: str) -> object:
    if isinstance(value, str | list | dict) and len(canonical_json(value)) > LARGEST_DOCUMENT:
        raise BadInputError(f"{key} above 1 MiB", hint="pass a path instead", code="E_JSON")
    return value


FIELDS: dict[str, tuple[str, Callable[[object, str], object]]] = {
    "command": ("command", _texts),
    "shell": ("shell", _text),
    "call": ("call", _text),
    "args": ("args", _named),
    "name": ("name", _text),
    "tags": ("tags", _texts),
    "queue": ("queue", _text),
    "priority": ("priority", _number),
    "at": ("at", _text),
    "in": ("in_", _number),
    "hold": ("hold", _flag),
    "timeout": ("timeout", _number),
    "grace": ("grace", _number),
    "attempts": ("attempts", _number),
    "retry_delay": ("retry_delay", _number),
    "backoff": ("backoff", _number),
    "max_delay": ("max_delay", _number),
    "retry_on": ("retry_on", _codes),
    "env": ("env", _variables),
    "env_file": ("env_file", _text),
    "secret_env": ("secret_env", _texts),
    "clean_env": ("clean_env", _flag),
    "cwd": ("cwd", _text),
    "stdin": ("stdin", _text),
    "split_output": ("split_output", _flag),
    "meta": ("meta", _anything),
    "type": ("type", _text),
    "category": ("category", _text),
    "user": ("user", _text),
    "on_crash": ("on_crash", _text),
    "keep_children": ("keep_children", _flag),
    "detach": ("detach", _flag),
    "after": ("after", _selectors),
    "after_any": ("after_any", _selectors),
    "after_failed": ("after_failed", _selectors),
    "unique": ("unique", _text),
    "on_duplicate": ("on_duplicate", _text),
    "lock": ("lock", _text),
    "resources": ("resources", _amounts),
    "max_memory": ("max_memory", _number),
    "max_log": ("max_log", _number),
    "nice": ("nice", _number),
    "progress_from": ("progress_from", _text),
    "on_success": ("on_success", _text),
    "on_failure": ("on_failure", _text),
}
"""JSON key → (field of ``JobRequest``, how its value is read)."""


def _wrong_type(value: object, key: str, wanted: str) -> BadInputError:
    return BadInputError(f"{key} must be {wanted}", canonical_json(value), code="E_FIELD")


def _unknown_field(key: str) -> BadInputError:
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(key[:40], FIELDS, 1)
    hint = f"did you mean {near[0]}?" if near else "keys: " + " ".join(FIELDS)
    return BadInputError("unknown key", key, hint, "E_FIELD")
