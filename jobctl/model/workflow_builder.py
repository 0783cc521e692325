"""Workflows written in Python: the builder takes the keys of a workflow file and gives the same document.

flow = WorkflowBuilder("nightly", max_parallel=4, rollback="on_failure")
flow.param("mode", choices=["full", "incremental"], default="incremental")
scan = flow.step("scan", run="./scan.py", outputs={"count": "int"})
flow.step("import", run=["./import.py"], needs=scan, when="steps.scan.outputs.count > 0")
definition = flow.build()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.workflow_files import workflow_of
from jobctl.model.workflows import WorkflowDefinition

Given = None | bool | int | float | str | timedelta | Sequence[Any] | Mapping[str, Any] | Callable[..., Any]
"""What a key of a file may be given as; None: not said. A ``timedelta`` is a duration, a function its name."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was added; other steps may need it, expressions name its ``id``."""

    id: str


Needs = Step | str | Sequence["Step | str"]


class WorkflowBuilder:
    """Collects what a file would say. Nothing is checked before :meth:`build`, which tells every problem at once."""

    def __init__(self, name: str, **keys: Given) -> None:
        """A workflow of this name; ``keys`` are those of a file: ``max_parallel``, ``defaults``, ``on_exit``, …"""
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
        names = [needs] if isinstance(needs, Step | str) else list(needs)
        if names:
            given["needs"] = [one.id if isinstance(one, Step) else one for one in names]
        if arguments is not None:
            given["with"] = _value(arguments)
        self._steps.append(given)
        return Step(id)

    def document(self) -> dict[str, Any]:
        """What a file would hold, unchecked."""
        params = {"params": self._params} if self._params else {}
        return {**self._keys, **params, "steps": self._steps}

    def build(self) -> WorkflowDefinition:
        """The workflow.

        Raises:
            BadFileError: ``E_WORKFLOW``: every problem, with its place in the document.
        """
        return workflow_of(self.document())


def _written(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in keys.items() if value is not None}


def _value(value: Any) -> Any:
    """The JSON value that a file would hold."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): _value(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    raise BadInputError(
        "no value of a workflow", repr(value), "give texts, numbers, lists or keys and values", "E_WORKFLOW"
    )
