"""A slot is a nominal instant of a schedule: what may become of it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a slot."""

    FIRED = "fired"
    PENDING = "pending"
    """It waits until the schedule's active job has ended; becomes fired or skipped."""
    SKIPPED = "skipped"
    MISSED = "missed"
    FAILED = "failed"
    """Its job could not be made: the reason is a text."""


class Reason(StrEnum):
    """Why a slot did not fire."""

    OVERLAP = "overlap"
    """Skipped: a job of the schedule had not ended (overlap skip), or one slot waited already (queue)."""
    REPLACED = "replaced"
    """Skipped: it waited, and a later slot took its place (overlap replace)."""
    DISABLED = "disabled"
    """Skipped: it waited, and the schedule was disabled."""
    CHANGED = "changed"
    """Skipped: it waited, and the schedule was changed."""
    BROKEN = "broken"
    """Skipped: it waited, and the schedule turned out to be broken."""
    POLICY = "policy"
    """Missed, and the schedule says ``missed: skip``."""
    GRACE = "grace"
    """Missed, or late, for longer than the grace."""
    SUPERSEDED = "superseded"
    """Missed, and a later missed slot ran in its place (``missed: latest``)."""
    CAP = "cap"
    """Missed, with more slots than ``most_catch_up`` to run (``missed: all``)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that fires or waits."""

    due_at: datetime
    was_missed: bool = False
    """A catch-up."""
    was_pending: bool = False
    """It has a row with the outcome ``pending`` already: that row changes."""


@dataclass(frozen=True, slots=True)
class Unfired:
    """A slot that will not fire, or with ``count`` > 1 a run of them in one row ("and N more")."""

    due_at: datetime
    outcome: Outcome
    reason: Reason
    count: int = 1
    is_exact: bool = True
    """False: ``count`` is the least it can be; counting on would have cost too much."""
    last_due_at: datetime | None = None
    """The last slot of the run when ``count`` > 1."""
    was_pending: bool = False
    """It has a row with the outcome ``pending`` already: that row changes."""
