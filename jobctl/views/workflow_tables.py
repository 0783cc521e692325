"""The steps of a run on a terminal, with colours. Imports Rich."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobctl.model.workflow_runs import StepRun
from jobctl.model.workflow_states import StepStatus
from jobctl.views.workflows import HEADER, step_rows

STYLES = {
    StepStatus.PENDING: "dim", StepStatus.READY: "cyan", StepStatus.RUNNING: "bold blue",
    StepStatus.WAITING: "bold yellow", StepStatus.COMPLETED: "green", StepStatus.FAILED: "bold red",
    StepStatus.TIMEOUT: "bold magenta", StepStatus.SKIPPED: "dim", StepStatus.CANCELLED: "yellow",
    StepStatus.UPSTREAM_FAILED: "red", StepStatus.ROLLED_BACK: "yellow", StepStatus.ROLLBACK_FAILED: "bold red",
}  # fmt: skip
_FLEXIBLE = {"STEP", "REASON"}
_RIGHT = {"ATTEMPTS", "JOB", "DURATION"}


def steps_table(steps: Sequence[StepRun], now_ms: int) -> Table:
    """A line a step; nothing in it is read as markup."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in HEADER:
        table.add_column(
            Text(title.lower()), no_wrap=title not in _FLEXIBLE, overflow="fold",
            justify="right" if title in _RIGHT else "left",
        )  # fmt: skip
    for step, row in zip(steps, step_rows(steps, now_ms), strict=True):
        table.add_row(
            *(
                Text(cell, style=STYLES[step.status] if title == "STATUS" else "")
                for title, cell in zip(HEADER, row, strict=True)
            )
        )
    return table


def print_steps(steps: Sequence[StepRun], now_ms: int) -> None:
    """The table is on standard output."""
    Console(file=sys.stdout, highlight=False).print(steps_table(steps, now_ms))
