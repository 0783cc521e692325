"""Kinds of fields in files and variables: how each is read from text, described and put into a JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.names import parse_whole
from jobctl.model.queues import parse_rate
from jobctl.model.sizes import parse_size

Schema = dict[str, Any]

_DECIMAL = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"


class Described(Protocol):
    """What a field holds, whatever its shape."""

    @property
    def words(self) -> str:
        """For people: ``a duration``."""

    def schema(self) -> Schema:
        """The JSON schema of the field."""


class Kind(Described, Protocol):
    """What a field holds that one word or number writes, in a file or in a variable."""

    @property
    def types(self) -> tuple[type, ...]:
        """What a plain YAML scalar of this kind may be; texts in quotes are ``str``."""

    def parse(self, text: str, what: str) -> Any:
        """The value that ``text`` writes.

        Raises:
            BadInputError: it writes none; ``what`` names the field in the message.
        """


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a rule of the model may restrict."""

    words: str = "a text"
    check: Callable[[str, str], object] | None = None
    """Raises BadInputError for what is no such text; gets the text and the name of the field."""
    templates: bool = False
    """Whether ``${{ params.x }}`` may stand in it."""
    is_shell: bool = False
    """Whether a shell reads it, so that what templates give is quoted."""
    types: tuple[type, ...] = (str,)

    def parse(self, text: str, what: str) -> str:
        """The text itself."""
        if not text.strip():
            raise BadInputError(f"{what} is empty", text, f"give {self.words}", "E_FIELD")
        if "\0" in text:
            raise BadInputError(f"NUL character in {what}", text, "remove it", "E_FIELD")
        if "${{" in text and not self.templates:
            raise BadInputError(
                f"templates are not used in {what}", text, "write the value itself", "E_FIELD"
            )
        if self.check is not None and "${{" not in text:
            self.check(text, what)
        return text

    def schema(self) -> Schema:
        """A text."""
        return {"type": "string", "minLength": 1}


K_co = TypeVar("K_co", bound=Described, covariant=True)


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

    allow_zero: bool = False
    types: tuple[type, ...] = (int, float, str)
    words: str = "a size such as 512M or 1G"

    def parse(self, text: str, what: str) -> int:
        """Its bytes."""
        return parse_size(text, what, allow_zero=self.allow_zero)

    def schema(self) -> Schema:
        """A number of bytes or a text with a unit."""
        pattern = r"^[0-9.]+([kKmMgGtTpP]?[iI]?[bB]?)$"
        return {"type": ["integer", "string"], "minimum": 0 if self.allow_zero else 1, "pattern": pattern}


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
class Field(Generic[K_co]):
    """One key of a file."""

    name: str
    kind: K_co
    help: str
    default: str = ""
    """As a user would write it."""

    def schema(self) -> Schema:
        """The JSON schema of its value."""
        return {**self.kind.schema(), "description": self.help}


@dataclass(frozen=True, slots=True)
class Table:
    """The keys that one mapping of a file may have: its reader, its schema and its reference follow them."""

    noun: str
    """What a key is called in a message: ``setting``."""
    fields: Mapping[str, Field[Described]]
    other_words: Mapping[str, str] = field(default_factory=dict)
    """What other programs call it → what it is called here."""
    explained: Mapping[str, str] = field(default_factory=dict)
    """What is no key here → what to do instead."""

    def schema(self) -> Schema:
        """The JSON schema of the mapping."""
        properties = {
            name: {**known.schema(), **({"default": known.default} if known.default else {})}
            for name, known in self.fields.items()
        }
        return {"type": "object", "additionalProperties": False, "properties": properties}


def table_of(noun: str, *fields: Field[Described], **words: Mapping[str, str]) -> Table:
    """A table of these fields; ``words`` are its ``other_words`` and ``explained``."""
    return Table(noun, {found.name: found for found in fields}, **words)
