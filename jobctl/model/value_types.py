"""Types of arguments as signatures name them, in terms of JSON; what a value or a text has to be for them.

As JSON: ``"int"``, ``{"list": "str"}``, ``{"dict": "float"}``, ``{"union": ["int", "none"]}``,
``{"literal": ["a", 1]}``; ``"any"`` for whatever JSON cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from jobctl.errors import BadInputError
from jobctl.model.documents import Json, canonical_json, parse_json

ValueType = str | Mapping[str, object]
"""The document of a type."""
ANY = "any"

_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
    "list": "a list", "dict": "an object", "none": "null", ANY: "any JSON",
}  # fmt: skip
_MOST_CHOICES = 12


def type_words(kind: ValueType) -> str:
    """What it takes, for people: ``a list of whole numbers``, ``fast or slow``, ``a number or null``."""
    name, inner = _parts(kind)
    if name == "literal":
        choices = [canonical_json(one) for one in cast("list[Json]", inner)]
        more = ["…"] if len(choices) > _MOST_CHOICES else []
        return " or ".join([*choices[:_MOST_CHOICES], *more])
    if name == "union":
        return " or ".join(dict.fromkeys(type_words(one) for one in cast("list[ValueType]", inner)))
    if inner is not None and inner != ANY:
        each = type_words(cast(ValueType, inner))
        return f"a list, each {each}" if name == "list" else f"an object, each value {each}"
    return _WORDS.get(name, _WORDS[ANY])


def fits(value: Json, kind: ValueType) -> bool:
    """Whether ``value`` is of the type. A whole number is a number too; true and false are no numbers."""
    name, inner = _parts(kind)
    match name:
        case "int":
            return type(value) is int
        case "float":
            return type(value) in (int, float)
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "none":
            return value is None
        case "list":
            each = cast(ValueType, ANY if inner is None else inner)
            return isinstance(value, list) and all(fits(one, each) for one in value)
        case "dict":
            each = cast(ValueType, ANY if inner is None else inner)
            return isinstance(value, dict) and all(fits(one, each) for one in value.values())
        case "union":
            return any(fits(value, one) for one in cast("list[ValueType]", inner))
        case "literal":
            return any(type(value) is type(one) and value == one for one in cast("list[Json]", inner))
    return True


def read_text(text: str, kind: ValueType, what: str) -> Json:
    """The value that ``text``, from a command line, stands for: JSON where that fits the type, else the text itself.

    A text is never unquoted for a type that takes texts: ``"5"`` with its quotes stays as it is for ``str``.

    Raises:
        BadInputError: ``E_ARGUMENT``: neither fits.
    """
    try:
        value = cast(Json, parse_json(text, what))
    except BadInputError:
        value = text
    if isinstance(value, str):
        value = text if fits(text, kind) else value
    if fits(value, kind):
        return value
    if fits(text, kind):
        return text
    raise BadInputError(f"bad {what}", text, f"give {type_words(kind)}", "E_ARGUMENT")


def _parts(kind: ValueType) -> tuple[str, object]:
    """The name of the type and what is inside."""
    if isinstance(kind, str):
        return kind, None
    ((name, inner),) = kind.items()
    return name, inner
