"""``workflow cancel``, ``retry``, ``rollback``, ``approve`` and ``reject``: what is wanted of a run."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobctl.actions.callers import user_name
from jobctl.actions.jobs import CancelOptions, check_reason
from jobctl.actions.workflow_intents import approve_step, cancel_workflow, reject_step, roll_back_workflow
from jobctl.actions.workflow_retries import RetryWish, one_workflow, plan_workflow_retry, retry_workflow
from jobctl.actions.workflow_sources import load_workflow
from jobctl.actions.workflow_steps import one_run
from jobctl.actions.workflows import required_source
from jobctl.cli.complete import complete_steps, complete_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import note_without_supervisor, one_of
from jobctl.cli.workflow import Id, Step
from jobctl.cli.workflow_options import assignments
from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.states import JobId
from jobctl.model.workflow_plans import DefinitionChoice, RetryRequest
from jobctl.store import Store
from jobctl.views.text import printable
from jobctl.views.workflows import plan_json, plan_lines, run_json

_CHOICES = tuple(choice.value for choice in DefinitionChoice)
_LONGEST_CALLER = 100
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]


def cancel(
    call: Invocation,
    job: Id,
    rollback: Annotated[bool, typer.Option("--rollback", help="Then undo what completed.")] = False,
    grace: Annotated[
        str | None,
        typer.Option("--grace", metavar="DURATION", help="From TERM to KILL; else each job's own."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept on record.")] = None,
    quiet: Quiet = False,
) -> None:
    """End a run: no step starts any more, running ones are ended; only on_exit and what --rollback asks for runs.

    \b
    Examples:
      jobctl workflow cancel 12
      jobctl workflow cancel last --rollback
    """
    seconds = None if grace is None else parse_duration(grace, "grace", allow_zero=True)
    with call.store() as store:
        found = one_run(store, job)
        options = CancelOptions(seconds, None, None if reason is None else check_reason(reason))
        cancel_workflow(store, found.id, call.clock, rollback=rollback, options=options)
        _report(
            call,
            store,
            found.id,
            quiet,
            f"workflow {found.id} cancelling" + (", then rolled back" * rollback),
        )


def rollback(call: Invocation, job: Id, quiet: Quiet = False) -> None:
    """Run the undo commands of an ended run: of every step that completed and has one, the last started first.

    \b
    Examples:
      jobctl workflow rollback 12
      jobctl workflow rollback last && jobctl workflow show last
    """
    with call.store() as store:
        found = one_run(store, job)
        roll_back_workflow(store, found.id, call.clock)
        _report(call, store, found.id, quiet, f"workflow {found.id} is being rolled back")


def approve(call: Invocation, job: Id, step: Step, quiet: Quiet = False) -> None:
    """Say yes to a step that waits for an answer: it completes, and what needs it goes on.

    \b
    Examples:
      jobctl workflow approve 12 confirm
      jobctl workflow approve last confirm -q
      jobctl workflow approve 12 import/confirm     a question of the workflow that the step import runs
    """
    with call.store() as store:
        found = one_run(store, job)
        approve_step(store, found.id, step, call.clock, user_name())
        _report(call, store, found.id, quiet, f"workflow {found.id}: {printable(step)} approved")


def reject(call: Invocation, job: Id, step: Step, quiet: Quiet = False) -> None:
    """Say no to a step that waits for an answer: it fails.

    \b
    Examples:
      jobctl workflow reject 12 confirm
      jobctl workflow reject last confirm --json
    """
    with call.store() as store:
        found = one_run(store, job)
        reject_step(store, found.id, step, call.clock, user_name())
        _report(call, store, found.id, quiet, f"workflow {found.id}: {printable(step)} rejected")


def retry(
    call: Invocation,
    job: Id,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="This step and what stands behind it, whatever their states.",
            autocompletion=complete_steps,
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="STEP", help="This step alone.", autocompletion=complete_steps),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Change a parameter; repeatable.")
    ] = None,
    definition: Annotated[
        str,
        typer.Option(
            "--definition",
            metavar="original|current",
            help="As recorded, or as the file says now: what changed runs again, too.",
            autocompletion=complete_words(*_CHOICES),
        ),
    ] = "original",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run an ended run again under its id: what failed or was rolled back, and everything behind that.

    The plan is printed: which steps run again and why; the others keep their results.

    \b
    Examples:
      jobctl workflow retry 12
      jobctl workflow retry 12 --from import --set mode=full --dry-run
      jobctl workflow retry 12 --definition current
    """
    choice = DefinitionChoice(one_of(definition, _CHOICES, "definition"))
    if from_ is not None and only is not None:
        raise BadInputError("--from and --only", None, "give one of them", "E_USAGE")
    params = assignments(set_)
    with call.store() as store:
        found = one_run(store, job)
        current = None
        if choice is DefinitionChoice.CURRENT:
            current = load_workflow(required_source(store, found), call.home(), os.getcwd()).bundle
        wish = RetryWish(RetryRequest(from_, only, choice), params or None, current)
        plan = (
            plan_workflow_retry(store, found.id, wish)
            if dry_run
            else retry_workflow(store, found.id, wish, call.clock)
        )
        run = one_workflow(store, found.id)
    if call.json:
        document = {**run_json(run, call.clock.now_ms()), "dry_run": dry_run, "plan": plan_json(plan)}
        call.print_json(document)
    elif not quiet:
        for line in plan_lines(plan):
            call.print(line)
        call.print(f"workflow {found.id} {'would be ' * dry_run}retried, attempt {run.attempt + dry_run}")
    if not dry_run:
        note_without_supervisor(call)


def _report(call: Invocation, store: Store, job_id: JobId, quiet: bool, text: str) -> None:
    """What was asked for is told, and that nobody will do it, if so."""
    if call.json:
        call.print_json(run_json(one_workflow(store, job_id), call.clock.now_ms()))
    elif not quiet:
        call.print(text)
    note_without_supervisor(call)
