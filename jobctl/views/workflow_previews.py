"""What a run of a workflow would do, as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from jobctl.model.durations import format_duration
from jobctl.model.parameters import shown
from jobctl.model.workflow_previews import StepPreview, WorkflowPreview
from jobctl.model.workflows import StepDefinition, Trigger
from jobctl.views.jobs import encodable
from jobctl.views.text import printable
from jobctl.views.workflows import fit, params_text


def preview_json(found: WorkflowPreview) -> dict[str, object]:
    """What a run would do."""
    definition = found.definition
    return {
        "name": definition.name,
        "dry_run": True,
        "params": fit(dict(found.params)),
        "max_parallel": definition.max_parallel,
        "timeout_seconds": definition.timeout_seconds,
        "rollback": sorted(definition.rollback) or ["never"],
        "on_failure": fit(found.on_failure),
        "on_exit": fit(found.on_exit),
        "order": found.order,
        "steps": [_step_preview_json(one) for one in found.steps],
        "estimate_seconds": found.estimate_seconds,
        "steps_without_estimate": list(found.unknown),
    }


def _step_preview_json(one: StepPreview) -> dict[str, object]:
    step = one.step
    return {
        "id": step.id,
        "kind": step.kind.value,
        "level": one.level,
        "needs": list(step.needs),
        "trigger": step.trigger.value,
        "when": step.when,
        "when_result": one.when,
        "does": fit(one.does),
        "items": None if one.items is None else fit(list(one.items)),
        "undo": fit(one.undo),
        "cwd": encodable(one.directory),
        "queue": step.queue,
        "attempts": step.retry.attempts,
        "timeout_seconds": step.timeout_seconds,
        "usual_seconds": one.usual_seconds,
    }


def preview_lines(found: WorkflowPreview) -> list[str]:
    """What a run would do, for people; each line is printable."""
    definition = found.definition
    head = f"{definition.name}: {len(definition.steps)} step{'s' * (len(definition.steps) != 1)}"
    head += "" if definition.max_parallel is None else f", at most {definition.max_parallel} at once"
    head += (
        ""
        if definition.timeout_seconds is None
        else f", ended after {format_duration(definition.timeout_seconds)}"
    )
    lines = [head, *([f"params: {params_text(found.params)}"] if found.params else [])]
    for number, one in enumerate(found.steps, 1):
        lines += _step_preview_lines(number, one)
    undone = [one.step.id for one in reversed(found.steps) if one.undo is not None]
    if undone:
        when = ", ".join(sorted(definition.rollback)) or "only by hand"
        lines.append(f"rollback ({when}): {', '.join(undone)}")
    for label, handler in (("on_failure", found.on_failure), ("on_exit", found.on_exit)):
        lines += [] if handler is None else [f"{label}: {handler}"]
    lines.append(_estimate_line(found))
    return [printable(line) for line in lines]


def _step_preview_lines(number: int, one: StepPreview) -> list[str]:
    step, said = one.step, []
    said += [f"after {', '.join(step.needs)}"] if step.needs else []
    said += [f"trigger {step.trigger.value}"] if step.trigger is not Trigger.NONE_FAILED else []
    if step.when is not None:
        said.append(f"when {step.when}" + ("" if one.when is None else f" ({str(one.when).lower()})"))
    said += _repetition(one)
    said += [f"queue {step.queue}"] if step.queue is not None else []
    said += [f"{step.retry.attempts} attempts"] if step.retry.attempts > 1 else []
    said += [] if step.timeout_seconds is None else [f"ended after {format_duration(step.timeout_seconds)}"]
    said += ["may fail"] if step.continue_on_error else []
    lines = [f"{number:>3}  {step.id}" + (f"  ({'; '.join(said)})" if said else "")]
    lines += [f"       {line}" for line in one.does.split("\n") if line.strip()]
    lines += [] if one.undo is None else [f"       undo: {one.undo}"]
    return lines


def _repetition(one: StepPreview) -> list[str]:
    step: StepDefinition = one.step
    if step.foreach is None:
        return []
    at_once = "" if step.parallel is None else f", {step.parallel} at once"
    if one.items is None:
        return [f"for each of {step.foreach}{at_once}"]
    names = ", ".join(shown(item) for item in one.items[:5]) + (", …" if len(one.items) > 5 else "")
    return [f"for each of {len(one.items)} items: {names}{at_once}"]


def _estimate_line(found: WorkflowPreview) -> str:
    if found.estimate_seconds is None:
        return "estimate: none, it has not run yet"
    text = f"estimate: {format_duration(found.estimate_seconds)}, by its last runs"
    if found.unknown:
        text += f"; without {', '.join(found.unknown[:5])}{', …' if len(found.unknown) > 5 else ''}"
    return text
