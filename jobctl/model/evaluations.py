"""What an expression comes to with the data at hand. Values are JSON values, and nothing else is ever reached."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from jobctl.errors import EvaluationError
from jobctl.model.documents import LARGEST_DOCUMENT, Json, canonical_json
from jobctl.model.expression_texts import written
from jobctl.model.problems import did_you_mean

FUNCTIONS = {
    "len": 1, "int": 1, "float": 1, "str": 1, "lower": 1, "contains": 2, "startswith": 2, "endswith": 2, "exists": 1,
}  # fmt: skip
"""How many values each takes."""
CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None}
"""As JSON and YAML write them; ``True``, ``False`` and ``None`` are constants of the parser."""
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: bool(left == right),
    ast.NotEq: lambda left, right: bool(left != right),
    ast.Lt: lambda left, right: bool(left < right),
    ast.LtE: lambda left, right: bool(left <= right),
    ast.Gt: lambda left, right: bool(left > right),
    ast.GtE: lambda left, right: bool(left >= right),
    ast.In: lambda left, right: _contains(right, left),
    ast.NotIn: lambda left, right: not _contains(right, left),
}

_MOST_LISTED = 50
"""Of the keys that a message about a missing one looks at: data may hold thousands."""
_INTEGER = r"[+-]?[0-9]{1,100}"
_FLOAT = r"[+-]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})(?:[eE][+-]?[0-9]{1,4})?"


class Evaluation:
    """One evaluation of a checked tree."""

    def __init__(self, names: Mapping[str, Json]) -> None:
        self._names = names

    def value(self, node: ast.expr) -> Json:
        """What ``node`` comes to.

        Raises:
            EvaluationError: it comes to nothing; the reason.
        """
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as constant):
                return constant
            case ast.Name(id=name):
                return CONSTANTS[name] if name in CONSTANTS else self._root(name)
            case ast.Attribute(value=owner, attr=key):
                return _member(self.value(owner), written(key), owner)
            case ast.Subscript(value=owner, slice=index):
                return _member(self.value(owner), self.value(index), owner)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self.value(part) for part in parts]
            case ast.BoolOp(op=operator, values=parts):
                return self._joined(isinstance(operator, ast.And), parts)
            case ast.UnaryOp(op=operator, operand=operand):
                return _signed(operator, self.value(operand))
            case ast.Compare():
                return self._compared(node)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self.value(body if self.value(test) else otherwise)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._called(name, arguments)
            case _:
                raise AssertionError(f"{type(node).__name__} was not refused")

    def _root(self, name: str) -> Json:
        if name not in self._names:
            raise EvaluationError("not known here", name, "known: " + ", ".join(sorted(self._names)))
        return self._names[name]

    def _joined(self, wants_all: bool, parts: list[ast.expr]) -> Json:
        """The first value that decides, as Python's ``and`` and ``or`` give it."""
        found: Json = None
        for part in parts:
            found = self.value(part)
            if bool(found) is not wants_all:
                break
        return found

    def _compared(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            try:
                if not COMPARISONS[type(operator)](left, right):
                    return False
            except TypeError:
                what = f"cannot compare {kind_of(left)} with {kind_of(right)}"
                raise EvaluationError(what, _source(node), "convert with int(), float() or str()") from None
            left = right
        return True

    def _called(self, name: str, arguments: list[ast.expr]) -> Json:
        if name == "exists":
            return self._exists(arguments[0])
        values = [self.value(argument) for argument in arguments]
        try:
            return _CALLS[name](*values)
        except _Unfit as unfit:
            kinds = " and ".join(kind_of(value) for value in values)
            shown = ", ".join(_source(argument) for argument in arguments)
            raise EvaluationError(f"{name}() cannot take {kinds}", f"{name}({shown})", str(unfit)) from None

    def _exists(self, argument: ast.expr) -> bool:
        try:
            return self.value(argument) is not None
        except EvaluationError:
            return False


def kind_of(value: object) -> str:
    """What a JSON value is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "keys and values"


def plain_text(value: Json) -> str:
    """A value in the middle of a text: ``true``, ``false``, nothing for null, JSON for lists and dictionaries.

    Raises:
        EvaluationError: it would be longer than a document may be.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    text = canonical_json(value)
    if len(text) > LARGEST_DOCUMENT:
        raise EvaluationError("text too long", f"{len(text)} characters", f"at most {LARGEST_DOCUMENT}")
    return text


class _Unfit(Exception):
    """A function cannot take what it was given; what to do about it."""


def _member(owner: Json, key: Json, node: ast.expr) -> Json:
    """``owner.key`` or ``owner[key]``: a key of a dictionary or a place in a list, never an attribute."""
    if isinstance(owner, dict) and isinstance(key, str):
        if key in owner:
            found: Json = owner[key]
            return found
        hint = did_you_mean(key, list(owner)[:_MOST_LISTED]) if owner else "it is empty"
        raise EvaluationError(f"{_source(node)} has no key", key, hint)
    if isinstance(owner, list) and isinstance(key, int) and not isinstance(key, bool):
        if -len(owner) <= key < len(owner):
            item: Json = owner[key]
            return item
        raise EvaluationError(f"{_source(node)} has no such place", key, f"it holds {len(owner)}")
    raise EvaluationError(f"{_source(node)} is {kind_of(owner)}", None, f"it has no part {plain_text(key)!r}")


def _signed(operator: ast.unaryop, value: Json) -> Json:
    if isinstance(operator, ast.Not):
        return not value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError("a sign needs a number, not", kind_of(value), "convert with int() or float()")
    return -value if isinstance(operator, ast.USub) else value


def _contains(container: object, item: object) -> bool:
    if isinstance(container, list | dict) or (isinstance(container, str) and isinstance(item, str)):
        try:
            return item in container
        except TypeError:  # a list is never a key
            return False
    raise TypeError


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _Unfit("convert with str()")
    return value


def _length(value: Json) -> int:
    if not isinstance(value, str | list | dict):
        raise _Unfit("give a text, a list or keys and values")
    return len(value)


def _whole(value: Json) -> int:
    if isinstance(value, str) and re.fullmatch(_INTEGER, value.strip()):
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return int(value)
    raise _Unfit("give a number or a text such as '12'")


def _decimal(value: Json) -> float:
    try:
        if isinstance(value, str) and re.fullmatch(_FLOAT, value.strip()):
            value = float(value)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        raise _Unfit("the number is too large") from None
    raise _Unfit("give a number or a text such as '1.5'")


def _held(container: Json, item: Json) -> bool:
    try:
        return _contains(container, item)
    except TypeError:
        raise _Unfit("give a text and a text, or a list and a value") from None


_CALLS: dict[str, Callable[..., Json]] = {
    "len": _length,
    "int": _whole,
    "float": _decimal,
    "str": plain_text,
    "lower": lambda value: _text(value).lower(),
    "contains": _held,
    "startswith": lambda value, start: _text(value).startswith(_text(start)),
    "endswith": lambda value, end: _text(value).endswith(_text(end)),
}


def _source(node: ast.expr) -> str:
    return written_names(ast.unparse(node))


def written_names(source: str) -> str:
    """Source that Python wrote from the tree, with names as the user wrote them."""
    return re.sub(r"(?<=\.)[A-Za-z_\u0400-\u04ff][\w\u04c0]*", lambda found: written(found[0]), source)
