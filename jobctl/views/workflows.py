"""Runs of workflows, and what a retry of one does, as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jobctl.model.documents import Json
from jobctl.model.jobs import Job
from jobctl.model.parameters import shown
from jobctl.model.states import Reason
from jobctl.model.workflow_plans import Action, RetryPlan
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import HandlerRun, Phase, StepReason, StepRun, WorkflowRun
from jobctl.model.workflow_states import RollbackState, StepStatus
from jobctl.model.workflows import WorkflowDefinition
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
        "cancel_requested": run.cancel_requested,
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
    handlers: Iterable[HandlerRun],
    now_ms: int,
) -> dict[str, object]:
    """The run with its steps, the items of those that are repeated, and its handlers."""
    needs = definition.needs
    found = []
    for step in steps:
        document = step_json(step, needs.get(step.id, ()), now_ms)
        if step.items is not None:
            document["items"] = [item_json(item, now_ms) for item in items.get(step.id, ())]
        found.append(document)
    return {**run_json(run, now_ms), "steps": found, "handlers": [_handler_json(one) for one in handlers]}


def _handler_json(handler: HandlerRun) -> dict[str, object]:
    return {
        "name": handler.name,
        "job_id": handler.job_id,
        "status": handler.status.value,
        "exit_code": handler.exit_code,
    }


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
        "decision": None if step.decision is None else step.decision.value,
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


def run_fields(
    run: WorkflowRun, job: Job, handlers: Iterable[HandlerRun], now_ms: int
) -> list[tuple[str, str]]:
    """What is known of a run as ``(label, printable text)``, without its steps."""
    is_timed = run.deadline_at is not None and not run.status.is_terminal and run.reason != Reason.PAUSED
    fields = [
        ("name", run.name),
        ("status", run_status(run)),
        ("cancel", "its cancel is requested; waits for the supervisor" if run.cancel_requested else ""),
        ("steps", run.summary),
        ("failed first", run.failure or ""),
        ("error", run.error or ""),
        *((one.name, one.told) for one in handlers),
        ("params", params_text(run.params)),
        ("attempt", str(run.attempt) if run.attempt > 1 else ""),
        ("queue", job.queue),
        ("part of", f"job {run.parent_id}" if run.parent_id is not None else ""),
        ("directory", job.spec.cwd),
        ("created", exact(run.created_at, now_ms)),
        ("duration", length(seconds_between(run.started_at, run.finished_at or now_ms))),
        ("time limit", exact(run.deadline_at, now_ms) if is_timed else ""),
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


def question_lines(questions: Sequence[Question], answered: Sequence[Question]) -> list[str]:
    """What is typed to answer each of the first questions; before that what was answered and not heeded yet."""
    told = [printable(one.told) for one in answered[:_MOST_QUESTIONS]]
    lines = [
        printable(f"{one.path} waits for an answer: {one.command}, or reject")
        for one in questions[:_MOST_QUESTIONS]
    ]
    left = len(questions) - len(lines)
    return [*told, *lines, *([f"{left} more wait for an answer: see --json"] if left else [])]


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
    if step.answer is not None:
        return step.answer
    if step.status in (StepStatus.ROLLED_BACK, StepStatus.ROLLBACK_FAILED):
        return ", ".join(filter(None, [_undo_failure(step), _before_undo(step)]))
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


def _undo_failure(step: StepRun) -> str:
    if step.status is not StepStatus.ROLLBACK_FAILED:
        return ""
    if step.items is not None:
        return "the undo of some items failed"
    if step.undo_id is None or step.undo_id == step.job_id:  # of a run within the message names it
        return step.undo_message or "its undo failed"
    return f"undo job {step.undo_id} failed: {step.undo_message or 'no reason on record'}"


def _before_undo(step: StepRun) -> str:
    """How a step ended that did not complete, and was undone since."""
    match step.reason:
        case None:
            return ""
        case StepReason.TIMEOUT:
            return "ran out of time before"
        case StepReason.REQUESTED | StepReason.FAIL_FAST:
            return "was cancelled before"
        case "exit":
            return f"failed before: exit {step.exit_code}"
        case reason:
            return f"failed before: {step.message or reason}"


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
