"""What functions take, as ``inspect`` and their annotations say it."""

from __future__ import annotations

import inspect
import typing

from jobctl.executors.worker.annotations import annotation_document
from jobctl.executors.worker.results import ResultError, result_text
from jobctl.resources import resources_of

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LONGEST_REPR = 200


def parameter_kinds(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations by parameter; those that cannot be resolved are left out."""
    try:
        found = typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are user code; NameError for what only type checkers import
        found = _resolved_singly(function)
    found.pop("return", None)
    return found


def parameter_documents(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """The parameters in order, without those that take a resource.

    Raises:
        ValueError: it is written in C and does not say.
        TypeError: JSON cannot hold what one takes.
    """
    kinds = parameter_kinds(function)
    taken = resources_of(function)
    found = []
    for one in inspect.signature(function).parameters.values():
        if one.name in taken:
            continue
        named = one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        document: dict[str, Any] = {
            "name": one.name,
            "kind": one.kind.name.lower(),
            "type": _type_document(one.name, kinds),
            "required": named and one.default is one.empty,
        }
        if named and one.default is not one.empty:
            document |= _default_document(one.default)
        found.append(document)
    return found


def _type_document(name: str, kinds: dict[str, Any]) -> Any:
    try:
        return annotation_document(kinds[name]) if name in kinds else "any"
    except TypeError as error:
        raise TypeError(f"parameter {name}: {error}") from None


def _resolved_singly(function: Callable[..., Any]) -> dict[str, Any]:
    found = {}
    names = getattr(inspect.unwrap(function), "__globals__", {})
    for name, kind in getattr(function, "__annotations__", {}).items():
        if isinstance(kind, str):
            try:
                kind = eval(kind, dict(names))  # noqa: S307 - as typing does: the user's own module wrote it
            except Exception:  # noqa: BLE001, S112 - see above
                continue
        found[name] = kind
    return found


def _default_document(default: object) -> dict[str, object]:
    """``default`` where JSON holds it, else how Python shows it."""
    value = getattr(default, "value", default) if hasattr(type(default), "__members__") else default
    try:
        result_text(value)
    except ResultError:
        return {"default_text": _shown(default)}
    return {"default": value}


def _shown(value: object) -> str:
    try:
        return repr(value)[:_LONGEST_REPR]
    except Exception:  # noqa: BLE001 - a __repr__ of the user's
        return f"<{type(value).__name__}>"
