"""``jobctl.yaml`` together with what the code says: declared jobs join those of the file, its calls fit the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jobctl.actions.functions import module_error, unknown_function
from jobctl.actions.schedule_files import entry_keys
from jobctl.errors import BadInputError
from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.calls import is_allowed
from jobctl.model.configurations import Configuration
from jobctl.model.declarations import declared_definitions
from jobctl.model.definition_fields import own_schedules
from jobctl.model.definitions import Definition
from jobctl.model.file_texts import FileText
from jobctl.model.functions import Function, Inspected, ModuleProblem, Origin, with_origins
from jobctl.model.homes import Home
from jobctl.model.problems import Mark, Problem, did_you_mean, file_error
from jobctl.model.signatures import Signature, check_argument, check_missing, check_name
from jobctl.model.templates import OPENING
from jobctl.settings import Settings

_MODULES = ("settings", "modules")


def with_declarations(
    configuration: Configuration, inspected: Inspected, home: Home, settings: Settings
) -> Configuration:
    """The configuration with the definitions, the schedules and the functions that an inspection found.

    Raises:
        BadFileError: ``E_CONFIG``: a module cannot be imported, a declaration or a call is wrong, or a name is given
            by the file and by a module; every problem is told.
    """
    inspected = with_origins(inspected, settings.modules)
    declared, told = declared_definitions(inspected.functions)
    file = configuration.file
    problems = [_module_problem(file, problem) for problem in inspected.problems]
    problems += [Problem(file.mark(*_MODULES), text) for text in told]
    problems += _named_twice(configuration, declared)
    schedules = (*configuration.schedules, *own_schedules(declared.values()))
    found = replace(
        configuration,
        definitions={**configuration.definitions, **declared},
        schedules=schedules,
        functions=inspected.functions,
    )
    if not inspected.problems:  # a module that cannot be imported lacks everything
        problems += _unknown_jobs(found, declared)
        problems += _wrong_calls(found, inspected, home, settings)
    if problems:
        raise file_error(file.source, file.text, problems, "E_CONFIG")
    return found


def called_modules(configuration: Configuration | None, settings: Settings) -> tuple[str, ...]:
    """Allowed modules whose functions the file calls, whether they are listed themselves or not."""
    if configuration is None:
        return ()
    found = {call.partition(":")[0] for _, _, call, _ in _calls(configuration)}
    return tuple(sorted(module for module in found if is_allowed(module, settings.modules)))


def _module_problem(file: FileText, problem: ModuleProblem) -> Problem:
    return Problem(file.mark(*_MODULES), str(problem), None, "what was applied before stays as it is")


def _named_twice(configuration: Configuration, declared: Mapping[str, Definition]) -> Iterator[Problem]:
    own = {entry.name for entry in configuration.schedules}
    file = configuration.file
    for name, definition in declared.items():
        hint = f"@job of {definition.call} has that name; rename one of them"
        if name in configuration.definitions:
            yield Problem(file.mark("jobs", name), "job given twice", name, hint)
        elif name in BUILTIN:
            yield Problem(file.mark(*_MODULES), "this name is jobctl's own", name, hint)
        if definition.schedule is not None and name in own:
            yield Problem(file.mark("schedules", name), "schedule given twice", name, hint)


def _unknown_jobs(configuration: Configuration, declared: Mapping[str, Definition]) -> Iterator[Problem]:
    """What schedules of the file run is in it or in a module, and takes what they give it."""
    known = {**BUILTIN, **configuration.definitions}
    file = configuration.file
    for entry in configuration.schedules:
        if entry.job is None:
            continue
        if entry.job not in known:
            hint = did_you_mean(entry.job, known)
            yield Problem(
                file.mark(*entry_keys(file, entry), "job"), "no such job in this file", entry.job, hint
            )
        elif entry.job in declared and entry.name != entry.job:
            yield from _misfits(
                file, (*entry_keys(file, entry), "with"), declared[entry.job].signature, entry.given
            )


def _wrong_calls(
    configuration: Configuration, inspected: Inspected, home: Home, settings: Settings
) -> Iterator[Problem]:
    file = configuration.file
    for keys, where, call, args in _calls(configuration):
        found = inspected.find(call)
        error = _refusal(call, found, inspected, home, settings)
        if error is not None:
            yield _problem(file.mark(*keys, "call"), where, error)
        elif found is not None:
            yield from _misfits(file, (*keys, "args"), found.signature, args, where)


def _refusal(
    call: str, found: Function | None, inspected: Inspected, home: Home, settings: Settings
) -> BadInputError | None:
    is_offered = found is not None and found.origin is Origin.ENTRY_POINT
    if not is_offered and not is_allowed(call.partition(":")[0], settings.modules):
        return module_error(call, home)
    if found is None:
        module = call.partition(":")[0]
        mates = tuple(one for one in inspected.functions if one.name.partition(":")[0] == module)
        return unknown_function(call, Inspected(mates))
    return None


def _misfits(
    file: FileText,
    keys: tuple[str, ...],
    signature: Signature | None,
    args: Mapping[str, Any],
    where: str = "",
) -> Iterator[Problem]:
    """What of the arguments does not fit, each at its key; a value that is a template is known only when it runs."""
    if signature is None:
        return
    for name, value in args.items():
        try:
            if OPENING in str(value):
                check_name(signature, name)
            else:
                check_argument(signature, name, value)
        except BadInputError as error:
            yield _problem(file.mark(*keys, name), where, error)
    try:
        check_missing(signature, args)
    except BadInputError as error:
        yield _problem(file.mark(*keys[:-1], "call"), where, error)


def _calls(
    configuration: Configuration,
) -> Iterator[tuple[tuple[str, ...], str, str, Mapping[str, Any]]]:
    """What the file itself calls: where it is written, what it is about, the function and its arguments."""
    file = configuration.file
    for name, definition in configuration.definitions.items():
        if definition.call is not None and definition.signature is None:
            yield ("jobs", name), f"jobs: {name}: ", definition.call, definition.args
    for entry in configuration.schedules:
        call = entry.request.get("call")
        if call is not None:
            yield entry_keys(file, entry), f"schedules: {entry.name}: ", call, entry.request.get("args", {})


def _problem(mark: Mark, where: str, error: BadInputError) -> Problem:
    return Problem(
        mark, f"{where}{error.what}", None if error.value is None else str(error.value), error.hint
    )
