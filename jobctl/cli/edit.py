"""``jobctl edit``: a waiting job is changed."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.actions.edits import EditRequest
from jobctl.actions.edits import edit as edit_job
from jobctl.cli.complete import complete_jobs_waiting, complete_queues
from jobctl.cli.invocation import Invocation
from jobctl.views.jobs import job_json

_Text = str | None


def edit(
    call: Invocation,
    job: Annotated[
        str, typer.Argument(metavar="ID", help="A waiting job.", autocompletion=complete_jobs_waiting)
    ],
    priority: Annotated[
        _Text, typer.Option("--priority", "-p", metavar="N", help="1 (most urgent) to 10.")
    ] = None,
    name: Annotated[_Text, typer.Option("--name", "-n", metavar="TEXT", help="Its name.")] = None,
    queue: Annotated[
        _Text,
        typer.Option("--queue", "-Q", metavar="NAME", help="Its queue.", autocompletion=complete_queues),
    ] = None,
    timeout: Annotated[
        _Text,
        typer.Option("--timeout", metavar="DURATION", help="End an attempt that runs longer; 0: never."),
    ] = None,
    grace: Annotated[
        _Text, typer.Option("--grace", metavar="DURATION", help="From TERM to KILL when it is ended.")
    ] = None,
    attempts: Annotated[
        _Text, typer.Option("--attempts", metavar="N", help="How often it may be tried in all.")
    ] = None,
    retry_delay: Annotated[
        _Text, typer.Option("--retry-delay", metavar="DURATION", help="Before the second attempt.")
    ] = None,
    backoff: Annotated[
        _Text, typer.Option("--backoff", metavar="X", help="The delay grows by this factor.")
    ] = None,
    max_delay: Annotated[
        _Text, typer.Option("--max-delay", metavar="DURATION", help="The delay grows no further.")
    ] = None,
) -> None:
    """Change a job that waits: created or queued. A running or ended one is refused with exit 4.

    \b
    Examples:
      jobctl edit 12 --priority 1
      jobctl edit 12 --queue gpu --timeout 2h
      jobctl edit last --attempts 3 --retry-delay 1m --json
    """
    request = EditRequest(
        name=name, queue=queue, priority=priority, timeout=timeout, grace=grace, attempts=attempts,
        retry_delay=retry_delay, backoff=backoff, max_delay=max_delay,
    )  # fmt: skip
    with call.store() as store:
        changed = edit_job(store, job, request, call.clock)
        if call.json:
            call.print_json(job_json(changed, store.home, call.clock.now_ms()))
        else:
            call.print(f"job {changed.id} changed")
