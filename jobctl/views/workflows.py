"""Runs of workflows, and what one would do, as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jobctl.model.documents import Json
from jobctl.model.durations import format_duration
from jobctl.model.jobs import Job
from jobctl.model.parameters import shown
from jobctl.model.workflow_plans import Action, RetryPlan
from jobctl.model.workflow_previews import StepPreview, WorkflowPreview
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import Phase, StepReason, StepRun, WorkflowRun
from jobctl.model.workflow_states import RollbackState, StepStatus
from jobctl.model.workflows import StepDefinition, Trigger, WorkflowDefinition
from jobctl.views.instants import ago, exact, instant_json, length, seconds_between
from jobctl.views.jobs import aligned, encodable
from jobctl.views.text import printable, shorten

SYMBOLS = {
    StepStatus.PENDING: "◌", StepStatus.READY: "○", StepStatus.RUNNING: "▶", StepStatus.WAITING: "◔",
    StepStatus.COMPLETED: "✓", StepStatus.FAILED: "✗", StepStatus.TIMEOUT: "◷", StepStatus.SKIPPED: "↷",
    StepStatus.CANCELLED: "⊘", StepStatus.UPSTREAM_FAILED: "⊗", StepStatus.ROLLED_BACK: "↶",
    StepStatus.ROLLBACK_FAILED: "⚠",
}  # fmt: skip
"""One cell each: a status is never told by colour alone."""
HEADER = ("STEP", "STATUS", "REASON", "ATTEMPTS", "JOB", "DURATION")
_MOST_ITEMS_SHOWN = 20
_MOST_QUESTIONS = 10
_TOLD_BY_MESSAGE = frozenset({
    StepReason.NEEDS, StepReason.CONDITION, StepReason.TEMPLATE, StepReason.OUTPUTS, StepReason.REFUSED,
    StepReason.APPROVAL, StepReason.REJECTED, StepReason.EXPIRED, StepReason.ERROR, StepReason.ITEMS_FAILED,
})  # fmt: skip
_WIDEST = 100


def run_json(run: WorkflowRun, now_ms: int) -> dict[str, object]:
    """The run without its steps: the keys of CLI.md, then more."""
    return {
        "id": run.job_id,
        "name": run.name,
        "status": run.status.value,
        "outcome": None if run.outcome is None else run.outcome.value,
        "rollback": run.rollback.value,
        "params": fit(dict(run.params)),
        "reason": run.reason,
        "phase": run.phase.value,
        "stop": None if run.stop is None else run.stop.value,
        "failure": run.failure,
        "error": None if run.error is None else encodable(run.error),
        "attempt": run.attempt,
        "parent_id": run.parent_id,
        "steps_total": run.steps,
        "steps_ended": run.ended,
        "steps_completed": run.completed,
        "steps_failed": run.failed,
        "definition_hash": run.definition_hash,
        "created_at": instant_json(run.created_at),
        "started_at": instant_json(run.started_at),
        "finished_at": instant_json(run.finished_at),
        "deadline_at": instant_json(run.deadline_at),
        "duration_seconds": seconds_between(run.started_at, run.finished_at or now_ms),
    }


def workflow_json(
    run: WorkflowRun,
    definition: WorkflowDefinition,
    steps: Iterable[StepRun],
    items: Mapping[str, Sequence[StepRun]],
    now_ms: int,
) -> dict[str, object]:
    """The run with its steps, and the items of those that are repeated."""
    needs = definition.needs
    found = []
    for step in steps:
        document = step_json(step, needs.get(step.id, ()), now_ms)
        if step.items is not None:
            document["items"] = [item_json(item, now_ms) for item in items.get(step.id, ())]
        found.append(document)
    return {**run_json(run, now_ms), "steps": found}


def step_json(step: StepRun, needs: Sequence[str], now_ms: int) -> dict[str, object]:
    """One step: the keys of CLI.md, then more."""
    return {"id": step.id, **_standing_json(step, needs, now_ms), "items_total": step.items}


def item_json(step: StepRun, now_ms: int) -> dict[str, object]:
    """One item of a step that is repeated."""
    return {"index": step.map_index, "item": fit(step.item), **_standing_json(step, None, now_ms)}


def _standing_json(step: StepRun, needs: Sequence[str] | None, now_ms: int) -> dict[str, object]:
    return {
        "status": step.status.value,
        "reason": step.reason,
        **({} if needs is None else {"needs": list(needs)}),
        "attempt": step.attempt,
        "job_id": step.job_id,
        "started_at": instant_json(step.started_at),
        "finished_at": instant_json(step.finished_at),
        "exit_code": step.exit_code,
        "outputs": fit(dict(step.outputs)),
        "attempts": step.attempts,
        "result": fit(step.result),
        "cause": step.cause,
        "message": None if step.message is None else encodable(step.message),
        "when": step.when_result,
        "partial": step.is_partial,
        "undo_job_id": step.undo_id,
        "decided_by": step.decided_by,
        "expires_at": instant_json(step.expires_at),
        "duration_seconds": step_seconds(step, now_ms),
    }


def fit(value: Json) -> Json:
    """A JSON value whose texts are fit for UTF-8; see ``encodable``."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [fit(item) for item in value]
    if isinstance(value, dict):
        return {encodable(key): fit(member) for key, member in value.items()}
    return value


def step_seconds(step: StepRun, now_ms: int) -> float | None:
    """How long the step ran, or has run."""
    return seconds_between(step.started_at, step.finished_at or now_ms)


def runs_plain(runs: Sequence[WorkflowRun], now_ms: int) -> str:
    """Aligned columns under a header."""
    header = ("ID", "NAME", "STATUS", "STEPS", "FAILED", "ROLLBACK", "CREATED", "DURATION")
    rows = (
        (
            str(run.job_id), printable(run.name), run_status(run), f"{run.ended}/{run.steps}", str(run.failed),
            "-" if run.rollback is RollbackState.NONE else run.rollback.value, ago(run.created_at, now_ms),
            length(seconds_between(run.started_at, run.finished_at or now_ms)) or "-",
        )
        for run in runs
    )  # fmt: skip
    return aligned([header, *rows])


def run_status(run: WorkflowRun) -> str:
    """The status, with what says more: ``completed (partial)``, ``running (rolling_back)``."""
    if run.outcome is not None and run.outcome.value != "clean":
        return f"{run.status.value} ({run.outcome.value})"
    if not run.status.is_terminal and run.phase is not Phase.RUNNING:
        return f"{run.status.value} ({run.phase.value})"
    return f"{run.status.value} ({printable(run.reason)})" if run.reason else run.status.value


def run_fields(run: WorkflowRun, job: Job, now_ms: int) -> list[tuple[str, str]]:
    """What is known of a run as ``(label, printable text)``, without its steps."""
    waits = run.deadline_at is not None and not run.status.is_terminal
    fields = [
        ("name", run.name),
        ("status", run_status(run)),
        ("steps", run.summary),
        ("failed first", run.failure or ""),
        ("error", run.error or ""),
        ("params", params_text(run.params)),
        ("attempt", str(run.attempt) if run.attempt > 1 else ""),
        ("queue", job.queue),
        ("part of", f"job {run.parent_id}" if run.parent_id is not None else ""),
        ("directory", job.spec.cwd),
        ("created", exact(run.created_at, now_ms)),
        ("duration", length(seconds_between(run.started_at, run.finished_at or now_ms))),
        ("time limit", exact(run.deadline_at, now_ms) if waits else ""),
    ]
    return [(label, printable(text)) for label, text in fields if text]


def question_json(question: Question) -> dict[str, object]:
    """A step that waits for an answer, here or in a run within."""
    return {
        "path": question.path,
        "workflow_id": question.workflow_id,
        "step": question.step,
        "prompt": encodable(question.prompt),
        "expires_at": instant_json(question.expires_at),
        "command": question.command,
    }


def question_lines(questions: Sequence[Question]) -> list[str]:
    """What is typed to answer each of the first questions."""
    lines = [
        printable(f"{one.path} waits for an answer: {one.command}, or reject")
        for one in questions[:_MOST_QUESTIONS]
    ]
    left = len(questions) - len(lines)
    return [*lines, f"{left} more wait for an answer: see --json"] if left else lines


def params_text(params: Mapping[str, Json]) -> str:
    """``mode=full keep_days=14``."""
    return " ".join(f"{name}={shown(value)}" for name, value in params.items())


def step_rows(steps: Iterable[StepRun], now_ms: int) -> list[tuple[str, ...]]:
    """A row a step, for columns under ``HEADER``."""
    return [
        (
            printable(step.label),
            f"{SYMBOLS[step.status]} {step.status.value}",
            shorten(printable(step_reason(step)), _WIDEST) or "-",
            str(step.attempts) if step.attempts else "-",
            "-" if step.job_id is None else str(step.job_id),
            length(step_seconds(step, now_ms)) or "-",
        )
        for step in steps
    ]


def shown_steps(steps: Iterable[StepRun], items: Mapping[str, Sequence[StepRun]]) -> list[StepRun]:
    """The steps, behind each of its items those that people look for: what failed or runs, the first of them."""
    found = []
    for step in steps:
        found.append(step)
        odd = [
            item
            for item in items.get(step.id, ())
            if item.status not in (StepStatus.COMPLETED, StepStatus.PENDING)
        ]
        found += odd[:_MOST_ITEMS_SHOWN]
    return found


def steps_plain(steps: Iterable[StepRun], now_ms: int) -> str:
    """Aligned columns under a header."""
    return aligned([HEADER, *step_rows(steps, now_ms)])


def step_reason(step: StepRun) -> str:
    """Why it stands so, in a few words; for people."""
    parts = []
    if step.status is StepStatus.UPSTREAM_FAILED and step.cause:
        parts.append(f"{step.cause} failed")
    elif step.reason and step.reason != "exit" and not (step.message and step.reason in _TOLD_BY_MESSAGE):
        parts.append(step.reason)
    elif step.exit_code and step.status is StepStatus.FAILED:
        parts.append(f"exit {step.exit_code}")
    if step.items is not None:
        parts.append(f"{step.items - step.items_left}/{step.items} items")
        parts += [f"{step.items_failed} failed"] if step.items_failed else []
    is_told = step.items_failed and step.reason in (
        None,
        StepReason.ITEMS_FAILED,
    )  # it counts the items again
    if step.message and step.status is not StepStatus.UPSTREAM_FAILED and not is_told:
        parts.append(step.message)
    return ", ".join(parts)


# --- what a run would do ---


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


# --- retries ---


def plan_json(plan: RetryPlan) -> list[dict[str, object]]:
    """What a retry does with each step."""
    return [
        {
            "id": step.id,
            "action": step.action.value,
            "status": None if step.status is None else step.status.value,
            "reason": step.reason,
        }
        for step in plan.steps
    ]


def plan_lines(plan: RetryPlan) -> list[str]:
    """What a retry does: a line a step that changes, the rest counted."""
    rows = [
        (step.action.value, printable(step.id), printable(step.reason))
        for step in plan.steps
        if step.action is not Action.KEEP
    ]
    kept = len(plan.of(Action.KEEP))
    lines = aligned(rows).split("\n") if rows else []
    return [*lines, f"{kept} step{'s' * (kept != 1)} kept"] if kept else lines
