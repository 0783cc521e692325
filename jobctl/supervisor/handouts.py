"""Which worker gets which function: one to each free worker, and short ones ahead.

What a worker holds lasts 50 ms at most by the measured mean of each name, so that nobody waits long behind it and a
recall is the exception. What needs a lock or resources, or is limited by a rate, is never handed ahead: it would hold
them while it waits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.clock import Clock
from jobctl.model.queues import Queue
from jobctl.model.states import JobId, WorkerId
from jobctl.store import Store
from jobctl.store.function_jobs import Waiting
from jobctl.store.transitions import Claim
from jobctl.supervisor.kept_worker import Held, KeptWorker
from jobctl.supervisor.lifeline import Lifeline

MOST_IN_HAND = 256
AHEAD_SECONDS = 0.05
MOST_NAMES = 10_000
_WEIGHT = 0.2
_LEAST_SECONDS = 0.0001


class Means:
    """How long functions of each name take, the latest counting most."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """One more has ended."""
        known = self._seconds.get(name)
        if known is None and len(self._seconds) >= MOST_NAMES:
            self._seconds.clear()
        seconds = max(seconds, _LEAST_SECONDS)
        # A long one counts at once: what it was taken for must not be handed ahead again.
        self._seconds[name] = (
            seconds if known is None or seconds > 4 * known else known + _WEIGHT * (seconds - known)
        )

    def of(self, name: str | None) -> float:
        """Seconds; infinite for what was never seen."""
        return math.inf if name is None else self._seconds.get(name, math.inf)


@dataclass(slots=True)
class Share:
    """What a queue's functions took of its slots in this turn."""

    slots: int = 0
    commands: int | None = None
    """How many commands may be claimed beside them; None: as many as there are slots left."""


class Handouts:
    """Claims for the workers of one life; nothing is told to a worker before the claim is committed."""

    def __init__(self, store: Store, lifeline: Lifeline, clock: Clock) -> None:
        self.means = Means()
        self.given: dict[KeptWorker, list[Held]] = {}
        """Claimed in the transaction of this turn."""
        self.doomed: list[Claim] = []
        """Claimed for nobody: no worker can be started."""
        self.wanted = 0
        """How many more workers there would be work for."""
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._workers: Sequence[KeptWorker] = ()
        self._dooms = False
        self._hungry: set[str] = set()
        """Queues that had functions and slots, but no worker, in the last turn."""
        self._starving: set[str] = set()
        """The same in this turn."""

    def begin_turn(self, workers: Sequence[KeptWorker], *, dooms: bool) -> None:
        """Nothing is claimed in this turn yet.

        Args:
            workers: those that live.
            dooms: no worker can be started: what would need one is claimed to fail.
        """
        self._workers, self._dooms = workers, dooms
        self._hungry, self._starving = self._starving, set()
        self.given, self.doomed, self.wanted = {}, [], 0

    def claim_from(self, queue: Queue, free: int, now: int) -> Share:
        """The most urgent functions of the queue are claimed for the workers that can take them.

        ``free`` slots are left; a worker that has jobs of the queue has its slot already.
        """
        share = Share()
        left = self._store.functions.waiting(queue.name, MOST_IN_HAND * (1 + len(self._workers)))
        if not left:
            return share
        careful = queue.rate is not None or self._store.functions.any_gated(queue.name)
        idle = [worker for worker in self._workers if worker.is_idle and worker not in self.given]
        plan: dict[KeptWorker, list[Waiting]] = {}
        commands = self._store.functions.commands(queue.name, free + 1)
        share.commands = None if commands else 0
        for worker in idle[: self._first(left, commands, min(free, len(idle)), free, share)]:
            job = self._next(left, careful=careful)
            if job is not None:
                plan[worker] = [job]
                if job.gated:  # at once: the next one may want the same lock or the rest of a resource
                    worker.queue = queue.name
                    self._claim(worker, [job], now)
        share.slots = len(plan)
        if not careful and not self._hungry - {queue.name}:
            # A command that finds no slot now is not overtaken: its slot may be one of ours.
            passed_over = commands[free - len(plan) :][:1]
            ahead = [job for job in left if not passed_over or (job.priority, job.id) < passed_over[0]]
            self._hand_ahead(queue.name, ahead, plan)
        if left and free > len(plan) and len(idle) <= len(plan):
            planned = {job.id for jobs in plan.values() for job in jobs}
            hungry = [job for job in left if job.id not in planned][: free - len(plan)]
            self.wanted += len(hungry)
            if hungry:
                self._starving.add(queue.name)
            if self._dooms:
                self._doom(hungry, now)
        for worker, jobs in plan.items():
            if not jobs[0].gated:
                worker.queue = queue.name
                self._claim(worker, jobs, now)
        return share

    def claim_reserved(self, now: int) -> bool:
        """Whether a function is reserved for this life and queued; it is claimed if a worker is free."""
        waiting = self._store.functions.reserved(self._lifeline.id)
        if not waiting:
            return False
        idle = [worker for worker in self._workers if worker.is_idle]
        if not idle and not self._dooms:
            self.wanted = 1
        elif self._store.functions.passes_gates(waiting[0]):
            if idle:
                self._claim(idle[0], waiting[:1], now)
            else:
                self._doom(waiting[:1], now)
        return True

    # --- who gets what ---

    def _first(
        self,
        left: Sequence[Waiting],
        commands: Sequence[tuple[int, JobId]],
        room: int,
        free: int,
        share: Share,
    ) -> int:
        """How many functions are among the most urgent jobs of the queue that can have a slot now."""
        room = min(room, len(left))
        if room and commands:
            functions = [(job.priority, job.id) for job in left[:room]]
            urgent = sorted([*functions, *commands])[:free]
            room = len(set(functions).intersection(urgent))
            share.commands = len(urgent) - room
        return room

    def _next(self, left: list[Waiting], *, careful: bool) -> Waiting | None:
        """The most urgent one that may run; those whose lock or resource is taken step aside."""
        while left:
            job = left.pop(0)
            if not careful or self._store.functions.passes_gates(job):
                return job
        return None

    def _hand_ahead(self, queue: str, left: list[Waiting], plan: dict[KeptWorker, list[Waiting]]) -> None:
        """Workers that have a job of the queue get more of them in turn."""
        now = self._clock.monotonic()
        budgets: dict[KeptWorker, tuple[float, int]] = {}
        for worker in self._workers:
            planned = plan.get(worker, [])
            if planned or (worker.queue == queue and worker.goes_on_well(now)):
                names = [held.name for held in worker.hand.values()] + [job.name for job in planned]
                budgets[worker] = (
                    AHEAD_SECONDS - sum(map(self.means.of, names)),
                    MOST_IN_HAND - len(names),
                )
        while left and budgets:
            for worker, (seconds, count) in list(budgets.items()):
                if not left:
                    return
                seconds -= self.means.of(left[0].name)
                if seconds < 0 or not count:
                    del budgets[worker]
                    continue
                budgets[worker] = seconds, count - 1
                plan.setdefault(worker, []).append(left.pop(0))

    def _claim(self, worker: KeptWorker, jobs: Sequence[Waiting], now: int) -> None:
        claims = self._claimed(worker.number, jobs, now)
        names = {job.id: job.name for job in jobs}
        held = [Held(claim, claim.token, names[claim.job_id]) for claim in claims]
        self.given.setdefault(worker, []).extend(held)

    def _doom(self, jobs: Sequence[Waiting], now: int) -> None:
        for job in jobs:
            if self._store.functions.passes_gates(job):
                self.doomed += self._claimed(None, [job], now)

    def _claimed(self, worker: WorkerId | None, jobs: Sequence[Waiting], now: int) -> list[Claim]:
        wanted = [(job.id, self._lifeline.next_token()) for job in jobs]
        return self._store.functions.claim(self._lifeline.id, worker, wanted, now)
