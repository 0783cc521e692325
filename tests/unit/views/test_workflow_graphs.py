from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given

from jobctl.model.workflow_files import parse_workflow
from jobctl.model.workflow_graphs import levels_of
from jobctl.model.workflow_states import StepStatus
from jobctl.model.workflows import StepDefinition, StepKind, WorkflowDefinition
from jobctl.views.workflow_graphs import (
    COLOURS,
    WorkflowGraph,
    graph_dot,
    graph_json,
    graph_mermaid,
    graph_tree,
    workflow_graph,
)
from jobctl.views.workflow_svg import graph_svg
from tests.support.graphs import Graph, dags, layers
from tests.support.recorded_workflows import DIRECTORY, NAMES, recorded_workflow

SVG = "{http://www.w3.org/2000/svg}"
EXAMPLE = parse_workflow((DIRECTORY / "example.yaml").read_text(), "example.yaml")
STATUSES = {"scan": "completed", "import": "failed", "thumbs": "upstream_failed"}


def workflow_of(needs: Graph, name: str = "graph") -> WorkflowDefinition:
    steps = [StepDefinition(step, StepKind.RUN, run="true", needs=needed) for step, needed in needs.items()]
    return WorkflowDefinition(name, tuple(steps))


def recorded(name: str) -> WorkflowDefinition:
    return workflow_of(recorded_workflow(name).needs, name)


def test_the_tree_shows_each_step_once_under_the_last_it_needs() -> None:
    assert graph_tree(workflow_graph(EXAMPLE, STATUSES)) == (
        "nightly-catalog\n"
        "└─ scan [completed]\n"
        "   └─ import [failed]  (when steps.scan.outputs.count > 0; foreach ${{ steps.scan.outputs.batches }}; undo)\n"
        "      ├─ thumbs [upstream_failed]  (call)\n"
        "      │  └─ confirm  (also needs reindex; approve)\n"
        "      │     └─ publish  (undo)\n"
        "      │        └─ prune  (may fail)\n"
        "      └─ reindex  (workflow; when params.mode == 'full' or steps.scan.outputs.count > 10…)"
    )


def test_mermaid_names_shapes_edges_and_states() -> None:
    lines = graph_mermaid(workflow_graph(EXAMPLE, STATUSES)).split("\n")
    assert lines[0] == "flowchart LR"
    assert {'    s0["scan"]', '    s2(["thumbs"])', '    s3[["reindex"]]', '    s4{{"confirm"}}'} <= set(
        lines
    )
    assert [line.strip() for line in lines if "-->" in line] == [
        "s0 --> s1", "s1 --> s2", "s1 --> s3", "s2 --> s4", "s3 --> s4", "s4 --> s5", "s5 --> s6",
    ]  # fmt: skip
    assert "    class s1 failed" in lines
    assert any(line.startswith("    classDef failed fill:#") for line in lines)


def test_dot_and_json_have_every_node_and_edge() -> None:
    graph = workflow_graph(EXAMPLE)
    dot = graph_dot(graph)
    assert dot.startswith('digraph "nightly-catalog" {\n')
    assert '    "thumbs" -> "confirm";' in dot
    assert dot.count(" -> ") == len(graph.edges) == 7
    document = graph_json(graph)
    assert document["nodes"][4] == {  # type: ignore[index]
        "id": "confirm", "label": "confirm", "kind": "approve", "level": 3, "status": None, "steps": 1,
    }  # fmt: skip
    assert {"from": "publish", "to": "prune"} in document["edges"]  # type: ignore[operator]


def boxes(svg: str) -> list[tuple[str, float, float, float, float]]:
    root = ElementTree.fromstring(svg)
    found = []
    for group in root.findall(f"{SVG}g"):
        rect, text = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        if rect is not None and text is not None:
            x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
            found.append((text.text or "", x, y, width, height))
    return found


def check_layout(graph: WorkflowGraph) -> None:
    """Nothing overlaps, nothing hangs out, an edge goes from left to right."""
    svg = graph_svg(graph)
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = boxes(svg)
    assert len(found) == len(graph.nodes)
    for label, x, y, wide, tall in found:
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + tall <= height
        assert len(label) * 7 <= wide
    columns: dict[float, list[tuple[float, float]]] = {}
    for _, x, y, _, tall in found:
        columns.setdefault(x, []).append((y, tall))
    for column in columns.values():
        column.sort()
        assert all(above + tall <= below for (above, tall), (below, _) in pairwise(column))
    places = {node.id: box[1] for node, box in zip(graph.nodes, found, strict=True)}
    assert all(places[need] < places[step] for need, step in graph.edges)
    paths = root.findall(f"{SVG}g/{SVG}path")
    assert len(paths) == len(graph.edges)


@given(dags())
def test_svg_places_steps_without_overlap(needs: Graph) -> None:
    check_layout(workflow_graph(workflow_of(needs)))


@pytest.mark.parametrize("name", NAMES)
def test_svg_of_recorded_workflows_is_well_formed_and_small(name: str) -> None:
    graph = workflow_graph(recorded(name))
    assert len(graph.edges) <= 500
    check_layout(graph)


def test_svg_fetches_and_runs_nothing() -> None:
    svg = graph_svg(workflow_graph(EXAMPLE, STATUSES))
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|href|@import|url\(", svg)


def test_hostile_names_stay_text_everywhere() -> None:
    name = 'x"</text><script>alert(1)</script>\x1b[31m\n--> y]'
    statuses = {"a": 'e"vil'}
    graph = workflow_graph(workflow_of({"a": ()}, name), statuses)
    svg = graph_svg(graph)
    assert not ElementTree.fromstring(svg).findall(f".//{SVG}script")
    for text in (svg, graph_dot(graph), graph_tree(graph)):
        assert "\x1b" not in text
    assert graph_tree(graph).count("\n") == 1
    assert graph_dot(graph).count("\n") == 4
    assert "vil" not in graph_mermaid(graph)


def test_above_500_edges_steps_with_the_same_needs_and_children_become_one() -> None:
    graph = workflow_graph(recorded("wfi-bwa-chameleon-large-001"), {"bwa_ID000003": "failed"})
    assert [(node.label, node.count) for node in graph.nodes] == [
        ("fastq_reduce_ID000001 and 1 more", 2), ("bwa_ID00… × 1000", 1000), ("cat_… × 2", 2),
    ]  # fmt: skip
    assert graph.nodes[1].status == "failed"
    assert sum(node.count for node in graph.nodes) == 1004


def test_where_that_is_not_enough_a_whole_level_becomes_one() -> None:
    needs = layers(30, 3)
    needs = {step: tuple(one for one in needed if hash_of(step + one)) for step, needed in needs.items()}
    graph = workflow_graph(workflow_of(needs), most_edges=50)
    levels = levels_of(needs)
    assert [node.level for node in graph.nodes] == sorted(set(levels.values()))
    assert sum(node.count for node in graph.nodes) == len(needs)
    assert len(graph.edges) <= 50


def hash_of(text: str) -> bool:
    """Every third pair is no edge, in no order that groups could share."""
    return sum(map(ord, text)) * 2654435761 % 7 > 1


def test_every_state_has_a_colour() -> None:
    assert {status.value for status in StepStatus} <= COLOURS.keys()
