"""The section ``daemons:`` of ``jobctl.yaml``: each entry checked, every problem told with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.calls import FUNCTION_PATTERN
from jobctl.model.daemon_fields import (
    DAEMON_FIELDS,
    KEYS,
    LIST_FIELDS,
    OTHER_KEYS,
    Given,
    defined,
    parse_value,
)
from jobctl.model.daemons import DaemonDefinition, order
from jobctl.model.fields import Schema
from jobctl.model.names import check_name
from jobctl.model.nested_fields import plain
from jobctl.model.problems import Mark, Problem, did_you_mean
from jobctl.model.readings import Reading
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

Tell = Callable[[Mark, str, str | None, str], None]
"""Takes one problem: where, what, the value as written, what to do."""

_OTHER_WORDS = {
    "run": "command", "cmd": "command", "exec": "command", "shell": "command", "script": "command", "argv": "command",
    "directory": "cwd", "working_dir": "cwd", "workdir": "cwd", "environment": "env",
    "function": "call", "python": "call", "with": "args", "arguments": "args",
    "needs": "depends_on", "after": "depends_on", "requires": "depends_on",
    "startsecs": "start_seconds", "stopwaitsecs": "stop_timeout", "stopsignal": "stop_signal",
    "startretries": "max_restarts", "exitcodes": "success_codes", "healthcheck": "health",
    "restart_delay": "backoff", "retry_delay": "backoff", "memory": "max_memory",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DaemonEntry:
    """A daemon as the file names it: only the keys that were given, their values parsed."""

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)


def read_daemons(section: Node, tell: Tell) -> tuple[DaemonEntry, ...]:
    """The daemons of the section; what is wrong is told and left out."""
    reading = _Reading(tell)
    found = []
    for name, key, node in reading.entries(section, "daemons", "names of daemons"):
        try:
            check_name(name)
            given = reading.values(node, name)
            if reading.is_sound:
                defined(DaemonDefinition(name), given)
        except BadInputError as error:
            reading.refuse(key.mark, error)
        else:
            found.append((key.mark, DaemonEntry(name, given)))
        reading.is_sound = True
    try:
        order({entry.name: entry.given.get("depends_on", ()) for _, entry in found})
    except BadInputError as error:
        named = (error.value or "").split(" → ")[0]
        reading.refuse(next(mark for mark, entry in found if entry.name == named), error)
    return tuple(entry for _, entry in found)


def daemons_schema() -> Schema:
    """The JSON schema of the section."""
    words: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    properties: Schema = {
        "command": {"anyOf": [{"type": "string"}, words], "description": OTHER_KEYS["command"]},
        "call": {"type": "string", "pattern": f"^{FUNCTION_PATTERN}$", "description": OTHER_KEYS["call"]},
        "args": {"type": "object", "description": OTHER_KEYS["args"]},
        "env": {
            "type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": OTHER_KEYS["env"],
        },
    }  # fmt: skip
    for name, known in DAEMON_FIELDS.items():
        properties[name] = {**known.schema(), **({"default": known.default} if known.default else {})}
    for name, several in LIST_FIELDS.items():
        one = several.kind.schema()
        properties[name] = {"anyOf": [one, {"type": "array", "items": one}], "description": several.help}
    entry = {
        "type": "object",
        "additionalProperties": False,
        "oneOf": [{"required": ["command"]}, {"required": ["call"]}],
        "properties": properties,
    }
    return {"type": ["object", "null"], "additionalProperties": entry}


class _Reading:
    """One reading of the section; ``is_sound`` until the present entry has a problem."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.is_sound = True

    def refuse(self, mark: Mark, error: BadInputError) -> None:
        """What a rule of the model refused is told."""
        self._add(mark, error.what, error.value, error.hint)

    def entries(self, node: Node, what: str, holds: str) -> list[tuple[str, ScalarNode, Node]]:
        """The entries of a mapping; none, and no problem, where nothing was written."""
        if isinstance(node, ScalarNode) and node.value is None:
            return []
        if not isinstance(node, MappingNode):
            self._add(node.mark, f"{what} must hold {holds}", _shown(node), "write key: value")
            return []
        return [(name, key, value) for name, (key, value) in node.entries.items()]

    def values(self, node: Node, what: str) -> dict[str, Any]:
        """The parsed values of one daemon, by key."""
        found: dict[str, Any] = {}
        for name, key, value in self.entries(node, what, "keys and values"):
            if name not in KEYS:
                self._add(key.mark, "unknown key", name, _nearest(name))
            elif isinstance(value, ScalarNode) and value.value is None:
                self._add(key.mark, f"{name} has no value", None, f"give {_words(name)}")
            elif not _fits(name, value):
                self._add(value.mark, f"{name} must be {_words(name)}", _shown(value), _quotes(value))
            elif name == "args":
                self._arguments(value, found)
            else:
                try:
                    found[name] = parse_value(name, _plain(value))
                except BadInputError as error:
                    self.refuse(value.mark, error)
        return found

    def _arguments(self, node: Node, found: dict[str, Any]) -> None:
        """What a function is given is JSON of any shape."""
        problems: list[Problem] = []
        value = plain(Reading(problems), node)
        for problem in problems:
            self._add(problem.mark, problem.message, problem.value, problem.hint)
        if not problems:
            try:
                found["args"] = parse_value("args", value)
            except BadInputError as error:
                self.refuse(node.mark, error)

    def _add(self, mark: Mark, message: str, value: str | None, hint: str) -> None:
        self.is_sound = False
        self._tell(mark, message, value, hint)


def _fits(key: str, node: Node) -> bool:
    """Whether the value has the shape of the key's values."""
    if key == "env":
        return isinstance(node, MappingNode) and all(
            isinstance(value, ScalarNode) and value.value is not None for _, value in node.entries.values()
        )
    if key == "args":
        return isinstance(node, MappingNode)
    if isinstance(node, ScalarNode):
        if key in DAEMON_FIELDS:
            return type(node.value) in DAEMON_FIELDS[key].kind.types
        types = (str,) if key in OTHER_KEYS else LIST_FIELDS[key].kind.types
        return type(node.value) in types
    if not isinstance(node, SequenceNode) or key in DAEMON_FIELDS or key == "call":
        return False
    return all(isinstance(item, ScalarNode) and item.value is not None for item in node.items)


def _plain(node: Node) -> Given:
    """The value as texts; ``_fits`` has seen that it has no deeper shape."""
    if isinstance(node, ScalarNode):
        return node.text
    if isinstance(node, SequenceNode):
        return [item.text for item in node.items if isinstance(item, ScalarNode)]
    return {name: value.text for name, (_, value) in node.entries.items() if isinstance(value, ScalarNode)}


def _words(key: str) -> str:
    if key == "command":
        return "a list of words, or a shell line"
    if key in ("env", "args"):
        return "names and values"
    if key == "call":
        return "package.module:function"
    if key in LIST_FIELDS:
        return f"a list, each {LIST_FIELDS[key].kind.words}"
    return DAEMON_FIELDS[key].kind.words


def _nearest(word: str) -> str:
    if word == "<<":
        return "merge keys are not YAML 1.2; write the keys out"
    other = _OTHER_WORDS.get(word.lower().replace("-", "_"))
    return f"here it is called {other}" if other else did_you_mean(word, KEYS)


def _shown(node: Node) -> str | None:
    if isinstance(node, ScalarNode):
        return node.text
    return "a list" if isinstance(node, SequenceNode) else "keys and values"


def _quotes(node: Node) -> str:
    return "remove the quotes" if isinstance(node, ScalarNode) and not node.is_plain else ""
