"""Reading mappings of a file by their tables: what fits is returned, what does not is a problem with its place.

A section of a file is one ``Table`` and one call of ``Reading.table``; kinds with a shape of their own (lists,
mappings, either) are in ``nested_fields``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol, cast

from jobctl.errors import BadInputError
from jobctl.model.fields import Described, Field, Kind, Table
from jobctl.model.problems import Mark, Problem, did_you_mean
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode


class _Wrong:
    """The only value of ``WRONG``."""


WRONG = _Wrong()
"""What a kind returns for a value that is a problem, already told."""


class Entry(NamedTuple):
    """One key of a mapping: its name, where the key stands, and its value."""

    name: str
    mark: Mark
    node: Node


class NodeKind(Protocol):
    """What a field holds that is more than one word."""

    @property
    def words(self) -> str:
        """For people: ``a list of tags``."""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the field."""

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The value of the entry; ``WRONG`` once its problems are told."""


class Reading:
    """One reading of a tree; what is wrong is added to ``problems`` and left out of the result."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    @property
    def problems(self) -> int:
        """How many there are so far."""
        return len(self._problems)

    def add(self, mark: Mark, message: str, value: str | None = None, hint: str = "") -> None:
        """One thing is wrong."""
        self._problems.append(Problem(mark, message, value, hint))

    def refuse(self, mark: Mark, error: BadInputError) -> None:
        """What a rule of the model refused is wrong."""
        self.add(mark, error.what, None if error.value is None else str(error.value), error.hint)

    def entries(self, node: Node, what: str, holds: str) -> list[Entry]:
        """The entries of a mapping; none, and no problem, where nothing was written."""
        if isinstance(node, ScalarNode) and node.value is None:
            return []
        if not isinstance(node, MappingNode):
            self.add(node.mark, f"{what} must hold {holds}", shown(node), "write key: value")
            return []
        return [Entry(name, key.mark, value) for name, (key, value) in node.entries.items()]

    def table(self, node: Node, what: str, table: Table) -> dict[str, Any]:
        """The values of a mapping with the keys of ``table``; only those that were given."""
        found: dict[str, Any] = {}
        for entry in self.entries(node, what, "keys and values"):
            known = table.fields.get(entry.name)
            if known is None:
                self.unknown(entry, table)
            else:
                self.put(found, entry, known)
        return found

    def put(self, found: dict[str, Any], entry: Entry, known: Field[Described]) -> None:
        """The value of the entry is part of ``found``, unless it is a problem."""
        value = self.value(entry, known.kind)
        if value is not WRONG:
            found[entry.name] = value

    def value(self, entry: Entry, kind: Described) -> Any:
        """The value of the entry, or ``WRONG``."""
        node = entry.node
        if isinstance(node, ScalarNode) and node.value is None:
            self.add(entry.mark, f"{entry.name} has no value", None, f"give {kind.words}")
            return WRONG
        read: Callable[[Reading, Entry], Any] | None = getattr(kind, "read", None)
        # A look at ``NodeKind`` itself costs 100 µs a value: a third of the validation of 2,000 steps.
        return self.scalar(entry, cast(Kind, kind)) if read is None else read(self, entry)

    def scalar(self, entry: Entry, kind: Kind) -> Any:
        """The value of one word or number, or ``WRONG``."""
        node = entry.node
        if not isinstance(node, ScalarNode) or type(node.value) not in kind.types:
            self.add(node.mark, f"{entry.name} must be {kind.words}", shown(node), quotes_hint(node, kind))
            return WRONG
        try:
            return kind.parse(node.text, entry.name)
        except BadInputError as error:
            self.refuse(node.mark, error)
            return WRONG

    def passes(self, entry: Entry, check: Callable[[str], object]) -> bool:
        """Whether the name of the entry passes; what it breaks is told."""
        try:
            check(entry.name)
        except BadInputError as error:
            self.refuse(entry.mark, error)
            return False
        return True

    def unknown(self, entry: Entry, table: Table) -> None:
        """The entry is no key of the table: what was meant is told."""
        word = entry.name.lower().replace("-", "_")
        if word in table.explained:
            self.add(entry.mark, f"{entry.name} is no {table.noun} of this file", None, table.explained[word])
            return
        hint = nearest(entry.name, table.fields, table.other_words)
        self.add(entry.mark, f"unknown {table.noun}", entry.name, hint)


def nearest(word: str, known: Collection[str], other_words: Mapping[str, str]) -> str:
    """What ``word`` is called here, or resembles."""
    if word == "<<":
        return "merge keys are not YAML 1.2; write the keys out"
    other = other_words.get(word.lower().replace("-", "_"))
    if other is not None and other.split()[0] in known:
        return f"here it is called {other}"
    return did_you_mean(word, known)


def mark_of(node: Node, name: str) -> Mark:
    """Where the value of a key stands; where the mapping does, if it has no such key."""
    if isinstance(node, MappingNode) and name in node.entries:
        return node.entries[name][1].mark
    return node.mark


def shown(node: Node) -> str | None:
    """The value as a message shows it."""
    if isinstance(node, ScalarNode):
        return node.text
    return "a list" if isinstance(node, SequenceNode) else "keys and values"


def quotes_hint(node: Node, kind: Kind) -> str:
    """Whether quotes are missing or too much."""
    if not isinstance(node, ScalarNode):
        return ""
    if not node.is_plain:
        return "remove the quotes" if str not in kind.types else ""
    return "put it in quotes" if kind.types == (str,) else ""
