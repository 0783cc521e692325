"""What the tables of a workflow file cannot say: ids, kinds, needs and the graph; every problem with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobctl.model.problems import Mark
from jobctl.model.readings import Reading, mark_of
from jobctl.model.scalar_places import scalars_of
from jobctl.model.workflow_fields import STEP
from jobctl.model.workflow_graphs import Ancestors, find_cycle
from jobctl.model.workflow_kinds import RawStep
from jobctl.model.workflow_references import Known, Nearest, References, Scope
from jobctl.model.workflows import StepKind, Trigger
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode

_KINDS = tuple(kind.value for kind in StepKind)
_NOT_OF_APPROVE = (
    "with", "args", "foreach", "parallel", "tolerate", "retry", "timeout", "outputs", "undo", "undo_if", "cwd", "env",
    "queue", "resources", "resource", "priority", "idempotent",
)  # fmt: skip
_LONGEST_CYCLE = 12


class Checks:
    """One check of what was read."""

    def __init__(self, reading: Reading, lines: Sequence[str]) -> None:
        self._reading, self._lines = reading, lines
        self._nearest = Nearest()
        self._steps: dict[str, RawStep] = {}

    def check(self, root: MappingNode, given: Mapping[str, Any]) -> None:
        """Everything that is wrong is told."""
        steps: list[RawStep] = given.get("steps", [])
        for step in steps:
            self._check_id(step)
        for step in steps:
            self._check_kind(step)
            self._check_keys(step)
        known = self._known(root, given, steps)
        references = References(self._reading, self._lines, known, self._nearest)
        self._check_whole(references, root)
        for step in steps:
            _check_step(references, step)

    def _check_id(self, step: RawStep) -> None:
        step_id = step.given.get("id")
        if step_id is None:
            named = {STEP.other_words.get(key.lower().replace("-", "_")) for key in step.node.entries}
            if "id" not in step.node.entries and "id" not in named:
                self._reading.add(step.node.mark, "the step has no id", None, "give id: NAME")
        elif step_id in self._steps:
            first = mark_of(self._steps[step_id].node, "id")
            hint = f"first in line {first.line}; rename one"
            self._reading.add(mark_of(step.node, "id"), "two steps of one id", step_id, hint)
        else:
            self._steps[step_id] = step

    def _check_kind(self, step: RawStep) -> None:
        kinds = [kind for kind in _KINDS if kind in step.node.entries]
        if len(kinds) > 1:
            mark = _key_mark(step.node, kinds[1])
            self._reading.add(
                mark, f"a step has {kinds[0]} or {kinds[1]}, not both", None, "make it two steps"
            )
        elif not kinds and not self._is_meant(step):
            hint = "give run, call, workflow or approve"
            self._reading.add(step.node.mark, "the step does nothing", step.given.get("id"), hint)

    def _is_meant(self, step: RawStep) -> bool:
        """Whether a wrong word for a kind was told already."""
        words = [key.lower().replace("-", "_") for key in step.node.entries]
        return any(STEP.other_words.get(word, "").split(" ")[0] in _KINDS for word in words)

    def _check_keys(self, step: RawStep) -> None:
        """Keys that mean nothing beside the others."""
        node, entries = step.node, step.node.entries
        if "approve" in entries:
            for key in entries.keys() & set(_NOT_OF_APPROVE):
                hint = "give approve: {expires: …}" if key == "timeout" else "remove it"
                self._reading.add(_key_mark(node, key), f"{key} means nothing beside approve", None, hint)
        elif "run" in entries:
            self._check_given(node, "write the values into the command: ${{ … }}, or run: [CMD, …]")
        if "with" in entries and "args" in entries:
            self._reading.add(_key_mark(node, "args"), "with and args", None, "keep one")
        if "workflow" in entries and "outputs" in entries:
            hint = "those of its steps stay inside"
            self._reading.add(_key_mark(node, "outputs"), "a sub-workflow has no outputs", None, hint)
        for key in ("parallel", "tolerate"):
            if key in entries and "foreach" not in entries:
                self._reading.add(
                    _key_mark(node, key), f"{key} means nothing without foreach", None, "remove it"
                )
        if "undo_if" in entries and "undo" not in entries:
            self._reading.add(
                _key_mark(node, "undo_if"), "undo_if means nothing without undo", None, "remove it"
            )
        if "resource" in entries and "resources" in entries:
            self._reading.add(_key_mark(node, "resource"), "resource and resources", None, "keep one")
        if step.given.get("trigger") is Trigger.ANY_FAILED and not step.given.get("needs"):
            mark = mark_of(node, "trigger")
            self._reading.add(
                mark, "any_failed without needs never starts", None, "name the steps under needs:"
            )

    def _check_given(self, node: MappingNode, hint: str) -> None:
        """Nothing is given to a command."""
        for key in ("with", "args"):
            if key in node.entries:
                self._reading.add(_key_mark(node, key), f"{key} means nothing beside run", None, hint)

    def _known(self, root: MappingNode, given: Mapping[str, Any], steps: Sequence[RawStep]) -> Known:
        written = root.entries.get("params")
        params = list(given.get("params", {}))
        if written is not None and isinstance(written[1], MappingNode):
            params = list(written[1].entries)  # one that is wrong itself is not unknown, too
        outputs = {
            step_id: step.given.get("outputs", {})
            for step_id, step in self._steps.items()
            if ("run" in step.given and ("outputs" in step.given) == ("outputs" in step.node.entries))
            or ("call" in step.given and "outputs" in step.given)
        }
        return Known(params, self._steps.keys(), outputs, self._checked_graph(steps))

    def _checked_graph(self, steps: Sequence[RawStep]) -> Ancestors | None:
        """Who comes before whom; None where needs are wrong, which is told."""
        before = self._reading.problems
        for step in steps:
            self._check_needs(step)
        needs = {
            step_id: [need for need in step.given.get("needs", ()) if need in self._steps and need != step_id]
            for step_id, step in self._steps.items()
        }
        cycle = find_cycle(needs)
        if cycle is not None:
            self._tell_cycle(cycle)
        return Ancestors(needs) if cycle is None and self._reading.problems == before else None

    def _check_needs(self, step: RawStep) -> None:
        if "needs" not in step.given:
            return
        seen: set[str] = set()
        own = step.given.get("id")
        for node in scalars_of(step.node.entries["needs"][1]):
            if node.text == own:
                self._reading.add(node.mark, "a step cannot need itself", own, "remove it")
            elif node.text in seen:
                self._reading.add(node.mark, "needed twice", node.text, "keep one")
            elif node.text not in self._steps and isinstance(node.value, str):
                hint = self._nearest.of(node.text, self._steps)
                self._reading.add(node.mark, "needs an unknown step", node.text, hint)
            seen.add(node.text)

    def _tell_cycle(self, cycle: list[str]) -> None:
        places = {step: place for place, step in enumerate(self._steps)}
        first = min(range(len(cycle)), key=lambda index: places[cycle[index]])
        turned = cycle[first:] + cycle[:first]
        need = turned[1 % len(turned)]
        nodes = scalars_of(self._steps[turned[0]].node.entries["needs"][1])
        mark = next(node.mark for node in nodes if node.text == need)
        shown = turned[:_LONGEST_CYCLE] + (["…"] if len(turned) > _LONGEST_CYCLE else []) + [turned[0]]
        self._reading.add(
            mark, f"dependency cycle: {' needs '.join(shown)}", None, "remove one of these needs"
        )

    def _check_whole(self, references: References, root: MappingNode) -> None:
        for key in ("cwd", "env", "defaults"):
            if key in root.entries:
                references.check_texts(root.entries[key][1], Scope(has_steps=False))
        for key in ("on_failure", "on_exit"):
            if key in root.entries:
                references.check_texts(
                    root.entries[key][1], Scope(has_failure=key == "on_failure"), is_command=True
                )


def _check_step(references: References, step: RawStep) -> None:
    """The texts of a step refer to what there is when they are read."""
    entries, step_id = step.node.entries, step.given.get("id")
    once = Scope(step_id)
    each = Scope(step_id, has_item="foreach" in entries)
    if "when" in step.given:
        node = entries["when"][1]
        if isinstance(node, ScalarNode):
            references.check_condition(node, once)
    if "foreach" in step.given:
        references.check_items(entries["foreach"][1], once)
    for key in ("run", "with", "args", "env", "cwd", "approve"):
        if key in entries:
            references.check_texts(entries[key][1], each, is_command=key == "run")
    if "undo" in step.given:
        undoing = Scope(step_id, has_item="foreach" in entries, sees_itself=True)
        for key, undo in _undo_texts(entries["undo"][1]):
            references.check_texts(undo, undoing, is_command=key == "run")


def _undo_texts(node: Node) -> list[tuple[str, Node]]:
    if not isinstance(node, MappingNode):
        return [("run", node)]
    return [(key, node.entries[key][1]) for key in ("run", "with", "args") if key in node.entries]


def _key_mark(node: MappingNode, key: str) -> Mark:
    return node.entries[key][0].mark
