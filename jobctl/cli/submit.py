"""``jobctl submit``: store jobs. Nothing slow is imported here: it is typed, and scripted, all day."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.actions.admissions import needed_jobs, store_jobs
from jobctl.actions.callers import caller_context, portable
from jobctl.actions.requests import JobRequest, located, read_requests
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.actions.supervisors import supervisor_runs
from jobctl.cli.call_options import CallOptions
from jobctl.cli.complete import complete_definition_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.job_options import JobOptions
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError, JobctlError
from jobctl.model.queues import DEFAULT_QUEUE
from jobctl.model.specs import Submission
from jobctl.model.states import JobId
from jobctl.store import Store
from jobctl.store.submissions import Stored

if TYPE_CHECKING:
    from jobctl.actions.functions import Functions
    from jobctl.model.configurations import Configuration
    from jobctl.model.homes import Home
    from jobctl.settings import Settings

MOST_SHOWN_IN_FULL = 1000


def submit(
    call: Invocation,
    options: JobOptions,
    function: CallOptions,
    definition: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME [K=V…] | -- CMD…",
            help="What to run: a job of the catalog with its parameters, or a command.",
            show_default=False,
            autocompletion=complete_definition_words,
        ),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option("--jsonl", metavar="FILE|-", help="One job a line of JSON; all of them or none."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the bare id.")] = False,
) -> None:
    """Store a job and print its id; it runs when a supervisor has room. Works with none running.

    A word without -- names a job of jobctl.yaml; options count more than what is written there. With --jsonl, the
    options are the defaults of every line; its keys are the options with underscores.

    \b
    Examples:
      jobctl submit -- python train.py --epochs 3
      jobctl submit -n backup -p 2 --in 2h --attempts 3 -- rsync -a src/ dst/
      jobctl submit --shell 'zcat big.gz | sort | uniq -c > counts'
      jobctl submit report days=7 --priority 2
      jobctl submit --call reports:build --arg days=7 --timeout 5m
      jobctl submit --jsonl jobs.jsonl --queue gpu      with lines like {"command": ["./step", "1"]}
    """
    said = function.over(options.request(call.command))
    check_usage(call, said, definition, jsonl)
    configuration = read_configuration(call.home())
    builder = submission_builder(call, configuration)
    request = job_request(call, said, definition, configuration)
    jobs = [builder.build(request)] if jsonl is None else _read(jsonl, request, builder)
    with call.store(create=True) as store:
        stored = store_jobs(store, jobs, call.clock)
        remember_functions(call, store, builder)
        _report(call, store, jobs, [one.id for one in stored], bulk=jsonl is not None, quiet=quiet)
        call.flush(f"stored: {'job ' + str(stored[0].id) if len(stored) == 1 else f'{len(stored)} jobs'}")
        note_duplicates(call, jobs, stored)
    if not quiet:
        note_left_out(call, builder)
    if not supervisor_runs(store.home):
        call.note(f"no supervisor for {store.home.path}; start one with: jobctl up")


def job_request(
    call: Invocation, said: JobRequest, words: Sequence[str] | None, configuration: Configuration | None
) -> JobRequest:
    """What was ``said`` by options and a command, or the definition that ``words`` name, under the options.

    Raises:
        BadInputError: an option or a parameter is wrong.
        NotFoundError: there is no such definition.
    """
    if not words:
        return said
    from jobctl.actions.definitions import definition_request, named_definition, parse_given

    home = call.home()
    name, *given = map(portable, words)
    definition = named_definition(home, configuration, name, given)
    return definition_request(definition, parse_given(given), home, said)


def submission_builder(call: Invocation, configuration: Configuration | None = None) -> SubmissionBuilder:
    """A builder for what this call submits. A store that does not exist yet is not made for it.

    Args:
        call: whose environment counts.
        configuration: what the file says, where that was read already.
    """
    home = call.home()
    settings = call.settings if configuration is None else call.settings_over(configuration)

    def queues() -> list[str]:
        if not os.path.exists(home.store):
            return [DEFAULT_QUEUE]
        with call.store() as store:
            return store.queues.names()

    def find(selector: str) -> list[JobId]:
        with call.store() as store:
            return needed_jobs(store, selector)

    caller = caller_context(home.path, call.clock.now_ms())
    exists = os.path.exists(home.store)
    return SubmissionBuilder(
        caller, settings, queues, find if exists else None, functions=lambda: call_functions(home, settings)
    )


def call_functions(home: Home, settings: Settings, store: Store | None = None) -> Functions:
    """What may be called; see ``actions.inspections``."""
    from jobctl.actions.inspections import caller_functions  # only function jobs pay for it

    return caller_functions(home, settings, store)


def remember_functions(call: Invocation, store: Store, builder: SubmissionBuilder) -> None:
    """What was looked at on the way need not be looked at again."""
    if builder.functions is not None and builder.functions.learned:
        from jobctl.actions.inspections import remember

        remember(store, builder.functions, call.clock)


def note_left_out(call: Invocation, builder: SubmissionBuilder) -> None:
    """The caller knows which variables were not stored."""
    if builder.left_out:
        names = ", ".join(sorted(builder.left_out))
        call.note(f"not stored (taken from the supervisor's environment at start): {names}; see --secret-env")


def note_duplicates(call: Invocation, jobs: Sequence[Submission], stored: Sequence[Stored]) -> None:
    """The caller knows which jobs were there already."""
    for job, one in zip(jobs, stored, strict=True):
        if not one.is_new:
            call.note(f"job {one.id} has the unique key {job.unique_key} already; nothing new was submitted")


def check_usage(
    call: Invocation, said: JobRequest, definition: Sequence[str] | None, jsonl: str | None = None
) -> None:
    """What was given fits together: a command after ``--``, a definition, or lines of jobs.

    Raises:
        BadInputError: it does not.
    """
    if jsonl is not None and (definition or call.command is not None):
        raise BadInputError("a command and --jsonl", hint="write the commands into the lines", code="E_USAGE")
    if not definition:
        return
    if call.command is not None or said.shell is not None:
        raise BadInputError("a word before the command", definition[0], "write it after --", "E_USAGE")
    if said.call is not None:
        hint = "an argument is given by --arg name=value"
        raise BadInputError("a word beside --call", definition[0], hint, "E_USAGE")


def _read(path: str, defaults: JobRequest, builder: SubmissionBuilder) -> list[Submission]:
    if path == "-":
        return _build(sys.stdin.buffer, "stdin", defaults, builder)
    try:
        with open(path, "rb") as file:
            return _build(file, path, defaults, builder)
    except OSError as error:
        raise BadInputError(f"cannot read the jobs ({error.strerror})", path, code="E_FILE") from None


def _build(
    lines: Iterable[bytes], source: str, defaults: JobRequest, builder: SubmissionBuilder
) -> list[Submission]:
    jobs = []
    for numbered in read_requests(lines, source, defaults):
        try:
            jobs.append(builder.build(numbered.request))
        except JobctlError as error:
            raise located(error, numbered.where) from None
    return jobs


def _report(
    call: Invocation,
    store: Store,
    jobs: Sequence[Submission],
    ids: Sequence[JobId],
    *,
    bulk: bool,
    quiet: bool,
) -> None:
    if not call.json:
        call.print("\n".join(str(job_id) if quiet else f"job {job_id}" for job_id in ids) or "0 jobs")
        return
    if len(ids) > MOST_SHOWN_IN_FULL:
        statuses = store.jobs.statuses(ids)
        found: list[dict[str, object]] = [
            {"id": job_id, "name": job.name, "status": statuses[job_id].value, "queue": job.queue}
            for job_id, job in zip(ids, jobs, strict=True)
        ]
    else:
        found = _in_full(call, store, ids)
    call.print_json({"jobs": found} if bulk else found[0])


def _in_full(call: Invocation, store: Store, ids: Sequence[JobId]) -> list[dict[str, object]]:
    from jobctl.views.jobs import job_json  # only --json pays for it

    now = call.clock.now_ms()
    return [job_json(job, store.home, now) for job_id in ids if (job := store.jobs.get(job_id)) is not None]
