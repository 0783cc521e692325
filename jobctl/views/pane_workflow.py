"""The pane of one run of a workflow: how far it is, and its steps. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from jobctl.model.dashboards import PaneName, WatchedRun
from jobctl.model.workflow_runs import StepRun
from jobctl.model.workflow_states import StepStatus
from jobctl.views.instants import length, seconds_between
from jobctl.views.job_tables import STYLES as JOB_STYLES
from jobctl.views.jobs import SYMBOLS as JOB_SYMBOLS
from jobctl.views.panes import FAINT, Pane, brief, table_lines
from jobctl.views.tables import bar
from jobctl.views.workflow_tables import step_columns
from jobctl.views.workflows import run_status, shown_steps

_UNDER_WAY = (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.READY)
_TITLED = 5
_BEFORE = 2
"""Steps shown above the first that is under way."""


def workflow_pane(watched: WatchedRun, now: int) -> Pane:
    """The run on a line, then its steps; of very many those around what is under way."""
    run = watched.run
    steps = shown_steps(watched.steps, watched.items)

    def draw(width: int, rows: int) -> list[Text]:
        lines = [_progress(watched, now, width)] if rows else []
        titled = rows >= _TITLED
        room = rows - len(lines) - titled
        if room > 0:
            lines += table_lines(step_columns(now), _window(steps, room), width, titled=titled)
        return lines

    title = brief(f"workflow {run.job_id} {run.name}")
    return Pane(PaneName.WORKFLOW, title, len(steps) + 2, 2, draw)


def _progress(watched: WatchedRun, now: int, width: int) -> Text:
    run = watched.run
    took = length(seconds_between(run.started_at, run.finished_at or now))
    line = Text.assemble((f"{JOB_SYMBOLS[run.status]} {run_status(run)}", JOB_STYLES[run.status]), "  ")
    cells = max(6, min(30, width // 5))
    drawn = bar(run.ended, run.steps, cells)
    done = drawn.rstrip("╌")
    line.append(done, style="red" if run.failed else "bright_blue").append(drawn[len(done) :], style=FAINT)
    line.append(f"  {run.summary}")
    return line.append(f"  {took}" if took else "", style=FAINT)


def _window(steps: Sequence[StepRun], room: int) -> Sequence[StepRun]:
    """As many as there is room for, those under way among them."""
    if len(steps) <= room:
        return steps
    first = next((index for index, step in enumerate(steps) if step.status in _UNDER_WAY), 0)
    start = min(max(0, first - _BEFORE), len(steps) - room)
    return steps[start : start + room]
