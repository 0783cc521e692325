"""Lives: one supervising process each, and how it may be asked to stop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobctl.model.states import LifeId


class LifeKind(StrEnum):
    """``up`` supervises the whole home, ``run`` one reserved job."""

    UP = "up"
    RUN = "run"


class StopMode(StrEnum):
    """How a supervisor ends: after its jobs, with its jobs, or leaving them for the next one."""

    DRAIN = "drain"
    NOW = "now"
    LEAVE_RUNNING = "leave-running"


@dataclass(frozen=True, slots=True)
class Life:
    """A supervising process as the store knows it. Instants in milliseconds UTC."""

    id: LifeId
    kind: LifeKind
    pid: int
    version: str
    started_at: int
    ended_at: int | None
    stop_requested: StopMode | None
    draining: bool
