"""``status`` and ``down``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from jobctl.actions.changes import POLL_SECONDS, ChangeWatch
from jobctl.actions.status import home_status, running_jobs
from jobctl.actions.supervisors import is_alive, request_stop
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import existing_store
from jobctl.errors import BadInputError, SupervisorDownError, WaitTimeoutError
from jobctl.model.durations import parse_duration
from jobctl.model.jobs import Job
from jobctl.model.lives import Life, StopMode
from jobctl.store import Store
from jobctl.views.supervisors import Status, status_json, status_lines
from jobctl.views.text import printable

_EXIT_DOWN = SupervisorDownError.exit_code


def status(call: Invocation) -> int:
    """Show the supervisor, counts, what runs and what is next; exit 6 if no supervisor runs.

    \b
    Examples:
      jobctl status
      jobctl status --json
    """
    home, now = call.home(), call.clock.now_ms()
    store = existing_store(call)
    with store or nullcontext():
        found = home_status(home, store)
    if call.json:
        call.print_json(status_json(found, now))
    else:
        _print_status(call, found, now)
        if not found.runs:
            call.note(f"no supervisor for {printable(home.path)}; start one with: jobctl up")
    return 0 if found.runs else _EXIT_DOWN


def _print_status(call: Invocation, found: Status, now: int) -> None:
    home = call.home().path
    if call.is_terminal:
        from jobctl.views.status_tables import status_parts
        from jobctl.views.tables import show  # only a terminal pays for Rich

        show(lambda width: status_parts(found, home, now, width), color=call.color)
        return
    for line in status_lines(found, home, now):
        call.print(line)


def down(
    call: Invocation,
    drain: Annotated[
        bool, typer.Option("--drain", help="Let running jobs end; this is the default.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Stop running jobs; they go back to the queue.")] = False,
    leave_running: Annotated[
        bool, typer.Option("--leave-running", help="Leave running jobs to the next supervisor.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="D", help="Stop waiting after this long; the request stands."),
    ] = None,
) -> None:
    """Ask the supervisor to stop and wait until it has: it starts nothing more and lets running jobs end.

    \b
    Examples:
      jobctl down
      jobctl down --now
      jobctl down --drain --timeout 10m
    """
    mode = _mode(drain=drain, now=now, leave_running=leave_running)
    seconds = None if timeout is None else parse_duration(timeout, "--timeout", allow_zero=True)
    store = existing_store(call)
    if store is None:
        raise SupervisorDownError("no supervisor for", call.home().path, "start one with: jobctl up")
    with store:
        life = request_stop(store, mode)
        _await_end(call, store, life, mode, seconds)
    if call.json:
        call.print_json({"supervisor": {"state": "down", "pid": life.pid, "mode": mode.value}})
    else:
        call.print("the supervisor has stopped")


def _mode(*, drain: bool, now: bool, leave_running: bool) -> StopMode:
    if drain + now + leave_running > 1:
        what = "--drain, --now and --leave-running exclude each other"
        raise BadInputError(what, hint="give one of them", code="E_USAGE")
    if now:
        return StopMode.NOW
    return StopMode.LEAVE_RUNNING if leave_running else StopMode.DRAIN


def _await_end(call: Invocation, store: Store, life: Life, mode: StopMode, seconds: float | None) -> None:
    began, watch, said = call.clock.monotonic(), ChangeWatch(store), ""
    while is_alive(store.home, life):
        if seconds is not None and call.clock.monotonic() - began >= seconds:
            hint = "it still stops when its jobs have ended; or: jobctl down --now"
            raise WaitTimeoutError("the supervisor has not stopped yet: pid", life.pid, hint)
        if mode is not StopMode.LEAVE_RUNNING and watch.changed():
            text = _awaited([job for job in running_jobs(store) if job.life_id == life.id])
            if text and text != said:
                call.note(text)
                said = text
        watch.pause(POLL_SECONDS)


def _awaited(jobs: list[Job]) -> str:
    if not jobs:
        return ""
    names = ", ".join(f"{job.id} {printable(job.name)}" for job in sorted(jobs, key=lambda job: job.id)[:5])
    more = f" and {len(jobs) - 5} more" if len(jobs) > 5 else ""
    return f"waiting for {len(jobs)} running job{'s' if len(jobs) > 1 else ''}: {names}{more}"
