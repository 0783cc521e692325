"""Jobs in any state without a supervisor: the moves of ``store.transitions``, and the files an attempt writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobctl.clock import SystemClock
from jobctl.model.attempts import AttemptEnd, Outcome, Verdict
from jobctl.model.homes import Home
from jobctl.model.lives import LifeKind
from jobctl.model.progress import Progress
from jobctl.model.specs import JobSpec, RetryPolicy, Submission
from jobctl.model.states import JobId, JobStatus, Token
from jobctl.store import Store
from jobctl.store.transitions import Claim, EndFact, StartFact


class History:
    """A home whose past the test writes by hand."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, exist_ok=True)
        self.home = Home(str(root))
        self.clock = SystemClock()
        self.store = Store.open(self.home, self.clock, create=True)
        with self.store.write():
            self.life = self.store.lives.begin(LifeKind.UP, os.getpid(), "0", self.clock.now_ms())
        self._claims: dict[JobId, Claim] = {}
        self._tokens = 0

    def close(self) -> None:
        """The store is closed."""
        self.store.close()

    def submit(
        self, name: str = "job", *, attempts: int = 1, split_output: bool = False, **fields: Any
    ) -> JobId:
        """A job is stored."""
        spec = JobSpec(
            command=fields.pop("command", ("true",)),
            cwd="/",
            split_output=split_output,
            retry=RetryPolicy(attempts=attempts, delay_seconds=0.001),
        )
        with self.store.write():
            return self.store.submissions.submit(
                [Submission(name=name, spec=spec, environment={}, **fields)], self.clock.now_ms()
            )[0].id

    def start(self, job_id: JobId) -> Claim:
        """All that is queued is claimed; this job's attempt runs and has an empty log."""
        self._tokens += 1
        now = self.clock.now_ms()
        with self.store.write():
            self.store.transitions.promote_due(now + 60_000)
            for claim in self.store.claims.claim(self.life, "default", 100, Token(self._tokens), now):
                self._claims[claim.job_id] = claim
            claim = self._claims[job_id]
            self.store.transitions.record_start(StartFact(claim, os.getpid()), self.life, now)
        self.write(job_id, b"", stream="stdout" if claim.spec.split_output else "output")
        return claim

    def write(self, job_id: JobId, data: bytes, *, stream: str = "output") -> None:
        """The running attempt has printed ``data``."""
        directory = Path(self.home.attempt(job_id, self._claims[job_id].attempt))
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / f"{stream}.log").open("ab") as log:
            log.write(data)

    def report(self, job_id: JobId, progress: Progress) -> None:
        """The running job shows this progress."""
        with self.store.write():
            self.store.transitions.record_progress(self._claims[job_id], progress, self.clock.now_ms())

    def end(self, job_id: JobId, code: int = 0, *, again: bool = False, error: str | None = None) -> None:
        """The running attempt ended with this exit code; the job too, unless ``again``."""
        outcome = Outcome.FAILED if code else Outcome.COMPLETED
        reason = "exit" if code else None
        verdict = Verdict(JobStatus.CREATED, "retry") if again else Verdict(JobStatus(outcome.value), reason)
        claim, now = self._claims.pop(job_id), self.clock.now_ms()
        fact = EndFact(claim, os.getpid(), now, AttemptEnd(outcome, reason, code, None, error), verdict)
        with self.store.write():
            assert self.store.transitions.record_end(fact, self.life, now)

    def run(self, name: str = "job", code: int = 0, output: bytes = b"", **fields: Any) -> JobId:
        """A job was submitted, ran, printed ``output`` and ended."""
        job_id = self.submit(name, **fields)
        self.start(job_id)
        if output:
            self.write(job_id, output, stream="stdout" if fields.get("split_output") else "output")
        self.end(job_id, code)
        return job_id
