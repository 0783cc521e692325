"""The graph of a workflow as a tree for terminals, as Mermaid, Graphviz, JSON; ``workflow_svg`` draws it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from jobctl.model.workflow_graphs import children_of, levels_of
from jobctl.model.workflows import StepDefinition, StepKind, Trigger, WorkflowDefinition
from jobctl.views.text import printable, shorten

MOST_EDGES = 500
"""Above it steps of one level are drawn as one; Mermaid itself refuses more (``maxEdges``)."""
_WIDEST_DETAIL = 60


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A step, or several of one level drawn as one."""

    id: str
    label: str
    level: int
    needs: tuple[str, ...]
    kind: StepKind = StepKind.RUN
    status: str | None = None
    count: int = 1
    """How many steps it stands for."""
    details: tuple[str, ...] = ()
    """What is said of it: its condition, what it is repeated for."""


@dataclass(frozen=True, slots=True)
class WorkflowGraph:
    """What is drawn; nodes stand in the order of the file, their ids are names of steps."""

    name: str
    nodes: tuple[GraphNode, ...]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """From what is needed to what needs it."""
        return [(need, node.id) for node in self.nodes for need in node.needs]


def workflow_graph(
    workflow: WorkflowDefinition, statuses: Mapping[str, str] | None = None, most_edges: int = MOST_EDGES
) -> WorkflowGraph:
    """The graph with at most ``most_edges`` edges if grouping can reach that.

    First steps that need the same and are needed by the same become one; if that is not enough, all of one level.

    Args:
        workflow: the definition.
        statuses: of the steps of a run; without them it is the graph of a file.
        most_edges: above it steps are grouped.
    """
    levels = levels_of(workflow.needs)
    nodes = [
        GraphNode(
            id=step.id,
            label=step.id,
            level=levels[step.id],
            needs=step.needs,
            kind=step.kind,
            status=(statuses or {}).get(step.id),
            details=_details(step),
        )
        for step in workflow.steps
    ]
    if _edges(nodes) > most_edges:
        children = children_of(workflow.needs)
        nodes = _grouped(
            nodes, {n.id: (n.level, *sorted(n.needs), "", *sorted(children[n.id])) for n in nodes}
        )
    if _edges(nodes) > most_edges:
        nodes = _grouped(nodes, {node.id: (node.level,) for node in nodes})
    return WorkflowGraph(workflow.name, tuple(nodes))


def graph_json(graph: WorkflowGraph) -> dict[str, object]:
    """Nodes with their levels, and edges."""
    return {
        "name": graph.name,
        "nodes": [
            {
                "id": node.id, "label": node.label, "kind": node.kind.value, "level": node.level,
                "status": node.status, "steps": node.count,
            }
            for node in graph.nodes
        ],
        "edges": [{"from": need, "to": step} for need, step in graph.edges],
    }  # fmt: skip


def graph_tree(graph: WorkflowGraph) -> str:
    """Each step once, under the last of its needs; what else it needs is named behind it."""
    levels = {node.id: node.level for node in graph.nodes}
    parents = {node.id: max(node.needs, key=lambda need: levels[need], default=None) for node in graph.nodes}
    below: dict[str | None, list[GraphNode]] = {}
    for node in graph.nodes:
        below.setdefault(parents[node.id], []).append(node)
    lines = [printable(graph.name)]
    waiting = [(node, "", index == 0) for index, node in enumerate(reversed(below.get(None, [])))]
    while waiting:
        node, indent, is_last = waiting.pop()
        lines.append(f"{indent}{'└─ ' if is_last else '├─ '}{_tree_line(node, parents[node.id])}")
        deeper = indent + ("   " if is_last else "│  ")
        waiting += [
            (child, deeper, index == 0) for index, child in enumerate(reversed(below.get(node.id, [])))
        ]
    return "\n".join(lines)


def graph_mermaid(graph: WorkflowGraph) -> str:
    """A flow chart for https://mermaid.js.org; GitHub and GitLab show it in Markdown."""
    names = {node.id: f"s{index}" for index, node in enumerate(graph.nodes)}
    shapes = {
        StepKind.RUN: ("[", "]"), StepKind.CALL: ("([", "])"), StepKind.WORKFLOW: ("[[", "]]"),
        StepKind.APPROVE: ("{{", "}}"),
    }  # fmt: skip
    lines = ["flowchart LR"]
    for node in graph.nodes:
        opening, closing = shapes[node.kind]
        lines.append(f'    {names[node.id]}{opening}"{_mermaid_text(node.label)}"{closing}')
    lines += [f"    {names[need]} --> {names[step]}" for need, step in graph.edges]
    by_status: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.status in COLOURS:
            by_status.setdefault(node.status, []).append(names[node.id])
    for status, members in by_status.items():
        fill, stroke = COLOURS[status]
        lines.append(f"    classDef {status} fill:{fill},stroke:{stroke},color:#1c1c1c")
        lines.append(f"    class {','.join(members)} {status}")
    return "\n".join(lines)


def graph_dot(graph: WorkflowGraph) -> str:
    """For ``dot -Tpng`` of https://graphviz.org."""
    shapes = {StepKind.CALL: "ellipse", StepKind.WORKFLOW: "folder", StepKind.APPROVE: "diamond"}
    lines = [f"digraph {_dot_text(graph.name)} {{", "    rankdir=LR;", "    node [shape=box, style=filled];"]
    for node in graph.nodes:
        fill, stroke = COLOURS.get(node.status or "", COLOURS[""])
        shape = f", shape={shapes[node.kind]}" if node.kind in shapes else ""
        lines.append(
            f"    {_dot_text(node.id)} [label={_dot_text(node.label)}{shape}, "
            f'fillcolor="{fill}", color="{stroke}"];'
        )
    lines += [f"    {_dot_text(need)} -> {_dot_text(step)};" for need, step in graph.edges]
    return "\n".join([*lines, "}"])


COLOURS = {
    "": ("#f2f4f7", "#667085"), "pending": ("#f2f4f7", "#98a2b3"), "ready": ("#eaf2fe", "#2e6fd8"),
    "running": ("#cfe3ff", "#1f5fc4"), "waiting": ("#fff1cc", "#b98300"), "completed": ("#d6f2dd", "#2b8a48"),
    "failed": ("#fbd5d5", "#c03030"), "timeout": ("#fbd5d5", "#c03030"), "skipped": ("#ffffff", "#b4bac4"),
    "cancelled": ("#e7e3f3", "#6f5fa8"), "upstream_failed": ("#fde9dc", "#c86a2a"),
    "rolled_back": ("#e3e0da", "#7c7467"), "rollback_failed": ("#f3c6c6", "#8e1f1f"),
}  # fmt: skip
"""Fill and stroke by status."""


def _details(step: StepDefinition) -> tuple[str, ...]:
    said = [step.kind.value] if step.kind is not StepKind.RUN else []
    said += [f"trigger {step.trigger.value}"] if step.trigger is not Trigger.NONE_FAILED else []
    said += [f"when {step.when}"] if step.when is not None else []
    if step.foreach is not None:
        said.append(
            f"foreach {step.foreach}" if isinstance(step.foreach, str) else f"{len(step.foreach)} items"
        )
    said += ["may fail"] if step.continue_on_error else []
    said += ["undo"] if step.undo is not None else []
    return tuple(said)


def _edges(nodes: Iterable[GraphNode]) -> int:
    return sum(len(node.needs) for node in nodes)


def _grouped(nodes: list[GraphNode], keys: Mapping[str, tuple[object, ...]]) -> list[GraphNode]:
    """The nodes of one key as one, which has the id of the first of them."""
    groups: dict[tuple[object, ...], list[GraphNode]] = {}
    for node in nodes:
        groups.setdefault(keys[node.id], []).append(node)
    first = {node.id: members[0].id for members in groups.values() for node in members}
    return [_as_one(members, first) for members in groups.values()]


def _as_one(members: list[GraphNode], first: Mapping[str, str]) -> GraphNode:
    needs = tuple(dict.fromkeys(first[need] for node in members for need in node.needs))
    head = replace(members[0], needs=needs)
    if len(members) == 1:
        return head
    count = sum(node.count for node in members)
    start = _common_start(members[0].id, *(node.id for node in members))
    label = f"{start}… × {count}" if start else f"{members[0].id} and {count - 1} more"
    kinds = {node.kind for node in members}
    kind = kinds.pop() if len(kinds) == 1 else StepKind.RUN
    return replace(head, label=label, count=count, kind=kind, status=_worst(members), details=())


def _common_start(*texts: str) -> str:
    low, high = min(texts), max(texts)
    length = next((index for index, ch in enumerate(low) if ch != high[index]), len(low))
    return low[:length]


def _worst(members: Iterable[GraphNode]) -> str | None:
    """The status that asks for most attention."""
    order = (
        "failed", "timeout", "rollback_failed", "upstream_failed", "running", "waiting", "cancelled", "ready",
        "pending",        "rolled_back", "completed", "skipped",
    )  # fmt: skip
    found = {node.status for node in members}
    return next((status for status in order if status in found), None)


def _tree_line(node: GraphNode, parent: str | None) -> str:
    others = [need for need in node.needs if need != parent]
    said = [
        f"also needs {', '.join(others[:3])}{f' and {len(others) - 3} more' if len(others) > 3 else ''}"
    ] * bool(others)
    said += list(node.details)
    text = printable(node.label)
    if node.status is not None:
        text += f" [{printable(node.status)}]"
    if said:
        text += "  (" + "; ".join(shorten(printable(one), _WIDEST_DETAIL) for one in said) + ")"
    return text


def _mermaid_text(text: str) -> str:
    """Text between double quotes: what Mermaid reads specially as its entities."""
    return "".join(ch if ch.isalnum() or ch in " _.-×…" else f"#{ord(ch)};" for ch in printable(text))


def _dot_text(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)
