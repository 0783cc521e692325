"""Waiting for daemons on the command line; ``jobctl daemon wait`` and ``jobctl daemon jobs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from jobctl.actions.changes import ChangeWatch
from jobctl.actions.daemon_logs import last_lines
from jobctl.actions.daemon_waits import Answer, DaemonWait, Judge, hindrance, is_gone, is_in
from jobctl.actions.daemons import required_daemon, unknown_daemon
from jobctl.actions.supervisors import supervisor_runs
from jobctl.cli.complete import complete_daemons, complete_statuses, complete_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.listing import ON_A_TERMINAL, show_table
from jobctl.cli.words import existing_store, note_without_supervisor, one_of, statuses
from jobctl.errors import NotFoundError, SupervisorDownError, WaitTimeoutError
from jobctl.model.daemons import Daemon, DaemonState, Wanted
from jobctl.model.durations import parse_duration
from jobctl.model.filters import JobFilter
from jobctl.model.names import parse_whole
from jobctl.store import Store
from jobctl.views.daemons import daemon_json, last_exit_text, state_text
from jobctl.views.jobs import encodable, job_json, jobs_plain
from jobctl.views.text import printable, printable_bytes

LAST_LINES = 10
_LOOK_EVERY = 50
"""Pauses of 20 ms between two looks whether the supervisor still runs."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The daemon.", autocompletion=complete_daemons)]
_STATES = tuple(state.value for state in DaemonState)


def await_daemons(
    call: Invocation, store: Store, daemons: Sequence[Daemon], judge: Judge, *, no_wait: bool
) -> int:
    """The daemons are what was asked for, or 1 is returned and it is said why not.

    Without a supervisor nothing is waited for: what is wanted counts from the next ``up``.

    Raises:
        SupervisorDownError: it ended while this waited for it.
    """
    runs = supervisor_runs(store.home)
    if no_wait or not runs:
        note_without_supervisor(call)
        if call.json:
            _print_documents(call, [daemon_json(daemon, call.clock.now_ms()) for daemon in daemons])
        else:
            call.print("\n".join(_wanted_text(daemon, runs) for daemon in daemons))
        return 0
    answers = []
    for answer in _answers(call, store, DaemonWait(store, daemons, judge)):
        answers.append(answer)
        if not call.json:
            _say(call, store, answer)
    if call.json:
        order = {daemon.name: place for place, daemon in enumerate(daemons)}
        answers.sort(key=lambda answer: order[answer.name])
        _print_documents(call, [_document(call, store, answer) for answer in answers])
    return 0 if all(answer.ok for answer in answers) else 1


def await_removal(call: Invocation, store: Store, daemons: Sequence[Daemon]) -> None:
    """Nothing is left of daemons that were removed."""
    watch = ChangeWatch(store)
    pauses = 0
    while not all(is_gone(store, daemon) for daemon in daemons):
        watch.pause()
        pauses += 1
        if pauses % _LOOK_EVERY == 0:
            _check_supervisor(store)


def wait(
    call: Invocation,
    name: Name,
    state: Annotated[
        str,
        typer.Option(
            "--state", metavar="STATE", help=" ".join(_STATES), autocompletion=complete_words(*_STATES)
        ),
    ] = "running",
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="D", help="Give up after this long.")
    ] = None,
) -> int:
    """Wait until a daemon is in a state: exit 0 then, 1 if it was given up instead, 124 after --timeout.

    \b
    Examples:
      jobctl daemon wait web
      jobctl daemon wait web --state stopped --timeout 1m
    """
    wanted = DaemonState(one_of(state, _STATES, "state"))
    seconds = None if timeout is None else parse_duration(timeout, "--timeout", allow_zero=True)
    deadline = None if seconds is None else call.clock.monotonic() + seconds
    store = existing_store(call)
    if store is None:
        raise unknown_daemon(name, ())
    with store:
        waiting = DaemonWait(store, [required_daemon(store, name)], is_in(wanted))
        noted = False
        while not (answers := waiting.poll()):
            if deadline is not None and call.clock.monotonic() >= deadline:
                daemon = required_daemon(store, name)
                raise WaitTimeoutError(
                    f"the daemon {name} is not {state} but", daemon.state.value, "wait again"
                )
            if not noted:
                note_without_supervisor(call)
                noted = True
            waiting.watch.pause()
    [answer] = answers
    if answer.daemon is None:
        raise NotFoundError("the daemon was removed", name, "see: jobctl events")
    if call.json:
        call.print_json(daemon_json(answer.daemon, call.clock.now_ms()))
    else:
        call.print(f"daemon {printable(name)} {state_text(answer.daemon, call.clock.now_ms())}")
    return 0 if answer.ok else 1


def jobs(
    call: Invocation,
    name: Name,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Only in this state; repeatable.", autocompletion=complete_statuses),
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", metavar="N", help="At most so many.")] = None,
) -> None:
    """List the jobs that a daemon has submitted, newest first.

    \b
    Examples:
      jobctl daemon jobs inbox
      jobctl daemon jobs inbox --status failed --json
    """
    wanted = statuses(status or ())
    most = None if limit is None else parse_whole(limit, "limit", 1, 10**9)
    store = existing_store(call)
    if store is None:
        raise unknown_daemon(name, ())
    with store:
        required_daemon(store, name)
        if most is None and call.is_terminal and not call.json:
            most = ON_A_TERMINAL
        found = store.jobs.list(JobFilter(daemon=name, statuses=wanted, limit=most))
    now = call.clock.now_ms()
    if call.json:
        home = call.home()
        call.print_json({"jobs": [job_json(job, home, now) for job in found]})
    elif call.is_terminal:
        show_table(call, found, now)
    else:
        call.print(jobs_plain(found, now))


def _answers(call: Invocation, store: Store, waiting: DaemonWait) -> Iterator[Answer]:
    pauses = 0
    while waiting.pending:
        answers = waiting.poll()
        yield from answers
        if not answers:
            waiting.watch.pause()
            pauses += 1
        if pauses % _LOOK_EVERY == _LOOK_EVERY - 1:
            sys.stdout.flush()
            _check_supervisor(store)


def _check_supervisor(store: Store) -> None:
    if not supervisor_runs(store.home):
        hint = "what is wanted counts from the next: jobctl up"
        raise SupervisorDownError("the supervisor ended meanwhile, of", store.home.path, hint)


def _say(call: Invocation, store: Store, answer: Answer) -> None:
    name, daemon = printable(answer.name), answer.daemon
    if daemon is None:
        call.note(f"daemon {name} was removed meanwhile")
        return
    text = state_text(daemon, call.clock.now_ms())
    if answer.ok:
        pid = "" if daemon.pid is None else f", pid {daemon.pid}"
        call.print(f"daemon {name} {text}{pid}")
        return
    call.note(f"daemon {name} is {text}{_why(store, daemon)}")
    for line in last_lines(store.home, daemon.name, LAST_LINES):
        call.note(f"  | {printable_bytes(line.text)}")


def _why(store: Store, daemon: Daemon) -> str:
    """What there is to say about a start that failed."""
    if daemon.state is DaemonState.WAITING:
        needed = hindrance(daemon, {one.name: one for one in store.daemons.all()})
        return "" if needed is None else f": it needs {needed.name}, which is {needed.state.value}"
    if daemon.error:
        return f": {daemon.error}"
    return f": {last_exit_text(daemon)}" if last_exit_text(daemon) else ""


def _document(call: Invocation, store: Store, answer: Answer) -> dict[str, object]:
    if answer.daemon is None:
        return {"name": answer.name, "removed": True}
    document = daemon_json(answer.daemon, call.clock.now_ms())
    if not answer.ok:
        lines = last_lines(store.home, answer.name, LAST_LINES)
        document["last_lines"] = [encodable(line.text.decode("utf-8", "surrogateescape")) for line in lines]
    return document


def _print_documents(call: Invocation, documents: list[dict[str, object]]) -> None:
    call.print_json(documents[0] if len(documents) == 1 else {"daemons": documents})


def _wanted_text(daemon: Daemon, runs: bool) -> str:
    name = printable(daemon.name)
    if daemon.wanted is Wanted.UP:
        return f"daemon {name} is wanted up" + ("" if runs else "; it starts with: jobctl up")
    left = (
        "; what still runs of it stops with the next: jobctl up" if not runs and daemon.state.is_live else ""
    )
    return f"daemon {name} is wanted down{left}"
