"""A configuration file as it was written: where each of its keys stands, for what is found out about it later."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.problems import Mark, Problem
from jobctl.model.yaml_nodes import MappingNode, Node

_START = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class FileText:
    """The file ``source``; without a root it says nothing."""

    source: str = "jobctl.yaml"
    text: str = ""
    root: Node | None = None

    def has(self, *keys: str) -> bool:
        """Whether the key below the keys before it was written."""
        node = self.root
        for key in keys:
            if not isinstance(node, MappingNode) or key not in node.entries:
                return False
            node = node.entries[key][1]
        return True

    def mark(self, *keys: str) -> Mark:
        """Where the value of the last key stands, of keys and values their name; as far as they were written."""
        node, found = self.root, _START
        for key in keys:
            if not isinstance(node, MappingNode) or key not in node.entries:
                break
            name, node = node.entries[key]
            found = name.mark if isinstance(node, MappingNode) else node.mark
        return found

    def line(self, problem: Problem) -> str:
        """``jobctl.yaml:3:5: what: 'value'; hint``."""
        return f"{self.source}:{problem.mark.line}:{problem.mark.column}: {problem}"
