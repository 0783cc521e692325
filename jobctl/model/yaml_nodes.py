"""YAML as a tree whose every node knows its line and column; the one reader of YAML in the project.

PyYAML's parser gives the events; the tree is built here and not by ``compose``, which recurses (a deep file
would exhaust the stack), resolves scalars by YAML 1.1 and forgets whether a tag was written. Nothing of a
document is ever executed or constructed; what a file must not hold is a problem, and all of them are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jobctl.model.problems import Mark, Problem
from jobctl.model.scalars import Value, plain_value

MOST_NODES = 200_000
MOST_REPEATED = 16 << 20
"""Characters that aliases may repeat: 100 KB, named 50,000 times, are 5 GB for whoever writes them out."""
DEEPEST = 64

_ALIEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class ScalarNode:
    """A word, number or text; ``text`` is what was written, ``value`` what it means."""

    mark: Mark
    text: str
    value: Value
    is_plain: bool = True
    """Whether it was written without quotes."""


@dataclass(slots=True)
class SequenceNode:
    """``[a, b]`` or lines that start with ``-``."""

    mark: Mark
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MappingNode:
    """``key: value`` pairs in their order; no key occurs twice."""

    mark: Mark
    entries: dict[str, tuple[ScalarNode, Node]] = field(default_factory=dict)


Node = ScalarNode | SequenceNode | MappingNode


def read_yaml(text: str) -> tuple[Node | None, list[Problem]]:
    """The tree of the one document in ``text`` and what is wrong with it; no tree when it cannot be made."""
    alien = _ALIEN.search(text)
    if alien is not None:
        message = f"control character U+{ord(alien[0]):04X}"
        return None, [Problem(_mark_at(text, alien.start()), message, hint="remove it")]
    if re.fullmatch(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:#[^\n]*)?", text):
        return None, []  # nothing but comments: PyYAML (20 ms) need not be loaded
    import yaml

    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as error:
        builder.problems.append(_syntax_problem(error, text))
        return None, builder.problems
    except _Stop:
        return None, builder.problems
    return builder.root, builder.problems


def _events(text: str) -> Iterator[Any]:
    import yaml

    return yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _mark_at(text: str, index: int) -> Mark:
    return Mark(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


_HINTS = (
    ("mapping values are not allowed", "put the text in quotes, or check the indentation"),
    ("cannot start any token", "put the text in quotes"),
    ("did not find expected key", "check the indentation of this line and the one above"),
    ("could not find expected ':'", "write key: value"),
    ("did not find expected ',' or", "put the text in quotes, or close the bracket"),
    ("did not find expected '-' indicator", "check the indentation of this line"),
    ("unknown escape character", "use single quotes, or double the backslash"),
)


def _syntax_problem(error: Any, text: str) -> Problem:
    found = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    mark = Mark(found.line + 1, found.column + 1) if found is not None else Mark(1, 1)
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "${{" in line:
        hint = "put the text with ${{ }} in quotes"
    elif line[: mark.column].isspace() and "\t" in line[: mark.column]:
        hint = "indent with blanks, not tabs"
    else:
        hint = next((hint for part, hint in _HINTS if part in said), "")
    return Problem(mark, f"not valid YAML: {said}", hint=hint)


class _Stop(Exception):
    """Reading further would tell nothing."""


@dataclass(slots=True)
class _Frame:
    """A collection that is still open, or the document. ``nodes`` and ``height`` count what is in it."""

    node: SequenceNode | MappingNode | None
    anchor: str | None = None
    key: ScalarNode | None = None
    expects_key: bool = True
    nodes: int = 1
    height: int = 1
    characters: int = 0


@dataclass(slots=True)
class _Anchored:
    node: Node
    nodes: int
    height: int
    characters: int


class _Builder:
    """Makes the tree from events, without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._frames: list[_Frame] = [_Frame(None)]
        self._anchors: dict[str, _Anchored] = {}
        self._documents = 0
        self._nodes = 0
        self._repeated = 0

    def take(self, event: Any) -> None:
        """The next event is part of the tree."""
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        match type(event).__name__:
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    self._stop(mark, "a second document", hint="one file holds one document")
            case "ScalarEvent":
                self._check_tag(event, mark)
                plain = event.implicit[0] and event.tag is None
                value = plain_value(event.value) if plain else event.value
                node = ScalarNode(mark, event.value, value, plain)
                if event.anchor:
                    self._anchors[event.anchor] = _Anchored(node, 1, 0, len(node.text))
                self._frames[-1].characters += len(node.text)
                self._put(node, 1, 0)
            case "AliasEvent":
                self._put_alias(event.anchor, mark)
            case "SequenceStartEvent":
                self._open(event, mark, SequenceNode(mark))
            case "MappingStartEvent":
                self._open(event, mark, MappingNode(mark))
            case "SequenceEndEvent" | "MappingEndEvent":
                self._close()

    def _open(self, event: Any, mark: Mark, node: SequenceNode | MappingNode) -> None:
        self._check_tag(event, mark)
        if len(self._frames) > DEEPEST:
            self._stop(mark, f"nested deeper than {DEEPEST}", hint="flatten it")
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._frames.append(_Frame(node, event.anchor))

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.node is None:
            raise AssertionError("the document itself was closed")
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(frame.node, frame.nodes, frame.height, frame.characters)
        self._frames[-1].characters += frame.characters
        self._put(frame.node, frame.nodes, frame.height, counted=frame.nodes - 1)

    def _put_alias(self, name: str, mark: Mark) -> None:
        found = self._anchors.get(name)
        if found is None:
            known = any(frame.anchor == name for frame in self._frames)
            message = "refers to what it is part of" if known else "no such anchor"
            self.problems.append(Problem(mark, message, f"*{name}"))
            found = _Anchored(ScalarNode(mark, "", None), 1, 0, 0)
        if len(self._frames) - 1 + found.height > DEEPEST:
            self._stop(mark, f"nested deeper than {DEEPEST}", f"*{name}")
        self._repeated += found.characters
        if self._repeated > MOST_REPEATED:
            self._stop(mark, "more than 16 MiB with what aliases repeat", f"*{name}", "use fewer aliases")
        self._frames[-1].characters += found.characters
        self._put(found.node, found.nodes, found.height)

    def _put(self, node: Node, nodes: int, height: int, counted: int = 0) -> None:
        """``node`` belongs to the open collection; ``counted`` of its ``nodes`` are known already."""
        self._nodes += nodes - counted
        if self._nodes > MOST_NODES:
            self._stop(node.mark, f"more than {MOST_NODES:,} values", hint="use fewer aliases")
        frame = self._frames[-1]
        frame.nodes += nodes
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.node, SequenceNode):
            frame.node.items.append(node)
        elif isinstance(frame.node, MappingNode):
            self._put_into_mapping(frame, frame.node, node)
        else:
            self.root = node

    def _put_into_mapping(self, frame: _Frame, mapping: MappingNode, node: Node) -> None:
        if frame.expects_key:
            frame.expects_key = False
            frame.key = self._checked_key(mapping, node)
            return
        frame.expects_key = True
        if frame.key is not None:
            mapping.entries[frame.key.text] = frame.key, node

    def _checked_key(self, mapping: MappingNode, node: Node) -> ScalarNode | None:
        if not isinstance(node, ScalarNode):
            self.problems.append(Problem(node.mark, "a key must be a plain text"))
            return None
        if node.text in mapping.entries:
            first = mapping.entries[node.text][0].mark
            self.problems.append(
                Problem(node.mark, "key given twice", node.text, f"first in line {first.line}; keep one")
            )
            return None
        if not node.text:
            self.problems.append(Problem(node.mark, "a key is missing", hint="write key: value"))
            return None
        return node

    def _check_tag(self, event: Any, mark: Mark) -> None:
        if event.tag is not None and event.tag != "!":
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(
                Problem(mark, "tags are not used here", shown, "remove it; quotes make a text")
            )

    def _stop(self, mark: Mark, message: str, value: str | None = None, hint: str = "") -> None:
        self.problems.append(Problem(mark, message, value, hint))
        raise _Stop
