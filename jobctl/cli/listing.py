"""``list`` and ``show``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.actions.logs import log_sizes
from jobctl.actions.selections import MOST_WITH_USUAL, listed_jobs, one_job, past_instant
from jobctl.cli.complete import (
    complete_jobs,
    complete_names,
    complete_queues,
    complete_statuses,
    complete_tags,
    complete_words,
)
from jobctl.cli.invocation import Invocation
from jobctl.cli.sheets import print_sheet, print_title, print_titled
from jobctl.cli.words import existing_store, one_of, statuses
from jobctl.errors import BadInputError
from jobctl.model.attempts import Attempt
from jobctl.model.durations import parse_duration
from jobctl.model.events import Entity, Event
from jobctl.model.filters import JobFilter, SortKey
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.names import parse_whole
from jobctl.model.selectors import parse_job_id, parse_selector
from jobctl.model.states import ACTIVE, JobKind
from jobctl.store import Store
from jobctl.views.jobs import (
    attempt_json,
    attempt_line,
    hook_json,
    hook_line,
    job_fields,
    job_json,
    jobs_plain,
    log_size_text,
)
from jobctl.views.text import printable

if TYPE_CHECKING:
    from jobctl.actions.workflows import WorkflowReport

ON_A_TERMINAL = MOST_WITH_USUAL
_MOST = 10**9
_MOST_ITEMS = 20
_SORTS = tuple(key.value for key in SortKey)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The flags that narrow and order a list."""

    status: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Only in this state; repeatable.", autocompletion=complete_statuses),
    ] = None
    active: Annotated[bool, typer.Option("--active", help="Only created, queued and running jobs.")] = False
    queue: Annotated[
        str | None,
        typer.Option("--queue", "-Q", metavar="Q", help="Of this queue.", autocompletion=complete_queues),
    ] = None
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", "-t", metavar="T", help="With this tag; repeatable.", autocompletion=complete_tags
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="N", help="Of this name.", autocompletion=complete_names),
    ] = None
    type: Annotated[str | None, typer.Option("--type", metavar="T", help="Of this type.")] = None
    user: Annotated[str | None, typer.Option("--user", metavar="U", help="Of this user.")] = None
    parent: Annotated[str | None, typer.Option("--parent", metavar="ID", help="Submitted by this job.")] = (
        None
    )
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="Submitted since this time, or this long ago.")
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Submitted before this time, or this long ago.")
    ] = None
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="KEY",
            help=f"One of: {' '.join(_SORTS)}.",
            autocompletion=complete_words(*_SORTS),
        ),
    ] = "id"
    limit: Annotated[str | None, typer.Option("--limit", metavar="N", help="At most so many.")] = None
    all: Annotated[bool, typer.Option("--all", help="All of them, on a terminal too.")] = False


def list_(
    call: Invocation,
    selector: Annotated[
        str | None, typer.Argument(metavar="SEL", help="Only these jobs.", autocompletion=complete_jobs)
    ] = None,
    narrowing: Narrowing = Narrowing(),
    watch: Annotated[bool, typer.Option("--watch", help="Keep the table up to date until Ctrl-C.")] = False,
    interval: Annotated[
        str | None, typer.Option("--interval", metavar="D", help="With --watch, at most this often; else 1s.")
    ] = None,
) -> None:
    """List jobs, newest first: the 50 newest on a terminal, all in a pipe or with --json.

    \b
    Examples:
      jobctl list --active
      jobctl list --status failed --since 1d
      jobctl list tag:nightly --sort duration --json
      jobctl list --active --watch
    """
    narrowed = _filter(call, selector, narrowing)
    if interval is not None and not watch:
        raise BadInputError("--interval without --watch", interval, "add --watch", "E_USAGE")
    if watch:
        _watch(call, narrowed, 1.0 if interval is None else parse_duration(interval, "interval"))
        return
    store = existing_store(call)
    jobs = [] if store is None else listed_jobs(store, narrowed)
    now = call.clock.now_ms()
    if call.json:
        home = call.home()
        call.print_json({"jobs": [job_json(job, home, now) for job in jobs]})
    elif call.is_terminal:
        cut = narrowed.limit is not None and narrowing.limit is None and len(jobs) > ON_A_TERMINAL
        show_table(call, jobs[:ON_A_TERMINAL] if cut else jobs, now)
        if cut:
            call.note(f"the first {ON_A_TERMINAL}; for all of them: --all")
    else:
        call.print(jobs_plain(jobs, now))


def _watch(call: Invocation, narrowed: JobFilter, seconds: float) -> None:
    """The table stays up to date until Ctrl-C.

    Raises:
        BadInputError: nobody looks: no terminal, or ``--json``.
    """
    if call.json or not call.is_terminal:
        hint = "for streams use: jobctl events --follow --json"
        raise BadInputError("--watch needs a terminal", hint=hint, code="E_USAGE")
    from jobctl.views.live_jobs import show_live

    with call.store() as store:
        show_live(
            lambda: (listed_jobs(store, narrowed)[:ON_A_TERMINAL], call.clock.now_ms()),
            store.database.data_version,
            seconds,
            color=call.color,
        )


def _filter(call: Invocation, selector: str | None, flags: Narrowing) -> JobFilter:
    if flags.all and flags.limit is not None:
        raise BadInputError("--all and --limit exclude each other", hint="give one of them", code="E_USAGE")
    now = call.clock.now_ms()
    limit = None if flags.limit is None else parse_whole(flags.limit, "limit", 1, _MOST)
    if limit is None and not flags.all and call.is_terminal and not call.json:
        limit = ON_A_TERMINAL + 1
    wanted = statuses(flags.status or ())
    return JobFilter(
        selector=None if selector is None else parse_selector(selector),
        statuses=tuple(dict.fromkeys([*wanted, *ACTIVE])) if flags.active else wanted,
        queue=flags.queue,
        tags=tuple(flags.tag or ()),
        name=flags.name,
        type=flags.type,
        user=flags.user,
        parent=None if flags.parent is None else parse_job_id(flags.parent, "parent id"),
        since=None if flags.since is None else past_instant(flags.since, "--since", now),
        until=None if flags.until is None else past_instant(flags.until, "--until", now),
        sort=SortKey(one_of(flags.sort, _SORTS, "sort key")),
        limit=limit,
    )


def show_table(call: Invocation, jobs: list[Job], now: int) -> None:
    """The jobs are on the terminal, one line each, newest first."""
    if not jobs:
        call.note("no jobs")
        return
    from jobctl.views.job_tables import job_columns
    from jobctl.views.tables import show_table as print_table

    print_table(job_columns(now), jobs, color=call.color)


def show(
    call: Invocation,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job.", autocompletion=complete_jobs)],
) -> None:
    """Show everything known about one job: fields, attempts, events, what it used and where its files are.

    \b
    Examples:
      jobctl show 12
      jobctl show last --json
    """
    with call.store() as store:
        [found] = store.jobs.with_usual([one_job(store, job)])
        shown = _Shown(
            found,
            store.attempts.of(found.id),
            store.events.about(Entity.JOB, found.id),
            store.jobs.hooks_of(found.id),
            _run_of(store, found),
            store.functions.tracebacks(found.id) if found.kind is JobKind.FUNCTION else {},
        )
    if call.json:
        call.print_json(_document(call, shown))
    else:
        _print_job(call, shown)


MOST_TRACEBACK_LINES = 12


@dataclass(frozen=True, slots=True)
class _Shown:
    """A job with all that belongs to it."""

    job: Job
    attempts: list[Attempt]
    events: list[Event]
    hooks: list[Job]
    run: WorkflowReport | None
    tracebacks: dict[int, str]
    """Of attempts that ended with an exception, by their numbers."""


def _document(call: Invocation, shown: _Shown) -> dict[str, object]:
    from jobctl.views.events import event_json

    home, now = call.home(), call.clock.now_ms()
    document = job_json(shown.job, home, now)
    if shown.job.kind is JobKind.FUNCTION:
        _drop_absent(document)
    document["log_bytes"], document["log_dropped_bytes"] = log_sizes(home, shown.job)
    document["attempts"] = [_attempt_json(shown, attempt, home, now) for attempt in shown.attempts]
    document["events"] = [event_json(event) for event in shown.events]
    document["hooks"] = [hook_json(hook) for hook in shown.hooks]
    if shown.run is not None:
        document["workflow"] = _run_json(shown.run, now)
    return document


def _attempt_json(shown: _Shown, attempt: Attempt, home: Home, now: int) -> dict[str, object]:
    document = attempt_json(attempt, home, now)
    document["traceback"] = shown.tracebacks.get(attempt.number)
    if shown.job.kind is JobKind.FUNCTION:
        _drop_absent(document)
    return document


def _drop_absent(document: dict[str, object]) -> None:
    """Files are named if they are there: a function that prints nothing leaves none."""
    for key in ("directory", "log_path"):
        if key in document and not os.path.exists(str(document[key])):
            document[key] = None


def _print_job(call: Invocation, shown: _Shown) -> None:
    from jobctl.views.events import event_line

    home, now, job = call.home(), call.clock.now_ms(), shown.job
    written, dropped = log_sizes(home, job)
    absent = job.kind is JobKind.FUNCTION and not os.path.exists(home.attempt(job.id, job.attempt))
    fields = [
        (label, text)
        for label, text in job_fields(job, home, now)
        if not absent or label not in ("directory", "log")  # a function that prints nothing leaves no files
    ]
    if written:
        fields.append(("log size", log_size_text(written, dropped)))
    fields += [
        (name, _json_text(value))
        for name, value in (("meta", job.meta), ("result", job.result))
        if value is not None
    ]
    failed = job.progress.item_errors
    fields += [("failed item", printable(f"{item}: {error}")) for item, error in failed[:_MOST_ITEMS]]
    if len(failed) > _MOST_ITEMS:
        fields.append(("failed item", f"… {len(failed) - _MOST_ITEMS} more with --json"))
    print_sheet(call, f"job {job.id}", fields, _styles(call, job))
    if shown.run is not None:
        _show_steps(call, shown.run, now)
    for title, lines in (
        ("attempts", [attempt_line(attempt, now) for attempt in shown.attempts]),
        ("traceback", _last_lines(shown)),
        ("hooks", [hook_line(hook) for hook in shown.hooks]),
        ("events", [event_line(event, with_entity=False) for event in shown.events[-20:]]),
    ):
        print_titled(call, title, lines)


def _styles(call: Invocation, job: Job) -> dict[str, str]:
    if not call.color:
        return {}
    from jobctl.views.job_tables import STYLES

    return {"status": STYLES[job.status], "name": "bold", "error": "red"}


def _last_lines(shown: _Shown) -> list[str]:
    """The end of how the last attempt's exception came about; all of it is in ``--json``."""
    if not shown.attempts or shown.attempts[-1].number not in shown.tracebacks:
        return []
    lines = shown.tracebacks[shown.attempts[-1].number].rstrip("\n").split("\n")
    more = [f"… {len(lines) - MOST_TRACEBACK_LINES} more lines with --json"]
    return more * (len(lines) > MOST_TRACEBACK_LINES) + [
        printable(line) for line in lines[-MOST_TRACEBACK_LINES:]
    ]


def _run_of(store: Store, job: Job) -> WorkflowReport | None:
    """What is known of the workflow that the job is, if it is one."""
    if job.kind is not JobKind.WORKFLOW:
        return None
    from jobctl.actions.workflows import workflow_report  # only workflows pay for their model

    return workflow_report(store, job)


def _run_json(report: WorkflowReport, now: int) -> dict[str, object]:
    from jobctl.views.workflows import workflow_json

    return workflow_json(report.run, report.definition, report.steps, report.items, report.handlers, now)


def _show_steps(call: Invocation, report: WorkflowReport, now: int) -> None:
    from jobctl.views.workflows import shown_steps, steps_plain

    steps = shown_steps(report.steps, report.items)
    if call.is_terminal:
        from jobctl.views.tables import show_table as print_table
        from jobctl.views.workflow_tables import step_columns

        print_title(call, "steps")
        print_table(step_columns(now), steps, color=call.color)
    else:
        print_titled(call, "steps", steps_plain(steps, now).split("\n"))


def _json_text(value: object) -> str:
    import json

    return printable(json.dumps(value, ensure_ascii=False))
