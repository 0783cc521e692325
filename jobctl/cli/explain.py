"""``explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.actions.explanations import explain_job
from jobctl.actions.selections import one_job
from jobctl.cli.complete import complete_jobs
from jobctl.cli.invocation import Invocation
from jobctl.views.explanations import cause_json
from jobctl.views.text import printable


def explain(
    call: Invocation,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job.", autocompletion=complete_jobs)],
) -> None:
    """Say why a job is not running, or why it ended as it did: one line a reason.

    \b
    Examples:
      jobctl explain 12
      jobctl explain last --json
    """
    with call.store() as store:
        found = one_job(store, job)
        causes = explain_job(store, found, call.clock.now_ms())
    if call.json:
        reasons = [cause_json(cause) for cause in causes]
        call.print_json({"id": found.id, "status": found.status.value, "reasons": reasons})
        return
    for cause in causes:
        call.print(printable(cause.message))
