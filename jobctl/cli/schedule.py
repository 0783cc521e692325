"""``jobctl schedule add|edit|remove|enable|disable|run``: what changes schedules or runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from jobctl.actions import schedules as actions
from jobctl.actions.callers import caller_context
from jobctl.actions.definitions import parse_given
from jobctl.actions.requests import JobRequest
from jobctl.actions.schedule_answers import next_fires
from jobctl.actions.schedule_runs import run_schedule, unknown_schedule
from jobctl.actions.schedule_states import offset_ms
from jobctl.actions.schedules import ScheduleCaller, ScheduleRequest
from jobctl.cli.call_options import CallOptions
from jobctl.cli.complete import complete_definition_words, complete_schedules
from jobctl.cli.invocation import Invocation
from jobctl.cli.job_options import WorkOptions
from jobctl.cli.schedule_options import PolicyOptions, RuleOptions, times_of
from jobctl.cli.submit import call_functions
from jobctl.cli.words import existing_store, note_without_supervisor
from jobctl.clock import to_datetime
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError
from jobctl.model.names import check_name
from jobctl.model.schedule_lint import lint_terms
from jobctl.model.schedule_records import Schedule
from jobctl.model.schedules import ScheduleTerms
from jobctl.store import Store
from jobctl.views.jobs import job_json
from jobctl.views.schedules import next_lines, schedule_details_json
from jobctl.views.text import printable

PREVIEWED = 5

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new schedule.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.", autocompletion=complete_schedules)]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DEFINITION [k=v…]] [-- CMD…]",
        help="What to run: a definition of the catalog, or a command after --.",
        show_default=False,
        autocompletion=complete_definition_words,
    ),
]


def add(
    call: Invocation,
    schedule: NewName,
    rule: RuleOptions,
    policy: PolicyOptions,
    options: WorkOptions,
    function: CallOptions,
    words: Words = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add it without letting it fire.")] = False,
) -> None:
    """Run a command at given times; prints the next five and what may not be meant. Works with no supervisor.

    Days of the month and of the week as in cron: either is enough, both if one starts with *. A time that the
    clocks skip fires at the end of the gap; one that they show twice fires the first time.

    \b
    Examples:
      jobctl schedule add nightly --daily 02:30 -- ./backup.sh
      jobctl schedule add poll --every 90s --overlap skip --timeout 60s -- ./poll.sh
      jobctl schedule add report --cron '0 9 * * mon-fri' --tz Europe/Berlin --missed latest -- ./report.sh
      jobctl schedule add clean --monthly last@03:00 system.prune
      jobctl schedule add tidy --every 6h --call reports:tidy --arg days=7
    """
    request = _request(rule, policy, function.over(options.request(call.command)), words)
    with call.store(create=True) as store:
        caller = _caller(call)
        added, terms = actions.add_schedule(store, schedule, request, caller, call.clock, disabled=disabled)
        _report(call, added, terms, "added")
    note_without_supervisor(call)


def edit(
    call: Invocation,
    schedule: Name,
    rule: RuleOptions,
    policy: PolicyOptions,
    options: WorkOptions,
    function: CallOptions,
    words: Words = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="OPTION", help="Take an option back to its default; repeatable."),
    ] = None,
) -> None:
    """Change a schedule: what is given, and nothing else. It owes nothing for the time before.

    \b
    Examples:
      jobctl schedule edit nightly --daily 03:15
      jobctl schedule edit nightly --tz UTC --missed all --missed-grace 6h
      jobctl schedule edit nightly --unset timeout -- ./backup.sh --full
    """
    unsettable = actions.unsettable(unset or ())
    request = _request(rule, policy, function.over(options.request(call.command)), words, unsettable)
    with store_with(call, schedule) as store:
        changed, terms = actions.edit_schedule(store, schedule, request, _caller(call), call.clock)
        _report(call, changed, terms, "changed")


def remove(call: Invocation, name: Name) -> None:
    """Remove a schedule with its history; its jobs stay, and what runs goes on.

    \b
    Examples:
      jobctl schedule remove nightly
      jobctl schedule rm nightly --json
    """
    with store_with(call, name) as store:
        actions.remove_schedule(store, name, call.clock)
    if call.json:
        call.print_json({"name": name, "removed": True})
    else:
        call.print(f"schedule {printable(name)} removed")


def enable(call: Invocation, name: Name) -> None:
    """Let a schedule fire again, from now on: it owes nothing for the time it was disabled.

    \b
    Examples:
      jobctl schedule enable nightly
      jobctl schedule enable nightly --json
    """
    with store_with(call, name) as store:
        _report_state(call, store, actions.enable_schedule(store, name, call.clock), "enabled")


def disable(
    call: Invocation,
    name: Name,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="It comes back by itself then.")
    ] = None,
) -> None:
    """Keep a schedule from firing; what runs goes on.

    \b
    Examples:
      jobctl schedule disable nightly
      jobctl schedule disable nightly --until 'tomorrow 9:00'
    """
    with store_with(call, name) as store:
        _report_state(call, store, actions.disable_schedule(store, name, until, call.clock), "disabled")


def run(
    call: Invocation,
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Even while a job of it has not ended, whatever --overlap says.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the bare id.")] = False,
) -> None:
    """Run a schedule's job now, also of a disabled one; its times stay as they are.

    \b
    Examples:
      jobctl schedule run nightly
      jobctl wait "$(jobctl schedule run nightly -q)"
    """
    with store_with(call, name) as store:
        ran = run_schedule(store, name, call.settings, call.clock, force=force)
        if call.json:
            job = store.jobs.get(ran.job_id)
            call.print_json(None if job is None else job_json(job, store.home, call.clock.now_ms()))
        else:
            call.print(str(ran.job_id) if quiet else f"job {ran.job_id}")
        if not ran.is_new:
            call.note(f"job {ran.job_id} has its unique key already; nothing new was submitted")
        if ran.behind:
            call.note(f"it waits for the end of job {', '.join(map(str, ran.behind))}")
    note_without_supervisor(call)


def _request(
    rule: RuleOptions,
    policy: PolicyOptions,
    said: JobRequest,
    work: Sequence[str] | None,
    unset: tuple[str, ...] = (),
) -> ScheduleRequest:
    definition, given = _split_work(work or (), said.command)
    return ScheduleRequest(
        times=times_of(rule) | times_of(policy),
        job=said,
        definition=definition,
        parameters=parse_given(given),
        unset=unset,
    )


def _split_work(work: Sequence[str], command: tuple[str, ...] | None) -> tuple[str | None, Sequence[str]]:
    """The definition, if a word names one, and its ``k=v``."""
    if work and command is not None:
        raise BadInputError("a word before the command", work[0], "write it after --", "E_USAGE")
    if work and "=" not in work[0]:
        return work[0], work[1:]
    return None, work


def _caller(call: Invocation) -> ScheduleCaller:
    home = call.home()
    configuration = read_configuration(home)
    context = caller_context(home.path, call.clock.now_ms())
    settings = call.settings_over(configuration)
    return ScheduleCaller(context, settings, configuration, lambda: call_functions(home, settings))


def store_with(call: Invocation, name: str) -> Store:
    """The store; where there is none, there is no such schedule."""
    check_name(name, "schedule name")
    store = existing_store(call)
    if store is None:
        raise unknown_schedule(name, [])
    return store


def _report(call: Invocation, schedule: Schedule, terms: ScheduleTerms, done: str) -> None:
    now = call.clock.now_ms()
    if call.json:
        call.print_json(schedule_details_json(schedule))
    else:
        call.print(f"schedule {printable(schedule.name)} {done}")
        found = next_fires(terms, to_datetime(now), PREVIEWED, offset_ms(schedule))
        for line in next_lines(found, terms.zone, now):
            call.print(f"  {line}")
    for remark in (
        *terms.notes,
        *(f"warning: {text}" for text in lint_terms(terms, to_datetime(now), schedule.name)),
    ):
        call.note(remark)


def _report_state(call: Invocation, store: Store, schedule: Schedule, done: str) -> None:
    if call.json:
        running = [job.id for job in store.schedules.open_jobs(schedule.name)]
        call.print_json(schedule_details_json(schedule, running))
        return
    until = ""
    if schedule.disabled_until is not None:
        lines = next_lines(
            [to_datetime(schedule.disabled_until)], actions.terms_of(schedule.text).zone, call.clock.now_ms()
        )
        until = f" until {lines[0]}"
    call.print(f"schedule {printable(schedule.name)} {done}{until}")
