"""Takes over what dead lives left: adopts the living, finishes the ended, requeues the never started.

A life is dead when its lock is free; nothing here judges by age or by a bare pid (DESIGN section 6, "Lives and
recovery").
"""

from __future__ import annotations

from collections.abc import Callable

from jobctl.actions.supervisors import is_locked
from jobctl.clock import Clock
from jobctl.executors.attempts import AttemptDirectory, ExitRecord
from jobctl.executors.pauses import resume
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import members
from jobctl.model.states import LifeId, WorkerId
from jobctl.store import Store
from jobctl.store.transitions import Claim, StartFact
from jobctl.supervisor.attempts import COARSE_MS, ActiveAttempt, Cause
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.lifeline import Lifeline, remove_files
from jobctl.supervisor.workers import Workers


class Recovery:
    """Recovers for one life."""

    def __init__(
        self, store: Store, lifeline: Lifeline, clock: Clock, identities: Identities, workers: Workers
    ) -> None:
        self._workers = workers
        self._pruned = False
        """Whether what dead lives left of workers was looked for once."""
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._identities = identities

    def take_over(self, deliver: Callable[[ActiveAttempt], None]) -> bool:
        """Everything that dead lives held is this life's now; True if there was anything.

        Args:
            deliver: gets each attempt that was started, running or ended, as soon as its take-over is committed:
                what fails later never loses sight of it.
        """
        dead = [life for life in self._holders() if not self._alive(life)]
        for life in dead:
            self._take_over_from(life, deliver)
        orphaned = self._adopt_workers()
        if not self._pruned:
            self._pruned = True
            self._workers.prune()
        buried = self._bury()
        return bool(dead) or orphaned or buried

    def _adopt_workers(self) -> bool:
        """Workers of dead lives are this life's to wait for, and what they have in hand is its own."""
        found = [
            (worker, life) for worker, life in self._store.workers.unended()
            if worker not in self._workers.kept and life != self._lifeline.id and not self._alive(life)
        ]  # fmt: skip
        dead = {life for _, life in found} | {life for life in self._holders() if not self._alive(life)}
        orphans = [claim for life in sorted(dead) for claim in self._store.claims.orphans(life)]
        claims = [claim for claim in orphans if claim.worker_id is not None]
        if not found and not claims:
            return False
        taken: dict[WorkerId, list[Claim]] = {worker: [] for worker, _ in found}
        with self._store.write():
            for worker in taken:
                self._store.workers.take_over(worker, self._lifeline.id)
            for claim in claims:
                mine = self._store.claims.take_over(claim, self._lifeline.id, self._lifeline.next_token())
                if mine is not None and mine.worker_id is not None:
                    taken.setdefault(mine.worker_id, []).append(mine)
        for worker, held in taken.items():
            self._workers.adopt(worker, held)
        return True

    def _holders(self) -> list[LifeId]:
        return [life for life in self._store.claims.holders() if life != self._lifeline.id]

    def _alive(self, life: LifeId) -> bool:
        return is_locked(f"{self._store.home.life(life)}/lock")

    def _bury(self) -> bool:
        """Dead lives are ended on record, once nothing is theirs any more; what was reserved for them is free."""
        dead = [
            life.id
            for life in self._store.lives.unended()
            if life.id != self._lifeline.id and not self._alive(life.id)
        ]
        if not dead:
            return False
        with self._store.write():
            for life in dead:
                self._store.lives.end(life, "lost", self._clock.now_ms())
        for life in dead:
            remove_files(self._store.home, life)
        return True

    def _take_over_from(self, life: LifeId, deliver: Callable[[ActiveAttempt], None]) -> None:
        table = ProcessTable.read()
        claims = [claim for claim in self._store.claims.orphans(life) if claim.worker_id is None]
        found = [(claim, self._probed(claim, table)) for claim in claims]
        if self._store.lives.was_stopping_jobs(life):
            for _, attempt in found:
                if attempt is not None:
                    attempt.expect_stop(self._clock.now_ms())
        with self._store.write():
            taken = [attempt for claim, attempt in found if self._take(claim, attempt)]
        for attempt in taken:
            if attempt is not None:
                if attempt.leader_ended_at is not None:
                    self._sweep(attempt, table)
                elif attempt.claim.paused_at is None:
                    # The dead life may have stopped it without a record; if a pause is still wanted, it comes again.
                    resume(table, attempt.tree)
                deliver(attempt)

    def _take(self, claim: Claim, attempt: ActiveAttempt | None) -> bool:
        """Whether the job is this life's now; one that never started goes back to its queue."""
        moves, now = self._store.transitions, self._clock.now_ms()
        mine = self._store.claims.take_over(claim, self._lifeline.id, self._lifeline.next_token())
        if mine is None:
            return False
        if attempt is None:
            self._store.claims.give_back(mine, now)
            return True
        attempt.claim = mine
        running = attempt.leader_ended_at is None
        moves.record_start(
            StartFact(mine, attempt.directory.read_pid(), adopted=running), self._lifeline.id, now
        )
        return True

    def _probed(self, claim: Claim, table: ProcessTable) -> ActiveAttempt | None:
        """The attempt as its directory shows it; None when it never started. The lock is probed first."""
        directory = AttemptDirectory(self._store.home.attempt(claim.job_id, claim.attempt))
        held = directory.is_held()
        record = directory.read_exit()
        tree = self._identities.tree_of_orphan(claim, directory)
        blank = not held and record is None and directory.read_pid() is None
        # Files can be missing or lost with the power: the record of a start, or a process, proves one as well.
        if blank and not claim.start_on_record and not members(table, tree):
            return None
        attempt = ActiveAttempt(claim, directory, tree, None)
        if held:
            attempt.set_clock(self._clock.now_ms(), self._clock.monotonic())
        else:
            now = self._clock.now_ms()
            attempt.has_record = record is not None
            attempt.leader_ended_at = now if record is None else min(record.ended_at_ms, now)
            attempt.cause = self._cause(claim, record, attempt.leader_ended_at)
        return attempt

    def _cause(self, claim: Claim, record: ExitRecord | None, ended_at: int) -> Cause | None:
        """Why the dead life was ending the attempt, if it was.

        An exit 0, or an end before the cancellation, says that it ended by itself.
        """
        if record is not None and record.code == 0:
            return None
        asked_at = claim.cancel_requested_at
        if asked_at is not None and (record is None or ended_at + COARSE_MS >= asked_at):
            return Cause.CANCEL
        timeout = claim.spec.timeout_seconds
        killed = record is None or record.code in (137, 143)
        if timeout is not None and killed and ended_at - claim.started_at - claim.paused_ms >= timeout * 1000:
            return Cause.TIMEOUT
        return None

    def _sweep(self, attempt: ActiveAttempt, table: ProcessTable) -> None:
        """Members that outlived their shim are being ended, unless they were to be kept."""
        if attempt.claim.spec.keep_children and attempt.has_record:
            return
        left = members(table, attempt.tree)
        if left:
            attempt.stray_count = len(left)
            attempt.start_sweep(self._clock.monotonic())
