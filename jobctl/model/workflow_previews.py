"""What a run of a workflow would do, as far as that can be told before anything has run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import join

from jobctl.errors import EvaluationError
from jobctl.model.calls import Call
from jobctl.model.documents import Json
from jobctl.model.parameters import shown
from jobctl.model.step_jobs import condition_of, line_of, template_of
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_estimates import estimate
from jobctl.model.workflow_graphs import levels_of, ordered
from jobctl.model.workflows import Command, StepDefinition, StepKind, WorkflowDefinition


@dataclass(frozen=True, slots=True)
class StepPreview:
    """What one step would do. Texts hold ``${{ }}`` where only a run can tell."""

    step: StepDefinition
    level: int
    """How many steps stand before it on the longest way; those of one level may run side by side."""
    does: str
    """Its command, its question, or what it calls."""
    when: bool | None
    """What its condition will say, where that is certain; None: unknown, or there is none."""
    items: tuple[Json, ...] | None
    """Of ``foreach``, where the list is known."""
    undo: str | None
    directory: str
    usual_seconds: float | None
    """How long it took lately."""


@dataclass(frozen=True, slots=True)
class WorkflowPreview:
    """What a run would do, its steps in an order in which they could run."""

    definition: WorkflowDefinition
    params: Mapping[str, Json]
    steps: tuple[StepPreview, ...]
    on_failure: str | None
    on_exit: str | None
    estimate_seconds: float | None
    """None: no step ever ran."""
    unknown: tuple[str, ...]
    """Steps whose length nobody knows; the estimate leaves them out."""

    @property
    def order(self) -> list[list[str]]:
        """The steps level by level."""
        levels: dict[int, list[str]] = {}
        for found in self.steps:
            levels.setdefault(found.level, []).append(found.step.id)
        return [levels[level] for level in sorted(levels)]


def preview(
    bundle: WorkflowBundle, params: Mapping[str, Json], directory: str, usual: Mapping[str, float]
) -> WorkflowPreview:
    """What a run with these parameters would do.

    Args:
        bundle: the workflow.
        params: every parameter, bound.
        directory: what relative directories are seen from.
        usual: seconds that steps took lately.
    """
    definition, names = bundle.definition, {"params": dict(params)}
    levels, places = levels_of(definition.needs), ordered(definition.needs)
    by_id = {step.id: step for step in definition.steps}
    steps = tuple(
        StepPreview(
            step=step,
            level=levels[step.id],
            does=_does(step, names, bundle),
            when=_condition(step, names),
            items=_items(step, names),
            undo=None if step.undo is None else _undo(step.undo.run, names),
            directory=_directory(definition.directory_of(step), directory, names),
            usual_seconds=usual.get(step.id),
        )
        for step in map(by_id.__getitem__, places)
    )
    # How long a person took to answer says nothing.
    known = {
        step: seconds
        for step, seconds in usual.items()
        if step in by_id and by_id[step].kind is not StepKind.APPROVE
    }
    return WorkflowPreview(
        definition,
        params,
        steps,
        None if definition.on_failure is None else _command(definition.on_failure, names),
        None if definition.on_exit is None else _command(definition.on_exit, names),
        estimate(definition.needs, known, definition.max_parallel) if known else None,
        tuple(step for step in places if step not in known),
    )


def _does(step: StepDefinition, names: Mapping[str, Json], bundle: WorkflowBundle) -> str:
    if step.kind is StepKind.APPROVE:
        return "asks: " + _text(step.approval.prompt if step.approval else "", names)
    if step.kind is StepKind.RUN:
        return _command(step.run or "", names)
    target = step.target or ""
    given = _given(step.arguments, names)
    if step.kind is StepKind.CALL:
        return f"calls {target}{given}"
    count = len(bundle.parts[target].definition.steps)
    return f"runs {target} ({count} step{'s' * (count != 1)}){given}"


def _given(arguments: Mapping[str, Json], names: Mapping[str, Json]) -> str:
    return "".join(
        f" {name}={_text(value, names) if isinstance(value, str) else shown(value)}"
        for name, value in arguments.items()
    )


def _undo(undo: Command | Call, names: Mapping[str, Json]) -> str:
    if isinstance(undo, Call):
        return f"calls {undo.function}{_given(undo.args, names)}"
    return _command(undo, names)


def _command(command: Command, names: Mapping[str, Json]) -> str:
    """A shell line, or an argument vector as a shell would read it."""
    if isinstance(command, str):
        return line_of(command).render_known(names)
    return join(_text(word, names) for word in command)


def _text(text: str, names: Mapping[str, Json]) -> str:
    return template_of(text).render_known(names)


def _directory(own: str | None, directory: str, names: Mapping[str, Json]) -> str:
    if own is None:
        return directory
    rendered = _text(own, names)
    return rendered if rendered.startswith(("/", "~", "${{")) else f"{directory.rstrip('/')}/{rendered}"


def _condition(step: StepDefinition, names: Mapping[str, Json]) -> bool | None:
    """What ``when`` says where only parameters decide."""
    if step.when is None:
        return None
    try:
        return condition_of(step.when).holds(names)
    except EvaluationError:
        return None


def _items(step: StepDefinition, names: Mapping[str, Json]) -> tuple[Json, ...] | None:
    if step.foreach is None or not isinstance(step.foreach, str):
        return step.foreach
    try:
        found = template_of(step.foreach).value(names)
    except EvaluationError:
        return None
    return tuple(found) if isinstance(found, list) else None
