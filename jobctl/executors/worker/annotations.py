"""Annotations of parameters: which JSON they take, and what is made of it before the call.

From a text: ``Path``, ``datetime``, ``date``, ``time``, ``UUID``, ``Decimal``; from its value: a member of an
``Enum``; from a list: ``tuple``, ``set``, ``frozenset``. Types that are none of these take any JSON as it is.
"""

from __future__ import annotations

import enum
import types
import typing
from collections import abc

if typing.TYPE_CHECKING:
    from typing import Any

    Convert = typing.Callable[[Any], Any]

_PLAIN: dict[object, str] = {
    int: "int", float: "float", str: "str", bool: "bool", None: "none", type(None): "none",
    list: "list", dict: "dict",
}  # fmt: skip
_LISTS = (
    list,
    tuple,
    set,
    frozenset,
    abc.Sequence,
    abc.Iterable,
    abc.Collection,
    abc.Set,
    abc.MutableSequence,
)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_MADE = (tuple, set, frozenset)
_DEEPEST = 16


def annotation_document(kind: Any, depth: int = 0) -> Any:
    """The JSON that ``kind`` takes, in the terms of ``jobctl.model.value_types``.

    Raises:
        TypeError: a dictionary whose keys no text can be made into.
    """
    kind = _bare(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if depth > _DEEPEST:
        return "any"
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"union": [annotation_document(one, depth + 1) for one in inner]}
    if origin is typing.Literal:
        return {"literal": [_member_value(one) for one in inner]}
    found = origin or kind
    if found in _LISTS:
        each = _item_kind(found, inner)
        return "list" if each is None else {"list": annotation_document(each, depth + 1)}
    if found in _DICTS:
        if len(inner) != 2:
            return "dict"
        _key_reader(inner[0])
        return {"dict": annotation_document(inner[1], depth + 1)}
    if typing.is_typeddict(kind):
        return "dict"
    if _is_enum(kind):
        return {"literal": [member.value for member in kind]}
    return "str" if _text_reader(kind) is not None else "any"


def annotation_converter(kind: Any, depth: int = 0) -> Convert | None:
    """What makes the argument of the JSON value; ``None``: it is taken as it is.

    What is returned raises ``ValueError`` for a value that does not fit.
    """
    kind = _bare(kind)
    if kind in _PLAIN or depth > _DEEPEST:
        return None
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union_converter(inner, depth)
    found = origin or kind
    if found in _LISTS:
        return _list_converter(found, inner, depth)
    if found in _DICTS:
        return _dict_converter(inner, depth) if len(inner) == 2 else None
    if _is_enum(kind):
        return typing.cast("Convert", kind)
    read = _text_reader(kind)
    return (
        None
        if read is None
        else lambda value: read(value) if isinstance(value, str) else _refuse(value, kind)
    )


def _bare(kind: Any) -> Any:
    """``kind`` without ``Annotated`` and ``NewType`` around it."""
    while True:
        if typing.get_origin(kind) is typing.Annotated:
            kind = typing.get_args(kind)[0]
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        else:
            return kind if _is_hashable(kind) else object


def _is_hashable(kind: object) -> bool:
    try:
        hash(kind)
    except TypeError:
        return False
    return True


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum) and all(_is_json(one.value) for one in kind)


def _is_json(value: object) -> bool:
    return value is None or type(value) in (str, int, float, bool)


def _member_value(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _item_kind(found: object, inner: tuple[Any, ...]) -> Any:
    """What each item is, where all are alike."""
    if found is tuple:
        return inner[0] if len(inner) == 2 and inner[1] is Ellipsis else None
    return inner[0] if len(inner) == 1 else None


def _list_converter(found: Any, inner: tuple[Any, ...], depth: int) -> Convert | None:
    each_kind = _item_kind(found, inner)
    each = None if each_kind is None else annotation_converter(each_kind, depth + 1)
    make = set if found is abc.Set else found if found in _MADE else None
    if each is None:
        return make
    return lambda value: (make or list)([each(one) for one in value])


def _dict_converter(inner: tuple[Any, ...], depth: int) -> Convert | None:
    """Keys of JSON are texts: they become what the dictionary has."""
    read, each = _key_reader(inner[0]), annotation_converter(inner[1], depth + 1)
    if read is None and each is None:
        return None

    def convert(value: Any) -> Any:
        found = {read(key) if read else key: each(one) if each else one for key, one in value.items()}
        return found if len(found) == len(value) else _refuse(value, "without two equal keys")

    return convert


def _key_reader(kind: Any) -> Convert | None:
    """What makes a key of a text; ``None``: it is one.

    Raises:
        TypeError: nothing can.
    """
    kind = _bare(kind)
    if kind in (int, float):
        return typing.cast("Convert", kind)
    if kind in (bool, None, type(None), list, dict, tuple, bytes) or typing.get_origin(kind) is tuple:
        name = getattr(kind, "__name__", kind)
        raise TypeError(f"keys of JSON are texts, from which no {name} is made; take dict[str, …]")
    if _is_enum(kind):
        members = {str(one.value): one for one in kind}
        return lambda key: members[key] if key in members else _refuse(key, kind)
    return _text_reader(kind)


def _union_converter(inner: tuple[Any, ...], depth: int) -> Convert | None:
    """The first member that takes the value; those that take it as it is come first."""
    converters = [found for one in inner if (found := annotation_converter(one, depth + 1)) is not None]
    if not converters:
        return None
    plain = tuple(one for one in map(_bare, inner) if isinstance(one, type) and one in _PLAIN)
    may_be_none = None in inner or type(None) in inner

    def convert(value: Any) -> Any:
        if (value is None and may_be_none) or type(value) in plain:
            return value
        for each in converters:
            try:
                return each(value)
            except (ValueError, TypeError, ArithmeticError):
                continue
        return _refuse(value, "any of its types")

    return convert


def _refuse(value: object, kind: object) -> typing.NoReturn:
    raise ValueError(f"{str(value)[:80]!r} is no {getattr(kind, '__name__', kind)}")


def _text_reader(kind: Any) -> Convert | None:
    """What makes ``kind`` of a text; by name, so that nothing is imported that the function does not use."""
    if not isinstance(kind, type):
        return None
    name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
    if name in ("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"):
        return kind
    if name in ("uuid.UUID", "decimal.Decimal"):
        return kind
    if name in ("datetime.datetime", "datetime.date", "datetime.time"):
        return typing.cast("Convert", kind.fromisoformat)  # type: ignore[attr-defined]
    return None
