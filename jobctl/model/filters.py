"""What a listing of jobs is narrowed to, and its order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobctl.model.selectors import Selector
from jobctl.model.states import JobStatus


class SortKey(StrEnum):
    """Orders of a listing; newest, most urgent, longest first."""

    ID = "id"
    CREATED = "created"
    STARTED = "started"
    FINISHED = "finished"
    PRIORITY = "priority"
    DURATION = "duration"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Every field that is set narrows the listing; instants in milliseconds UTC, about ``created_at``."""

    selector: Selector | None = None
    statuses: tuple[JobStatus, ...] = ()
    queue: str | None = None
    tags: tuple[str, ...] = ()
    name: str | None = None
    type: str | None = None
    user: str | None = None
    parent: int | None = None
    daemon: str | None = None
    """The name of the daemon that submitted it."""
    since: int | None = None
    until: int | None = None
    sort: SortKey = SortKey.ID
    limit: int | None = None
