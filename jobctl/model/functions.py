"""Functions as an inspection of modules found them: signatures, declarations, and what could not be imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from jobctl.model.calls import is_allowed
from jobctl.model.signatures import Signature, signature_of


class Origin(StrEnum):
    """Why a function may be called."""

    MODULE = "module"
    """Its module, or a package around it, is listed in ``modules``."""
    ENTRY_POINT = "entry point"
    """A distribution names it in the group ``jobctl.functions``."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What ``@job(…)`` says of a function."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """As the keys of a job in ``jobctl.yaml``."""
    schedule: Any = None
    icon: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that may be called."""

    signature: Signature
    origin: Origin = Origin.MODULE
    declaration: Declaration | None = None

    @property
    def name(self) -> str:
        """``pkg.mod:func``."""
        return self.signature.function

    def document(self) -> dict[str, Any]:
        """What of it is stored; ``function_of`` gives it back (declarations become definitions)."""
        return {**self.signature.document(), "origin": self.origin.value}


@dataclass(frozen=True, slots=True)
class ModuleProblem:
    """A module, or a function in one, that could not be looked at."""

    module: str
    error: str
    traceback: str = ""
    line: int | None = None
    function: str = ""
    """Which one, where the module itself was imported."""

    def __str__(self) -> str:
        """``cannot import reports: ModuleNotFoundError: No module named 'x' (line 3)``."""
        where = "" if self.line is None else f" (line {self.line})"
        return f"{self.function or f'cannot import {self.module}'}: {self.error}{where}"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What an inspection found."""

    functions: tuple[Function, ...] = ()
    problems: tuple[ModuleProblem, ...] = ()

    def find(self, name: str) -> Function | None:
        """The function of this name."""
        return next((one for one in self.functions if one.name == name), None)


def function_of(document: Mapping[str, Any]) -> Function:
    """The function that an inspection printed, or that was stored."""
    declared = document.get("job")
    return Function(
        signature_of(document),
        Origin(document.get("origin", Origin.MODULE.value)),
        None if declared is None else _declaration(declared, document),
    )


def inspected_of(document: Mapping[str, Any]) -> Inspected:
    """What an inspection printed."""
    return Inspected(
        tuple(map(function_of, document.get("functions", ()))),
        tuple(
            ModuleProblem(
                one["module"],
                one["error"],
                one.get("traceback") or "",
                one.get("line"),
                one.get("function") or "",
            )
            for one in document.get("errors", ())
        ),
    )


def with_origins(found: Inspected, modules: Collection[str]) -> Inspected:
    """The same; what none of the ``modules`` allows was offered by a distribution."""
    return replace(
        found,
        functions=tuple(
            one
            if is_allowed(one.name.partition(":")[0], modules)
            else replace(one, origin=Origin.ENTRY_POINT)
            for one in found.functions
        ),
    )


def near_functions(name: str, known: Collection[str]) -> list[str]:
    """The known functions that ``name`` may have been meant as."""
    from difflib import get_close_matches  # only on the way to an error

    module, _, function = name[:120].rpartition(":")
    beside = {one.rpartition(":")[2]: one for one in known if one.rpartition(":")[0] == module}
    if beside:  # what they have in common, the module, would make any two alike
        return [beside[one] for one in get_close_matches(function, beside, 1, 0.7)]
    return get_close_matches(name[:120], known, 1, 0.75)


def _declaration(declared: Mapping[str, Any], document: Mapping[str, Any]) -> Declaration:
    return Declaration(
        name=declared["name"],
        options=declared.get("options") or {},
        schedule=declared.get("schedule"),
        icon=declared.get("icon") or "",
        help=declared.get("help") or document.get("help") or "",
    )
