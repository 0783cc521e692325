"""Schedules and their fires as the store keeps them. Instants in milliseconds UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from jobctl.clock import to_datetime
from jobctl.model.schedules import Missed, Overlap, SchedulePolicy
from jobctl.model.slots import Outcome
from jobctl.model.states import JobId, JobStatus

SUBMITTER = "schedule:"
"""What ``submitted_by`` of a schedule's jobs begins with."""
DEFAULT_UMASK = 0o022
"""Of a schedule that was not added by anybody in a shell."""


class ScheduleSource(StrEnum):
    """Where a schedule was written."""

    COMMAND_LINE = "command line"
    FILE = "file"
    BUILTIN = "builtin"


class Trigger(StrEnum):
    """What made a schedule fire."""

    SLOT = "slot"
    MANUAL = "manual"
    CATCH_UP = "catch-up"


@dataclass(frozen=True, slots=True)
class ScheduleText:
    """The part of a schedule that its owner writes; ``rule`` and ``template`` are JSON documents.

    A template is ``{"definition": NAME, "parameters": {…}}`` or ``{"job": {…}, "umask": N}``: the job as a
    line of ``submit --jsonl`` has it. Either may have ``cwd``, from which relative paths go.
    """

    kind: str
    expression: str
    rule: Mapping[str, Any]
    timezone: str
    template: Mapping[str, Any]
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    type: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule, and what it has behind it."""

    id: int
    name: str
    text: ScheduleText
    source: ScheduleSource
    created_at: int
    updated_at: int
    enabled: bool
    cursor_at: int
    """The slot up to which all is settled."""
    disabled_until: int | None = None
    disabled_reason: str | None = None
    broken: str | None = None
    """Why it cannot be heeded, whatever its owner wants: an edit mends it, or the next start."""
    next_at: int | None = None
    """When it is looked at again: its next fire, or of a disabled one its return."""
    waiting: bool = False
    """Something is to be decided when its last job has ended."""
    ended: bool = False
    """No slot will ever come."""
    settled_for: str | None = None
    last_ended_at: int | None = None
    last_at: int | None = None
    last_job_id: JobId | None = None
    last_status: JobStatus | None = None
    """Of the last job; None when there was none or it has been removed."""
    runs: int = 0
    skipped: int = 0
    missed_count: int = 0

    @property
    def submitter(self) -> str:
        """``submitted_by`` of its jobs."""
        return f"{SUBMITTER}{self.name}"

    @property
    def next_fire_at(self) -> int | None:
        """When it fires next, as far as is known; None while it is disabled or broken."""
        return self.next_at if self.enabled and self.broken is None else None


@dataclass(frozen=True, slots=True)
class Fire:
    """What became of a slot, or with ``count`` above 1 of a run of slots; ``due_at`` is None for a run by hand."""

    due_at: int | None
    decided_at: int
    outcome: Outcome
    trigger: Trigger
    reason: str | None = None
    job_id: JobId | None = None
    late_ms: int | None = None
    count: int = 1
    is_exact: bool = True
    last_due_at: int | None = None
    status: JobStatus | None = field(default=None, compare=False)
    """Of its job, as it is now."""


def instant_or_none(milliseconds: int | None) -> datetime | None:
    """The aware instant of a stored one that may be missing."""
    return None if milliseconds is None else to_datetime(milliseconds)


def policy_of(
    missed: str,
    grace_seconds: float,
    overlap: str,
    jitter_seconds: float,
    bounds: tuple[int | None, int | None],
) -> SchedulePolicy:
    """The policy that the columns of a row say."""
    return SchedulePolicy(
        missed=Missed(missed),
        missed_grace_seconds=grace_seconds,
        overlap=Overlap(overlap),
        jitter_seconds=jitter_seconds,
        start_at=instant_or_none(bounds[0]),
        end_at=instant_or_none(bounds[1]),
    )
