"""Runs of workflows and their steps on a terminal. Imports Rich."""

from __future__ import annotations

from jobctl.model.workflow_runs import StepRun, WorkflowRun
from jobctl.model.workflow_states import RollbackState, RunOutcome, StepStatus
from jobctl.views.instants import ago, length, seconds_between
from jobctl.views.job_tables import LEAST_NAME, LEAST_STATUS
from jobctl.views.job_tables import STYLES as JOB_STYLES
from jobctl.views.jobs import SYMBOLS as JOB_SYMBOLS
from jobctl.views.tables import Column, bar
from jobctl.views.text import printable
from jobctl.views.workflows import SYMBOLS, run_status, step_reason, step_seconds

STYLES = {
    StepStatus.PENDING: "dim", StepStatus.READY: "cyan", StepStatus.RUNNING: "bold blue",
    StepStatus.WAITING: "bold yellow", StepStatus.COMPLETED: "green", StepStatus.FAILED: "bold red",
    StepStatus.TIMEOUT: "bold magenta", StepStatus.SKIPPED: "dim", StepStatus.CANCELLED: "yellow",
    StepStatus.UPSTREAM_FAILED: "red", StepStatus.ROLLED_BACK: "yellow", StepStatus.ROLLBACK_FAILED: "bold red",
}  # fmt: skip
_BAR_CELLS = 8


def step_columns(now_ms: int) -> list[Column[StepRun]]:
    """The columns of the steps, in ``workflow show``."""
    return [
        Column("step", lambda step: printable(step.label), flexible=True, least=LEAST_NAME),
        Column(
            "status",
            lambda step: f"{SYMBOLS[step.status]} {step.status.value}",
            style=lambda step: STYLES[step.status],
        ),
        Column("reason", lambda step: printable(step_reason(step)), drop=1, flexible=True, least=16),
        Column("attempts", lambda step: str(step.attempts) if step.attempts > 1 else "", drop=4, right=True),
        Column("job", lambda step: "" if step.job_id is None else str(step.job_id), drop=3, right=True),
        Column("duration", lambda step: length(step_seconds(step, now_ms)), drop=2, right=True),
    ]


def run_columns(now_ms: int) -> list[Column[WorkflowRun]]:
    """The columns of ``workflow list``."""
    return [
        Column("id", lambda run: str(run.job_id), right=True),
        Column("name", lambda run: printable(run.name), flexible=True, least=LEAST_NAME),
        Column(
            "status",
            lambda run: f"{JOB_SYMBOLS[run.status]} {run_status(run)}",
            flexible=True,
            least=LEAST_STATUS,
            style=run_style,
        ),
        Column("steps", _steps, drop=2),
        Column("failed", lambda run: str(run.failed or ""), drop=1, right=True, style=lambda _: "bold red"),
        Column("rollback", _rollback, drop=4, style=lambda _: "yellow"),
        Column("submitted", lambda run: ago(run.created_at, now_ms), drop=3),
        Column("duration", lambda run: length(_seconds(run, now_ms)), drop=5, right=True),
    ]


def run_style(run: WorkflowRun) -> str:
    """The colour of its status; of a partial success that of a warning."""
    if run.outcome is RunOutcome.PARTIAL:
        return "yellow"
    return JOB_STYLES[run.status]


def _steps(run: WorkflowRun) -> str:
    return f"{bar(run.ended, run.steps, _BAR_CELLS)} {run.ended}/{run.steps}".strip()


def _rollback(run: WorkflowRun) -> str:
    return "" if run.rollback is RollbackState.NONE else run.rollback.value


def _seconds(run: WorkflowRun, now_ms: int) -> float | None:
    return seconds_between(run.started_at, run.finished_at or now_ms)
