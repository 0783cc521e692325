"""Named job definitions and the schedules of a file: what they hold, and how they are stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobctl.model.parameters import Parameter, ParameterType
from jobctl.model.signatures import Signature, signature_of

JOINER = "\u200d"
"""Between the signs of one emoji, as in an icon."""


class Source(StrEnum):
    """Where a definition comes from."""

    FILE = "file"
    BUILTIN = "builtin"
    MODULE = "module"
    """``@job`` in a module that ``jobctl.yaml`` allows."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A job that has a name before it runs. Texts may hold ``${{ params.x }}``."""

    name: str
    shell: str | None = None
    command: tuple[str, ...] = ()
    call: str | None = None
    """A Python function, ``pkg.mod:func``; its arguments are in ``args``."""
    args: Mapping[str, Any] = field(default_factory=dict)
    signature: Signature | None = None
    """Of a declared function: what is given by name are its arguments, as they are."""
    parameters: tuple[Parameter, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """As a line of ``submit --jsonl`` writes them."""
    help: str = ""
    icon: str = ""
    schedule: Mapping[str, Any] | None = None
    """The keys of ``schedule:`` as they were written; its own schedule has its name."""
    source: Source = Source.FILE

    @property
    def category(self) -> str | None:
        """What it belongs to."""
        return self.options.get("category")

    @property
    def type(self) -> str | None:
        """What kind of work it is."""
        return self.options.get("type")

    def document(self) -> dict[str, Any]:
        """As JSON can hold it; ``definition_of`` gives it back."""
        found: dict[str, Any] = {"shell": self.shell, "command": list(self.command), "help": self.help}
        found |= {"call": self.call, "args": dict(self.args)}
        found["signature"] = None if self.signature is None else self.signature.document()
        found |= {"icon": self.icon, "options": dict(self.options), "schedule": self.schedule}
        found["parameters"] = [parameter_document(parameter) for parameter in self.parameters]
        return {key: value for key, value in found.items() if value}


def definition_of(name: str, document: Mapping[str, Any], source: Source) -> Definition:
    """The definition whose document was stored."""
    signature = document.get("signature")
    return Definition(
        name=name,
        shell=document.get("shell"),
        command=tuple(document.get("command", ())),
        call=document.get("call"),
        args=document.get("args", {}),
        signature=None if signature is None else signature_of(signature),
        parameters=tuple(map(parameter_of, document.get("parameters", ()))),
        options=document.get("options", {}),
        help=document.get("help", ""),
        icon=document.get("icon", ""),
        schedule=document.get("schedule"),
        source=source,
    )


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A schedule as the file names it, under ``schedules:`` or at a job."""

    name: str
    times: Mapping[str, Any]
    """The keys about when and how (``cron``, ``tz``, ``missed`` …), as texts, lists of texts and truth values."""
    job: str | None = None
    """The definition it runs; None where it has a command of its own."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the definition."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """Its own command and job options, as a line of ``submit --jsonl`` writes them."""


def parameter_document(parameter: Parameter) -> dict[str, Any]:
    """The parameter as JSON can hold it; what it leaves open is left out."""
    found: dict[str, Any] = {
        "name": parameter.name,
        "type": parameter.type.value,
        "choices": list(parameter.choices) or None,
        "default": parameter.default,
        "min": parameter.min,
        "max": parameter.max,
        "pattern": parameter.pattern,
        "help": parameter.help or None,
        "required": parameter.required or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def parameter_of(document: Mapping[str, Any]) -> Parameter:
    """The parameter whose document was stored."""
    return Parameter(
        **{
            **document,
            "type": ParameterType(document["type"]),
            "choices": tuple(document.get("choices", ())),
        }
    )
