"""Workflow files: YAML or JSON to a ``WorkflowDefinition``, with every problem told at once, and the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.calls import Call
from jobctl.model.documents import Json
from jobctl.model.fields import Schema
from jobctl.model.names import check_name
from jobctl.model.problems import Mark, Problem, file_error
from jobctl.model.readings import Reading, mark_of, shown
from jobctl.model.specs import RetryPolicy
from jobctl.model.workflow_checks import Checks
from jobctl.model.workflow_fields import WORKFLOW
from jobctl.model.workflow_kinds import RawStep
from jobctl.model.workflow_references import bare_expression
from jobctl.model.workflows import (
    NO_RETRY,
    NO_TOLERANCE,
    Approval,
    Command,
    StepDefinition,
    StepKind,
    Trigger,
    Undo,
    UndoIf,
    WorkflowDefinition,
)
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, read_yaml

LARGEST_REPEATED = 16 << 20
_WORK_KEYS = ("timeout", "queue", "resources", "priority", "continue_on_error", "idempotent")


def parse_workflow(text: str, source: str) -> WorkflowDefinition:
    """The workflow that the YAML (or JSON) ``text`` writes.

    Args:
        text: the file.
        source: its name as people know it; without ``name:`` the workflow is called like it.

    Raises:
        BadFileError: ``E_WORKFLOW``; it tells every problem.
    """
    found = read_workflow(text, source)
    if found.definition is None:
        raise file_error(source, text, found.problems, "E_WORKFLOW")
    return found.definition


@dataclass(frozen=True, slots=True)
class ReadWorkflow:
    """What was read of a file, right or not."""

    root: Node | None
    """None: it is no YAML."""
    definition: WorkflowDefinition | None
    """None: there are problems."""
    problems: list[Problem]


def read_workflow(text: str, source: str) -> ReadWorkflow:
    """The workflow that ``text`` writes, or what is wrong with it; the arguments are those of ``parse_workflow``."""
    root, problems = read_yaml(text)
    if root is None and not problems:
        problems.append(Problem(Mark(1, 1), "the file is empty", None, "give steps:"))
    return ReadWorkflow(root, _read(root, text, source, problems), problems)


def workflow_of(document: Mapping[str, Json]) -> WorkflowDefinition:
    """The workflow of a document as ``WorkflowDefinition.document()`` gives it.

    Raises:
        BadFileError: ``E_WORKFLOW``: it is none; the places are those in its indented JSON text.
    """
    problems: list[Problem] = []
    found = _read(_node_of(dict(document)), "", "workflow", problems)
    if found is not None:
        return found
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return parse_workflow(text, "workflow")


def workflow_schema() -> Schema:
    """The JSON schema of a workflow file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jobctl workflow",
        **WORKFLOW.schema(),
        "required": ["steps"],
    }


def _read(root: Node | None, text: str, source: str, problems: list[Problem]) -> WorkflowDefinition | None:
    """The workflow, or None once there are problems."""
    if root is None:
        return None
    reading = Reading(problems)
    if not isinstance(root, MappingNode):
        reading.add(root.mark, "a workflow must hold keys and values", shown(root), "write steps:")
        return None
    given = reading.table(root, "the file", WORKFLOW)
    if "steps" not in root.entries and not _means_steps(root):
        reading.add(root.mark, "the workflow has no steps", None, "give steps:")
    name = _name(reading, root, given, source)
    _check_size(reading, root, given)
    Checks(reading, text.split("\n")).check(root, given)
    steps = [_step(reading, step, given) for step in given.get("steps", [])] if not problems else []
    return None if problems else _definition(name, given, steps)


def _check_size(reading: Reading, root: MappingNode, given: Mapping[str, Any]) -> None:
    """What holds for all steps is written into each of them, which must stay a file's size."""
    defaults = given.get("defaults", {})
    texts = [given.get("cwd") or "", defaults.get("cwd") or ""]
    for variables in (given.get("env", {}), defaults.get("env", {})):
        texts += [*variables, *variables.values()]
    characters, steps = sum(map(len, texts)), len(given.get("steps", []))
    if characters * steps > LARGEST_REPEATED:
        what = f"env and cwd of {characters:,} characters for {steps:,} steps are above 16 MiB"
        reading.add(mark_of(root, "env"), what, None, "give them to the steps that need them, or in a file")


def _means_steps(root: MappingNode) -> bool:
    words = [WORKFLOW.other_words.get(key.lower().replace("-", "_"), "") for key in root.entries]
    return any(word.startswith("steps") for word in words)


def _name(reading: Reading, root: MappingNode, given: Mapping[str, Any], source: str) -> str:
    if "name" in root.entries:
        return str(given.get("name", ""))
    stem = source.rpartition("/")[2].rpartition(".")
    name = stem[0] or stem[2]
    try:
        return check_name(name)
    except BadInputError:
        reading.add(root.mark, "the workflow has no name", None, "give name:")
        return ""


def _definition(name: str, given: Mapping[str, Any], steps: list[StepDefinition]) -> WorkflowDefinition:
    return WorkflowDefinition(
        name=name,
        steps=tuple(steps),
        params=tuple(given.get("params", {}).values()),
        cwd=given.get("cwd"),
        env=given.get("env", {}),
        max_parallel=given.get("max_parallel"),
        fail_fast=given.get("fail_fast", False),
        timeout_seconds=given.get("timeout"),
        rollback=given.get("rollback", frozenset()),
        on_failure=_command(given.get("on_failure")),
        on_exit=_command(given.get("on_exit")),
        help=given.get("help", ""),
    )


def _step(reading: Reading, step: RawStep, whole: Mapping[str, Any]) -> StepDefinition:
    """The step with what the workflow says for all of them."""
    given = dict(step.given)
    if "resource" in given:
        given["resources"] = given.pop("resource")
    kind = next(kind for kind in StepKind if kind.value in given)
    defaults = whole.get("defaults", {})
    work = {key: given.get(key, defaults.get(key)) for key in _WORK_KEYS}
    is_work = kind is not StepKind.APPROVE
    if not is_work:
        work = {"continue_on_error": work["continue_on_error"]}
    foreach = given.get("foreach")
    return StepDefinition(
        id=given["id"],
        kind=kind,
        run=_command(given.get("run")),
        target=given.get("call") or given.get("workflow"),
        approval=_approval(given["approve"]) if kind is StepKind.APPROVE else None,
        arguments=given.get("with", given.get("args", {})),
        needs=tuple(given.get("needs", ())),
        when=bare_expression(given["when"])[0].strip() if "when" in given else None,
        trigger=given.get("trigger", Trigger.NONE_FAILED),
        foreach=tuple(foreach) if isinstance(foreach, list) else foreach,
        parallel=given.get("parallel"),
        tolerate=given.get("tolerate", NO_TOLERANCE),
        retry=_retry(reading, step.node, defaults.get("retry", {}), given.get("retry", {}))
        if is_work
        else NO_RETRY,
        timeout_seconds=work.get("timeout"),
        continue_on_error=work["continue_on_error"] or False,
        optional=given.get("optional", False),
        outputs=given.get("outputs", {}),
        undo=_undo(reading, step.node, given["undo"]) if "undo" in given else None,
        undo_if=given.get("undo_if", UndoIf.COMPLETED),
        cwd=given.get("cwd", defaults.get("cwd")) if is_work else None,
        env={**whole.get("env", {}), **defaults.get("env", {}), **given.get("env", {})} if is_work else {},
        queue=work.get("queue"),
        resources=work.get("resources") or {},
        priority=work.get("priority"),
        idempotent=work.get("idempotent") is not False,
        help=given.get("help", ""),
    )


def _command(value: Any) -> Command | None:
    return tuple(value) if isinstance(value, list) else value


def _approval(given: Mapping[str, Any]) -> Approval:
    return Approval(given.get("prompt", ""), given.get("expires"))


def _undo(reading: Reading, node: MappingNode, given: Mapping[str, Any]) -> Undo | None:
    below = node.entries["undo"][1]
    if ("run" in given) == ("call" in given):
        wrong = "undo has run or call, not both" if "run" in given else "undo has no run"
        reading.add(below.mark, wrong, None, "give run: or call:")
        return None
    arguments = given.get("with", given.get("args"))
    if arguments is not None and ("run" in given or ("with" in given and "args" in given)):
        wrong = "with means nothing beside run" if "run" in given else "with and args"
        reading.add(below.mark, wrong, None, "keep one")
    command = Call(given["call"], arguments or {}) if "call" in given else _command(given["run"])
    retry = _retry(reading, below, {}, given.get("retry", {}))
    return None if command is None else Undo(command, given.get("timeout"), retry)


def _retry(reading: Reading, node: Node, defaults: Mapping[str, Any], own: Mapping[str, Any]) -> RetryPolicy:
    """What a step says over what holds for all, key by key."""
    given = {**defaults, **own}
    if own and "times" not in given:
        reading.add(mark_of(node, "retry"), "retry has no times", None, "give times: 3")
    delay = given.get("delay", NO_RETRY.delay_seconds)
    most = given.get("max_delay", max(delay, NO_RETRY.max_delay_seconds))
    if delay > most:
        reading.add(mark_of(node, "retry"), "the delay exceeds max_delay", None, "give a larger max_delay")
    if not given.get("times"):
        return NO_RETRY
    return RetryPolicy(
        given["times"] + 1, delay, given.get("backoff", NO_RETRY.backoff), most, given.get("on_exit", ())
    )


def _node_of(value: Json) -> Node:
    """The tree of a JSON value; nobody looks at its places."""
    nowhere = Mark(1, 1)
    if isinstance(value, dict):
        entries = {
            name: (ScalarNode(nowhere, name, name), _node_of(member)) for name, member in value.items()
        }
        return MappingNode(nowhere, entries)
    if isinstance(value, list | tuple):
        return SequenceNode(nowhere, [_node_of(item) for item in value])
    text = value if isinstance(value, str) else json.dumps(value)
    return ScalarNode(nowhere, text, value, not isinstance(value, str))
