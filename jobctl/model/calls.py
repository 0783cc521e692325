"""Calls of Python functions: how they are named, and what may be handed to them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from jobctl.errors import BadInputError
from jobctl.model.documents import LARGEST_DOCUMENT, Json, canonical_json, parse_json

LONGEST_FUNCTION = 256
BUILTIN_FUNCTIONS = "jobctl.builtin_functions"
"""The package whose functions may always be called."""

UNFIT_OPTIONS = {
    "stdin": "hand the path over as an argument",
    "nice": "it would stay with the worker: a process cannot take it back",
    "clean_env": "it has the worker's environment; add to it with --env",
    "secret_env": "a worker has the supervisor's environment and secrets.env: read it there",
    "keep_children": "what it leaves running ends with it; use a daemon",
    "progress_from": "report progress: context.advance(), context.progress()",
}
"""Options of a job that no function can heed, and what to do instead."""

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
MODULE_PATTERN = rf"{_WORD}(?:\.{_WORD})*"
FUNCTION_PATTERN = rf"{MODULE_PATTERN}:{_WORD}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name and its arguments by name; every value is plain JSON."""

    function: str
    """``pkg.mod:func``."""
    args: Mapping[str, Json] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that is imported for it."""
        return self.function.partition(":")[0]

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.function.partition(":")[2]

    def document(self) -> dict[str, Json]:
        """As JSON shows it; ``call_of`` gives it back."""
        return {"function": self.function, "args": dict(self.args)}


def call_of(document: Mapping[str, Json]) -> Call:
    """The call whose document was stored."""
    return Call(str(document["function"]), cast("dict[str, Json]", document.get("args", {})))


def check_function(text: str, what: str = "function") -> str:
    """``text``, proven to be written ``package.module:function`` in ASCII.

    Raises:
        BadInputError: ``E_FUNCTION``.
    """
    if len(text) <= LONGEST_FUNCTION and re.fullmatch(FUNCTION_PATTERN, text):
        return text
    hint = "write it package.module:function"
    module, _, name = text.rpartition(".")
    if ":" not in text and re.fullmatch(f"{MODULE_PATTERN}:{_WORD}", f"{module}:{name}"):
        hint = f"did you mean {module}:{name}?"
    if len(text) > LONGEST_FUNCTION:
        hint = f"at most {LONGEST_FUNCTION} characters"
    raise BadInputError(f"bad {what}", text, hint, "E_FUNCTION")


def check_arguments(args: object, what: str = "args") -> dict[str, Json]:
    """``args``, proven to be an object of strict JSON that a job can carry.

    Raises:
        BadInputError: ``E_JSON``: no object, no JSON (NaN, infinity, another type of Python), above 1 MiB or too deep.
    """
    if not isinstance(args, dict):
        raise BadInputError(f"{what} must be an object", hint='write {"name": value}', code="E_JSON")
    try:
        text = canonical_json(args)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{what}: not JSON ({error})", None, "give plain JSON values", "E_JSON") from None
    if len(text) > LARGEST_DOCUMENT:
        raise BadInputError(f"{what} above 1 MiB", None, "pass a path instead", "E_JSON")
    for name in args:
        if not isinstance(name, str):
            raise BadInputError(f"{what}: a name is no text", str(name), 'write {"name": value}', "E_JSON")
    # Depth, halves of surrogate pairs and what else a document from outside may not hold.
    return cast("dict[str, Json]", parse_json(text, what))


def is_allowed(module: str, allowed: Collection[str]) -> bool:
    """Whether functions of ``module`` may be called: it, or a package around it, is in ``allowed``, or it is ours."""
    names = {*allowed, BUILTIN_FUNCTIONS}
    parts = module.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts) + 1))
