"""Why a step of a workflow ran or did not, and why a run stands as it does: one line a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobctl.model.documents import Json
from jobctl.model.explanations import Cause
from jobctl.model.expressions import Expression
from jobctl.model.parameters import shown
from jobctl.model.states import JobStatus, Reason
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import (
    WHOLE,
    FailedUndo,
    HandlerRun,
    Phase,
    StepReason,
    StepRun,
    WorkflowRun,
)
from jobctl.model.workflow_states import RollbackState, StepStatus, Stop
from jobctl.model.workflows import StepDefinition, StepKind, Trigger, WorkflowDefinition

_NAMED = 5
_LONGEST_VALUE = 200
_STOPS = {
    Stop.CANCEL: "the workflow was cancelled",
    Stop.TIMEOUT: "the workflow ran out of time",
    Stop.FAIL_FAST: "a step failed (fail_fast)",
}
_CANCEL_REQUESTED = "its cancel is requested; waits for the supervisor"
_TRIGGERS = {
    Trigger.NONE_FAILED: "runs when no need failed and at least one is live",
    Trigger.STRICT: "runs when every need completed, or was allowed to fail",
    Trigger.ALL_DONE: "runs however its needs ended",
    Trigger.ANY_FAILED: "runs when a need failed",
}


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run with its definition and its steps by id; ``instants`` writes those that are shown for people."""

    run: WorkflowRun
    definition: WorkflowDefinition
    steps: Mapping[str, StepRun]
    instants: Mapping[int, str] = field(default_factory=dict)
    questions: Sequence[Question] = ()
    """What it and the runs within it wait for."""
    answered: Sequence[Question] = ()
    """Of those what was answered, and no supervisor has heeded yet."""
    handlers: Sequence[HandlerRun] = ()
    failed_undos: Sequence[FailedUndo] = ()
    """Its own and those of the runs within it."""

    @property
    def names(self) -> dict[str, Json]:
        """What expressions look up, as far as it is known now."""
        return {
            "params": dict(self.run.params),
            "steps": {
                step.id: {
                    "status": step.status.value, "reason": step.reason, "exit_code": step.exit_code,
                    "outputs": dict(step.outputs), "result": step.result, "job_id": step.job_id,
                    "attempt": step.attempt,
                }
                for step in self.steps.values()
            },
            "run": {"id": self.run.job_id, "name": self.run.name, "attempt": self.run.attempt},
        }  # fmt: skip


def explain_step(facts: KnownRun, step_id: str, item: StepRun | None = None) -> list[Cause]:
    """How the step stands and why: then its needs, its trigger and its condition with the values it saw.

    Of an ``item`` of it the same, with what it is.
    """
    definition, step = facts.definition.step(step_id), item or facts.steps[step_id]
    causes = [_standing(facts, definition, step)]
    if item is not None:
        causes.append(Cause("item", f"item: {shown(item.item)[:_LONGEST_VALUE]}", {"item": item.item}))
    if facts.run.cancel_requested and not step.status.is_terminal:
        causes.append(Cause("cancel", _CANCEL_REQUESTED))
    below = tuple(f"{step.label}{opening}" for opening in ("/[" if step.map_index == WHOLE else "/"))
    causes += _questions(facts, [one for one in facts.questions if one.path.startswith(below)])
    causes += _answers([one for one in facts.answered if one.path.startswith(below)])
    causes += [_need(facts, need) for need in definition.needs]
    if definition.trigger is not Trigger.NONE_FAILED or len(definition.needs) > 1:
        trigger = definition.trigger
        causes.append(
            Cause("trigger", f"trigger {trigger.value}: it {_TRIGGERS[trigger]}", {"trigger": trigger.value})
        )
    if definition.when is not None:
        causes += _condition(facts, definition.when, step)
    if step.undo_id is not None:
        how = f": {step.undo_message}" if step.undo_message else ""
        causes.append(Cause("undo", f"its undo was job {step.undo_id}{how}", {"job_id": step.undo_id}))
    return [*causes, *_failed_undos([one for one in facts.failed_undos if one.path.startswith(below)])]


def explain_run(facts: KnownRun) -> list[Cause]:
    """Why the run stands as it does."""
    run = facts.run
    causes = [
        Cause(run.status.value, f"{run.summary}{_because(run)}", {"steps": run.steps, "ended": run.ended})
    ]
    for status in (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.READY):
        found = [step for step in facts.steps.values() if step.status is status]
        if found:
            causes.append(
                Cause(status.value, f"{status.value}: {_named(found)}", {"steps": [s.id for s in found]})
            )
    if run.cancel_requested:
        causes.append(Cause("cancel", _CANCEL_REQUESTED))
    causes += _questions(facts, facts.questions)
    causes += _answers(facts.answered)
    failed = [s for s in facts.steps.values() if s.status in (StepStatus.FAILED, StepStatus.TIMEOUT)]
    for step in failed[:_NAMED]:
        how = _standing(facts, facts.definition.step(step.id), step).message
        causes.append(Cause("failed", f"{step.id}: {how}", {"step": step.id}))
    if len(failed) > _NAMED:
        causes.append(Cause("failed", f"{len(failed) - _NAMED} more steps failed"))
    blocked = sum(step.status is StepStatus.UPSTREAM_FAILED for step in facts.steps.values())
    if blocked:
        count = f"{blocked} step{'s' * (blocked != 1)}"
        causes.append(Cause("upstream_failed", f"{count} did not run because of that", {"count": blocked}))
    causes += _failed_undos(facts.failed_undos)
    for one in facts.handlers:
        if one.has_failed:
            known = {"handler": one.name, "job_id": one.job_id, "exit_code": one.exit_code}
            causes.append(Cause("handler", f"{one.name} {one.told}: jobctl logs {one.job_id}", known))
    return causes


def _because(run: WorkflowRun) -> str:
    if run.error is not None:
        return f"; it was given up: {run.error}"
    if run.reason == Reason.PAUSED:
        return f"; it is paused, and nothing of it starts: jobctl resume {run.job_id}"
    if run.stop is not None and run.status is not JobStatus.COMPLETED:
        return f"; {_STOPS[run.stop]}"
    if run.phase is Phase.ROLLING_BACK:
        return "; it is being rolled back"
    if run.phase is Phase.HANDLERS:
        return "; its handlers run"
    if run.failure is not None and run.rollback is RollbackState.NONE:
        return f"; {run.failure} failed first"
    return ""


def _standing(facts: KnownRun, definition: StepDefinition, step: StepRun) -> Cause:
    """How the step stands, in one line."""
    code = step.reason or step.status.value
    known: dict[str, object] = {"status": step.status.value, "reason": step.reason, "job_id": step.job_id}
    match step.status:
        case StepStatus.PENDING:
            left = [need for need in definition.needs if not facts.steps[need].status.is_terminal]
            text = (
                f"waits for {_listed(left)}" if left else "nothing stands in its way; a supervisor starts it"
            )
        case StepStatus.READY:
            text = _ready(facts, step)
        case StepStatus.RUNNING:
            text = f"it runs{_as_job(step, definition)}{_items(step)}"
        case StepStatus.WAITING:
            text = _waiting(facts, definition, step)
        case StepStatus.COMPLETED:
            text = f"completed{_as_job(step, definition)}{_items(step)}"
            if definition.kind is StepKind.APPROVE:
                text = f"approved by {step.decided_by}" if step.decided_by else "approved"
            elif step.is_partial:
                text += ", in part: something failed that was allowed to"
        case StepStatus.SKIPPED | StepStatus.UPSTREAM_FAILED | StepStatus.CANCELLED:
            text = _not_run(facts, definition, step)
            known["cause"] = step.cause
        case StepStatus.ROLLED_BACK:
            text = f"{_before_undo(definition, step)}, then rolled back"
        case StepStatus.ROLLBACK_FAILED:
            text = f"{_before_undo(definition, step)}; its undo failed"
        case _:
            text = _failed(definition, step)
    return Cause(code, text, known)


def _ready(facts: KnownRun, step: StepRun) -> str:
    if step.job_id is not None:
        return f"ready; job {step.job_id} waits for its turn: jobctl explain {step.job_id}"
    if step.reason == StepReason.PARALLEL and facts.definition.max_parallel is not None:
        return f"ready; at most {facts.definition.max_parallel} steps run at once (max_parallel)"
    return "ready; it waits for its turn"


def _waiting(facts: KnownRun, definition: StepDefinition, step: StepRun) -> str:
    if step.answer is not None:
        return step.answer
    if definition.kind is StepKind.APPROVE:
        run_id = facts.run.job_id
        question = Question(run_id, step.id, run_id, step.id, step.message or "", step.expires_at)
        return _asked(facts, step.message or step.id, question)
    return f"waits for its next attempt{_as_job(step)}: jobctl explain {step.job_id}"


def _not_run(facts: KnownRun, definition: StepDefinition, step: StepRun) -> str:
    if step.status is StepStatus.UPSTREAM_FAILED:
        cause = facts.steps.get(step.cause or "")
        how = "" if cause is None else f" ({_end(cause)})"
        return f"not run: {step.cause or 'what it needs'} failed{how}"
    if step.status is StepStatus.SKIPPED:
        reasons = {
            StepReason.CONDITION.value: "its condition is false",
            StepReason.NEEDS.value: "its needs were skipped",
        }
        return (
            f"skipped: {step.message or reasons.get(step.reason or '', step.reason or 'no reason on record')}"
        )
    stop = facts.run.stop
    said = None if definition.kind is StepKind.APPROVE else step.message  # what it asked
    why = said or (_STOPS[stop] if stop is not None else step.reason or "its job was cancelled")
    return f"cancelled: {why}"


def _failed(definition: StepDefinition, step: StepRun) -> str:
    if definition.kind is StepKind.APPROVE:
        who = f" by {step.decided_by}" if step.decided_by else ""
        expired = step.reason == StepReason.EXPIRED
        return "failed: nobody approved it in time" if expired else step.message or f"rejected{who}"
    allowed = "; it was allowed to (continue_on_error)" if definition.continue_on_error else ""
    counted = bool(step.items_failed) and step.reason == StepReason.ITEMS_FAILED  # it counts the items again
    said = "" if counted else _said(step.message)
    how = "failed" if counted else _end(step)
    return f"{how}{_as_job(step, definition)}{_items(step)}{said}{allowed}"


def _before_undo(definition: StepDefinition, step: StepRun) -> str:
    """How a step ended that was undone since: with ``undo_if: started`` not all of them completed."""
    how = "completed" if step.reason is None else _end(step)
    return f"{how}{_as_job(step, definition)}"


def _end(step: StepRun) -> str:
    if step.status is StepStatus.TIMEOUT or step.reason == StepReason.TIMEOUT:
        return "ran out of time"
    if step.reason == StepReason.REQUESTED:
        return "was cancelled"
    if step.exit_code is not None and not step.message:
        return f"failed with exit {step.exit_code}"
    return "failed"


def _said(message: str | None) -> str:
    return f": {message}" if message else ""


def _as_job(step: StepRun, definition: StepDefinition | None = None) -> str:
    noun = "workflow" if definition is not None and definition.kind is StepKind.WORKFLOW else "job"
    return "" if step.job_id is None else f" as {noun} {step.job_id}"


def _questions(facts: KnownRun, questions: Sequence[Question]) -> Iterator[Cause]:
    """A line for each question, with what is typed to answer it."""
    for one in questions[:_NAMED]:
        known = {"workflow_id": one.workflow_id, "step": one.step, "path": one.path, "command": one.command}
        yield Cause("approval", f"{one.path} {_asked(facts, one.prompt or one.step, one)}", known)
    if len(questions) > _NAMED:
        yield Cause("approval", f"{len(questions) - _NAMED} more wait for an answer")


def _answers(answered: Sequence[Question]) -> Iterator[Cause]:
    for one in answered[:_NAMED]:
        yield Cause(
            "answered", one.told, {"workflow_id": one.workflow_id, "step": one.step, "path": one.path}
        )


def _failed_undos(undos: Sequence[FailedUndo]) -> Iterator[Cause]:
    for one in undos[:_NAMED]:
        yield Cause("undo", one.told, {"path": one.path, "job_id": one.job_id})
    if len(undos) > _NAMED:
        yield Cause("undo", f"{len(undos) - _NAMED} more undo commands failed")


def _asked(facts: KnownRun, prompt: str, question: Question) -> str:
    text = f"waits for an answer: {prompt}"
    if question.expires_at is not None:
        text += f" (no, unless approved by {facts.instants.get(question.expires_at, question.expires_at)})"
    return f"{text}; {question.command}, or reject"


def _items(step: StepRun) -> str:
    if step.items is None:
        return ""
    failed = f", {step.items_failed} failed" if step.items_failed else ""
    return f": {step.items - step.items_left} of {step.items} items ended{failed}"


def _need(facts: KnownRun, need: str) -> Cause:
    state, definition = facts.steps[need], facts.definition.step(need)
    text = f"needs {need}: {state.status.value}"
    if state.status.is_failure and definition.continue_on_error:
        text += ", allowed (continue_on_error)"
    elif state.status is StepStatus.SKIPPED and definition.optional:
        text += ", counts as live (optional)"
    elif state.status is StepStatus.UPSTREAM_FAILED and state.cause:
        text += f", because of {state.cause}"
    return Cause("need", text, {"step": need, "status": state.status.value})


def _condition(facts: KnownRun, text: str, step: StepRun) -> Iterator[Cause]:
    result = {None: "not asked yet", True: "true", False: "false"}[step.when_result]
    if step.when_result is None and step.status.is_terminal:
        result = "not asked" if step.reason != StepReason.CONDITION else "no value"
    yield Cause("when", f"when {text}: {result}", {"when": text, "result": step.when_result})
    names = facts.names
    for path in dict.fromkeys(reference.path for reference in Expression.parse(text).names()):
        found, value = _looked_up(names, path)
        written = ".".join(path)
        told = (shown(value) if value != "" else "''") if found else "not known"
        yield Cause("value", f"  {written} = {told[:_LONGEST_VALUE]}", {"name": written, "value": value})


def _looked_up(names: Mapping[str, Json], path: Sequence[str]) -> tuple[bool, Json]:
    value: Json = dict(names)
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _named(steps: Sequence[StepRun]) -> str:
    return _listed([step.id if step.job_id is None else f"{step.id} (job {step.job_id})" for step in steps])
