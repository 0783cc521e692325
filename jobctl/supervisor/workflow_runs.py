"""One run of a workflow, moved on within the transaction of a turn: what has ended, what follows, what starts.

The rules are in ``model.workflow_states``; here they meet the rows. A need that ends costs the same however large the
workflow: each step counts the needs it has left.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jobctl.actions.jobs import CancelOptions, end_jobs
from jobctl.errors import BadInputError, EvaluationError
from jobctl.model.documents import Json
from jobctl.model.events import EventKind
from jobctl.model.specs import Submission
from jobctl.model.states import JobId
from jobctl.model.step_jobs import (
    condition_of,
    items_of,
    run_arguments,
    run_submission,
    step_work,
    submission_of,
    template_of,
    value_references,
    work_references,
)
from jobctl.model.workflow_runs import (
    WHOLE,
    Answer,
    Phase,
    StepReason,
    WorkflowSubmission,
    label_of,
    shortened,
)
from jobctl.model.workflow_states import NeedState, StepStatus, Stop, decide
from jobctl.model.workflows import StepDefinition, StepKind
from jobctl.store import Store
from jobctl.store.events import EventRow
from jobctl.store.runs import ChildEnd, RunState
from jobctl.store.steps import Finish, StepPlace
from jobctl.supervisor.workflow_events import workflow_event
from jobctl.supervisor.workflow_finishes import finish_of_items, finish_of_job
from jobctl.supervisor.workflow_names import NO_ITEM, RunNames
from jobctl.supervisor.workflow_plans import Plan

NO_LIMIT = 1_000_000
_FAILURES = (StepStatus.FAILED, StepStatus.TIMEOUT)
_STOP_REASONS = {
    Stop.CANCEL: StepReason.REQUESTED,
    Stop.TIMEOUT: StepReason.TIMEOUT,
    Stop.FAIL_FAST: StepReason.FAIL_FAST,
}


@dataclass(slots=True)
class Run:
    """A run on its way through one transaction."""

    store: Store
    plan: Plan
    state: RunState
    now: int
    events: list[EventRow]
    names: RunNames
    _ended: deque[str] = field(default_factory=deque)

    # --- what has happened ---

    def step_child_ended(self, end: ChildEnd) -> None:
        """The job of a step has ended, and with it the step; the end of an earlier job of it changes nothing."""
        step = self.plan.steps.get(end.step)
        if step is None:
            return
        finish = finish_of_job(self.store, step, end, self.plan.facts.home)
        if finish.status is StepStatus.CANCELLED:
            finish = replace(finish, reason=self._stop_reason or finish.reason)
        self.end(step.id, end.map_index, finish, child_id=end.job_id)

    def end(self, step: str, map_index: int, finish: Finish, *, child_id: JobId | None = None) -> None:
        """The step or item has ended so, unless it had before; what waits for it is decided in ``flow``."""
        if finish.message is not None:
            finish = replace(finish, message=shortened(finish.message))
        place = (step, map_index)
        if not self.store.steps.end(self.state.job_id, place, finish, self.now, child_id=child_id):
            return
        self.names.forget(step)
        self._tell_end(step, map_index, finish)
        if map_index != WHOLE:
            self._items_ended(step, 1, int(finish.status in _FAILURES))
        else:
            self._count(step, finish.status)

    def _count(self, step: str, status: StepStatus) -> None:
        """A whole step has ended."""
        self.state.left -= 1
        self.state.completed += status is StepStatus.COMPLETED
        self._ended.append(step)
        if status not in _FAILURES:
            return
        self.state.failed += 1
        if self.plan.steps[step].continue_on_error:
            return
        if self.state.failure is None:
            self.state.failure = step
        if self.plan.facts.definition.fail_fast and self.state.stop is None:
            self.stop(Stop.FAIL_FAST)

    def _items_ended(self, step_id: str, count: int, failed: int) -> None:
        step = self.plan.steps[step_id]
        items, left, failures = self.store.steps.items_ended(self.state.job_id, step_id, count, failed)
        if left:
            if self.state.stop is None:
                self._go_on_with_items(step, failures > step.tolerate.of(items))
            return
        counts = (items, failures)
        finish = finish_of_items(self.store, self.state.job_id, step, counts, self._stop_reason)
        self.end(step_id, WHOLE, finish)

    def _go_on_with_items(self, step: StepDefinition, is_failing: bool) -> None:
        """The next item may start; with ``fail_fast`` not once too many have failed."""
        if is_failing and self.plan.facts.definition.fail_fast and not step.continue_on_error:
            self.stop(Stop.FAIL_FAST)
        elif step.parallel is not None:
            self.store.steps.next_item(self.state.job_id, step.id, self.now)

    def answered(self) -> None:
        """Steps that a person has approved or rejected go on."""
        for step, answer, by in self.store.steps.decided(self.state.job_id):
            name = by or "somebody"
            if answer is Answer.APPROVED:
                self.end(step, WHOLE, Finish(StepStatus.COMPLETED, message=f"approved by {name}"))
            else:
                self.end(step, WHOLE, Finish(StepStatus.FAILED, StepReason.REJECTED, f"rejected by {name}"))

    def expire(self, step: str, map_index: int) -> None:
        """Nobody approved the step in time."""
        why = "nobody approved it in time"
        self.end(step, map_index, Finish(StepStatus.FAILED, StepReason.EXPIRED, why))

    # --- what follows ---

    def flow(self) -> None:
        """Every step whose needs have ended is decided, and so on down."""
        while self._ended:
            children = self.plan.children.get(self._ended.popleft(), [])
            for step in self.store.steps.one_need_less(self.state.job_id, children):
                self._decide(self.plan.steps[step])

    def decide_waiting(self) -> None:
        """Steps that were never looked at, or were reset, are decided."""
        for step in self.store.steps.undecided(self.state.job_id):
            self._decide(self.plan.steps[step])

    def _decide(self, step: StepDefinition) -> None:
        results: list[bool] = []
        known = self.store.steps.needs_of(self.state.job_id, step.needs) if step.needs else {}
        needs = [self._need(need, *known[need]) for need in dict.fromkeys(step.needs)]
        decision = decide(step.trigger, needs, self._condition(step, results))
        result = results[0] if results else None
        if decision.status is StepStatus.READY:
            self._make_ready(step, result)
            return
        finish = Finish(
            decision.status, decision.reason, decision.message or None, decision.cause, when_result=result
        )
        self.end(step.id, WHOLE, finish)

    def _need(self, need: str, status: StepStatus, cause: str | None) -> NeedState:
        step = self.plan.steps[need]
        return NeedState(need, status, step.continue_on_error, step.optional, cause)

    def _condition(self, step: StepDefinition, results: list[bool]) -> Callable[[], bool] | None:
        text = step.when
        if text is None:
            return None

        def holds() -> bool:
            condition = condition_of(text)
            found = condition.holds(self.names.of(condition.names()))
            results.append(found)
            return found

        return holds

    def _make_ready(self, step: StepDefinition, when_result: bool | None) -> None:
        self.store.steps.make_ready(self.state.job_id, step.id, when_result, self.now)
        try:
            if step.foreach is not None:
                self._make_items(step)
            elif step.approval is not None:
                self._ask(step)
        except EvaluationError as error:
            self.end(step.id, WHOLE, Finish(StepStatus.FAILED, StepReason.TEMPLATE, str(error)))

    def _make_items(self, step: StepDefinition) -> None:
        source = step.foreach
        references = template_of(source).names() if isinstance(source, str) else ()
        items = items_of(step, self.names.of(references))
        self.state.starts += 1
        self.store.steps.make_items(self.state, step.id, items, step.parallel, self.now)
        self._tell(EventKind.WORKFLOW_STEP_STARTED, {"step": step.id, "items": len(items)})
        if not items:
            outputs: dict[str, Json] = {name: [] for name in step.outputs}
            self.end(step.id, WHOLE, Finish(StepStatus.COMPLETED, outputs=outputs))

    def _ask(self, step: StepDefinition) -> None:
        approval = step.approval
        if approval is None:
            raise AssertionError(f"{step.id} asks nobody")
        template = template_of(approval.prompt)
        prompt = shortened(template.render(self.names.of(template.names())))
        self.state.starts += 1
        expires = approval.expires_seconds
        at = None if expires is None else self.now + round(expires * 1000)
        self.store.steps.make_waiting(self.state, step.id, prompt, at, self.now)
        self._tell(EventKind.WORKFLOW_STEP_WAITING, {"step": step.id, "prompt": prompt, "expires_at": at})

    # --- starts ---

    def start(self, budget: int) -> int:
        """Ready steps have their jobs, as many as may run at once and at most ``budget``; returns how many."""
        state = self.state
        if state.stop is not None or state.phase is not Phase.RUNNING or state.is_paused:
            return 0
        room = NO_LIMIT if state.max_parallel is None else state.max_parallel - state.open
        places = self.store.steps.startable(state.job_id, min(room, budget)) if room > 0 else []
        jobs: list[tuple[StepPlace, Submission]] = []
        for place in places:
            step = self.plan.steps[place.step]
            try:
                if step.kind is StepKind.WORKFLOW:
                    self._start_run(step, place)
                else:
                    jobs.append((place, self._job(step, place)))
            except BadInputError as error:
                reason = StepReason.TEMPLATE if isinstance(error, EvaluationError) else StepReason.REFUSED
                self.end(step.id, place.map_index, Finish(StepStatus.FAILED, reason, str(error)))
        if jobs:
            stored = self.store.submissions.submit([job for _, job in jobs], self.now)
            for (place, _), one in zip(jobs, stored, strict=True):
                self._started(place, one.id)
        return len(places)

    def _job(self, step: StepDefinition, place: StepPlace) -> Submission:
        work = step_work(self.plan.facts.definition, step, place.map_index)
        names = self.names.of(work_references(work), _item(place))
        return self._accepted(submission_of(self.plan.facts, work, step, names))

    def _accepted(self, job: Submission) -> Submission:
        """``job``, if its queue and resources exist; otherwise it would never start."""
        if job.queue != self.plan.facts.base.queue and not self.store.queues.exists(job.queue):
            raise BadInputError("no such queue", job.queue, f"add it with: jobctl queue add {job.queue}")
        totals = self.store.queues.resources() if job.resources else {}
        for name, amount in job.resources.items():
            if totals.get(name, 0) < amount:
                raise BadInputError(f"there are {totals.get(name, 0)} of the resource {name}", amount)
        return job

    def _start_run(self, step: StepDefinition, place: StepPlace) -> None:
        part = self.plan.bundle.parts[step.target or ""]
        references = value_references(dict(step.arguments))
        names = self.names.of(references, _item(place))
        params = run_arguments(self.plan.facts, part.definition, step, names)
        parent = run_submission(self.plan.facts, step, place.map_index, self.plan.facts.definition.name)
        stored = self.store.workflows.submit(
            WorkflowSubmission(self._accepted(parent), part, params), self.now
        )
        self._started(place, stored.id)

    def _started(self, place: StepPlace, child: JobId) -> None:
        self.state.starts += 1
        self.state.open += 1
        self.store.steps.record_start(self.state, place, child)
        label = label_of(place.step, place.map_index)
        self._tell(EventKind.WORKFLOW_STEP_STARTED, {"step": label, "job_id": child})

    # --- stopping ---

    @property
    def _stop_reason(self) -> StepReason | None:
        return None if self.state.stop is None else _STOP_REASONS[self.state.stop]

    def stop(self, why: Stop) -> None:
        """No step starts any more: what waits is cancelled, what runs will be."""
        self.state.stop, self.state.phase = why, Phase.STOPPING
        self._tell(EventKind.WORKFLOW_STOPPING, {"reason": why.value})
        reason = _STOP_REASONS[why]
        items: dict[str, int] = {}
        for step, map_index in self.store.steps.cancel_unstarted(self.state.job_id, reason, self.now):
            self._tell_end(step, map_index, Finish(StepStatus.CANCELLED, reason))
            if map_index == WHOLE:
                self._count(step, StepStatus.CANCELLED)
            else:
                items[step] = items.get(step, 0) + 1
        for step, count in items.items():
            self._items_ended(step, count, 0)
        self.end_children(reason)

    def heed_cancel(self) -> None:
        """What a caller's wish to end the run means where it stands.

        A run that ends already, because a step failed or its time was out, ends so, with its rollback: the first
        wish changes nothing, a further one hurries what runs. An undo command or a handler is ended only by a wish
        to end it now (``--grace 0``, ``--signal KILL``): a plain one must not leave things half undone.
        """
        state = self.state
        state.cancels_done = state.cancels_wanted
        if state.is_paused:
            self.store.run_pauses.set(state.job_id, False, self.now)
            state.is_paused = False
        if state.phase is Phase.RUNNING:
            self.stop(Stop.CANCEL)
            return
        asked = self.store.intents.cancel_request(state.job_id)
        is_strict = asked is not None and (asked.grace_seconds == 0 or asked.signal == signal.SIGKILL)
        is_repeated = asked is not None and asked.requests > 1
        if is_strict or (state.phase is Phase.STOPPING and is_repeated):
            self.end_children(StepReason.REQUESTED)

    def end_children(self, reason: str) -> None:
        """What runs will be ended; asked again, it is hurried."""
        children = self.store.runs.open_children(self.state.job_id)
        asked = self.store.intents.cancel_request(self.state.job_id)
        options = CancelOptions(None, None, reason)
        if asked is not None:
            options = CancelOptions(asked.grace_seconds, asked.signal, asked.reason or reason)
        end_jobs(self.store, children, options, self.now)

    # --- telling ---

    def _tell(self, kind: EventKind, data: dict[str, object]) -> None:
        self.events.append(workflow_event(self.now, kind, self.state.job_id, data))

    def _tell_end(self, step: str, map_index: int, finish: Finish) -> None:
        data: dict[str, object] = {"step": label_of(step, map_index), "status": finish.status.value}
        found = {
            "reason": finish.reason,
            "cause": finish.cause,
            "exit_code": finish.exit_code,
            "message": finish.message,
        }
        self._tell(EventKind.WORKFLOW_STEP_ENDED, data | {k: v for k, v in found.items() if v is not None})


def _item(place: StepPlace) -> dict[str, Json]:
    return dict(NO_ITEM) if place.map_index == WHOLE else {"item": place.item}
