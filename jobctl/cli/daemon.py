"""``jobctl daemon …``: processes that are kept alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from jobctl.actions import daemons as actions
from jobctl.actions.callers import caller_context
from jobctl.actions.daemon_waits import is_restarted, is_started, is_stopped
from jobctl.actions.functions import Functions, function_directory
from jobctl.actions.requests import JobRequest
from jobctl.actions.supervisors import supervisor_runs
from jobctl.cli.call_options import CallOptions
from jobctl.cli.complete import complete_daemons
from jobctl.cli.daemon_options import DaemonOptions
from jobctl.cli.daemon_waits import await_daemons, await_removal
from jobctl.cli.invocation import Invocation
from jobctl.cli.sheets import print_sheet, print_titled
from jobctl.cli.words import existing_store, note_without_supervisor
from jobctl.errors import BadInputError, SupervisorDownError
from jobctl.model.calls import check_function
from jobctl.model.daemons import Daemon, DaemonSource, Wanted
from jobctl.model.filters import JobFilter
from jobctl.store import Store
from jobctl.views.daemons import (
    DaemonCard,
    card_fields,
    card_json,
    card_sections,
    daemon_json,
    daemons_plain,
    state_text,
)
from jobctl.views.text import printable

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new daemon.")]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="The daemons.", autocompletion=complete_daemons)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once.")]

_SHOWN_JOBS = 20


def add(
    call: Invocation,
    name: NewName,
    function: CallOptions,
    options: DaemonOptions,
    start: Annotated[bool, typer.Option("--start", help="Start it, and wait until it is ready.")] = False,
    no_wait: NoWait = False,
) -> int:
    """Declare a daemon: a process that the supervisor keeps alive, watches and never doubles.

    It gets the supervisor's environment and --env, and its own $JOBCTL_STATE_DIR that outlives restarts.

    \b
    Examples:
      jobctl daemon add web --start -- python3 -m http.server 8000
      jobctl daemon add api --ready 'log:listening on' --watchdog 30s --max-memory 2G -- ./api
      jobctl daemon add worker --depends-on api --restart on-failure --shell './worker 2>&1'
      jobctl daemon add inbox --start --call media.inbox:watch --arg folder=/srv/inbox --watchdog 1m
    """
    caller = caller_context(call.home().path, call.clock.now_ms())
    asked = function.over(JobRequest())
    values = {**options.values(call.command), **_call_values(asked)}
    # A function works where functions do, whoever declares it.
    cwd = caller.cwd if asked.call is None or "cwd" in values else function_directory(call.home())
    definition = actions.new_definition(name, values, cwd, caller.umask)
    functions = _functions(call) if values.keys() & {"call", "args"} else None
    if functions is not None:
        definition = actions.with_checked_call(definition, functions, asked.arg_texts)
    with call.store(create=True) as store:
        _remember(call, store, functions)
        daemon = actions.add_daemon(store, definition, call.settings, call.clock, start=start)
        if start:
            return await_daemons(call, store, [daemon], is_started, no_wait=no_wait)
        _report(call, [daemon], f"daemon {name} added; start it with: jobctl daemon start {name}")
    return 0


def edit(
    call: Invocation,
    names: Names,
    function: CallOptions,
    options: DaemonOptions,
    unset_env: Annotated[
        list[str] | None, typer.Option("--unset-env", metavar="K", help="Drop a variable; repeatable.")
    ] = None,
) -> None:
    """Change daemons: what is given changes, the rest stays.

    What it runs (command, function, --cwd, --env, --watchdog) counts from its next start: until then a restart is
    pending. The rest counts at once. Arguments join those there are; with --call they are all.

    \b
    Examples:
      jobctl daemon edit web --max-memory 1G
      jobctl daemon edit web --watchdog none --unset-env DEBUG
      jobctl daemon edit web -- python3 -m http.server 9000
    """
    asked = function.over(JobRequest())
    values = {**options.values(call.command), **_call_values(asked)}
    if not values and not unset_env:
        raise BadInputError("nothing to change", hint="give an option or a command", code="E_USAGE")
    cwd = caller_context(call.home().path, call.clock.now_ms()).cwd
    with _store_with(call, names) as store:
        functions = _functions(call) if values.keys() & {"call", "args"} else None
        wish = actions.Edit(values, cwd, unset_env or (), functions, asked.arg_texts)
        edited = actions.edit_daemons(store, names, wish, call.settings, call.clock)
        _remember(call, store, functions)
    _report(call, edited, "\n".join(map(_edited_text, edited)))
    for daemon in edited:
        if daemon.source is DaemonSource.FILE:
            call.note(f"jobctl.yaml declares {daemon.name}: the next reload puts back what it says")


def list_(call: Invocation) -> None:
    """List daemons with their state, and before a restart the time that is left.

    \b
    Examples:
      jobctl daemon list
      jobctl daemon list --json
    """
    store = existing_store(call)
    daemons: list[Daemon] = []
    if store is not None:
        with store:
            daemons = store.daemons.all()
    now = call.clock.now_ms()
    if call.json:
        call.print_json({"daemons": [daemon_json(daemon, now) for daemon in daemons]})
        return
    if not daemons:
        call.note("no daemons; add one with: jobctl daemon add NAME -- CMD …")
        return
    if call.is_terminal:
        from jobctl.views.daemon_tables import daemon_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        show_table(daemon_columns(now), daemons, color=call.color)
    else:
        call.print(daemons_plain(daemons, now))
    note_without_supervisor(call)


def show(call: Invocation, names: Names) -> None:
    """Show everything known of daemons: state, definition, how they ended, their files and their jobs.

    \b
    Examples:
      jobctl daemon show web
      jobctl daemon show web --json
    """
    with _store_with(call, names) as store:
        cards = [_card(store, daemon) for daemon in actions.named_daemons(store, names)]
    home, now = call.home(), call.clock.now_ms()
    if call.json:
        documents = [card_json(card, home, now) for card in cards]
        call.print_json(documents[0] if len(documents) == 1 else {"daemons": documents})
        return
    for card in cards:
        heading = f"daemon {printable(card.daemon.name)}"
        print_sheet(call, heading, card_fields(card, home, now), _styles(call, card.daemon))
        for title, lines in card_sections(card, now):
            print_titled(call, title, lines)


def _styles(call: Invocation, daemon: Daemon) -> dict[str, str]:
    if not call.color:
        return {}
    from jobctl.views.daemon_tables import STYLES

    return {"state": STYLES[daemon.state], "error": "red"}


def start(call: Invocation, names: Names, no_wait: NoWait = False) -> int:
    """Start daemons and what they depend on; wait until they are ready.

    Exit 1 if one does not become ready; its last lines of output are shown. One that runs is left alone. Without a
    supervisor they are wanted up and start with the next jobctl up.

    \b
    Examples:
      jobctl daemon start web
      jobctl daemon start web worker --no-wait
    """
    with _store_with(call, names) as store:
        found, others = actions.start_daemons(store, names, call.clock)
        if others:
            call.note(f"started, too, because they are needed: {', '.join(others)}")
        return await_daemons(call, store, found, is_started, no_wait=no_wait)


def stop(call: Invocation, names: Names, no_wait: NoWait = False) -> int:
    """Stop daemons with all their processes; they stay stopped until they are started again.

    \b
    Examples:
      jobctl daemon stop web
      jobctl daemon stop web worker --no-wait
    """
    with _store_with(call, names) as store:
        found = actions.stop_daemons(store, names, call.clock)
        return await_daemons(call, store, found, is_stopped, no_wait=no_wait)


def restart(call: Invocation, names: Names, no_wait: NoWait = False) -> int:
    """Stop and start daemons with their newest definition; wait until they are ready, as start does.

    \b
    Examples:
      jobctl daemon restart web
      jobctl daemon restart web worker --no-wait
    """
    with _store_with(call, names) as store:
        before = {daemon.name: daemon for daemon in actions.named_daemons(store, names)}
        found = actions.restart_daemons(store, names, call.clock)
        return await_daemons(call, store, found, is_restarted(before), no_wait=no_wait)


def remove(call: Invocation, names: Names, no_wait: NoWait = False) -> None:
    """Stop daemons and forget them; what is in their state directories stays.

    \b
    Examples:
      jobctl daemon remove web
      jobctl daemon rm web worker
    """
    with _store_with(call, names) as store:
        removed = actions.remove_daemons(store, names, call.clock)
        if supervisor_runs(store.home):
            if not no_wait:
                await_removal(call, store, removed)
        elif any(daemon.state.is_live for daemon in removed):
            call.note("what still runs of it stops with the next: jobctl up")
    if call.json:
        documents = [{"name": daemon.name, "removed": True} for daemon in removed]
        call.print_json(documents[0] if len(documents) == 1 else {"daemons": documents})
    else:
        call.print("\n".join(f"daemon {printable(daemon.name)} removed" for daemon in removed))
    for daemon in removed:
        if daemon.source is DaemonSource.FILE:
            call.note(f"jobctl.yaml declares {daemon.name}: the next reload adds it again")


def check(
    call: Invocation,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Only these; else all.", autocompletion=complete_daemons),
    ] = None,
) -> int:
    """Exit 0 if every daemon that is wanted up is up, 1 if not, 6 if no supervisor could tell.

    \b
    Examples:
      jobctl daemon check
      jobctl daemon check web --json
    """
    daemons: list[Daemon] = []
    if names:
        with _store_with(call, names) as store:
            daemons = actions.named_daemons(store, names)
    elif (found := existing_store(call)) is not None:
        with found as store:
            daemons = store.daemons.all()
    now = call.clock.now_ms()
    if any(daemon.wanted is Wanted.UP for daemon in daemons) and not supervisor_runs(call.home()):
        raise SupervisorDownError("no supervisor for", call.home().path, "start one with: jobctl up")
    if call.json:
        call.print_json(
            {"daemons": [{**daemon_json(daemon, now), "ok": daemon.is_as_wanted} for daemon in daemons]}
        )
    else:
        for daemon in daemons:
            word = "ok" if daemon.is_as_wanted else "NOT UP"
            call.print(f"{printable(daemon.name)}: {word}, {state_text(daemon, now)}")
    return 0 if all(daemon.is_as_wanted for daemon in daemons) else 1


def _card(store: Store, daemon: Daemon) -> DaemonCard:
    jobs = store.jobs.list(JobFilter(daemon=daemon.name, limit=_SHOWN_JOBS))
    count = len(jobs) if len(jobs) < _SHOWN_JOBS else store.daemons.job_count(daemon.name)
    return DaemonCard(daemon, store.daemons.exits(daemon.id), jobs, count)


def _call_values(asked: JobRequest) -> dict[str, Any]:
    """What was said of a function, by the keys of ``jobctl.yaml``; texts are read once its signature is known."""
    found: dict[str, Any] = {} if asked.call is None else {"call": check_function(asked.call)}
    if asked.args or asked.arg_texts:
        found["args"] = dict(asked.args)
    return found


def _functions(call: Invocation) -> Functions:
    from jobctl.actions.inspections import caller_functions  # only daemons that are functions pay for it

    return caller_functions(call.home(), call.settings)


def _remember(call: Invocation, store: Store, functions: Functions | None) -> None:
    """The supervisor knows the functions that were looked at."""
    if functions is not None:
        from jobctl.actions.inspections import remember

        remember(store, functions, call.clock)


def _store_with(call: Invocation, names: Sequence[str]) -> Store:
    """The store; where there is none, there is no such daemon."""
    store = existing_store(call)
    if store is None:
        raise actions.unknown_daemon(names[0], ())
    return store


def _report(call: Invocation, daemons: Sequence[Daemon], text: str) -> None:
    if call.json:
        documents = [daemon_json(daemon, call.clock.now_ms()) for daemon in daemons]
        call.print_json(documents[0] if len(documents) == 1 else {"daemons": documents})
    else:
        call.print(text)


def _edited_text(daemon: Daemon) -> str:
    text = f"daemon {printable(daemon.name)} changed"
    if not daemon.restart_pending:
        return text
    return f"{text}; restart pending: jobctl daemon restart {printable(daemon.name)}"
