"""What ``@job`` says of functions, read by the table of ``jobctl.yaml``: definitions and their schedules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.builtin_definitions import NAMESPACE
from jobctl.model.calls import UNFIT_OPTIONS
from jobctl.model.definition_fields import JOB, check_schedule, check_templates
from jobctl.model.definitions import Definition, Source
from jobctl.model.documents import Json
from jobctl.model.functions import Function
from jobctl.model.job_fields import OPTIONS
from jobctl.model.names import check_name
from jobctl.model.parameters import Parameter, ParameterType
from jobctl.model.readings import Entry, Reading
from jobctl.model.signatures import Argument, Signature, bind_arguments
from jobctl.model.yaml_nodes import read_yaml

_TYPES = {
    "int": ParameterType.INT, "float": ParameterType.FLOAT, "bool": ParameterType.BOOL, "str": ParameterType.STRING,
}  # fmt: skip
_OF_COMMANDS = ("command", "call", "args", "parameters")


def declared_definitions(functions: Iterable[Function]) -> tuple[dict[str, Definition], list[str]]:
    """The definitions that declarations make, by name, and what is wrong with others, a line each."""
    found: dict[str, Definition] = {}
    told: list[str] = []
    for function in functions:
        if function.declaration is None:
            continue
        definition, problems = declared_definition(function)
        told += [f"@job of {function.name}: {problem}" for problem in problems]
        if definition is None:
            continue
        if definition.name in found:
            told.append(
                f"@job of {function.name}: {found[definition.name].call} has the name {definition.name}, too"
            )
        found[definition.name] = definition
    return found, told


def declared_definition(function: Function) -> tuple[Definition | None, list[str]]:
    """The definition that the declaration of ``function`` makes, or what is wrong with it.

    Its values go through the table that reads the file: what is right there is right here.
    """
    declared = function.declaration
    if declared is None:
        raise ValueError("the function is not declared")
    written = dict(declared.options)
    if declared.schedule is not None:
        written["schedule"] = declared.schedule
    parameters = shown_parameters(function.signature)
    try:
        check_name(declared.name)
        root, problems = read_yaml(_written({declared.name: written}))
    except (BadInputError, TypeError, ValueError) as error:
        return None, [str(error)]
    reading = Reading(problems)
    given: Mapping[str, Any] = {}
    for entry in [] if root is None else reading.entries(root, "the declaration", "options"):
        given = _read(reading, entry, parameters)
    told = [str(problem) for problem in problems]
    if declared.name.startswith(NAMESPACE):
        told.append(f"names that start with {NAMESPACE} are jobctl's own: '{declared.name}'")
    definition = Definition(
        name=declared.name,
        call=function.name,
        signature=function.signature,
        parameters=parameters,
        options={key: value for key, value in given.items() if key in OPTIONS},
        help=given.get("help") or declared.help,
        icon=given.get("icon") or declared.icon,
        schedule=given.get("schedule"),
        source=Source.MODULE,
    )
    told = told or _schedule_problems(definition)
    return (None, told) if told else (definition, [])


def shown_parameters(signature: Signature) -> tuple[Parameter, ...]:
    """The parameters as a card shows them; the signature says more, and decides."""
    return tuple(_shown(argument) for argument in signature.named.values())


def _written(document: Mapping[str, Any]) -> str:
    """JSON that is YAML, too: no escaped halves of pairs, which only JSON knows."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def _read(reading: Reading, entry: Entry, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    given = reading.table(entry.node, entry.name, JOB)
    check_templates(reading, entry.node, JOB, {parameter.name for parameter in parameters})
    check_schedule(reading, entry, given, parameters)
    for key in _OF_COMMANDS:
        if key in given:
            reading.add(entry.mark, f"{key} is said by the function itself")
    for key, hint in UNFIT_OPTIONS.items():
        if given.get(key):
            reading.add(entry.mark, f"a function job takes no {key}", None, hint)
    return given


def _schedule_problems(definition: Definition) -> list[str]:
    """What the schedule hands over fits the function."""
    if definition.schedule is None or definition.signature is None:
        return []
    try:
        bind_arguments(definition.signature, definition.schedule.get("with", {}))
    except BadInputError as error:
        return [str(error)]
    return []


def _shown(argument: Argument) -> Parameter:
    kind = argument.type
    parts = kind.get("union") if isinstance(kind, Mapping) else None
    if isinstance(parts, list):
        some = [part for part in parts if part != "none"]
        kind = some[0] if len(some) == 1 else "any"
    choices: tuple[Json, ...] = ()
    if isinstance(kind, Mapping) and isinstance(kind.get("literal"), list):
        choices = tuple(kind["literal"])  # type: ignore[arg-type]
    known = _TYPES.get(kind, ParameterType.JSON) if isinstance(kind, str) else ParameterType.JSON
    if choices and all(isinstance(choice, str) for choice in choices):
        known = ParameterType.STRING
    found = Parameter(
        argument.name, known, choices=choices, default=argument.default, required=argument.required
    )
    return found if argument.default_text is None else replace(found, help=f"default {argument.default_text}")
