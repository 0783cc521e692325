"""What a workflow file asks of others, with its places: workflows that steps run, queues and resources they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobctl.errors import BadInputError, JobctlError
from jobctl.model.documents import Json
from jobctl.model.nested_fields import plain
from jobctl.model.parameters import Parameter, read_value, unknown_parameter
from jobctl.model.problems import Mark
from jobctl.model.readings import Reading
from jobctl.model.templates import OPENING
from jobctl.model.workflows import WorkflowDefinition
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

_RESOURCES = ("resources", "resource")


@dataclass(frozen=True, slots=True)
class PartStep:
    """A step that runs another workflow, as it is written; the rest of its file may be wrong."""

    target: str
    mark: Mark
    arguments: dict[str, Json] | None
    """What it gives; None: that is wrong itself."""
    arguments_mark: Mark


@dataclass(frozen=True, slots=True)
class Asked:
    """A queue, or an amount of a resource, that steps of a file name."""

    source: str
    mark: Mark
    queue: str | None = None
    resource: str = ""
    amount: int = 0


def workflow_steps(root: Node | None) -> Iterator[PartStep]:
    """The steps with ``workflow:``, in the order of the file."""
    for step in _steps(root):
        target = step.entries["workflow"][1] if "workflow" in step.entries else None
        if not isinstance(target, ScalarNode) or not isinstance(target.value, str) or not target.text.strip():
            continue
        if OPENING in target.text:
            continue  # refused as it is
        given = step.entries["with"][1] if "with" in step.entries else None
        mark = target.mark if given is None else given.mark
        yield PartStep(target.text, target.mark, _arguments(given), mark)


def wrong_arguments(step: PartStep, child: WorkflowDefinition) -> list[JobctlError]:
    """What is wrong with ``with:`` as far as the files tell; values of a run are checked when the step starts."""
    if step.arguments is None:
        return []
    known = {parameter.name: parameter for parameter in child.params}
    wrong: list[JobctlError] = [
        unknown_parameter(name, known) for name in step.arguments if name not in known
    ]
    for name, parameter in known.items():
        if name not in step.arguments:
            if parameter.required:
                hint = f"{child.name} needs it: with: {{{name}: …}}"
                wrong.append(BadInputError("parameter missing", name, hint, "E_PARAMETER"))
        elif (error := _wrong_value(parameter, step.arguments[name])) is not None:
            wrong.append(error)
    return wrong


def asked_by(source: str, root: Node | None, definition: WorkflowDefinition) -> list[Asked]:
    """The queues and resources that the file names, each once a place."""
    nodes = {_id_of(node): node for node in _steps(root)}
    defaults = _entry(root, "defaults")
    found: dict[Asked, None] = {}
    for step in definition.steps:
        places = [node for node in (nodes.get(step.id), defaults) if isinstance(node, MappingNode)]
        if step.queue is not None and OPENING not in step.queue:
            found[Asked(source, _mark(places, ("queue",)), queue=step.queue)] = None
        for name, amount in step.resources.items():
            found[Asked(source, _mark(places, _RESOURCES), resource=name, amount=amount)] = None
    return list(found)


def _arguments(node: Node | None) -> dict[str, Json] | None:
    if node is None:
        return {}
    value = plain(Reading([]), node)
    return value if isinstance(value, dict) else None


def _wrong_value(parameter: Parameter, value: Json) -> JobctlError | None:
    if OPENING in str(value):
        return None
    try:
        read_value(parameter, value, "/")
    except BadInputError as error:
        return error
    return None


def _steps(root: Node | None) -> list[MappingNode]:
    steps = _entry(root, "steps")
    items = steps.items if isinstance(steps, SequenceNode) else ()
    return [step for step in items if isinstance(step, MappingNode)]


def _entry(node: Node | None, key: str) -> Node | None:
    return node.entries[key][1] if isinstance(node, MappingNode) and key in node.entries else None


def _id_of(step: MappingNode) -> str | None:
    node = _entry(step, "id")
    return node.text if isinstance(node, ScalarNode) else None


def _mark(places: Sequence[MappingNode], keys: Sequence[str]) -> Mark:
    """Where the first of the keys stands, in the first of the places that has one."""
    for place in places:
        for key in keys:
            node = _entry(place, key)
            if node is not None:
                return node.mark
    return Mark(1, 1)
