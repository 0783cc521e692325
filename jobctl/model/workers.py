"""Workers: warm children that execute function jobs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers there are, how many of them have a job, and what they and those of today have done."""

    running: int = 0
    busy: int = 0
    jobs_done: int = 0
