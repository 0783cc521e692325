"""The one job of a private life."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.states import JobId


@dataclass(frozen=True, slots=True)
class Reservation:
    """Only the life that it is reserved for claims it."""

    job_id: JobId
    queue: str
