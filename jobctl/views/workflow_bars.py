"""A bar and the steps under way on standard error, for ``workflow run --wait``. Imports Rich."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from jobctl.model.workflow_runs import StepRun, WorkflowRun
from jobctl.model.workflow_states import StepStatus
from jobctl.views.instants import length
from jobctl.views.text import printable, shorten
from jobctl.views.workflows import SYMBOLS, step_reason, step_seconds

MOST_SHOWN = 12
_NAME, _WIDEST = 30, 78
_UNDER_WAY = (StepStatus.RUNNING, StepStatus.WAITING)

Look = Callable[[], tuple[WorkflowRun, Iterable[StepRun], int]]
"""The run, its steps, and the present instant in milliseconds."""


class WorkflowBars:
    """One bar for all steps, one line for each that is under way."""

    def __init__(self, look: Look, *, no_color: bool) -> None:
        self._look = look
        console = Console(stderr=True, no_color=no_color or None)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
        )
        run, _, _ = look()
        self._all = self._progress.add_task(shorten(printable(run.name), _NAME), total=run.steps)
        self._live = Live(self._progress, console=console, auto_refresh=False)

    def update(self) -> None:
        """What is known now is shown."""
        run, steps, now_ms = self._look()
        self._progress.update(self._all, completed=run.ended, total=run.steps)
        under_way = [step for step in steps if step.status in _UNDER_WAY]
        lines = [Text(_line(step, now_ms)) for step in under_way[:MOST_SHOWN]]
        if len(under_way) > MOST_SHOWN:
            lines.append(Text(f"  … {len(under_way) - MOST_SHOWN} more"))
        self._live.update(Group(self._progress, *lines), refresh=True)

    def __enter__(self) -> WorkflowBars:
        """The bars are shown."""
        self._live.start()
        self.update()
        return self

    def __exit__(self, *_: object) -> None:
        """They stay as they stand."""
        self.update()
        self._live.stop()


def _line(step: StepRun, now_ms: int) -> str:
    parts = [f"{SYMBOLS[step.status]} {step.label}", length(step_seconds(step, now_ms)), step_reason(step)]
    return shorten(printable("  ".join(filter(None, parts))), _WIDEST)
