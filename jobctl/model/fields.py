"""Kinds of fields in files and variables: how each is read from text, described and put into a JSON schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.names import parse_whole
from jobctl.model.queues import parse_rate
from jobctl.model.sizes import parse_size

Schema = dict[str, Any]

_PATTERN = r"[A-Za-z0-9_*?\[\]!-]+"
_DECIMAL = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"


class Kind(Protocol):
    """What a field holds."""

    @property
    def words(self) -> str:
        """For people: ``a duration``."""

    @property
    def types(self) -> tuple[type, ...]:
        """What a plain YAML scalar of this kind may be; texts in quotes are ``str``."""

    def parse(self, text: str, what: str) -> Any:
        """The value that ``text`` writes.

        Raises:
            BadInputError: it writes none; ``what`` names the field in the message.
        """

    def schema(self) -> Schema:
        """The JSON schema of the field."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in seconds."""

    minimum: float = 0.0
    maximum: float = 36_525 * 86_400.0
    allow_zero: bool = False
    types: tuple[type, ...] = (int, float, str)
    words: str = "a duration such as 90s, 5m or 1h30m"

    def parse(self, text: str, what: str) -> float:
        """Its seconds."""
        limits = {"minimum_seconds": self.minimum, "maximum_seconds": self.maximum}
        return parse_duration(text, what, allow_zero=self.allow_zero, **limits)

    def schema(self) -> Schema:
        """A number of seconds or a text with units."""
        return {"type": ["number", "string"], "minimum": 0, "pattern": r"^[0-9.]+(ms|[smhdw0-9.])*$"}


@dataclass(frozen=True, slots=True)
class Size:
    """An amount of memory or disk in bytes."""

    types: tuple[type, ...] = (int, float, str)
    words: str = "a size such as 512M or 1G"

    def parse(self, text: str, what: str) -> int:
        """Its bytes."""
        return parse_size(text, what)

    def schema(self) -> Schema:
        """A number of bytes or a text with a unit."""
        return {"type": ["integer", "string"], "minimum": 1, "pattern": r"^[0-9.]+([kKmMgGtTpP]?[iI]?[bB]?)$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits."""

    low: int
    high: int
    types: tuple[type, ...] = (int,)

    @property
    def words(self) -> str:
        """With its limits."""
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str, what: str) -> int:
        """The number."""
        return parse_whole(text, what, self.low, self.high)

    def schema(self) -> Schema:
        """An integer with its limits."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Factor:
    """A plain decimal within limits."""

    low: float
    high: float
    types: tuple[type, ...] = (int, float)

    @property
    def words(self) -> str:
        """With its limits."""
        return f"a factor from {self.low:g} to {self.high:g}"

    def parse(self, text: str, what: str) -> float:
        """The factor."""
        if not re.fullmatch(_DECIMAL, text) or not self.low <= float(text) <= self.high:
            raise BadInputError(f"bad {what}", text, f"give {self.words}, such as 2 or 1.5", "E_NUMBER")
        return float(text)

    def schema(self) -> Schema:
        """A number with its limits."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Choice:
    """One word of an enumeration."""

    known: type[StrEnum]
    types: tuple[type, ...] = (str,)

    @property
    def words(self) -> str:
        """The words themselves."""
        return " or ".join(word.value for word in self.known)

    def parse(self, text: str, what: str) -> StrEnum:
        """The member."""
        try:
            return self.known(text)
        except ValueError:
            raise BadInputError(f"bad {what}", text, f"give {self.words}", "E_FIELD") from None

    def schema(self) -> Schema:
        """An enumeration."""
        return {"enum": [word.value for word in self.known]}


@dataclass(frozen=True, slots=True)
class Truth:
    """``true`` or ``false``."""

    types: tuple[type, ...] = (bool,)
    words: str = "true or false"

    def parse(self, text: str, what: str) -> bool:
        """The truth value."""
        if text.lower() not in ("true", "false"):
            raise BadInputError(f"bad {what}", text, f"give {self.words}", "E_FIELD")
        return text.lower() == "true"

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How many starts in which time; ``none`` for as many as there are slots."""

    types: tuple[type, ...] = (str,)
    words: str = "a rate such as 10/min, 2/s or 100/6h, or none"

    def parse(self, text: str, what: str) -> Any:
        """The rate, None for ``none``."""
        return parse_rate(text, what)

    def schema(self) -> Schema:
        """A text."""
        return {"type": "string", "pattern": r"^([1-9][0-9]*/[0-9]*[a-z]+|none)$"}


@dataclass(frozen=True, slots=True)
class Patterns:
    """Names of variables, with ``*`` and ``?``; in a variable they are joined by commas."""

    types: tuple[type, ...] = (list,)
    words: str = "a list of names such as [MAIN_KEY, PUBLIC_*]"

    def parse(self, text: str, what: str) -> tuple[str, ...]:
        """The patterns, each once."""
        return tuple(dict.fromkeys(self.parse_one(part.strip(), what) for part in text.split(",")))

    def parse_one(self, text: str, what: str) -> str:
        """One pattern."""
        if not re.fullmatch(_PATTERN, text):
            raise BadInputError(f"bad name in {what}", text, "use A-Z a-z 0-9 _ and * ?", "E_FIELD")
        return text

    def schema(self) -> Schema:
        """A list of texts."""
        return {"type": "array", "items": {"type": "string", "pattern": f"^{_PATTERN}$"}}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a file."""

    name: str
    kind: Kind
    help: str
    default: str = ""
    """As a user would write it."""

    def schema(self) -> Schema:
        """The JSON schema of its value."""
        return {**self.kind.schema(), "description": self.help}
