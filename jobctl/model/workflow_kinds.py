"""Kinds of fields that only workflow files have: commands, steps, outputs, approvals, what a step is repeated for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from jobctl.errors import BadInputError
from jobctl.model.fields import Choice, Table, Text, Whole
from jobctl.model.names import LONGEST_NAME, check_resource_word, parse_whole
from jobctl.model.nested_fields import Either, Named, Texts, Written, plain
from jobctl.model.parameters import ParameterType
from jobctl.model.readings import WRONG, Entry, Reading, shown
from jobctl.model.setting_fields import MOST_SLOTS
from jobctl.model.workflows import MOST_ITEMS, MOST_STEPS, Rollback, Tolerance
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

Schema = dict[str, Any]

_STEP_ID = rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{LONGEST_NAME - 1}}}"
_OUTPUT = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_OUTPUT_TYPE = Choice(ParameterType)


class RawStep(NamedTuple):
    """A step as it was read: what fits the table, and the node for the places of the rest."""

    node: MappingNode
    given: dict[str, Any]


def check_step_id(text: str, what: str = "id") -> str:
    """``text``, proven fit to name a step.

    Raises:
        BadInputError: ``E_NAME``.
    """
    if not re.fullmatch(_STEP_ID, text):
        hint = f"use 1 to {LONGEST_NAME} of A-Z a-z 0-9 _ . -, starting with a letter, digit or _"
        raise BadInputError(f"bad {what}", text, hint, "E_NAME")
    return text


class Command:
    """A shell line or an argument vector; ``true`` and ``false`` are commands here."""

    words = "a shell line or a list of words"

    def __init__(self) -> None:
        line = Text(self.words, templates=True, is_shell=True, types=(str, bool))
        self._kind = Either(line, Texts(Written(), self.words), self.words)

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The line, or the words."""
        found = self._kind.read(reading, entry)
        if found == []:
            reading.add(entry.node.mark, f"{entry.name} is empty", None, f"give {self.words}")
            return WRONG
        return found

    def schema(self) -> Schema:
        """One or the other."""
        return self._kind.schema()


class Foreach:
    """What a step is repeated for."""

    words = "a list, or ${{ … }} that gives one"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The template, or the items."""
        node = entry.node
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            if node.text.strip().startswith("${{"):
                return node.text.strip()
            hint = f"write ${{{{ {node.text.strip()} }}}}" if "." in node.text else ""
            reading.add(node.mark, f"{entry.name} must be {self.words}", node.text, hint)
            return WRONG
        if not isinstance(node, SequenceNode):
            reading.add(node.mark, f"{entry.name} must be {self.words}", shown(node))
            return WRONG
        if len(node.items) > MOST_ITEMS:
            reading.add(node.mark, f"more than {MOST_ITEMS:,} items", None, "use a batch")
            return WRONG
        return plain(reading, node)

    def schema(self) -> Schema:
        """A list or a template."""
        return {
            "anyOf": [{"type": "array", "maxItems": MOST_ITEMS}, {"type": "string", "pattern": r"^\$\{\{"}]
        }


class Share:
    """A number of items or a share of them."""

    words = "a number of items or a share such as 5%"
    types: tuple[type, ...] = (int, str)

    def parse(self, text: str, what: str) -> Tolerance:
        """The tolerance."""
        return Tolerance.parse(text, what)

    def schema(self) -> Schema:
        """A number, or a text with ``%``."""
        return {"type": ["integer", "string"], "minimum": 0, "maximum": MOST_ITEMS, "pattern": "^[0-9]+%?$"}


class Outputs:
    """Names of outputs and their types; a list of names are texts."""

    words = "names and types such as {count: int, files: json}"

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The types by name."""
        if isinstance(entry.node, SequenceNode):
            names = Texts(Text("a name", _check_output), self.words).read(reading, entry)
            return names if names is WRONG else dict.fromkeys(names, ParameterType.STRING)
        return Named(lambda text: _check_output(text, "output"), _OUTPUT_TYPE, self.words).read(
            reading, entry
        )

    def schema(self) -> Schema:
        """A mapping or a list."""
        names = {"pattern": f"^{_OUTPUT}$"}
        mapping = {"type": "object", "propertyNames": names, "additionalProperties": _OUTPUT_TYPE.schema()}
        return {"anyOf": [mapping, {"type": "array", "items": {"type": "string", **names}}]}


def _check_output(text: str, what: str) -> str:
    if not re.fullmatch(_OUTPUT, text):
        raise BadInputError(
            f"bad name in {what}", text, "use 1 to 64 of A-Z a-z 0-9 _ -, a letter first", "E_NAME"
        )
    return text


class Resources:
    """How much of what: ``{gpu: 2}``, or ``gpu`` or ``gpu=2``, or a list of those."""

    words = "names and amounts such as {gpu: 1}"

    def __init__(self) -> None:
        self._amounts = Named(check_resource_word, Whole(1, MOST_SLOTS), self.words)
        self._texts = Texts(Text("a resource", self._check), self.words, single=True)

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The amounts by name."""
        if isinstance(entry.node, MappingNode):
            return self._amounts.read(reading, entry)
        found = self._texts.read(reading, entry)
        return found if found is WRONG else dict(map(self._parsed, found))

    def schema(self) -> Schema:
        """A mapping, a text or texts."""
        return {"anyOf": [self._amounts.schema(), self._texts.schema()]}

    def _check(self, text: str, what: str) -> None:
        del what
        self._parsed(text)

    def _parsed(self, text: str) -> tuple[str, int]:
        name, sign, amount = text.partition("=")
        check_resource_word(name)
        return name, parse_whole(amount, name, 1, MOST_SLOTS) if sign else 1


class Occasions:
    """When undo commands run: a word or a list of them."""

    words = "never, on_failure, on_cancel or a list of them"

    def __init__(self) -> None:
        self._texts = Texts(Choice(Rollback), self.words, single=True)

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The occasions; none for ``never``."""
        found = self._texts.read(reading, entry)
        if found is WRONG:
            return WRONG
        if Rollback.NEVER in found and len(set(found)) > 1:
            reading.add(entry.node.mark, "never stands beside an occasion", None, "keep one")
            return WRONG
        return frozenset(found) - {Rollback.NEVER}

    def schema(self) -> Schema:
        """A word or a list."""
        return self._texts.schema()


class Approve:
    """What is asked: ``true``, the question, or the keys of a table."""

    words = "true, a question, or {prompt: …, expires: 12h}"

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The keys."""
        node = entry.node
        if isinstance(node, ScalarNode):
            if node.value is True:
                return {}
            found = reading.scalar(entry, Text(self.words, templates=True))
            return found if found is WRONG else {"prompt": found}
        return reading.table(node, entry.name, self._table)

    def schema(self) -> Schema:
        """One of the three."""
        return {"anyOf": [{"const": True}, {"type": "string", "minLength": 1}, self._table.schema()]}


class Short:
    """A mapping of a table, or something shorter that stands for one of its keys."""

    def __init__(self, table: Table, key: str, words: str) -> None:
        self.words = words
        self._table, self._key = table, key

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The keys."""
        if isinstance(entry.node, MappingNode):
            return reading.table(entry.node, entry.name, self._table)
        found = reading.value(entry, self._table.fields[self._key].kind)
        return found if found is WRONG else {self._key: found}

    def schema(self) -> Schema:
        """The short form or the table."""
        return {"anyOf": [self._table.fields[self._key].kind.schema(), self._table.schema()]}


class Codes:
    """Exit codes: one, or a list."""

    words = "an exit code or a list such as [1, 75]"

    def __init__(self) -> None:
        self._texts = Texts(Whole(0, 255), self.words, single=True)

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The codes."""
        found = self._texts.read(reading, entry)
        return found if found is WRONG else tuple(dict.fromkeys(found))

    def schema(self) -> Schema:
        """A number or numbers."""
        return self._texts.schema()


class Steps:
    """The steps in their order, each with the keys of a table."""

    words = "a list of steps"

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, reading: Reading, entry: Entry) -> Any:
        """Each as it was read; what is none is left out."""
        if isinstance(entry.node, MappingNode):
            reading.add(
                entry.node.mark, f"{entry.name} must be {self.words}", None, "write - id: NAME for each"
            )
            return []
        if not isinstance(entry.node, SequenceNode) or not entry.node.items:
            reading.add(
                entry.node.mark, f"{entry.name} must be {self.words}", shown(entry.node), "give at least one"
            )
            return []
        if len(entry.node.items) > MOST_STEPS:
            reading.add(
                entry.node.mark, f"more than {MOST_STEPS:,} steps", None, "use foreach, or a sub-workflow"
            )
            return []
        return [found for node in entry.node.items if (found := self._step(reading, node)) is not None]

    def schema(self) -> Schema:
        """A list of the table of steps; each runs, calls, includes or asks something."""
        kinds = [{"required": ["id", kind]} for kind in ("run", "call", "workflow", "approve")]
        return {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_STEPS,
            "items": {**self._table.schema(), "oneOf": kinds},
        }

    def _step(self, reading: Reading, node: Node) -> RawStep | None:
        if not isinstance(node, MappingNode):
            reading.add(node.mark, "a step must hold keys and values", shown(node), "write id: and run:")
            return None
        return RawStep(node, reading.table(node, "the step", self._table))
