"""What ``jobctl.yaml`` says: settings, queues, resources; every problem in it is found at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobctl.errors import BadInputError
from jobctl.model.fields import Field, Rate, Schema, Truth, Whole
from jobctl.model.names import check_queue_name
from jobctl.model.nested_fields import Patterns
from jobctl.model.problems import Mark, Problem, did_you_mean, file_error
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE
from jobctl.model.queues import Rate as QueueRate
from jobctl.model.setting_fields import MOST_SLOTS, SETTINGS
from jobctl.model.settings import Settings
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, read_yaml

QUEUE_FIELDS: dict[str, Field[Any]] = {
    found.name: found
    for found in (
        Field("concurrency", Whole(1, MOST_SLOTS), "slots", str(DEFAULT_CONCURRENCY)),
        Field("rate", Rate(), "at most so many starts in a time", "none"),
        Field("paused", Truth(), "whether nothing starts from it", "false"),
    )
}
RESOURCE = Field("count", Whole(0, MOST_SLOTS), "how many there are")
SECTIONS = {
    "settings": "what holds where a job does not say otherwise",
    "queues": "lanes with a concurrency of their own, by name",
    "resources": "how much there is of what jobs may ask for, by name",
}
_LATER_SECTIONS = ("jobs", "schedules", "daemons", "workflows")
_RESOURCE_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
_TAKEN_NAMES = frozenset({
    "home", "job_id", "attempt", "run", "progress", "result", "output", "daemon", "state_dir", "heartbeat",
    "workflow_id", "step", "item", "seq",
})  # fmt: skip
"""A resource reaches the job as ``JOBCTL_<NAME>``: these are jobctl's own."""
_OTHER_WORDS = {
    "timeout": "default_timeout", "attempts": "default_attempts", "retries": "default_attempts",
    "priority": "default_priority", "grace": "default_grace", "backoff": "default_backoff",
    "max_jobs": "concurrency", "parallel": "concurrency", "slots": "concurrency", "limit": "concurrency",
    "workers": "concurrency", "retention": "retention_age", "keep": "retention_jobs", "pause": "paused",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue as the file names it: only the keys that were given."""

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def concurrency(self) -> int | None:
        """None: not said."""
        return self.given.get("concurrency")

    @property
    def paused(self) -> bool | None:
        """None: not said."""
        return self.given.get("paused")

    @property
    def rate(self) -> QueueRate | None:
        """None: none, or not said."""
        return self.given.get("rate")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file. What it does not say is not in it."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    queues: tuple[QueueEntry, ...] = ()
    resources: Mapping[str, int] | None = None

    def over(self, settings: Settings) -> Settings:
        """``settings`` with what the file says instead."""
        return replace(settings, **self.settings) if self.settings else settings


def parse_configuration(text: str, source: str) -> Configuration:
    """The configuration that the YAML ``text`` writes; an empty one from an empty file.

    Raises:
        BadFileError: ``E_CONFIG``; it tells every problem.
    """
    root, problems = read_yaml(text)
    reading = _Reading(problems)
    found = reading.configuration(root) if root is not None else Configuration()
    if problems:
        raise file_error(source, text, problems, "E_CONFIG")
    return found


def configuration_schema() -> Schema:
    """The JSON schema of the file."""
    queue = _object_schema(QUEUE_FIELDS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jobctl.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "settings": {**_object_schema(SETTINGS), "description": SECTIONS["settings"]},
            "queues": {
                "type": "object", "additionalProperties": {**queue, "type": ["object", "null"]},
                "description": SECTIONS["queues"],
            },
            "resources": {
                "type": "object", "additionalProperties": RESOURCE.schema(),
                "propertyNames": {"pattern": f"^{_RESOURCE_NAME}$"}, "description": SECTIONS["resources"],
            },
        },
    }  # fmt: skip


def _object_schema(table: Mapping[str, Field[Any]]) -> Schema:
    properties = {name: {**known.schema(), "default": known.default} for name, known in table.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


class _Entry(NamedTuple):
    name: str
    mark: Mark
    node: Node


class _Reading:
    """One reading of a tree; what is wrong is added to ``problems`` and left out of the result."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def configuration(self, root: Node) -> Configuration:
        sections: dict[str, _Entry] = {}
        for entry in self._entries(root, "the file", "sections such as queues:"):
            if entry.name in _LATER_SECTIONS:
                hint = "this one knows: " + ", ".join(SECTIONS)
                self._add(entry.mark, "a later version of jobctl reads this section", entry.name, hint)
            elif entry.name not in SECTIONS:
                self._add(entry.mark, "unknown section", entry.name, self._nearest(entry.name, SECTIONS))
            else:
                sections[entry.name] = entry
        settings = self._settings(sections["settings"].node) if "settings" in sections else {}
        queues = self._queues(sections["queues"].node) if "queues" in sections else ()
        resources = self._resources(sections["resources"].node) if "resources" in sections else None
        self._check_default_queue(sections, settings, queues)
        return Configuration(settings, queues, resources)

    def _settings(self, node: Node) -> dict[str, Any]:
        found = self._known(node, "settings", SETTINGS, "setting")
        delay, most = found.get("default_retry_delay"), found.get("default_max_delay")
        if delay is not None and delay > (most if most is not None else Settings().default_max_delay):
            mark = _mark_of(node, "default_retry_delay")
            self._add(mark, "default_retry_delay exceeds default_max_delay", None, "give a larger max delay")
        return found

    def _queues(self, node: Node) -> tuple[QueueEntry, ...]:
        queues = []
        for entry in self._entries(node, "queues", "names of queues"):
            if self._passes(entry, check_queue_name):
                queues.append(
                    QueueEntry(entry.name, self._known(entry.node, entry.name, QUEUE_FIELDS, "key"))
                )
        return tuple(queues)

    def _resources(self, node: Node) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self._entries(node, "resources", "names of resources"):
            if self._passes(entry, check_resource_name):
                self._put(found, entry, RESOURCE)
        return found

    def _check_default_queue(
        self, sections: Mapping[str, _Entry], settings: Mapping[str, Any], queues: Collection[QueueEntry]
    ) -> None:
        """The slots of ``default`` are not given twice and differently."""
        wanted = settings.get("concurrency")
        for queue in queues:
            differs = queue.name == DEFAULT_QUEUE and queue.concurrency not in (None, wanted)
            if wanted is not None and differs:
                mark = _mark_of(sections["settings"].node, "concurrency")
                hint = f"queues: says {queue.concurrency}; keep one"
                self._add(mark, "the concurrency of the queue default is given twice", str(wanted), hint)

    def _known(self, node: Node, what: str, table: Mapping[str, Field[Any]], noun: str) -> dict[str, Any]:
        """The entries of a mapping with the fields of ``table``."""
        found: dict[str, Any] = {}
        for entry in self._entries(node, what, "keys and values"):
            known = table.get(entry.name)
            if known is None:
                self._add(entry.mark, f"unknown {noun}", entry.name, self._nearest(entry.name, table))
            else:
                self._put(found, entry, known)
        return found

    def _put(self, found: dict[str, Any], entry: _Entry, known: Field[Any]) -> None:
        """The value of the entry is part of ``found``, unless it is a problem."""
        try:
            if isinstance(known.kind, Patterns):
                found[entry.name] = self._patterns(entry, known.kind)
                return
            node = entry.node
            if isinstance(node, ScalarNode) and node.value is None:
                self._add(entry.mark, f"{entry.name} has no value", None, f"give {known.kind.words}")
            elif not isinstance(node, ScalarNode) or type(node.value) not in known.kind.types:
                self._add(node.mark, f"{entry.name} must be {known.kind.words}", _shown(node), _unquote(node))
            else:
                found[entry.name] = known.kind.parse(node.text, entry.name)
        except BadInputError as error:
            self._add(entry.node.mark, error.what, error.value, error.hint)

    def _patterns(self, entry: _Entry, kind: Patterns) -> tuple[str, ...]:
        if not isinstance(entry.node, SequenceNode):
            self._add(entry.node.mark, f"{entry.name} must be {kind.words}", _shown(entry.node))
            return ()
        found = []
        for node in entry.node.items:
            if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
                self._add(node.mark, f"a name in {entry.name} must be a text", _shown(node))
                continue
            try:
                found.append(kind.parse_one(node.text, entry.name))
            except BadInputError as error:
                self._add(node.mark, error.what, error.value, error.hint)
        return tuple(dict.fromkeys(found))

    def _entries(self, node: Node, what: str, holds: str) -> list[_Entry]:
        """The entries of a mapping; none, and no problem, where nothing was written."""
        if isinstance(node, ScalarNode) and node.value is None:
            return []
        if not isinstance(node, MappingNode):
            self._add(node.mark, f"{what} must hold {holds}", _shown(node), "write key: value")
            return []
        return [_Entry(name, key.mark, value) for name, (key, value) in node.entries.items()]

    def _passes(self, entry: _Entry, check: Callable[[str], str]) -> bool:
        try:
            check(entry.name)
        except BadInputError as error:
            self._add(entry.mark, error.what, error.value, error.hint)
            return False
        return True

    def _nearest(self, word: str, known: Collection[str]) -> str:
        if word == "<<":
            return "merge keys are not YAML 1.2; write the keys out"
        other = _OTHER_WORDS.get(word.lower().replace("-", "_"))
        return f"here it is called {other}" if other in known else did_you_mean(word, known)

    def _add(self, mark: Mark, message: str, value: str | None = None, hint: str = "") -> None:
        self._problems.append(Problem(mark, message, value, hint))


def check_resource_name(text: str) -> str:
    """``text``, proven fit to name a resource.

    Raises:
        BadInputError: ``E_NAME``.
    """
    if not re.fullmatch(_RESOURCE_NAME, text):
        hint = "use 1 to 32 of A-Z a-z 0-9 _ -, starting with a letter"
        raise BadInputError("bad resource name", text, hint, "E_NAME")
    variable = text.lower().replace("-", "_")
    if variable in _TAKEN_NAMES or variable in SETTINGS or variable.startswith("hook_"):
        raise BadInputError(
            "this name is jobctl's own", text, "a job would get it in place of ours", "E_NAME"
        )
    return text


def _mark_of(node: Node, name: str) -> Mark:
    return node.entries[name][1].mark if isinstance(node, MappingNode) else node.mark


def _shown(node: Node) -> str | None:
    if isinstance(node, ScalarNode):
        return node.text
    return "a list" if isinstance(node, SequenceNode) else "keys and values"


def _unquote(node: Node) -> str:
    return "" if not isinstance(node, ScalarNode) or node.is_plain else "remove the quotes"
