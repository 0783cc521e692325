"""``workflow run``, ``list``, ``show`` and ``explain``."""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated

import typer

from jobctl.actions import workflows as actions
from jobctl.actions.callers import portable
from jobctl.actions.workflow_askings import check_askings
from jobctl.actions.workflow_retries import one_workflow
from jobctl.actions.workflow_sources import LoadedWorkflow, load_workflow
from jobctl.actions.workflow_steps import one_run
from jobctl.cli.complete import (
    complete_names,
    complete_parameters,
    complete_statuses,
    complete_steps,
    complete_workflow_files,
    complete_workflows,
)
from jobctl.cli.invocation import Invocation
from jobctl.cli.sheets import print_sheet
from jobctl.cli.submit import call_functions, note_left_out, submission_builder
from jobctl.cli.words import existing_store, note_without_supervisor, statuses
from jobctl.cli.workflow_options import WorkflowOptions, assignments
from jobctl.cli.workflow_waits import document_of, print_document, wait_for_run
from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.durations import parse_duration
from jobctl.model.jobs import Job
from jobctl.model.names import parse_whole
from jobctl.model.workflow_runs import WHOLE, WorkflowRun, WorkflowSubmission
from jobctl.store import Store
from jobctl.store.submissions import Stored
from jobctl.views.explanations import cause_json
from jobctl.views.text import printable
from jobctl.views.workflow_previews import preview_json, preview_lines
from jobctl.views.workflows import (
    item_json,
    question_lines,
    run_fields,
    run_json,
    runs_plain,
    shown_steps,
    step_json,
    steps_plain,
)

_MOST_LISTED = 50
"""On a terminal."""
_MOST = 10**9

Id = Annotated[str, typer.Argument(metavar="ID", help="The run.", autocompletion=complete_workflows)]
Step = Annotated[
    str,
    typer.Argument(
        metavar="STEP",
        help="One of its steps; of a workflow that a step runs: STEP/STEP.",
        autocompletion=complete_steps,
    ),
]


def run(
    call: Invocation,
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help="A file (-: standard input), or a name.",
            autocompletion=complete_workflow_files,
        ),
    ],
    options: WorkflowOptions,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="K=V", help="Give a parameter; repeatable.", autocompletion=complete_parameters
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end: exit 0, or 1 if it failed.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="D", help="With --wait: give up after this long, exit 124."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --wait: exit 1 also if a step failed that was allowed to.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would run: commands, undo, order, estimate.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the bare id.")] = False,
) -> int:
    """Start a workflow and print its id; its steps run when a supervisor has room.

    FILE has a slash or ends in .yaml, .yml or .json; anything else is a NAME: workflows/NAME.yaml beside jobctl.yaml
    (or in the home). The text and the parameters are recorded with the run. Steps work in the directory of the file.

    \b
    Examples:
      jobctl workflow run nightly.yaml --set mode=full --wait
      jobctl workflow run nightly -Q night --tag import
      jobctl workflow run nightly.yaml --dry-run
    """  # fmt: skip
    if not wait and (strict or timeout is not None):
        raise BadInputError(
            f"{'--strict' if strict else '--timeout'} without --wait", None, "give --wait too", "E_USAGE"
        )
    if wait and dry_run:
        raise BadInputError(
            "--wait and --dry-run", hint="nothing runs, so there is nothing to wait for", code="E_USAGE"
        )
    seconds = None if timeout is None else parse_duration(timeout, "--timeout", allow_zero=True)
    functions = cache(lambda: call_functions(call.home(), call.settings))
    loaded = load_workflow(workflow, call.home(), os.getcwd(), functions)
    params = actions.bound_parameters(loaded, assignments(set_), os.environ.get("HOME") or "/")
    builder = submission_builder(call)
    submission = actions.workflow_submission(builder, options.request(), loaded, params)
    if dry_run:
        _print_preview(call, loaded, params)
        return 0
    with call.store(create=True) as store:
        check_askings(store, loaded)
        if functions.cache_info().currsize:
            from jobctl.actions.inspections import remember  # only workflows with calls pay for it

            remember(store, functions(), call.clock)
        stored = actions.submit_workflow(store, submission, call.clock)
        _report(call, store, stored, submission, quiet=quiet, shows_document=call.json and not wait)
        if not quiet:
            note_left_out(call, builder)
        if wait:
            return wait_for_run(call, store, stored.id, seconds, strict=strict, quiet=quiet)
    note_without_supervisor(call)
    return 0


def _print_preview(call: Invocation, loaded: LoadedWorkflow, params: dict[str, Json]) -> None:
    store = existing_store(call)
    try:
        if store is not None:
            check_askings(store, loaded)
        found = actions.preview_workflow(store, loaded, params)
    finally:
        if store is not None:
            store.close()
    if call.json:
        call.print_json(preview_json(found))
        return
    for line in preview_lines(found):
        call.print(line)


def _report(
    call: Invocation,
    store: Store,
    stored: Stored,
    workflow: WorkflowSubmission,
    *,
    quiet: bool,
    shows_document: bool,
) -> None:
    """The id is printed and on its way to whoever reads it."""
    if shows_document:
        print_document(call, store, stored.id)
    elif not call.json:
        call.print(str(stored.id) if quiet else f"job {stored.id}")
    call.flush(f"stored: job {stored.id}")
    if not stored.is_new:
        key = workflow.parent.unique_key
        call.note(f"job {stored.id} has the unique key {key} already; nothing new was submitted")


def list_(
    call: Invocation,
    limit: Annotated[
        str | None,
        typer.Option("--limit", metavar="N", help="The newest N; else 50 on a terminal, all elsewhere."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are steps of others.")] = False,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="S", help="Only in this state; repeatable.", autocompletion=complete_statuses
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", "-n", metavar="TEXT", help="Only of this name.", autocompletion=complete_names
        ),
    ] = None,
) -> None:
    """List runs of workflows, newest first: state, steps that have ended, failures.

    \b
    Examples:
      jobctl workflow list
      jobctl workflow list --status failed --name nightly
      jobctl workflow ls --json | jq '.workflows[] | select(.steps_failed > 0) | .id'
    """
    most = None if limit is None else parse_whole(limit, "limit", 1, _MOST)
    if most is None and call.is_terminal and not call.json:
        most = _MOST_LISTED
    wanted = actions.Listed(most, frozenset(statuses(status or ())), None if name is None else portable(name))
    store = existing_store(call)
    found: list[WorkflowRun] = []
    if store is not None:
        with store:
            found = actions.list_runs(store, wanted, with_parts=all_)
    now = call.clock.now_ms()
    if call.json:
        call.print_json({"workflows": [run_json(one, now) for one in found]})
    elif not found and call.is_terminal:
        call.note("no workflows")
    elif call.is_terminal:
        from jobctl.views.tables import show_table  # only a terminal pays for Rich
        from jobctl.views.workflow_tables import run_columns

        show_table(run_columns(now), found, color=call.color)
    else:
        call.print(runs_plain(found, now))


def show(call: Invocation, job: Id) -> None:
    """Show one run of a workflow: each step with its state, reason, attempt, job and duration.

    \b
    Examples:
      jobctl workflow show 12
      jobctl workflow show last --json | jq '.steps[] | {id, status, outputs}'
    """
    with call.store() as store:
        report = actions.workflow_report(store, one_run(store, job))
    now = call.clock.now_ms()
    if call.json:
        call.print_json(document_of(report, now))
        return
    fields = run_fields(report.run, report.job, report.handlers, now)
    steps = shown_steps(report.steps, report.items)
    if not call.is_terminal:
        print_sheet(call, f"workflow {report.run.job_id}", fields)
        call.print(steps_plain(steps, now))
    else:
        from jobctl.views.tables import show_table  # only a terminal pays for Rich
        from jobctl.views.workflow_tables import run_style, step_columns

        print_sheet(call, f"workflow {report.run.job_id}", fields, {"status": run_style(report.run)})
        show_table(step_columns(now), steps, color=call.color)
    for line in question_lines(report.questions, report.answered):
        call.print(line)


def explain(
    call: Invocation,
    job: Id,
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="[STEP]",
            help="One of its steps (of a workflow that a step runs: STEP/STEP); else the run as a whole.",
            autocompletion=complete_steps,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say why a step of a workflow ran or did not: its needs, its condition with the values it saw, the cause.

    Without STEP: why the run stands as it does, and what it waits for.

    \b
    Examples:
      jobctl workflow explain last
      jobctl workflow explain 12 publish
      jobctl workflow explain last publish --json
      jobctl workflow explain 12 import/scan     the step scan of the workflow that the step import runs
    """
    with call.store() as store:
        run_ = one_run(store, job)
        if step is None:
            _explain_run(call, store, run_)
            return
        found = actions.explain_workflow_step(store, run_, step)
    if call.json:
        now, is_item = call.clock.now_ms(), found.step.map_index != WHOLE
        document = item_json(found.step, now) if is_item else step_json(found.step, found.needs, now)
        known = {"workflow_id": found.workflow_id} | ({"id": found.step.id} if is_item else {})
        call.print_json({**known, **document, "reasons": [cause_json(cause) for cause in found.causes]})
        return
    for cause in found.causes:
        call.print(printable(cause.message))


def _explain_run(call: Invocation, store: Store, job: Job) -> None:
    causes = actions.explain_workflow(store, job)
    if call.json:
        call.print_json(
            {
                "id": job.id,
                "status": one_workflow(store, job.id).status.value,
                "reasons": [cause_json(one) for one in causes],
            }
        )
        return
    for cause in causes:
        call.print(printable(cause.message))
