"""From a definition and what was given for its parameters to a job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from jobctl.actions.callers import portable
from jobctl.actions.requests import EXCLUSIVE, JobRequest, request_of
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.clock import SystemClock
from jobctl.configuration import configuration_path
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.configurations import Configuration
from jobctl.model.definition_fields import TEMPLATED
from jobctl.model.definitions import Definition, Source
from jobctl.model.documents import Json
from jobctl.model.homes import Home
from jobctl.model.parameters import bind
from jobctl.model.problems import did_you_mean
from jobctl.model.signatures import Signature, bind_arguments
from jobctl.model.specs import Submission
from jobctl.model.templates import Template
from jobctl.store import Store

_PATHS = ("cwd", "stdin", "env_file")
_NOTHING = JobRequest()


def definition_submission(
    store: Store,
    name: str,
    given: Mapping[str, Json],
    builder: SubmissionBuilder,
    overrides: JobRequest = _NOTHING,
) -> Submission:
    """The job that the applied definition ``name`` makes; one read of the store, in a transaction or not.

    Args:
        store: where the definition was applied to; built-in ones need not be.
        name: of the definition.
        given: its parameters, typed (from a file or the store).
        builder: of whoever submits it.
        overrides: options that count more than the definition's.

    Raises:
        NotFoundError: there is none of this name, or the file no longer names it.
        BadInputError: a parameter is missing, unknown or wrong, or an option does not fit.
    """
    return builder.build(
        definition_request(applied_definition(store, name), given, store.home, overrides, texts=False)
    )


def applied_definition(store: Store, name: str) -> Definition:
    """The definition as it was last applied: what the supervisor goes by.

    Raises:
        NotFoundError: there is none of this name, or the file no longer names it.
    """
    stored = store.definitions.get(name)
    if stored is not None and stored.gone_at is None:
        return stored.definition
    if name in BUILTIN:
        return BUILTIN[name]
    if stored is not None:
        raise _gone(stored.definition)
    known = [one.definition.name for one in store.definitions.list() if one.gone_at is None]
    raise _unknown(name, [*known, *BUILTIN])


def named_definition(
    home: Home, configuration: Configuration | None, name: str, behind: Sequence[str] = ()
) -> Definition:
    """The definition as the file says it now: what callers get, applied or not.

    Args:
        home: whose file it is.
        configuration: what that file says.
        name: of the definition.
        behind: the words that followed it: all may have been meant as a command.

    Raises:
        NotFoundError: the file names none so, and none is built in.
    """
    found = definitions_of(configuration)
    if name not in found:
        found |= declared_in(home)
    if name in found:
        return found[name]
    hint = f"name it under jobs: in {configuration_path(home)}"
    raise _unknown(name, found, f"{hint}; a command follows --, as in: -- {' '.join([name, *behind])}")


def definitions_of(configuration: Configuration | None, store: Store | None = None) -> dict[str, Definition]:
    """Every definition that can be submitted now: the file's, those that modules declared when last applied, ours."""
    own = {} if configuration is None else dict(configuration.definitions)
    for found in [] if store is None else applied_declarations(store):
        own.setdefault(found.name, found)
    return {**own, **{name: found for name, found in BUILTIN.items() if name not in own}}


def applied_declarations(store: Store) -> list[Definition]:
    """What ``@job`` declared when the configuration was last applied."""
    return [
        one.definition
        for one in store.definitions.list()
        if one.gone_at is None and one.definition.source is Source.MODULE
    ]


def declared_in(home: Home) -> dict[str, Definition]:
    """The same by name, of a home whose store need not exist."""
    if not os.path.exists(home.store):
        return {}
    with Store.open(home, SystemClock()) as store:
        return {found.name: found for found in applied_declarations(store)}


def definition_request(
    definition: Definition,
    given: Mapping[str, Json],
    home: Home,
    overrides: JobRequest = _NOTHING,
    *,
    texts: bool = True,
) -> JobRequest:
    """The request that the definition writes with these parameters; ``overrides`` count more.

    Nothing of the caller's environment is in it, and its paths are those of the file's directory.

    Raises:
        BadInputError: a parameter is missing, unknown or wrong.
    """
    if definition.signature is not None:
        document = _declared_document(definition, definition.signature, given, texts=texts)
    else:
        bound = bind(definition.parameters, given, os.path.expanduser("~"), texts=texts)
        document = rendered(definition, {"params": bound})
    directory = definition_directory(definition, home)
    document["cwd"] = document.get("cwd", ".")
    for key in _PATHS:
        if key in document:
            document[key] = os.path.join(directory, document[key])
    request = request_of({"name": definition.name, **document}, JobRequest())
    request = replace(request, supervisor_env=True, definition=definition.name)
    return overlaid(request, overrides)


_NONE: Mapping[str, Json] = {}


def given_values(
    definition: Definition, texts: Mapping[str, Json], typed: Mapping[str, Json] = _NONE
) -> dict[str, Json]:
    """What was given on a command line, as the definition's parameters want it, over what is ``typed`` already.

    Defaults stay the definition's.

    Raises:
        BadInputError: a parameter is missing, unknown or wrong.
    """
    if definition.signature is not None:
        kept = {name: value for name, value in typed.items() if name not in texts}
        return bind_arguments(definition.signature, kept, {name: str(text) for name, text in texts.items()})
    given = {**typed, **texts}
    bound = bind(definition.parameters, given, os.path.expanduser("~"))
    return {name: bound[name] for name in given}


def _declared_document(
    definition: Definition, signature: Signature, given: Mapping[str, Json], *, texts: bool
) -> dict[str, Any]:
    """The line of a declared function: its arguments are what was given, and the function's own defaults."""
    args = given_values(definition, given) if texts else bind_arguments(signature, given)
    defaults: dict[str, Json] = {name: one.default for name, one in signature.named.items()}
    return rendered(replace(definition, args=args), {"params": {**defaults, **args}}, plain=("args",))


def rendered(
    definition: Definition, names: Mapping[str, Json], *, plain: Collection[str] = ()
) -> dict[str, Any]:
    """The definition as a line of ``submit --jsonl``, its templates filled in; not in the ``plain`` keys.

    Raises:
        BadInputError: a template has no value with ``names``.
    """
    found = {
        key: _filled(value, lambda text: Template.parse(text).render(names)) if key in TEMPLATED else value
        for key, value in definition.options.items()
    }
    if definition.call is not None:
        args = dict(definition.args)
        filled = args if "args" in plain else _filled(args, lambda text: Template.parse(text).value(names))
        return found | {"call": definition.call, "args": filled}
    if definition.shell is not None:
        template = Template.parse(definition.shell, shell=True)  # noqa: S604 - nothing is run here
        found["shell"] = template.render(names)
        return found
    command = [Template.parse(word).render(names) for word in definition.command]
    found["command"] = [*_program(), *command] if definition.source is Source.BUILTIN else command
    return found


def _program() -> list[str]:
    """This program as an argv; ``-P``: nothing is imported from the job's directory."""
    return [portable(sys.executable), "-P", "-m", "jobctl"]


def definition_directory(definition: Definition, home: Home) -> str:
    """Where its relative paths start: the directory of the file, of built-in ones the home."""
    path = home.path if definition.source is Source.BUILTIN else os.path.dirname(configuration_path(home))
    return portable(os.path.abspath(path))


def overlaid(request: JobRequest, overrides: JobRequest) -> JobRequest:
    """``request`` with what ``overrides`` says; variables and resources are merged by name."""
    changes = {
        field.name: value
        for field in fields(JobRequest)
        if (value := getattr(overrides, field.name)) != getattr(_NOTHING, field.name)
    }
    for group in EXCLUSIVE:
        if any(name in changes for name in group):
            changes = dict.fromkeys(group) | changes
    merged = ["env", "resources"]
    if "call" in changes:  # another function: what was given to the one before goes
        changes = {"args": {}, "arg_texts": {}} | changes
    else:
        merged += ["args", "arg_texts"]
        texts = changes.get("arg_texts", {})
        request = replace(request, args={k: v for k, v in request.args.items() if k not in texts})
    for key in merged:
        if key in changes:
            changes[key] = {**getattr(request, key), **changes[key]}
    return replace(request, **changes)


def parse_given(words: Sequence[str]) -> dict[str, Json]:
    """The texts of ``k=v`` words by name.

    Raises:
        BadInputError: ``E_PARAMETER``: no ``=``, or a name given twice.
    """
    found: dict[str, Json] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            hint = "write it as name=value; a command follows --"
            raise BadInputError("a parameter needs a name and a value", word, hint, "E_PARAMETER")
        if name in found:
            raise BadInputError("parameter given twice", name, "keep one", "E_PARAMETER")
        found[name] = value
    return found


def _filled(value: Any, render: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return render(value)
    if isinstance(value, list):
        return [_filled(item, render) for item in value]
    if isinstance(value, Mapping):
        return {name: _filled(item, render) for name, item in value.items()}
    return value


def _unknown(name: str, known: Sequence[str] | Mapping[str, object], hint: str = "") -> NotFoundError:
    near = did_you_mean(name, list(known))
    said = near if near.startswith("did you mean") else hint or "see: jobctl catalog"
    return NotFoundError("unknown definition", name, said)


def _gone(definition: Definition) -> NotFoundError:
    if definition.source is Source.MODULE:
        hint = f"declare it again (it was @job of {definition.call}), then: jobctl reload"
        return NotFoundError("the definition is gone from its module", definition.name, hint)
    return NotFoundError("the definition is gone from the file", definition.name, "name it again under jobs:")
