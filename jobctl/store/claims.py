"""Jobs handed to lives: claimed, given back, taken over. What a claim is fenced by, see ``store.transitions``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobctl.model.states import JobId, LifeId, Reason, Token
from jobctl.store.database import Database, Row
from jobctl.store.events import Events
from jobctl.store.gates import Gates
from jobctl.store.specs import spec_of
from jobctl.store.transitions import Claim, Transitions

MOST_ASIDE = 200
"""Jobs that may step aside in one claim: a thousand that want one lock must not hold up the turn."""

CLAIM = (
    "UPDATE jobs SET state='running', reason=NULL, attempt=attempt+1, life_id=?, token=?, started_at=?,"
    " exit_code=NULL, signal=NULL, pause_wanted=0, paused_at=NULL, paused_ms=0"
)
_ANY_GATED = (
    "SELECT EXISTS(SELECT 1 FROM jobs INDEXED BY jobs_gated WHERE state='queued' AND gated=1 AND queue=?"
    " AND kind='command')"
)
_CLAIMED = "RETURNING priority, id, attempt, attempts_used, crashes, gated"


class Claims:
    """The supervisor's moves of jobs to and from lives; each expects an open write transaction."""

    def __init__(self, database: Database, events: Events, transitions: Transitions) -> None:
        self._database = database
        self._transitions = transitions
        self._gates = Gates(database, events)
        self.more_gated = False
        """Whether a claim stopped after ``MOST_ASIDE`` jobs had stepped aside; its caller clears it."""

    def claim(self, life: LifeId, queue: str, slots: int, token: Token, now: int) -> list[Claim]:
        """Hand at most ``slots`` queued commands of ``queue`` to ``life``, most urgent first.

        One UPDATE does it, so two supervisors never hold the same job. Only where jobs are queued that need a lock
        or resources, they are asked for one by one.
        """
        if self._database.value(_ANY_GATED, (queue,)):
            return self._claim_one_by_one(life, queue, slots, token, now)
        taken = self._database.rows(
            f"{CLAIM} WHERE id IN (SELECT id FROM jobs WHERE state='queued' AND queue=? AND kind='command'"
            f" AND reserved=0 ORDER BY priority, id LIMIT ?) {_CLAIMED}",
            (life, token, now, queue, slots),
        )
        return self._claims(sorted(taken), token, now)

    def _claim_one_by_one(self, life: LifeId, queue: str, slots: int, token: Token, now: int) -> list[Claim]:
        claims: list[Claim] = []
        aside = 0
        while len(claims) < slots:
            if aside >= MOST_ASIDE:
                self.more_gated = True
                break
            row = self._database.row(
                "SELECT id, gated, lock_key FROM jobs WHERE state='queued' AND queue=? AND kind='command'"
                " AND reserved=0 ORDER BY priority, id LIMIT 1",
                (queue,),
            )
            if row is None:
                break
            if row[1] and not self._gates.takes_all(row[0], row[2]):
                aside += 1
                continue
            taken = self._database.rows(f"{CLAIM} WHERE id=? {_CLAIMED}", (life, token, now, row[0]))
            claims += self._claims(taken, token, now)
        return claims

    def claim_reserved(self, life: LifeId, token: Token, now: int) -> list[Claim]:
        """Hand the command reserved for ``life`` to it, once it is queued."""
        for job_id, lock_key in self._database.rows(
            "SELECT id, lock_key FROM jobs WHERE reserved=1 AND life_id=? AND state='queued' AND gated=1",
            (life,),
        ):
            if not self._gates.takes_all(job_id, lock_key):
                return []
        taken = self._database.rows(
            f"{CLAIM} WHERE reserved=1 AND life_id=? AND state='queued' {_CLAIMED}",
            (life, token, now, life),
        )
        return self._claims(taken, token, now)

    def _claims(self, taken: Sequence[Row], token: Token, now: int) -> list[Claim]:
        claims = []
        for _, job_id, attempt, used, crashes, gated in taken:
            row = self._database.row("SELECT spec, environment_hash FROM job_specs WHERE job_id=?", (job_id,))
            if row is None:
                raise AssertionError(f"job {job_id} has no specification")
            claims.append(
                Claim(
                    JobId(job_id), attempt, token, used, crashes, now, spec_of(row[0]), row[1],
                    resources=self._gates.given_to(JobId(job_id)) if gated else {},
                )
            )  # fmt: skip
        return claims

    def give_back(self, claim: Claim, now: int) -> None:
        """A claim whose attempt never started is queued again, or cancelled if that was asked for meanwhile.

        No attempt is burnt.
        """
        row = self._database.row(
            "UPDATE jobs SET state='queued', attempt=attempt-1, queued_at=?, started_at=NULL, token=NULL,"
            " worker_id=NULL, life_id=CASE reserved WHEN 1 THEN life_id END"
            " WHERE id=? AND state='running' AND token=? RETURNING cancel_requested_at, gated",
            (now, claim.job_id, claim.token),
        )
        if row is None:
            return
        if row[0] is not None:
            self._transitions.cancel_waiting(claim.job_id, Reason.REQUESTED, now)
        if row[1]:
            self._gates.repair(now)  # what it held is free for those it made step aside

    def take_over(self, claim: Claim, life: LifeId, token: Token) -> Claim | None:
        """A dead life's running job belongs to ``life``; None when somebody else was quicker."""
        row = self._database.row(
            "UPDATE jobs SET life_id=?, token=?, reserved=0 WHERE id=? AND state='running' AND token=?"
            " RETURNING attempts_used, crashes",
            (life, token, claim.job_id, claim.token),
        )
        if row is None:
            return None
        return replace(claim, token=token, attempts_used=row[0], crashes=row[1])

    def holders(self) -> list[LifeId]:
        """The lives that have running jobs on record."""
        rows = self._database.rows(
            "SELECT DISTINCT life_id FROM jobs INDEXED BY jobs_running WHERE state='running'"
            " AND life_id IS NOT NULL ORDER BY life_id"
        )
        return [LifeId(row[0]) for row in rows]

    def orphans(self, dead: LifeId) -> list[Claim]:
        """The running jobs of a life, as their claims stand."""
        found = self._database.rows(
            "SELECT j.id, j.attempt, j.token, j.attempts_used, j.crashes, j.started_at, s.spec,"
            " s.environment_hash, j.cancel_requested_at,"
            " EXISTS(SELECT 1 FROM attempts a WHERE a.job_id=j.id AND a.number=j.attempt),"
            " j.paused_at, j.paused_ms, j.worker_id FROM jobs j INDEXED BY jobs_running"
            " JOIN job_specs s ON s.job_id=j.id WHERE j.state='running' AND j.life_id=?",
            (dead,),
        )
        return [
            Claim(
                JobId(row[0]), row[1], Token(row[2]), row[3], row[4], row[5], spec_of(row[6]), row[7],
                cancel_requested_at=row[8], start_on_record=bool(row[9]), paused_at=row[10], paused_ms=row[11],
                worker_id=row[12],
            )
            for row in sorted(found)
        ]  # fmt: skip
