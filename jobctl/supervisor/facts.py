"""What has happened to the attempts of a life and is not on record yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobctl.actions.batches import settle as settle_batches
from jobctl.actions.hooks import add_hooks
from jobctl.actions.supervisors import wake
from jobctl.clock import Clock, Milliseconds
from jobctl.model.attempts import AttemptEnd, Outcome, judge
from jobctl.model.events import Entity, EventKind
from jobctl.model.lives import LifeKind
from jobctl.model.states import TERMINAL, JobStatus, Reason
from jobctl.store import Store
from jobctl.store.events import job_event
from jobctl.store.transitions import Claim, EndFact, StartFact
from jobctl.supervisor.attempts import ActiveAttempt
from jobctl.supervisor.dispatcher import Started
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.watcher import Watcher
from jobctl.supervisor.workers import Workers

_UNSUCCESSFUL = TERMINAL - {JobStatus.COMPLETED}


class Facts:
    """Starts, ends and refused starts of this turn, and what the watcher saw.

    Args:
        store: the supervisor's own.
        lifeline: this process's life.
        clock: of ends whose instant nobody knows better.
        watcher: has the attempts that run, their progress and pauses.
        workers: have the functions that left nothing to watch.
        spread: numbers in [0, 1) for the jitter of back-offs.
    """

    def __init__(
        self,
        store: Store,
        lifeline: Lifeline,
        clock: Clock,
        watcher: Watcher,
        workers: Workers,
        spread: Callable[[], float],
    ) -> None:
        self._workers = workers
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._watcher = watcher
        self._spread = spread
        self.starts: list[StartFact] = []
        self.ends: list[EndFact] = []
        self.refused: list[Claim] = []
        self.failed_jobs = 0
        """Jobs that this life recorded as ended otherwise than completed."""
        self._failures = 0
        """The same in the transaction of this turn."""
        self._refusal: str | None = None
        self._last_refusal: str | None = None

    @property
    def of_attempts(self) -> bool:
        """Whether an attempt has started, ended or could not start since the last record."""
        return bool(self.starts or self.ends or self.refused)

    @property
    def are_any(self) -> bool:
        """Whether there is anything to record."""
        seen = self._watcher.progressed or self._watcher.pauses or self._watcher.notes
        return self.of_attempts or bool(seen) or self._workers.want_a_turn

    # --- collect ---

    def note_conclusions(self) -> None:
        """What follows from each end waits for the next transaction."""
        self.starts += self._workers.news.take_starts()
        for claim, end in self._workers.take_failures():
            self.starts.append(StartFact(claim, None))
            self._note_end(claim, None, end)
        for conclusion in self._watcher.take_concluded():
            attempt = conclusion.attempt
            self._note_end(
                attempt.claim,
                attempt.pid,
                conclusion.end,
                attempt.leader_ended_at,
                attempt,
                conclusion.result,
            )

    def note_started(self, started: Started) -> None:
        """What became of the claims of this turn waits for the next transaction."""
        for attempt in started.attempts:
            self._watcher.add(attempt)
            self.starts.append(StartFact(attempt.claim, attempt.pid))
        for claim, end in started.failures:
            self.starts.append(StartFact(claim, None))
            self._note_end(claim, None, end)
        if started.refused:
            self.refused += started.refused
            self._note_refusal(started.refusal)

    def note_workers(self) -> None:
        """Why no worker could be started or told of its jobs waits for the next transaction."""
        refusal, self._workers.refusal = self._workers.refusal, None
        if refusal is not None:
            self._note_refusal(refusal)

    def _note_refusal(self, refusal: str | None) -> None:
        """Said once while it stays the same."""
        self._refusal = refusal if refusal != self._last_refusal else None
        self._last_refusal = refusal

    def _note_end(
        self,
        claim: Claim,
        pid: int | None,
        end: AttemptEnd,
        at: int | None = None,
        attempt: ActiveAttempt | None = None,
        result: object = None,
    ) -> None:
        verdict = judge(end, claim.spec, claim.attempts_used, claim.crashes, self._spread())
        outputs, problem = attempt.directory.read_outputs() if attempt is not None else (None, None)
        if problem is not None and end.outcome is Outcome.COMPLETED:
            end = replace(end, reason=Reason.OUTPUTS, error=end.error or problem)
        self.ends.append(
            EndFact(
                claim, pid, self._clock.now_ms() if at is None else at, end, verdict, result,
                outputs,
                attempt.cpu_seconds if attempt is not None else None,
                attempt.max_rss_bytes if attempt is not None else None,
            )
        )  # fmt: skip

    # --- record: in the supervisor's transaction ---

    def record(self, now: Milliseconds) -> None:
        """All of it is on record once the open transaction is committed."""
        transitions, life = self._store.transitions, self._lifeline.id
        self._failures = 0
        for claim in self.refused:
            self._store.claims.give_back(claim, now)
        if self._refusal is not None:
            kind, why = EventKind.SUPERVISOR_START_REFUSED, {"error": self._refusal}
            self._store.events.add(now, kind, Entity.SUPERVISOR, life, why)
        for start in self.starts:
            transitions.record_start(start, life, now)
        for job_id in self._watcher.progressed:
            attempt = self._watcher.active[job_id]
            transitions.record_progress(attempt.claim, attempt.progress, now)
        for fact in self._watcher.pauses:
            transitions.record_pause(fact)
        self._store.events.add_rows(
            job_event(now, kind, job_id, data) for kind, job_id, data in self._watcher.notes
        )
        self._workers.record(now)
        self._failures += self._workers.unsuccessful
        for end in self.ends:
            self._record_end(end, now)
        transitions.promote_due(now)
        settle_batches(self._store, now)

    def _record_end(self, end: EndFact, now: Milliseconds) -> None:
        if not self._store.transitions.record_end(end, self._lifeline.id, now):
            return
        self._failures += end.verdict.status in _UNSUCCESSFUL
        if _has_hook(end):
            add_hooks(self._store, [end.claim.job_id], now)
        attempt = self._watcher.active.get(end.claim.job_id)
        if attempt is not None and attempt.stray_count:
            data = {"attempt": end.claim.attempt, "processes": attempt.stray_count}
            self._store.events.add_rows([job_event(now, EventKind.JOB_STRAYS_KILLED, end.claim.job_id, data)])

    def recorded(self) -> None:
        """The transaction was committed."""
        self.failed_jobs += self._failures
        for end in self.ends:
            self._watcher.forget(end.claim.job_id)
        if (self.ends or self._workers.news.ends) and self._lifeline.kind is LifeKind.RUN:
            wake(self._store.home)  # a slot is free for others
        self.starts, self.ends, self.refused, self._refusal = [], [], [], None
        self._workers.recorded()
        self._watcher.progressed.clear()
        self._watcher.pauses.clear()
        self._watcher.notes.clear()


def _has_hook(end: EndFact) -> bool:
    spec = end.claim.spec
    return end.verdict.status.is_terminal and (spec.on_success or spec.on_failure) is not None
