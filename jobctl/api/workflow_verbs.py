"""Workflows: steps that need each other, run as one; from a file, a name, or built in Python."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Unpack

from jobctl.actions import workflows as actions
from jobctl.actions.callers import portable, user_name
from jobctl.actions.jobs import CancelOptions, check_reason
from jobctl.actions.selections import one_job
from jobctl.actions.workflow_intents import approve_step, cancel_workflow, reject_step, roll_back_workflow
from jobctl.actions.workflow_retries import RetryWish, plan_workflow_retry, retry_workflow
from jobctl.actions.workflow_sources import LoadedWorkflow, load_document, load_workflow
from jobctl.api.job_submits import JobSubmits
from jobctl.api.options import (
    Duration,
    HasId,
    JobOptions,
    Path,
    Selection,
    job_request,
    plain,
    seconds_text,
    texts_of,
)
from jobctl.api.records import Job, Reason, reasons_of
from jobctl.clock import to_ms
from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.durations import parse_duration
from jobctl.model.jobs import Job as JobRecord
from jobctl.model.parameters import bind
from jobctl.model.states import JobStatus
from jobctl.model.workflow_builder import WorkflowBuilder
from jobctl.model.workflow_plans import DefinitionChoice, RetryPlan, RetryRequest
from jobctl.model.workflow_previews import WorkflowPreview
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import HandlerRun, StepRun, WorkflowRun
from jobctl.model.workflow_states import StepStatus
from jobctl.model.workflows import WorkflowDefinition
from jobctl.views.workflows import question_json, workflow_json

Source = Path | WorkflowBuilder
"""A file (with a slash or an ending), a name of ``workflows/``, or what was built."""
_OPTIONS = frozenset({
    "name", "tags", "queue", "priority", "grace", "env", "env_file", "secret_env", "clean_env", "meta", "type",
    "category", "user", "detach", "unique", "on_duplicate",
})  # fmt: skip
"""Those of ``workflow run``."""


@dataclass(frozen=True, slots=True)
class Workflow(HasId):
    """A run as it stood when it was read, with its steps."""

    job: Job
    record: WorkflowRun = field(repr=False)
    definition: WorkflowDefinition = field(repr=False)
    step_records: tuple[StepRun, ...] = field(repr=False)
    items: Mapping[str, Sequence[StepRun]] = field(repr=False)
    handlers: Sequence[HandlerRun] = field(repr=False, default=())
    """``on_failure`` and ``on_exit`` as far as they have been started, each with its job."""
    questions: Sequence[Question] = field(repr=False, default=())
    """What it and the runs within it wait for."""

    @property
    def id(self) -> int:
        """Of the run, which is a job."""
        return self.job.id

    @property
    def name(self) -> str:
        """What it is called."""
        return self.record.name

    @property
    def status(self) -> JobStatus:
        """As that of a job."""
        return self.record.status

    @property
    def outcome(self) -> str | None:
        """``clean``, or ``partial`` if a step failed that was allowed to; None before it completed."""
        return None if self.record.outcome is None else self.record.outcome.value

    @property
    def ended(self) -> bool:
        """Whether only a retry or a rollback changes it any more."""
        return self.status.is_terminal

    @property
    def steps(self) -> dict[str, StepStatus]:
        """The state of each step, by its id."""
        return {step.id: step.status for step in self.step_records}

    def step(self, id: str) -> StepRun:
        """One step: ``status reason job_id exit_code outputs result message …``.

        Raises:
            KeyError: it has no such step.
        """
        return {step.id: step for step in self.step_records}[id]

    def as_json(self) -> dict[str, object]:
        """The document that ``workflow show --json`` prints."""
        now = to_ms(self.job.read_at)
        document = workflow_json(
            self.record, self.definition, self.step_records, self.items, self.handlers, now
        )
        return {**document, "questions": [question_json(one) for one in self.questions]}


class WorkflowVerbs:
    """``client.workflows``. Errors are those of the verbs ``workflow …``."""

    def __init__(self, jobs: JobSubmits) -> None:
        self._jobs = jobs

    def run(
        self, source: Source, params: Mapping[str, Json] | None = None, /, **options: Unpack[JobOptions]
    ) -> Workflow:
        """The run is on disk; returns it. Its steps run when a supervisor has room (``client.wait(run)`` waits).

        A workflow that was built in Python works in the present directory.

        Args:
            source: a file, a name, or a ``WorkflowBuilder``.
            params: the values of its parameters.
            options: ``name tags queue priority grace env … unique on_duplicate``: those of ``workflow run``.

        Raises:
            NotFoundError: there is no such file, name or queue.
            BadFileError: ``E_WORKFLOW``: it is wrong; every problem with its place.
            BadInputError: a parameter or an option is wrong.
        """
        for key in options:
            if key not in _OPTIONS:
                hint = "one of: " + " ".join(sorted(_OPTIONS))
                raise BadInputError("a run of a workflow has no option", key, hint, "E_USAGE")
        loaded = self._loaded(source)
        bound = self._bound(loaded, params)
        request = job_request(None, None, None, options)
        submission = actions.workflow_submission(self._jobs.builder(), request, loaded, bound)
        connections = self._jobs.connections
        stored = actions.submit_workflow(connections.store(create=True), submission, connections.clock)
        return self.get(stored.id)

    def preview(self, source: Source, params: Mapping[str, Json] | None = None, /) -> WorkflowPreview:
        """What a run would do: order, commands, undo, estimate. Nothing is stored."""
        loaded = self._loaded(source)
        store = self._jobs.connections.existing()
        return actions.preview_workflow(store, loaded, self._bound(loaded, params))

    def check(self, source: Source) -> WorkflowDefinition:
        """The definition, proven to be right.

        Raises:
            BadFileError: ``E_WORKFLOW``: it is wrong; every problem with its place.
        """
        return self._loaded(source).definition

    def get(self, selection: Selection) -> Workflow:
        """The run as it stands now.

        Raises:
            NotFoundError: there is no such run.
        """
        return self._workflow(self._found(selection))

    show = get

    def list(self, *, limit: int | None = None, with_parts: bool = False) -> builtins.list[Workflow]:
        """Runs, newest first; those that are steps of others only ``with_parts``."""
        store = self._jobs.connections.existing()
        runs = [] if store is None else actions.list_runs(store, actions.Listed(limit), with_parts=with_parts)
        found = [] if store is None else [store.jobs.get(run.job_id) for run in runs]
        return [self._workflow(job) for job in found if job is not None]

    def cancel(
        self,
        selection: Selection,
        *,
        rollback: bool = False,
        grace: Duration | None = None,
        reason: str | None = None,
    ) -> Workflow:
        """No step starts any more and what runs will be ended; with ``rollback`` what it did is undone then."""
        text = seconds_text(grace)
        options = CancelOptions(
            None if text is None else parse_duration(text, "grace", allow_zero=True),
            None,
            None if reason is None else check_reason(reason),
        )
        job, connections = self._found(selection), self._jobs.connections
        cancel_workflow(connections.store(), job.id, connections.clock, rollback=rollback, options=options)
        return self.get(job.id)

    def rollback(self, selection: Selection) -> Workflow:
        """The completed steps of an ended run will be undone."""
        job, connections = self._found(selection), self._jobs.connections
        roll_back_workflow(connections.store(), job.id, connections.clock)
        return self.get(job.id)

    def approve(self, selection: Selection, step: str, *, by: str | None = None) -> Workflow:
        """A step that waits for an answer gets yes; ``by`` whom, else the user."""
        job, connections = self._found(selection), self._jobs.connections
        approve_step(connections.store(), job.id, step, connections.clock, by or user_name())
        return self.get(job.id)

    def reject(self, selection: Selection, step: str, *, by: str | None = None) -> Workflow:
        """A step that waits for an answer gets no: it fails."""
        job, connections = self._found(selection), self._jobs.connections
        reject_step(connections.store(), job.id, step, connections.clock, by or user_name())
        return self.get(job.id)

    def retry(
        self,
        selection: Selection,
        *,
        from_step: str | None = None,
        only_step: str | None = None,
        params: Mapping[str, Json] | None = None,
        definition: str | Source = "original",
        dry_run: bool = False,
    ) -> RetryPlan:
        """An ended run goes on under its id with what did not complete; returns what becomes of each step.

        Args:
            selection: the run.
            from_step, only_step: this step and what stands behind it, or it alone, whatever their states.
            params: other values of parameters.
            definition: ``original``, as recorded; ``current``, as its file says now; or another source.
            dry_run: only the plan.

        Raises:
            NotFoundError: there is no such run or step.
            BadInputError: both steps are given, or a parameter is wrong.
            StateConflictError: it has not ended, or there is nothing to do.
        """
        if from_step is not None and only_step is not None:
            raise BadInputError("from_step and only_step", hint="give one of them", code="E_USAGE")
        job, connections = self._found(selection), self._jobs.connections
        store = connections.store()
        current = None
        if definition != DefinitionChoice.ORIGINAL.value:
            source = actions.required_source(store, job) if definition == "current" else definition
            current = self._loaded(source).bundle
        choice = DefinitionChoice.ORIGINAL if current is None else DefinitionChoice.CURRENT
        wish = RetryWish(
            RetryRequest(from_step, only_step, choice), plain(params) if params else None, current
        )
        if dry_run:
            return plan_workflow_retry(store, job.id, wish)
        return retry_workflow(store, job.id, wish, connections.clock)

    def explain(self, selection: Selection, step: str | None = None) -> builtins.list[Reason]:
        """Why a run stands as it does, or why a step of it ran or did not."""
        job, store = self._found(selection), self._jobs.connections.store()
        if step is None:
            return reasons_of(actions.explain_workflow(store, job))
        return reasons_of(actions.explain_workflow_step(store, job, step).causes)

    def _found(self, selection: Selection) -> JobRecord:
        return one_job(self._jobs.connections.store(), ",".join(texts_of(selection)))

    def _workflow(self, job: JobRecord) -> Workflow:
        report = actions.workflow_report(self._jobs.connections.store(), job)
        return Workflow(
            self._jobs.job_of(report.job), report.run, report.definition, tuple(report.steps), report.items,
            tuple(report.handlers), tuple(report.questions),
        )  # fmt: skip

    def _loaded(self, source: Source) -> LoadedWorkflow:
        home = self._jobs.connections.home
        if isinstance(source, WorkflowBuilder):
            text = json.dumps(source.document(), indent=1)
            return load_document(text, str(source.document()["name"]), home, os.getcwd())
        return load_workflow(os.fspath(source), home, os.getcwd())

    def _bound(self, loaded: LoadedWorkflow, params: Mapping[str, Json] | None) -> dict[str, Json]:
        home = os.environ.get("HOME") or "/"
        given: dict[str, Json] = {portable(name): plain(value) for name, value in (params or {}).items()}
        return bind(loaded.definition.params, given, home, texts=False)
