"""What a caller may ask for about workflows: submit, preview, list, read; ``workflow_intents`` changes runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from jobctl.actions.admissions import check_submissions
from jobctl.actions.callers import native, portable
from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.actions.supervisors import wake
from jobctl.actions.workflow_retries import one_workflow
from jobctl.actions.workflow_sources import STDIN, LoadedWorkflow
from jobctl.actions.workflow_steps import find_step
from jobctl.clock import Clock
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.documents import Json
from jobctl.model.explanations import Cause
from jobctl.model.jobs import Job
from jobctl.model.parameters import bind
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobKind, JobStatus
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_explanations import KnownRun, explain_run, explain_step
from jobctl.model.workflow_previews import WorkflowPreview, preview
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import WHOLE, FailedUndo, HandlerRun, StepRun, WorkflowRun, WorkflowSubmission
from jobctl.model.workflow_states import RollbackState
from jobctl.model.workflows import WorkflowDefinition
from jobctl.store import Store
from jobctl.store.submissions import Stored
from jobctl.views.instants import wall


@dataclass(frozen=True, slots=True)
class WorkflowReport:
    """A run with everything that is shown of it."""

    run: WorkflowRun
    job: Job
    definition: WorkflowDefinition
    steps: list[StepRun]
    items: Mapping[str, list[StepRun]]
    """Of the steps with ``foreach`` whose list is known."""
    questions: list[Question]
    """What it and the runs within it wait for."""
    answered: list[Question]
    """Of those what was answered, and no supervisor has heeded yet."""
    handlers: list[HandlerRun]
    failed_undos: list[FailedUndo]

    def facts(self) -> KnownRun:
        """What explanations are made of."""
        instants = {one.expires_at for one in self.questions if one.expires_at is not None}
        return KnownRun(
            self.run,
            self.definition,
            {step.id: step for step in self.steps},
            {at: wall(at) for at in instants},
            self.questions,
            self.answered,
            self.handlers,
            self.failed_undos,
        )


def bound_parameters(loaded: LoadedWorkflow, given: Mapping[str, str], home: str) -> dict[str, Json]:
    """Every parameter of the workflow with its value, from ``k=v`` texts; ``home`` is the caller's own, for ``~``.

    Raises:
        BadInputError: ``E_PARAMETER``: unknown, missing or wrong.
    """
    return bind(loaded.definition.params, given, home)


def workflow_submission(
    builder: SubmissionBuilder, request: JobRequest, loaded: LoadedWorkflow, params: Mapping[str, Json]
) -> WorkflowSubmission:
    """The checked run that ``request`` (its name, queue, tags, environment) asks for.

    Raises:
        BadInputError: something is wrong with the request.
        NotFoundError: there is no such queue.
    """
    name = loaded.definition.name if request.name is None else request.name
    command = ("jobctl", "workflow", "run", portable(loaded.source.path))
    asked = replace(request, name=name, cwd=portable(loaded.source.directory), command=command)
    parent = replace(builder.build(asked), kind=JobKind.WORKFLOW)
    return WorkflowSubmission(parent, loaded.bundle, params)


def submit_workflow(store: Store, workflow: WorkflowSubmission, clock: Clock) -> Stored:
    """The run and its steps are on disk and the supervisor awake, or (on any error) nothing is stored.

    Raises:
        NotFoundError: a queue of it or of one of its steps does not exist.
        StateConflictError: such a queue is draining, or a unique key is taken and duplicates are to be refused.
        BadInputError: a step asks for more of a resource than there is.
    """
    with store.write():
        wanted = [workflow.parent, *_work_of(workflow.parent, workflow.bundle)]
        parent = check_submissions(store, wanted)[0]
        stored = store.workflows.submit(replace(workflow, parent=parent), clock.now_ms())
    wake(store.home)
    return stored


def _work_of(parent: Submission, bundle: WorkflowBundle) -> Iterator[Submission]:
    """A job for each queue and amount of resources that the steps name."""
    for step in bundle.definition.steps:
        if step.queue is not None or step.resources:
            yield replace(parent, queue=step.queue or parent.queue, resources=step.resources)
    for part in bundle.parts.values():
        yield from _work_of(parent, part)


def preview_workflow(
    store: Store | None, loaded: LoadedWorkflow, params: Mapping[str, Json]
) -> WorkflowPreview:
    """What a run would do; with the lengths of earlier runs where there is a store."""
    usual = {} if store is None else store.workflow_figures.usual_seconds(loaded.definition.name)
    return preview(loaded.bundle, params, loaded.source.directory, usual)


def source_of(job: Job) -> str | None:
    """The file that a run was started from; None: standard input."""
    path = job.spec.command[-1] if job.spec.command else STDIN
    return None if path == STDIN else os.fsdecode(native(path))


def required_source(store: Store, job: Job) -> str:
    """The file that a run was started from.

    Raises:
        NotFoundError: the job is no workflow.
        BadInputError: ``E_WORKFLOW``: it was started from no file.
    """
    one_workflow(store, job.id)
    found = source_of(job)
    if found is None:
        hint = "retry it with --definition original"
        raise BadInputError("the workflow was read from standard input", job.id, hint, "E_WORKFLOW")
    return found


@dataclass(frozen=True, slots=True)
class Listed:
    """Which runs are asked for: the newest so many of those that fit."""

    limit: int | None = None
    statuses: frozenset[JobStatus] = frozenset()
    """None at all: in any."""
    name: str | None = None


def list_runs(store: Store, wanted: Listed | None = None, *, with_parts: bool = False) -> list[WorkflowRun]:
    """Runs, newest first; those that are steps of others only ``with_parts``."""
    asked = wanted or Listed()
    is_narrow = bool(asked.statuses) or asked.name is not None
    found = store.workflows.list(None if is_narrow else asked.limit, with_parts=with_parts)
    return [
        run
        for run in found
        if (not asked.statuses or run.status in asked.statuses) and asked.name in (None, run.name)
    ][: asked.limit]


def workflow_report(store: Store, job: Job, *, with_items: bool = True) -> WorkflowReport:
    """What is known of a run.

    Raises:
        NotFoundError: the job is no workflow.
    """
    run = one_workflow(store, job.id)
    definition = store.workflows.bundle(job.id).definition
    steps = store.workflows.steps(job.id)
    items = {step.id: store.workflows.items(job.id, step.id) for step in steps if with_items and step.items}
    asked, is_partial = store.workflow_questions, run.rollback is RollbackState.PARTIAL
    return WorkflowReport(
        run, job, definition, steps, items, asked.of(job.id), asked.answered(job.id),
        store.workflows.handlers(job.id), store.workflows.failed_undos(job.id) if is_partial else [],
    )  # fmt: skip


def explain_workflow(store: Store, job: Job) -> list[Cause]:
    """Why the run stands as it does."""
    waits = [
        Cause(
            "dependency",
            f"it starts once workflow {needed}, which it replaces, has ended: jobctl workflow explain {needed}",
            {"needs": needed},
        )
        for needed, status in store.jobs.statuses(need.needs for need in job.after).items()
        if job.status is JobStatus.CREATED and not status.is_terminal
    ]
    return [*waits, *explain_run(workflow_report(store, job, with_items=False).facts())]


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """A step of a run, and why it ran or not."""

    workflow_id: JobId
    step: StepRun
    needs: tuple[str, ...]
    causes: list[Cause]


def explain_workflow_step(store: Store, job: Job, path: str) -> ExplainedStep:
    """The step that ``path`` leads to from the run, and why it ran or not.

    Raises:
        NotFoundError: the job is no workflow, or it has no such step.
    """
    run_id, step = find_step(store, job.id, path)
    owner = job if run_id == job.id else store.jobs.get(run_id)
    if owner is None:
        raise NotFoundError("the workflow was removed", run_id, "see: jobctl events")
    facts = workflow_report(store, owner, with_items=False).facts()
    needs = facts.definition.step(step.id).needs
    item = None if step.map_index == WHOLE else step
    return ExplainedStep(run_id, step, needs, explain_step(facts, step.id, item))
