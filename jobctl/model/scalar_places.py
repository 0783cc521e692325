"""The place of a character inside a scalar of a YAML file, so that a caret points into an expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobctl.model.problems import Mark
from jobctl.model.yaml_nodes import Node, ScalarNode, SequenceNode


def mark_within(lines: Sequence[str], node: ScalarNode, column: int) -> Mark:
    """Where the ``column``-th character (from 1) of the value stands; the start of the scalar where that is unclear.

    Clear are words and quoted texts on one line, and the lines of ``|`` blocks. In folded texts and behind escapes
    nobody counts columns.
    """
    start = node.mark
    line = lines[start.line - 1] if start.line <= len(lines) else ""
    before = node.text[: column - 1]
    row = before.count("\n")
    within = column - 1 - (before.rfind("\n") + 1)
    written = line[start.column - 1 :]
    if written.startswith("|"):
        return _in_block(lines, start, row, within) or start
    quote = 1 if written[:1] in ("'", '"') else 0
    if row == 0 and written[quote:].startswith(node.text[: column - 1]):
        return Mark(start.line, start.column + quote + within)
    return start


def scalars_of(node: Node) -> Iterator[ScalarNode]:
    """Every value below ``node`` that is a word, number or text, in the order of the file."""
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from scalars_of(item)
    else:
        for _, value in node.entries.values():
            yield from scalars_of(value)


def _in_block(lines: Sequence[str], start: Mark, row: int, within: int) -> Mark | None:
    first = next((text for text in lines[start.line :] if text.strip()), None)
    if first is None or start.line + 1 + row > len(lines):
        return None
    return Mark(start.line + 1 + row, len(first) - len(first.lstrip(" ")) + within + 1)
