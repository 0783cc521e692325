"""Workflows written in Python: the builder takes the keys of a workflow file and gives the same document.

flow = WorkflowBuilder("nightly", max_parallel=4, rollback="on_failure")
flow.param("mode", choices=["full", "incremental"], default="incremental")
scan = flow.step("scan", run="./scan.py", outputs={"count": "int"})
flow.step("import", run=["./import.py"], needs=scan, when="steps.scan.outputs.count > 0")
definition = flow.build()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from jobctl.errors import BadInputError
from jobctl.model.workflow_files import workflow_of
from jobctl.model.workflows import WorkflowDefinition


class _Path(Protocol):
    """A path as ``pathlib`` has it."""

    def __fspath__(self) -> str:
        """Its text."""


Given = (
    None | bool | int | float | str | timedelta | _Path | Sequence[Any] | Mapping[str, Any] | Set[Any]
    | Callable[..., Any]
)  # fmt: skip
"""What a key of a file may be given as; None: not said. A ``timedelta`` is a duration, a set is sorted, a function
is its name."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was added; other steps may need it, expressions name its ``id``."""

    id: str


Needs = Step | str | Sequence["Step | str"] | Set["Step | str"]
_METHODS = {"steps": "step", "params": "param"}
_DEEPEST = 60
"""A file may nest 64 levels, a step stands in the third."""


class WorkflowBuilder:
    """Collects what a file would say. Nothing is checked before :meth:`build`, which tells every problem at once."""

    def __init__(self, name: str, **keys: Given) -> None:
        """A workflow of this name; ``keys`` are those of a file: ``max_parallel``, ``defaults``, ``on_exit``, …"""
        for key, method in _METHODS.items():
            if key in keys:
                raise BadInputError("no key of the builder", key, f"give it by {method}", "E_WORKFLOW")
        self._keys = {"name": name, **_written(keys)}
        self._params: dict[str, Any] = {}
        self._steps: list[dict[str, Any]] = []

    def param(self, name: str, **keys: Given) -> str:
        """The template that stands for a parameter with these keys: ``type``, ``default``, ``choices``, …"""
        if name in self._params:
            raise BadInputError("parameter added twice", name, "keep one", "E_WORKFLOW")
        self._params[name] = _written(keys)
        return f"${{{{ params.{name} }}}}"

    def step(
        self, id: str, *, needs: Needs = (), arguments: Mapping[str, Any] | None = None, **keys: Given
    ) -> Step:
        """A further step, to be needed by others.

        Args:
            id: its name.
            needs: the steps that end before it.
            arguments: the key ``with``, which is a word of Python.
            keys: as in a file: ``run``, ``call`` (a name, or the function itself), ``workflow`` or ``approve``;
                ``when``, ``foreach``, ``undo``, …
        """
        given = {"id": id, **_written(keys)}
        names = _ids(needs)
        if names:
            given["needs"] = names
        if arguments is not None:
            given["with"] = _value(arguments)  # None is a value here
        self._steps.append(given)
        return Step(id)

    def document(self) -> dict[str, Any]:
        """What a file would hold, unchecked."""
        params = {"params": dict(self._params)} if self._params else {}
        return {**self._keys, **params, "steps": list(self._steps)}

    def build(self) -> WorkflowDefinition:
        """The workflow.

        Raises:
            BadFileError: ``E_WORKFLOW``: every problem, with its place in the document.
        """
        return workflow_of(self.document())


def _written(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in keys.items() if value is not None}


def _ids(needs: Any) -> list[str]:
    """The ids of what is needed; of a set in an order that is the same in every process."""
    several = isinstance(needs, list | tuple | set | frozenset)
    names = [one.id if isinstance(one, Step) else one for one in (needs if several else [needs])]
    for name in names:
        if not isinstance(name, str):
            raise BadInputError("no step", repr(name), "give what step() returned, or an id", "E_WORKFLOW")
    return sorted(names) if isinstance(needs, set | frozenset) else names


def _value(value: Any, depth: int = 1) -> Any:
    """The JSON value that a file would hold; a set is sorted, so that the same workflow has the same hash."""
    if depth > _DEEPEST:
        raise BadInputError(f"nested deeper than {_DEEPEST}", None, "flatten it", "E_WORKFLOW")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): _value(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list | tuple | range):
        return [_value(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_value(item, depth + 1) for item in value), key=repr)
    if hasattr(value, "__fspath__"):
        return _value(value.__fspath__(), depth + 1)
    if (
        value is None
        or isinstance(value, bool | int | str)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    raise BadInputError(
        "no value of a workflow", repr(value), "give texts, numbers, lists or keys and values", "E_WORKFLOW"
    )
