"""A workflow with the workflows that its steps start: what is recorded whole when a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.documents import canonical_json
from jobctl.model.workflow_files import workflow_of
from jobctl.model.workflows import StepKind, UndoIf, WorkflowDefinition

DEEPEST_NESTING = 8
"""Workflows within workflows."""


@dataclass(frozen=True, slots=True)
class WorkflowBundle:
    """A definition, and those of its ``workflow:`` steps by their ``target``."""

    definition: WorkflowDefinition
    parts: Mapping[str, WorkflowBundle] = field(default_factory=dict)

    @property
    def spec_hashes(self) -> dict[str, str]:
        """By step: equal exactly for steps that would do the same; of a ``workflow:`` step all that it starts."""
        found = self.definition.spec_hashes
        for step in self.definition.steps:
            if step.target is not None and step.target in self.parts:
                below = canonical_json([found[step.id], self.parts[step.target].document()])
                found[step.id] = sha256(below.encode()).hexdigest()
        return found

    @property
    def undo_if(self) -> dict[str, UndoIf]:
        """By step that a rollback can take back: after which ends it does.

        The run of a ``workflow:`` step is looked into however it ended: what completed in it may be undone.
        """
        found = {step.id: step.undo_if for step in self.definition.steps if step.undo is not None}
        for step in self.definition.steps:
            part = None if step.target is None else self.parts.get(step.target)
            if part is not None and part.undo_if:
                found[step.id] = UndoIf.STARTED
        return found

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        found: dict[str, Any] = {"definition": self.definition.document()}
        if self.parts:
            found["parts"] = {target: part.document() for target, part in self.parts.items()}
        return found


def bundle_of(document: Mapping[str, Any]) -> WorkflowBundle:
    """The bundle that ``document()`` wrote.

    Raises:
        BadInputError: it did not, or another version of it.
    """
    try:
        parts = document.get("parts", {})
        return WorkflowBundle(
            workflow_of(document["definition"]), {target: bundle_of(part) for target, part in parts.items()}
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        hint = "start it anew from its file"
        raise BadInputError("the stored definition is damaged", repr(error), hint, "E_WORKFLOW") from error


def check_bundle(bundle: WorkflowBundle, depth: int = 1) -> None:
    """Every ``workflow:`` step has its definition in the bundle, and none nests too deep.

    Raises:
        BadInputError: ``E_WORKFLOW``.
    """
    if depth > DEEPEST_NESTING:
        hint = f"at most {DEEPEST_NESTING} workflows within one another"
        raise BadInputError("workflows nest too deep", bundle.definition.name, hint, "E_WORKFLOW")
    for step in bundle.definition.steps:
        if step.kind is StepKind.WORKFLOW and step.target not in bundle.parts:
            raise BadInputError(
                "the workflow of a step is missing", step.target, f"see {step.id}", "E_WORKFLOW"
            )
    for part in bundle.parts.values():
        check_bundle(part, depth + 1)
