"""``workflow run --wait``: bars while the run goes on, then how it ended; the document of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobctl.actions.waits import Wait
from jobctl.actions.workflow_retries import one_workflow
from jobctl.actions.workflow_steps import one_run
from jobctl.actions.workflows import WorkflowReport, workflow_report
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import note_without_supervisor
from jobctl.errors import InterruptedByUserError, NotFoundError, WaitTimeoutError
from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_runs import StepRun, WorkflowRun
from jobctl.model.workflow_states import RunOutcome, StepStatus
from jobctl.store import Store
from jobctl.views.text import printable
from jobctl.views.workflows import question_json, run_status, workflow_json

_LOOK_EVERY = 10
"""Pauses of 20 ms between two looks at the steps of a run that is waited for."""


def print_document(call: Invocation, store: Store, job_id: JobId) -> None:
    """The run is on standard output as JSON."""
    report = workflow_report(store, one_run(store, str(job_id)))
    call.print_json(document_of(report, call.clock.now_ms()))


def document_of(report: WorkflowReport, now_ms: int) -> dict[str, object]:
    """The run as ``workflow show --json`` prints it."""
    found = workflow_json(report.run, report.definition, report.steps, report.items, report.handlers, now_ms)
    return {**found, "questions": [question_json(one) for one in report.questions]}


def wait_for_run(
    call: Invocation, store: Store, job_id: JobId, seconds: float | None, *, strict: bool, quiet: bool
) -> int:
    """The exit code of a run that was waited for; how it ended is printed."""
    waiting = Wait(store, [job_id])
    note_without_supervisor(call)
    try:
        with _bars(call, store, job_id) as update:
            _wait(call, waiting, seconds, update)
    except KeyboardInterrupt:
        hint = f"workflow {job_id} goes on; end it with: jobctl workflow cancel {job_id}"
        raise InterruptedByUserError("interrupted", None, hint) from None
    run = store.workflows.get(job_id)
    if run is None:
        raise NotFoundError("the workflow was removed", job_id, "see: jobctl events")
    if call.json:
        print_document(call, store, job_id)
    elif not quiet:
        call.print(f"workflow {job_id} {run_status(run)}: {run.summary}")
        for step in store.workflows.steps(job_id):
            if step.status in (StepStatus.FAILED, StepStatus.TIMEOUT):
                call.print(
                    f"  {printable(step.id)} {step.status.value}: jobctl workflow explain {job_id} {step.id}"
                )
        for handler in store.workflows.handlers(job_id):
            if handler.has_failed:
                call.print(f"  {handler.name} {handler.told}: jobctl logs {handler.job_id}")
    return _exit_code(run, strict=strict)


def _exit_code(run: WorkflowRun, *, strict: bool) -> int:
    if run.status is not JobStatus.COMPLETED:
        return 1
    return 1 if strict and run.outcome is RunOutcome.PARTIAL else 0


def _wait(call: Invocation, waiting: Wait, seconds: float | None, update: Callable[[], None]) -> None:
    deadline = None if seconds is None else call.clock.monotonic() + seconds
    pauses = 0
    while waiting.pending:
        waiting.poll()
        if not waiting.pending:
            return
        if deadline is not None and call.clock.monotonic() >= deadline:
            number = next(iter(waiting.pending))
            raise WaitTimeoutError(
                "not ended in time: workflow", number, f"it goes on; see: jobctl workflow show {number}"
            )
        if pauses % _LOOK_EVERY == 0:
            sys.stdout.flush()
            update()
        pauses += 1
        waiting.watch.pause()


@contextmanager
def _bars(call: Invocation, store: Store, job_id: JobId) -> Iterator[Callable[[], None]]:
    if call.json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda: None
        return
    from jobctl.views.workflow_bars import WorkflowBars

    def look() -> tuple[WorkflowRun, list[StepRun], int]:
        return one_workflow(store, job_id), store.workflows.steps(job_id), call.clock.now_ms()

    with WorkflowBars(look, no_color=call.no_color) as bars:
        yield bars.update
