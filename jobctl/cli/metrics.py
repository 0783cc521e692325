"""``metrics``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobctl.actions.metrics import metrics_of
from jobctl.cli.invocation import Invocation
from jobctl.errors import UnusableError


def metrics(
    call: Invocation,
    textfile: Annotated[
        str | None,
        typer.Option("--textfile", metavar="FILE", help="Write a file instead, whole or not at all."),
    ] = None,
) -> None:
    """Print figures for Prometheus: jobs by state and queue, totals ever, durations, daemons, schedules, supervisor.

    Nothing listens on the network. Let node_exporter read a file (--collector.textfile.directory) that a schedule
    writes every minute; its name has to end in .prom. Needs prometheus-client: pip install 'jobctl[metrics]'.

    \b
    Examples:
      jobctl metrics
      jobctl metrics --textfile /var/lib/node_exporter/jobctl.prom
      jobctl schedule add metrics --every 1m -- jobctl metrics --textfile /var/lib/node_exporter/jobctl.prom
    """
    try:
        from jobctl.views.metrics import metrics_json, metrics_text, write_metrics
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        hint = "pip install 'jobctl[metrics]'"
        raise UnusableError("prometheus-client is not installed", hint=hint, code="E_EXTRA") from error
    with call.store() as store:
        found = metrics_of(store, call.clock.now_ms())
    if textfile is not None:
        try:
            write_metrics(found, textfile)
        except OSError as error:
            what = f"cannot write the file ({error.strerror})"
            raise UnusableError(what, textfile, "check the directory", "E_OUTPUT") from error
    if call.json:
        path = {} if textfile is None else {"path": os.path.abspath(textfile)}
        call.print_json({**path, **metrics_json(found)})
    elif textfile is None:
        call.print(metrics_text(found).rstrip("\n"))
