"""A workflow drawn as SVG: layers from left to right, no network, no script, no fonts of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from jobctl.model.workflows import StepKind
from jobctl.views.text import printable, shorten, width_of
from jobctl.views.workflow_graphs import COLOURS, GraphNode, WorkflowGraph

_CELL, _PADDING = 7.3, 12.0
"""Width of a character at 12 px of any monospaced font, and what stands left and right of it."""
_HEIGHT, _ROW_GAP, _COLUMN_GAP, _MARGIN, _TITLE = 28.0, 12.0, 64.0, 20.0, 30.0
_WIDEST_LABEL = 40
_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float


def graph_svg(graph: WorkflowGraph) -> str:
    """The document. Steps of one level stand in one column, ordered so that edges cross little."""
    columns = _ordered(graph)
    boxes = _placed(columns)
    width = max((box.x + box.width for box in boxes.values()), default=0.0) + _MARGIN
    width = max(width, 2 * _MARGIN + _CELL * width_of(printable(graph.name)) * 1.2)
    height = max((box.y + _HEIGHT for box in boxes.values()), default=_TITLE) + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 4}" font-size="14" font-weight="bold">{_text(graph.name)}</text>',
        '<g fill="none" stroke="#98a2b3" stroke-width="1.2">',
        *(_edge(boxes[need], boxes[step]) for need, step in graph.edges),
        "</g>",
        *(_node(node, boxes[node.id]) for node in graph.nodes),
        "</svg>",
        "",
    ])  # fmt: skip


def _ordered(graph: WorkflowGraph) -> list[list[GraphNode]]:
    """The nodes by level; within one by the mean place of their neighbours (the barycentre heuristic of Sugiyama)."""
    columns: list[list[GraphNode]] = [
        [] for _ in range(max((node.level for node in graph.nodes), default=-1) + 1)
    ]
    for node in graph.nodes:
        columns[node.level].append(node)
    needs = {node.id: list(node.needs) for node in graph.nodes}
    children: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for need, step in graph.edges:
        children[need].append(step)
    for sweep in range(_SWEEPS):
        neighbours = children if sweep % 2 else needs
        for column in reversed(columns) if sweep % 2 else columns:
            _sort(column, neighbours, _places(columns))
    return columns


def _places(columns: list[list[GraphNode]]) -> dict[str, float]:
    """Where each node stands in its column, from -0.5 to 0.5."""
    return {
        node.id: (index + 0.5) / len(column) - 0.5 for column in columns for index, node in enumerate(column)
    }


def _sort(column: list[GraphNode], neighbours: Mapping[str, list[str]], places: Mapping[str, float]) -> None:
    def mean(node: GraphNode) -> float:
        beside = [places[one] for one in neighbours[node.id]]
        return sum(beside) / len(beside) if beside else places[node.id]

    column.sort(key=mean)


def _placed(columns: list[list[GraphNode]]) -> dict[str, _Box]:
    tallest = max((len(column) for column in columns), default=0) * (_HEIGHT + _ROW_GAP)
    boxes: dict[str, _Box] = {}
    x = _MARGIN
    for column in columns:
        width = max(width_of(_label(node)) for node in column) * _CELL + 2 * _PADDING
        top = _MARGIN + _TITLE + (tallest - len(column) * (_HEIGHT + _ROW_GAP)) / 2
        for index, node in enumerate(column):
            boxes[node.id] = _Box(x, top + index * (_HEIGHT + _ROW_GAP), width)
        x += width + _COLUMN_GAP
    return boxes


def _edge(start: _Box, end: _Box) -> str:
    """A curve from the right side of one box to the left side of another, with a head."""
    x1, y1 = start.x + start.width, start.y + _HEIGHT / 2
    x2, y2 = end.x - 5, end.y + _HEIGHT / 2
    bend = min(_COLUMN_GAP, (x2 - x1) / 2)
    curve = f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    head = f"M{x2 - 5:.0f},{y2 - 4:.0f} L{x2 + 3:.0f},{y2:.0f} L{x2 - 5:.0f},{y2 + 4:.0f}"
    return f'<path d="{curve} {head}"/>'


def _node(node: GraphNode, box: _Box) -> str:
    fill, stroke = COLOURS.get(node.status or "", COLOURS[""])
    radius = {StepKind.APPROVE: _HEIGHT / 2, StepKind.CALL: 10.0}.get(node.kind, 4.0)
    dashes = ' stroke-dasharray="5 3"' if node.kind is StepKind.APPROVE else ""
    weight = 3 if node.kind is StepKind.WORKFLOW or node.count > 1 else 1.4
    said = "; ".join([node.label, *([node.status] if node.status else []), *node.details])
    return (
        f"<g><title>{_text(said)}</title>"
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{_HEIGHT:.0f}" rx="{radius:.0f}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{weight}"{dashes}/>'
        f'<text x="{box.x + box.width / 2:.0f}" y="{box.y + _HEIGHT / 2 + 4:.0f}" text-anchor="middle" '
        f'fill="#1c1c1c">{_text(_label(node))}</text></g>'
    )


def _label(node: GraphNode) -> str:
    """The label in at most so many cells; of a long one the end tells more (``…SORT_BAM_12``)."""
    text = printable(node.label)
    if width_of(text) <= _WIDEST_LABEL:
        return text
    tail = text[-(_WIDEST_LABEL - 12) :]
    return shorten(text, 11) + tail if width_of(tail) == len(tail) else shorten(text, _WIDEST_LABEL)


def _text(text: str) -> str:
    return escape(printable(text))
