"""The end of a run: its outcome, then the rollback, then the handlers; each undo and handler is a durable job.

Undo commands run one after the other, in the reverse of the recorded order of the starts. One that fails is told, and
the others still run. A step that started another run is undone in its place, whole: what completed in that run goes
back in the reverse order of its own starts, however the run itself ended. No handler changes how a run ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.events import EventKind
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.model.step_jobs import Work, handler_work, submission_of, undo_work, work_references
from jobctl.model.workflow_runs import WHOLE, Phase, Role, label_of, shortened
from jobctl.model.workflow_states import (
    RollbackState,
    StepEnd,
    StepStatus,
    WorkflowEnd,
    end_of,
    wants_rollback,
)
from jobctl.model.workflows import StepDefinition, StepKind, UndoIf
from jobctl.store.runs import ChildEnd
from jobctl.store.steps import StepPlace
from jobctl.supervisor.workflow_events import workflow_event
from jobctl.supervisor.workflow_runs import Run

_ENDS = {
    JobStatus.COMPLETED: EventKind.WORKFLOW_COMPLETED,
    JobStatus.FAILED: EventKind.WORKFLOW_FAILED,
    JobStatus.CANCELLED: EventKind.WORKFLOW_CANCELLED,
    JobStatus.TIMEOUT: EventKind.WORKFLOW_TIMEOUT,
}


@dataclass(slots=True)
class Ending:
    """What follows in a run once its steps have ended."""

    run: Run
    _below: int | None = None
    """The number of the start of what was undone last."""

    def conclude(self) -> bool:
        """The run goes on to its end if its steps have ended; whether it is over now."""
        state = self.run.state
        if state.open or state.is_paused:
            return False
        if state.phase in (Phase.RUNNING, Phase.STOPPING):
            if state.left:
                return False
            self._decide_end()
        if state.phase is Phase.HANDLERS and state.rollback_wanted:
            self.begin_rollback()  # somebody asked for it while a handler ran
        if state.phase is Phase.ROLLING_BACK and not self._undo_next():
            self._rolled_back()
        if state.phase is Phase.HANDLERS and not self._start_handler():
            self._end()
        return state.phase is Phase.ENDED

    def _decide_end(self) -> None:
        state, plan = self.run.state, self.run.plan
        ends = [
            StepEnd(status, plan.steps[step].continue_on_error, partial)
            for step, status, partial in self.run.store.steps.ends(state.job_id)
        ]
        end: WorkflowEnd = end_of(ends, state.stop)
        state.end_status, state.outcome = end.status, end.outcome
        state.end_reason = None if end.reason is None else end.reason.value
        if wants_rollback(plan.facts.definition.rollback, end.status) or state.rollback_wanted:
            self.begin_rollback()
        else:
            state.phase = Phase.HANDLERS

    # --- rollback ---

    def begin_rollback(self) -> None:
        """From now on, completed steps are undone."""
        state = self.run.state
        state.phase = Phase.ROLLING_BACK
        state.rollbacks += 1
        self._tell(EventKind.WORKFLOW_ROLLING_BACK, {"by_hand": state.rollback_by_hand})

    def _undo_next(self) -> bool:
        """Whether the undo of one more step is under way."""
        run, plan = self.run, self.run.plan
        while True:
            state = run.state
            place = run.store.undos.next_undo(state.job_id, state.rollbacks, plan.layout.undo_if, self._below)
            if place is None:
                return False
            self._below = place.start_seq
            step = plan.steps[place.step]
            why = self._undo(step, place)
            if why is None:
                return True
            self._undone(place.step, place.map_index, why)

    def _undo(self, step: StepDefinition, place: StepPlace) -> str | None:
        """The undo of the step is under way, or why it is not."""
        run = self.run
        if step.undo is None or _is_looked_into(step, place.status):
            child = place.child_id
            if child is None or not run.store.resets.roll_back(child, run.now):
                return "its run is gone"
        else:
            work = undo_work(run.plan.facts.definition, step, place.map_index)
            try:
                more: Mapping[str, Json] = {} if place.map_index == WHOLE else {"item": place.item}
                child = self._submit(self._job(work, step, more))
            except BadInputError as error:
                return str(error)
        run.store.undos.record_undo(run.state, place, child)
        run.state.open += 1
        label = label_of(place.step, place.map_index)
        self._tell(EventKind.WORKFLOW_STEP_UNDOING, {"step": label, "job_id": child})
        return None

    def undo_ended(self, end: ChildEnd) -> None:
        """The undo of a step has ended."""
        why = None if end.status is JobStatus.COMPLETED else _failure(end)
        below = self.run.store.workflows.get(end.job_id)
        if below is not None:
            why = f"some undo commands of run {end.job_id} failed"
            why = why if below.rollback is RollbackState.PARTIAL else None
        self._below = self.run.store.undos.started_as(self.run.state.job_id, end.step, end.map_index)
        if below is None or below.rollback is not RollbackState.NONE:
            self._undone(end.step, end.map_index, why)

    def _undone(self, step: str, map_index: int, why: str | None) -> None:
        why = None if why is None else shortened(why)
        self.run.store.undos.undone(self.run.state, step, map_index, why is None, why)
        self.run.names.forget(step)
        data: dict[str, object] = {"step": label_of(step, map_index), "succeeded": why is None}
        self._tell(EventKind.WORKFLOW_STEP_UNDONE, data if why is None else data | {"error": why})

    def _rolled_back(self) -> None:
        state = self.run.state
        self.run.store.undos.settle_items(state)
        state.rollback = self.run.store.undos.state_of(state.job_id)
        state.rollback_wanted = False
        if state.rollback_by_hand:
            state.rollback_by_hand = False
            self._end()
        else:
            state.phase = Phase.HANDLERS

    # --- handlers ---

    def _start_handler(self) -> bool:
        """Whether one more handler runs: ``on_failure``, then ``on_exit``, each once an attempt of the run.

        Of a run that was cancelled or ran out of time only ``on_exit`` (notes/workflows.md section 2: cancel and
        time-out take the same path).
        """
        state = self.run.state
        started = self.run.store.runs.handlers(state)
        wanted = [Role.ON_FAILURE, Role.ON_EXIT] if state.end_status is JobStatus.FAILED else [Role.ON_EXIT]
        if Role.ON_EXIT in started:
            return False
        for role in wanted:
            work = handler_work(self.run.plan.facts.definition, role)
            if work is not None and role not in started and self._submit_handler(role, work):
                return True
        return False

    def _submit_handler(self, role: Role, work: Work) -> bool:
        """Whether the handler has its job."""
        state = self.run.state
        try:
            child = self._submit(self._job(work, None, {}))
        except BadInputError as error:
            self._tell(
                EventKind.WORKFLOW_HANDLER_ENDED, {"handler": role.value, "error": shortened(str(error))}
            )
            return False
        self.run.store.runs.record_child(state.job_id, "", WHOLE, role, state.attempt, child)
        state.open += 1
        self._tell(EventKind.WORKFLOW_HANDLER_STARTED, {"handler": role.value, "job_id": child})
        return True

    def handler_ended(self, end: ChildEnd) -> None:
        """A handler has ended; the run is as it was."""
        data = {"handler": end.role.value, "job_id": end.job_id, "status": end.status.value}
        self._tell(EventKind.WORKFLOW_HANDLER_ENDED, data)

    # --- the end ---

    def _end(self) -> None:
        state = self.run.state
        state.phase = Phase.ENDED
        data: dict[str, object] = {"steps": state.steps, "completed": state.completed, "failed": state.failed}
        found = {"reason": state.end_reason, "outcome": state.outcome, "failure": state.failure}
        data |= {name: value for name, value in found.items() if value is not None}
        data["rollback"] = state.rollback.value
        self._tell(_ENDS[state.end_status or JobStatus.FAILED], data)
        self.run.store.runs.end_run(state, data, self.run.now)

    # --- jobs ---

    def _job(self, work: Work, step: StepDefinition | None, more: Mapping[str, Json]) -> Submission:
        run = self.run
        names = run.names.of(work_references(work), more)
        return submission_of(run.plan.facts, work, step, names)

    def _submit(self, job: Submission) -> JobId:
        return self.run.store.submissions.submit([job], self.run.now)[0].id

    def _tell(self, kind: EventKind, data: Mapping[str, object]) -> None:
        self.run.events.append(workflow_event(self.run.now, kind, self.run.state.job_id, data))


def _failure(end: ChildEnd) -> str:
    if end.status is JobStatus.FAILED and end.exit_code and not end.error:
        return f"exit {end.exit_code}"
    return end.error or end.reason or end.status.value


def _is_looked_into(step: StepDefinition, status: StepStatus) -> bool:
    """Whether the run of a step with an undo of its own is rolled back instead: the undo is for what completed."""
    done = status in (StepStatus.COMPLETED, StepStatus.ROLLBACK_FAILED)
    return step.kind is StepKind.WORKFLOW and step.undo_if is UndoIf.COMPLETED and not done
