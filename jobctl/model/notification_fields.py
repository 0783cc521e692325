"""The section ``notifications`` of ``jobctl.yaml``: its tables, and what is read by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.environments import is_reserved_name, split_environment
from jobctl.model.fields import Choice, Field, Rate, Schema, Text, table_of
from jobctl.model.names import check_name, check_queue_name
from jobctl.model.nested_fields import Mapped, Named, Texts
from jobctl.model.notifications import (
    DEFAULT_LIMIT,
    MEANINGS,
    NotificationPlan,
    Occasion,
    Rule,
    Target,
)
from jobctl.model.problems import Mark
from jobctl.model.readings import Entry, Reading, mark_of
from jobctl.model.secret_fields import Patterns
from jobctl.model.yaml_nodes import MappingNode, Node, SequenceNode

_SCHEMES = "mailto://…, dbus://, json://…, ntfy://…; all: https://github.com/caronc/apprise"


def _check_url(text: str, what: str) -> None:
    scheme, colon, _ = text.partition("://")
    if not colon or not scheme.isidentifier():
        raise BadInputError(f"{what} is no URL of apprise", None, f"write {_SCHEMES}", "E_FIELD")


def _check_variable(text: str, what: str) -> None:
    if not text.isidentifier() or not text.isascii() or is_reserved_name(text):
        raise BadInputError(f"{what} is no variable", text, "name one such as MAIL_URL_SECRET", "E_FIELD")


TARGET = table_of(
    "key of a target",
    Field("url", Text("a URL of apprise", _check_url), "where it goes, as apprise writes it; it is in no store or log"),
    Field("url_env", Text("the name of a variable", _check_variable), "the variable that holds it, if url does not"),
    Field("limit", Rate(), "at most so many messages in a time; the rest waits and comes in one", str(DEFAULT_LIMIT)),
    other_words={"address": "url", "uri": "url", "env": "url_env", "rate": "limit", "rate_limit": "limit"},
)  # fmt: skip
_WORDS = ", ".join(f"`{occasion.value}` ({meaning})" for occasion, meaning in MEANINGS.items())
RULE = table_of(
    "key of a rule",
    Field("on", Texts(Choice(Occasion), "a list of occasions", single=True), f"what is told: {_WORDS}"),
    Field("to", Texts(Text("the name of a target", check_name), "a list of targets", single=True), "who is told"),
    Field("name", Text("a name or a pattern with * and ?"), "only of jobs, workflows, daemons … so called"),
    Field("queue", Text("the name of a queue", check_queue_name), "only of jobs of this queue"),
    Field("tag", Text("a tag"), "only of jobs with this tag"),
    Field("type", Text("a type"), "only of jobs of this type"),
    other_words={
        "when": "on", "event": "on", "events": "on", "kind": "on", "target": "to", "targets": "to", "notify": "to",
        "names": "name", "tags": "tag",
    },
)  # fmt: skip
_NEEDED = ("on", "to")


def _url_only(text: str) -> Mapping[str, Any]:
    _check_url(text, "the target")
    return {"url": text}


TARGETS = Named(
    check_name, Mapped(TARGET, "a URL, or url:, url_env: and limit:", _url_only), "names of targets"
)


class _Rules:
    """A list of rules; each needs to say on what and to whom."""

    words = "a list of rules"

    def read(self, reading: Reading, entry: Entry) -> list[dict[str, Any]]:
        """The keys of each rule that is complete."""
        if not isinstance(entry.node, SequenceNode):
            reading.add(entry.node.mark, "rules must be a list", None, "write - {on: failure, to: me}")
            return []
        found = []
        for node in entry.node.items:
            before = reading.problems
            given = reading.table(node, "a rule", RULE)
            if reading.problems > before:
                continue
            missing = [key for key in _NEEDED if not given.get(key)]
            for key in missing:
                reading.add(node.mark, f"a rule has no {key}:", None, "write {on: failure, to: me}")
            if not missing:
                found.append(given)
        return found

    def schema(self) -> Schema:
        """A list."""
        return {"type": "array", "items": {**RULE.schema(), "required": list(_NEEDED)}}


SECTION = table_of(
    "key of notifications",
    Field("targets", TARGETS, "where they go, by name: a URL, or the keys below"),
    Field("rules", _Rules(), "who hears of what"),
    other_words={"target": "targets", "urls": "targets", "rule": "rules", "events": "rules"},
)


def read_notifications(reading: Reading, node: Node, patterns: Patterns) -> NotificationPlan:
    """The plan of the section; what is wrong is told. ``patterns`` say which variables look secret."""
    given = reading.table(node, "notifications", SECTION)
    targets = {name: _target(reading, node, name, keys) for name, keys in given.get("targets", {}).items()}
    for name, target in targets.items():
        _check_secrecy(reading, mark_of(_value(node, "targets"), name), target, patterns)
    rules = tuple(
        Rule(
            tuple(dict.fromkeys(rule["on"])), tuple(dict.fromkeys(rule["to"])), rule.get("name"),
            rule.get("queue"), rule.get("tag"), rule.get("type"),
        )
        for rule in given.get("rules", [])
    )  # fmt: skip
    _check_names(reading, node, targets, rules)
    return NotificationPlan(targets, rules)


def _target(reading: Reading, node: Node, name: str, keys: Mapping[str, Any]) -> Target:
    if ("url" in keys) == ("url_env" in keys):
        mark = mark_of(_value(node, "targets"), name)
        what = "has both url: and url_env:" if "url" in keys else "has no URL"
        reading.add(mark, f"target {name} {what}", None, "give url: or url_env:")
    return Target(name, keys.get("url"), keys.get("url_env"), keys.get("limit", DEFAULT_LIMIT))


def _check_secrecy(reading: Reading, mark: Mark, target: Target, patterns: Patterns) -> None:
    """Its variable looks secret: any other is stored with each job that a shell submits which has it."""
    name = target.url_env
    if name is None or split_environment({name: ""}, patterns.keep, secret=patterns.secret)[1]:
        return
    hint = f"call it {name}_SECRET, or name it in settings: {{secret_env: [{name}]}}"
    reading.add(mark, "the variable with a URL does not look secret", name, hint)


def _check_names(
    reading: Reading, node: Node, targets: Mapping[str, Target], rules: tuple[Rule, ...]
) -> None:
    told = {name for rule in rules for name in rule.to}
    written = _value(node, "targets")
    known = set(written.entries) if isinstance(written, MappingNode) else set(targets)
    for name in sorted(told - known):
        hint = f"targets: {', '.join(sorted(known))}" if known else "add it below targets:"
        reading.add(_value(node, "rules").mark, "a rule names a target that there is not", name, hint)


def _value(node: Node, name: str) -> Node:
    if isinstance(node, MappingNode) and name in node.entries:
        return node.entries[name][1]
    return node
