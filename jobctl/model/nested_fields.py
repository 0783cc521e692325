"""Kinds of fields that are more than one word: lists, mappings, and one or the other.

What they give is plain JSON, so that it can be stored and read again as one line of ``submit --jsonl``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.documents import LARGEST_DOCUMENT, canonical_json
from jobctl.model.fields import Described, Kind, Schema, Table
from jobctl.model.problems import Mark
from jobctl.model.readings import WRONG, Entry, Reading, shown
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

_PATTERN = r"[A-Za-z0-9_*?\[\]!-]+"
_MODULE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"


@dataclass(frozen=True, slots=True)
class _Words:
    """A list of words that match a pattern; in a variable they are joined by commas."""

    words: str
    pattern: str
    hint: str
    types: tuple[type, ...] = (list,)
    repeats: bool = False
    """Whether a word may come more than once."""

    def parse(self, text: str, what: str) -> tuple[str, ...]:
        """The words, each once unless they may be repeated."""
        return self._kept([self.parse_one(part.strip(), what) for part in text.split(",")])

    def _kept(self, found: list[str]) -> tuple[str, ...]:
        return tuple(found if self.repeats else dict.fromkeys(found))

    def parse_one(self, text: str, what: str) -> str:
        """One word."""
        if not re.fullmatch(self.pattern, text):
            raise BadInputError(f"bad name in {what}", text, self.hint, "E_FIELD")
        return text

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The words of a list, each once unless they may be repeated."""
        found = _items(reading, entry, self.words, lambda node: _word(reading, entry, node, self.parse_one))
        return found if found is WRONG else self._kept(found)

    def schema(self) -> Schema:
        """A list of texts."""
        return {"type": "array", "items": {"type": "string", "pattern": f"^{self.pattern}$"}}


@dataclass(frozen=True, slots=True)
class Patterns(_Words):
    """Names of variables, with ``*`` and ``?``."""

    words: str = "a list of names such as [MAIN_KEY, PUBLIC_*]"
    pattern: str = _PATTERN
    hint: str = "use A-Z a-z 0-9 _ and * ?"


@dataclass(frozen=True, slots=True)
class Modules(_Words):
    """Names of Python modules."""

    words: str = "a list of modules such as [catalog, reports.nightly]"
    pattern: str = _MODULE
    hint: str = "write it as in Python: package.module"


@dataclass(frozen=True, slots=True)
class Arguments(_Words):
    """Words of a command line, none with a comma; each may come more than once."""

    words: str = "a list of words such as [-X, dev]"
    pattern: str = r"[^,\0\r\n]+"
    hint: str = "write one word an item, without commas"
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts, each of one kind; one alone needs no brackets where ``single`` says so."""

    item: Kind
    words: str
    single: bool = False

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The texts."""
        if self.single and isinstance(entry.node, ScalarNode):
            found = reading.scalar(entry, self.item)
            return found if found is WRONG else [found]
        return _items(
            reading, entry, self.words, lambda node: reading.scalar(entry._replace(node=node), self.item)
        )

    def schema(self) -> Schema:
        """A list of texts, or one alone."""
        items = self.item.schema()
        listed: Schema = {"type": "array", "items": items}
        return {"anyOf": [items, listed]} if self.single else listed


@dataclass(frozen=True, slots=True)
class Written:
    """A word or number taken as it is written: ``8``, ``on`` and ``1.0`` stay what they look like."""

    words: str = "a text or a number"
    types: tuple[type, ...] = (str, int, float, bool)
    templates: bool = True
    is_shell: bool = False

    def parse(self, text: str, what: str) -> str:
        """The text."""
        if "\0" in text:
            raise BadInputError(f"NUL character in {what}", text, "remove it", "E_FIELD")
        return text

    def schema(self) -> Schema:
        """What one word can be."""
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value that JSON can hold."""

    words: str = "a value"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The value as JSON has it."""
        value = plain(reading, entry.node)
        if value is not WRONG and len(canonical_json(value)) > LARGEST_DOCUMENT:
            reading.add(entry.node.mark, f"{entry.name} is above 1 MiB", None, "pass a path instead")
            return WRONG
        return value

    def schema(self) -> Schema:
        """Anything."""
        return {}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping with the keys of a table; a text alone stands for the keys that ``split`` makes of it."""

    table: Table
    words: str
    split: Callable[[str], Mapping[str, Any]] | None = None

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The values by key."""
        node = entry.node
        if self.split is not None and isinstance(node, ScalarNode):
            if not isinstance(node.value, str):
                reading.add(node.mark, f"{entry.name} must be {self.words}", node.text, "put it in quotes")
                return WRONG
            try:
                return dict(self.split(node.text))
            except BadInputError as error:
                reading.refuse(node.mark, error)
                return WRONG
        return reading.table(entry.node, entry.name, self.table)

    def schema(self) -> Schema:
        """The table's, or its short form."""
        whole = self.table.schema()
        return whole if self.split is None else {"anyOf": [{"type": "string", "minLength": 1}, whole]}


@dataclass(frozen=True, slots=True)
class Either:
    """A list where a list was written, else one word."""

    one: Kind
    many: Texts
    words: str

    def read(self, reading: Reading, entry: Entry) -> Any:
        """A text, or the list of them."""
        if isinstance(entry.node, SequenceNode):
            return self.many.read(reading, entry)
        if isinstance(entry.node, MappingNode):
            reading.add(entry.node.mark, f"{entry.name} must be {self.words}", "keys and values")
            return WRONG
        return reading.scalar(entry, self.one)

    def schema(self) -> Schema:
        """One or the other."""
        return {"anyOf": [self.one.schema(), self.many.schema()]}


@dataclass(frozen=True, slots=True)
class Named:
    """Entries by name, each read by one kind."""

    check: Callable[[str], object]
    """Raises BadInputError for what is no such name."""
    value: Described
    words: str

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The values by name."""
        found: dict[str, Any] = {}
        for one in reading.entries(entry.node, entry.name, self.words):
            if reading.passes(one, self.check):
                if isinstance(self.value, Anything):  # where anything may stand, null is a value
                    value = self.value.read(reading, one)
                else:
                    value = reading.value(one, self.value)
                if value is not WRONG:
                    found[one.name] = value
        return found

    def schema(self) -> Schema:
        """Any names."""
        return {"type": "object", "additionalProperties": self.value.schema()}


def plain(reading: Reading, node: Node) -> Any:
    """The JSON value that a node writes, or ``WRONG`` where there is none (infinity)."""
    if isinstance(node, ScalarNode):
        if isinstance(node.value, float) and (node.value != node.value or abs(node.value) == float("inf")):
            reading.add(node.mark, "this is no number of JSON", node.text, "put it in quotes")
            return WRONG
        return node.value
    if isinstance(node, SequenceNode):
        items = [plain(reading, item) for item in node.items]
        return WRONG if WRONG in items else items
    members = {name: plain(reading, value) for name, (_, value) in node.entries.items()}
    return WRONG if WRONG in members.values() else members


def scalars(node: Node) -> list[tuple[Mark, str]]:
    """Every word below ``node`` that is a value, with its place."""
    found: list[tuple[Mark, str]] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ScalarNode):
            found.append((one.mark, one.text))
        elif isinstance(one, SequenceNode):
            waiting += one.items
        else:
            waiting += [value for _, value in one.entries.values()]
    return found


def _items(reading: Reading, entry: Entry, words: str, read: Callable[[Node], Any]) -> Any:
    """The values of a list without those that are problems; ``WRONG`` for what is no list."""
    if not isinstance(entry.node, SequenceNode):
        reading.add(entry.node.mark, f"{entry.name} must be {words}", shown(entry.node))
        return WRONG
    return [value for node in entry.node.items if (value := read(node)) is not WRONG]


def _word(reading: Reading, entry: Entry, node: Node, parse: Callable[[str, str], str]) -> Any:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        reading.add(node.mark, f"a name in {entry.name} must be a text", shown(node))
        return WRONG
    try:
        return parse(node.text, entry.name)
    except BadInputError as error:
        reading.refuse(node.mark, error)
        return WRONG
