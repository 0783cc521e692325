"""What callers want of running jobs, as the supervisor that has them reads it."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.states import JobId, LifeId, Token
from jobctl.store.database import Database


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A caller wants a running job ended; each further request raises ``requests``."""

    job_id: JobId
    token: Token
    grace_seconds: float | None
    signal: int | None
    reason: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """A caller wants a running job stopped, or going on."""

    job_id: JobId
    token: Token
    pause: bool


class Intents:
    """Read only: callers write them in ``store.transitions``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel_requests(self, life: LifeId) -> list[CancelRequest]:
        """What callers want ended among the running jobs of ``life``."""
        found = self._database.rows(
            "SELECT j.id, j.token, c.grace_seconds, c.signal, c.reason, ifnull(c.requests, 1) FROM jobs j"
            " INDEXED BY jobs_cancelling"
            " LEFT JOIN cancel_requests c ON c.job_id=j.id"
            " WHERE j.state='running' AND j.life_id=? AND j.cancel_requested_at IS NOT NULL",
            (life,),
        )
        return [CancelRequest(*row) for row in found]

    def cancel_request(self, job_id: JobId) -> CancelRequest | None:
        """How the running job is to be ended, and how often that was asked for; None if nobody did."""
        row = self._database.row(
            "SELECT j.id, j.token, c.grace_seconds, c.signal, c.reason, c.requests FROM cancel_requests c"
            " JOIN jobs j ON j.id=c.job_id WHERE c.job_id=?",
            (job_id,),
        )
        return None if row is None else CancelRequest(*row)

    def pause_requests(self, life: LifeId) -> list[PauseRequest]:
        """Which running jobs of ``life`` are to be stopped or to go on, and are not or do not yet."""
        found = self._database.rows(
            "SELECT id, token, pause_wanted FROM jobs INDEXED BY jobs_pausing WHERE state='running' AND life_id=?"
            " AND pause_wanted<>(paused_at IS NOT NULL)",
            (life,),
        )
        return [PauseRequest(row[0], row[1], bool(row[2])) for row in found]
