"""Parameters: what a definition or a workflow takes, and how ``k=v`` texts and YAML values become typed values."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from jobctl.cpu_limits import TooSlowError, cpu_limit
from jobctl.errors import BadInputError
from jobctl.model.documents import Json, canonical_json, parse_json
from jobctl.model.durations import parse_duration
from jobctl.model.problems import did_you_mean

MATCH_SECONDS = 0.1
"""CPU time in which a value has to match its pattern."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_INTEGER = r"[+-]?[0-9]{1,30}"
_FLOAT = r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?"


class ParameterType(StrEnum):
    """What a parameter holds."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    PATH = "path"
    DURATION = "duration"
    JSON = "json"

    @property
    def words(self) -> str:
        """For people: ``a whole number``."""
        return _WORDS[self]


_WORDS = {
    ParameterType.STRING: "a text",
    ParameterType.INT: "a whole number",
    ParameterType.FLOAT: "a number",
    ParameterType.BOOL: "true or false",
    ParameterType.PATH: "a path",
    ParameterType.DURATION: "a duration such as 90s, 5m or 30d",
    ParameterType.JSON: "a JSON document",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that may be given by name. Call :func:`check_parameter` on what a user declared.

    A parameter that is neither given nor ``required`` has its ``default``, which may be None.
    """

    name: str
    type: ParameterType = ParameterType.STRING
    choices: tuple[Json, ...] = ()
    default: Json = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    """A regular expression that the whole text has to match."""
    help: str = ""
    required: bool = False

    @property
    def words(self) -> str:
        """What it takes, for people: ``a whole number, at least 1``, ``full or incremental``."""
        if self.choices:
            return " or ".join(shown(choice) for choice in self.choices)
        parts = [self.type.words]
        parts += [f"at least {self.min:g}"] if self.min is not None else []
        parts += [f"at most {self.max:g}"] if self.max is not None else []
        parts += [f"matching {self.pattern}"] if self.pattern is not None else []
        return ", ".join(parts)


def bind(
    parameters: Iterable[Parameter], given: Mapping[str, Json], home: str, *, texts: bool = True
) -> dict[str, Json]:
    """The value of every parameter, in their order, from what was given by name.

    Args:
        parameters: what may be given.
        given: by name; a ``str`` is read as its parameter's type wants it.
        home: the caller's home directory, for ``~`` in paths.
        texts: whether strings come from a command line (``k=v``). Only ``json`` differs: there a text of a
            command line is parsed as a document, and a string of a YAML file is that string.

    Raises:
        BadInputError: ``E_PARAMETER``: unknown (with the nearest name), missing or wrong.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise unknown_parameter(name, known)
    bound: dict[str, Json] = {}
    for name, parameter in known.items():
        if name in given:
            bound[name] = read_value(parameter, given[name], home, texts=texts)
        elif parameter.required:
            raise BadInputError("parameter missing", name, f"give {name}={parameter.words}", "E_PARAMETER")
        else:
            # A default that is wrong was refused by check_parameter.
            bound[name] = _default_of(parameter, home)
    return bound


def unknown_parameter(name: str, known: Collection[str]) -> BadInputError:
    """The refusal of ``name``, with the nearest known one."""
    hint = did_you_mean(name, known) if known else "it takes none"
    return BadInputError("unknown parameter", name, hint, "E_PARAMETER")


def read_value(parameter: Parameter, value: Json, home: str, *, texts: bool = False) -> Json:
    """``value`` as ``parameter`` wants it; see :func:`bind`.

    Raises:
        BadInputError: ``E_PARAMETER``.
    """
    found = _typed(parameter, value, texts)
    _check_limits(parameter, found)
    if parameter.type is ParameterType.PATH and isinstance(found, str):
        return _expanded(parameter, found, home)
    return found


def check_parameter(parameter: Parameter) -> Parameter:
    """``parameter``, proven to make sense: its name, limits, pattern, choices and default agree.

    Raises:
        BadInputError: ``E_PARAMETER``: says what does not.
    """
    name = parameter.name
    if not re.fullmatch(_NAME, name):
        hint = "use 1 to 64 of A-Z a-z 0-9 _, starting with a letter"
        raise BadInputError("bad parameter name", name, hint, "E_PARAMETER")
    numeric = parameter.type in (ParameterType.INT, ParameterType.FLOAT)
    if (parameter.min is not None or parameter.max is not None) and not numeric:
        raise BadInputError(
            f"min and max of {name} need numbers", None, "give type: int or float", "E_PARAMETER"
        )
    if parameter.min is not None and parameter.max is not None and parameter.min > parameter.max:
        raise BadInputError(
            f"min of {name} is above its max", f"{parameter.min:g}", "swap them", "E_PARAMETER"
        )
    _check_pattern(parameter)
    for choice in parameter.choices:
        _check_limits(_without_choices(parameter), _typed(_without_choices(parameter), choice, False))
    if parameter.default is not None:
        if parameter.required:
            raise BadInputError(f"{name} is required and has a default", None, "keep one", "E_PARAMETER")
        _default_of(parameter, "/")
    return parameter


def inferred_type(values: Sequence[Json]) -> ParameterType:
    """The type of a parameter whose file gives none, from its default and choices; ``string`` without any."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return ParameterType.BOOL
    if kinds == {int}:
        return ParameterType.INT
    if kinds and kinds <= {int, float}:
        return ParameterType.FLOAT
    return ParameterType.JSON if kinds & {list, dict} else ParameterType.STRING


def shown(value: Json) -> str:
    """A value as a user would write it."""
    return value if isinstance(value, str) else canonical_json(value)


def _without_choices(parameter: Parameter) -> Parameter:
    return replace(parameter, choices=())


def _default_of(parameter: Parameter, home: str) -> Json:
    if parameter.default is None:
        return None
    return read_value(parameter, parameter.default, home)


def _wrong(parameter: Parameter, value: Json, hint: str = "") -> BadInputError:
    text = shown(value)
    return BadInputError(f"bad {parameter.name}", text, hint or f"give {parameter.words}", "E_PARAMETER")


def _typed(parameter: Parameter, value: Json, texts: bool) -> Json:
    match parameter.type:
        case ParameterType.STRING | ParameterType.PATH:
            return _text(parameter, value)
        case ParameterType.INT | ParameterType.FLOAT:
            return _number(parameter, value)
        case ParameterType.BOOL:
            if isinstance(value, str) and value.lower() in ("true", "false"):
                return value.lower() == "true"
            if isinstance(value, bool):
                return value
            raise _wrong(parameter, value)
        case ParameterType.DURATION:
            return _duration(parameter, value)
        case _:
            if isinstance(value, str) and texts:
                return cast(Json, parse_json(value, parameter.name))
            return value


def _text(parameter: Parameter, value: Json) -> str:
    if not isinstance(value, str):
        raise _wrong(parameter, value, "" if value is None else "give a text; put it in quotes")
    if "\0" in value:
        raise _wrong(parameter, value, "a NUL character can be given to no program")
    if not value and parameter.type is ParameterType.PATH:
        raise _wrong(parameter, value, "a path is not empty")
    return value


def _number(parameter: Parameter, value: Json) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(parameter, value)
    whole = parameter.type is ParameterType.INT
    if isinstance(value, str):
        if not re.fullmatch(_INTEGER if whole else _FLOAT, value):
            raise _wrong(parameter, value)
        value = int(value) if whole else float(value)
    if whole:
        if isinstance(value, float):
            raise _wrong(parameter, value)
        return value
    if not is_finite(value):
        raise _wrong(parameter, str(value))
    return float(value)


def _duration(parameter: Parameter, value: Json) -> str:
    """As it was written: ``30d`` reaches the job as ``30d``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(parameter, value)
    text = value if isinstance(value, str) else shown(value)
    try:
        parse_duration(text, parameter.name, allow_zero=True)
    except BadInputError as error:
        raise BadInputError(error.what, error.value, error.hint, "E_PARAMETER") from None
    return text


def is_finite(value: int | float) -> bool:
    """Whether a float can hold it."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _expanded(parameter: Parameter, path: str, home: str) -> str:
    if path == "~" or path.startswith("~/"):
        return home.rstrip("/") + path[1:] or "/"
    if path.startswith("~"):
        raise _wrong(
            parameter, path, "only your own home is known as ~; write the path of others, or ./~ for a file"
        )
    return path


def _check_limits(parameter: Parameter, value: Json) -> None:
    if parameter.choices and not any(_is_same(value, choice) for choice in parameter.choices):
        text = shown(value)
        hint = did_you_mean(text, [shown(choice) for choice in parameter.choices])
        raise BadInputError(f"bad {parameter.name}", text, hint, "E_PARAMETER")
    if isinstance(value, int | float) and not isinstance(value, bool):
        too_small = parameter.min is not None and value < parameter.min
        too_large = parameter.max is not None and value > parameter.max
        if too_small or too_large:
            raise _wrong(parameter, value)
    if parameter.pattern is not None and isinstance(value, str) and not _matches(parameter, value):
        raise _wrong(parameter, value)


def _matches(parameter: Parameter, value: str) -> bool:
    pattern = re.compile(parameter.pattern or "")
    try:
        with cpu_limit(MATCH_SECONDS):
            return pattern.fullmatch(value) is not None
    except TooSlowError:
        hint = "write it without repeats inside repeats: [a-z]+ for ([a-z]+)+"
        what = f"the pattern of {parameter.name} takes too long on this value"
        raise BadInputError(what, value, hint, "E_PARAMETER") from None


def _is_same(value: Json, choice: Json) -> bool:
    numbers = type(value) in (int, float) and type(choice) in (int, float)
    return value == choice and (numbers or type(value) is type(choice))


def _check_pattern(parameter: Parameter) -> None:
    if parameter.pattern is None:
        return
    if parameter.type not in (ParameterType.STRING, ParameterType.PATH):
        raise BadInputError(
            f"pattern of {parameter.name} needs a text", None, "give type: string", "E_PARAMETER"
        )
    try:
        re.compile(parameter.pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadInputError(
            f"bad pattern of {parameter.name}", parameter.pattern, str(error), "E_PARAMETER"
        ) from None
