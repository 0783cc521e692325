"""Schedules: what is due when (the rule), in which zone, and what becomes of slots that cannot run at once.

The parts: ``schedule_rules`` the kinds of rule, ``schedule_texts`` how options and files write them,
``zones`` time zones by name, ``firings`` what a schedule owes now, ``schedule_lint`` warnings and answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from jobctl.model.schedule_rules import Rule

DEFAULT_GRACE_SECONDS = 3600.0
MOST_CATCH_UP = 100


class Missed(StrEnum):
    """What becomes of slots that passed while no supervisor watched."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a slot that is due while a job of the same schedule has not ended."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class SchedulePolicy:
    """How a schedule treats its slots, whatever its rule."""

    missed: Missed = Missed.LATEST
    missed_grace_seconds: float = DEFAULT_GRACE_SECONDS
    """Missed slots older than this are recorded and not run."""
    overlap: Overlap = Overlap.SKIP
    jitter_seconds: float = 0.0
    start_at: datetime | None = None
    """No slot before it is due; a slot at it is."""
    end_at: datetime | None = None
    """No slot at or after it is due."""
    most_catch_up: int = MOST_CATCH_UP
    """At most so many missed slots run, and at most so many get a row of their own."""


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """Everything about when: what ``schedule_texts.parse_schedule`` makes of options or of a file."""

    rule: Rule
    zone: ZoneInfo
    """``zone.key`` is the IANA name to store; ``zones.find_zone`` gives it back."""
    policy: SchedulePolicy = SchedulePolicy()
    notes: tuple[str, ...] = ()
    """What to tell the user about how the texts were understood; not warnings (see ``schedule_lint.lint``)."""


def jitter_offset(name: str, jitter_seconds: float) -> timedelta:
    """How much later than its slots the schedule ``name`` fires: always the same, below the jitter.

    Never re-rolled: systemd's RandomizedDelaySec starves machines that restart often (systemd #21166).
    Whole milliseconds, as the store keeps instants.
    """
    jitter = round(jitter_seconds * 1000)
    if jitter <= 0:
        return timedelta()
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return timedelta(milliseconds=int.from_bytes(digest, "big") % jitter)
