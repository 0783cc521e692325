"""The parameters of a definition or a workflow as a file declares them."""

from __future__ import annotations

from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.fields import Field, Text, Truth, table_of
from jobctl.model.nested_fields import Anything, Named, plain
from jobctl.model.parameters import Parameter, ParameterType, check_parameter, inferred_type, is_finite
from jobctl.model.problems import Mark, did_you_mean
from jobctl.model.readings import WRONG, Entry, Reading, mark_of, shown
from jobctl.model.yaml_nodes import MappingNode


class _Number:
    """A limit of a number."""

    words = "a number"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The number, finite."""
        value = plain(reading, entry.node)
        if value is WRONG:
            return WRONG
        if type(value) not in (int, float):
            reading.add(entry.node.mark, f"{entry.name} must be {self.words}", shown(entry.node))
            return WRONG
        if not is_finite(value):
            reading.add(entry.node.mark, f"{entry.name} is out of range", None, "give a smaller number")
            return WRONG
        return value

    def schema(self) -> dict[str, Any]:
        """A number."""
        return {"type": "number"}


class _Type:
    """A type by its name; other languages' names for it are told what it is called here."""

    words = " or ".join(ParameterType)
    types: tuple[type, ...] = (str,)

    def parse(self, text: str, what: str) -> ParameterType:
        """The type."""
        try:
            return ParameterType(text)
        except ValueError:
            ours = _OTHER_TYPES.get(text.lower())
            hint = f"here it is called {ours}" if ours else did_you_mean(text, list(ParameterType))
            raise BadInputError(f"bad {what}", text, hint, "E_FIELD") from None

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": [word.value for word in ParameterType]}


_OTHER_TYPES = {
    "str": "string", "text": "string", "integer": "int", "number": "float", "double": "float", "boolean": "bool",
    "file": "path", "dir": "path", "directory": "path", "list": "json", "array": "json", "object": "json",
    "dict": "json", "enum": "string, with choices", "choice": "string, with choices",
    "timedelta": "duration", "interval": "duration",
}  # fmt: skip


class _Values:
    """A list of values of any type."""

    words = "a list of values such as [full, incremental]"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The values."""
        value = plain(reading, entry.node)
        if value is not WRONG and not (isinstance(value, list) and value):
            reading.add(entry.node.mark, f"{entry.name} must be {self.words}")
            return WRONG
        return value

    def schema(self) -> dict[str, Any]:
        """A list."""
        return {"type": "array", "minItems": 1}


PARAMETER = table_of(
    "key of a parameter",
    Field("type", _Type(), "what it holds; else that of `default` and `choices`"),
    Field("default", Anything(), "its value where none is given"),
    Field("choices", _Values(), "the only values it may have"),
    Field("min", _Number(), "the least number"),
    Field("max", _Number(), "the greatest number"),
    Field("pattern", Text("a regular expression"), "what the whole text has to match"),
    Field("help", Text(templates=True), "what it is for"),
    Field("required", Truth(), "whether it must be given; else `true` without a `default`"),
    other_words={
        "description": "help", "desc": "help", "enum": "choices", "values": "choices", "options": "choices",
        "minimum": "min", "maximum": "max", "regex": "pattern", "value": "default", "kind": "type",
    },
)  # fmt: skip


class _Parameter:
    """What one parameter takes: a mapping, or its default alone."""

    words = "keys and values such as {type: int, default: 3}"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The parameter, proven to make sense."""
        before = reading.problems
        if isinstance(entry.node, MappingNode):
            given = reading.table(entry.node, entry.name, PARAMETER)
        else:
            given = {"default": plain(reading, entry.node)}
        if reading.problems > before:
            return WRONG
        default, choices = given.get("default"), tuple(given.get("choices", ()))
        values = [value for value in (default, *choices) if value is not None]
        found = Parameter(
            name=entry.name,
            type=given.get("type", inferred_type(values)),
            choices=choices,
            default=default,
            min=given.get("min"),
            max=given.get("max"),
            pattern=given.get("pattern"),
            help=given.get("help", ""),
            required=given.get("required", "default" not in given),
        )
        try:
            return check_parameter(found)
        except BadInputError as error:
            reading.refuse(_mark_about(entry, error), error)
            return WRONG

    def schema(self) -> dict[str, Any]:
        """The table's, or a value alone."""
        return {"anyOf": [PARAMETER.schema(), {"type": ["string", "number", "boolean", "array"]}]}


def _mark_about(entry: Entry, error: BadInputError) -> Mark:
    """Where the value stands that the error is about."""
    for key in ("default", "choices", "pattern", "min", "max"):
        if isinstance(entry.node, MappingNode) and key in entry.node.entries and key in error.what:
            return mark_of(entry.node, key)
    return entry.mark


def _any_name(text: str) -> str:
    """``check_parameter`` looks at the name."""
    return text


PARAMETERS = Named(_any_name, _Parameter(), "names of parameters")
"""A mapping of names to what each takes."""
