"""The workers of a life: which there are, what they are handed, and their ends (DESIGN section 6, "Function jobs")."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from jobctl.clock import Clock
from jobctl.errors import SecretsError
from jobctl.executors.base import SpawnError, StartRefused
from jobctl.executors.functions import WorkerDirectory, start_worker
from jobctl.executors.kills import TreeKill
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import members
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.lives import LifeKind
from jobctl.model.states import JobId, Reason, WorkerId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.transitions import Claim
from jobctl.supervisor.handouts import Handouts
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.kept_worker import IDLE_SECONDS, Held, KeptWorker
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.watcher import POLL_SECONDS, Watcher
from jobctl.supervisor.worker_news import WorkerNews
from jobctl.supervisor.worker_orders import NOT_ALLOWED, WorkerOrders

MOST_USUAL = 8
"""Workers where the settings name no number, however many processors there are."""
RECALL_SECONDS = 0.25
"""What is behind a job that takes longer goes to others."""
LINK_SECONDS = 0.5
FAREWELL_SECONDS = 10.0
"""How long resources may take to close."""
MOST_BACKOFF_SECONDS = 60.0
MOST_CRASHES = 3
"""Workers that end before they are ready are not believed to be the machine's trouble for longer."""


class Workers:
    """Keeps the workers of one life and takes over those of dead ones; each method is a step of the turn."""

    def __init__(
        self,
        store: Store,
        lifeline: Lifeline,
        clock: Clock,
        settings: Settings,
        identities: Identities,
        watcher: Watcher,
        spread: Callable[[], float],
    ) -> None:
        self.kept: dict[WorkerId, KeptWorker] = {}
        self.handouts = Handouts(store, lifeline, clock)
        self.news = WorkerNews(store.home, clock, identities, watcher, self.handouts.means, spread)
        self.failures: list[tuple[Claim, AttemptEnd]] = []
        """Claims for which no worker could be started."""
        self.refusal: str | None = None
        """Why no worker could be started for lack of something."""
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._identities = identities
        self._watcher = watcher
        self._orders = WorkerOrders(store, identities, f"{store.home.life(lifeline.id)}/wake", settings)
        self._new: list[WorkerId] = []
        """Numbers taken in the transaction of this turn."""
        self._pids: dict[WorkerId, int] = {}
        self._ended: dict[WorkerId, str] = {}
        """What is not on record yet."""
        self._crashes = 0
        self._start_at = 0.0
        self._trouble: str | None = None
        """Why workers cannot be started; said to the jobs that would need one."""
        self._told_trouble = True
        self._idle_changed = False
        self._probe_at = 0.0

    # --- collect ---

    def use(self, settings: Settings) -> None:
        """From now on these hold: every worker ends after its present job, and new ones know the changed code."""
        self._orders.use(settings)
        self._crashes, self._start_at, self._trouble = 0, 0.0, None
        for worker in self.kept.values():
            self._retire(worker)

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended was a worker."""
        for worker in self.kept.values():
            if worker.is_child and worker.pid == pid and worker.status is None:
                worker.ended(os.waitstatus_to_exitcode(status))
                self._watcher.workers.discard(pid)
                return True
        return False

    def collect(self) -> None:
        """What the workers told is known, what takes long is watched, what is over is settled."""
        if not self.kept:
            return
        now = self._clock.monotonic()
        self._probe_orphans(now)
        workers = list(self.kept.values())
        for worker in workers:
            could = worker.is_idle
            if worker.kill is None:
                self.news.read(worker, workers)
            if worker.gone:
                self._settle(worker, now)
            else:
                self._look_after(worker, now)
            self._idle_changed = self._idle_changed or worker.is_idle != could

    def _probe_orphans(self, now: float) -> None:
        """The lock is probed before the journal is read: what is written afterwards is not missed."""
        if now < self._probe_at:
            return
        self._probe_at = now + POLL_SECONDS
        for worker in self.kept.values():
            if not worker.is_child and not worker.gone and not worker.directory.is_held():
                worker.gone = True

    def _look_after(self, worker: KeptWorker, now: float) -> None:
        current = worker.current
        if worker.ready and self._crashes and worker.is_child:
            self._crashes, self._trouble = 0, None
        if current is not None:
            lasted = now - current.seen_at
            if lasted >= RECALL_SECONDS:
                worker.recall()
            if lasted >= LINK_SECONDS and not current.linked:
                self._link(worker, current)
        worker.flush()
        if worker.is_dirty or (not worker.hand and now - worker.idle_since >= IDLE_SECONDS):
            self._retire(worker)
        if worker.bye is not None and worker.ended_at is None:
            worker.ended_at = now
        leaves = worker.ended_at is not None and current is None
        if leaves and worker.kill is None and now - (worker.ended_at or now) >= FAREWELL_SECONDS:
            worker.kill = TreeKill(worker.tree, grace_seconds=0, now=now)

    def _link(self, worker: KeptWorker, held: Held) -> None:
        """What the job printed without Python's knowledge is seen in its own log, too."""
        attempt, split = held.attempt, held.claim.spec.split_output
        if attempt is None or not worker.directory.link_logs(attempt.directory.path, split):
            return
        held.linked = True
        self.news.read(
            worker, list(self.kept.values())
        )  # it may have ended meanwhile: then that was no output of it

    def _retire(self, worker: KeptWorker) -> None:
        """It ends after its present job; what is behind that comes back at once."""
        if worker.retiring or worker.gone:
            return
        worker.recall()
        worker.hang_up()
        if worker.ended_at is None:
            worker.ended_at = self._clock.monotonic()

    def _settle(self, worker: KeptWorker, now: float) -> None:
        """The worker is gone: so are its processes soon, and then its files."""
        if not worker.settled:
            worker.settled = True
            worker.hang_up()
            self._note_end(worker, now)
            self.news.settle(worker)
            if members(ProcessTable.read(), worker.tree) and worker.kill is None:
                worker.kill = TreeKill(worker.tree, grace_seconds=FAREWELL_SECONDS, now=now)

    def advance_kills(self) -> None:
        """Workers that do not end by themselves, and what ended ones left, came one step closer to their end."""
        kills = [worker for worker in self.kept.values() if worker.kill is not None]
        if not kills:
            return
        table, now = ProcessTable.read(), self._clock.monotonic()
        for worker in kills:
            if worker.kill is not None and worker.gone and not members(table, worker.tree):
                worker.kill = None
            elif worker.kill is not None:
                worker.kill.advance(table, now)

    def _note_end(self, worker: KeptWorker, now: float) -> None:
        """It is known how the worker ended; one that never was ready delays the next one."""
        why = worker.bye.why if worker.bye is not None else "hangup" if worker.retiring else "crashed"
        self._ended[worker.number] = why
        if worker.ready or not worker.is_child or why == "hangup":
            return
        self._crashes += 1
        self._start_at = now + min(MOST_BACKOFF_SECONDS, 2.0 ** (self._crashes - 1))
        said = worker.bye.error if worker.bye is not None else None
        words = said or worker.directory.last_words() or f"exit status {worker.status}"
        if worker.bye is not None or self._crashes >= MOST_CRASHES or (worker.status or 0) > 0:
            self._trouble, self._told_trouble = f"no worker could be started: {words}", False

    # --- record and claim: in the supervisor's transaction ---

    @property
    def want_a_turn(self) -> bool:
        """Whether there is anything to record, or to claim for."""
        return bool(
            self.news.are_any or self._idle_changed or self._pids or self._ended
            or any(worker.done and worker.idle_since for worker in self.kept.values())
        )  # fmt: skip

    def record(self, now: int) -> None:
        """The ends of functions that left nothing, what was not begun, and the workers themselves are on record."""
        for claim in self.news.released:
            self._store.claims.give_back(claim, now)
        for claim, text in self.news.tracebacks:
            self._store.functions.record_traceback(claim, text)
        self.unsuccessful = 0
        if self.news.ends:
            self.unsuccessful = sum(
                end.end.outcome is not Outcome.COMPLETED
                for end in self._store.functions.record_ends(self.news.ends, self._lifeline.id, now)
            )
        for number, pid in self._pids.items():
            self._store.workers.set_pid(number, pid)
        self._store.workers.count_done({worker.number: worker.done for worker in self.kept.values()})
        for number, why in self._ended.items():
            self._store.workers.end(number, why, now)

    unsuccessful = 0
    """Jobs that failed, of those that the last ``record`` wrote."""

    def begin_claims(self) -> None:
        """Claims may be made for the workers there are."""
        self.unclaim()
        dooms = self._trouble is not None and not self._told_trouble
        self.handouts.begin_turn([w for w in self.kept.values() if not w.gone], dooms=dooms)

    def end_claims(self, now: int) -> None:
        """Numbers are taken for the workers that there is work for, in the open transaction."""
        fresh = [w for w in self.kept.values() if not (w.ready or w.gone or w.retiring)]
        alive = [w for w in self.kept.values() if not (w.retiring or w.gone or w.bye)]
        count = min(self.handouts.wanted - len(fresh), self._most - len(alive))
        if self._clock.monotonic() >= self._start_at:
            self._new = [self._store.workers.begin(self._lifeline.id, now) for _ in range(count)]

    def unclaim(self) -> None:
        """The transaction was rolled back, or is about to begin."""
        self._new = []
        self.handouts.given, self.handouts.doomed = {}, []

    @property
    def _most(self) -> int:
        if self._lifeline.kind is LifeKind.RUN:
            return 1
        return self._orders.settings.max_workers or max(1, min(MOST_USUAL, os.cpu_count() or 1))

    def recorded(self) -> None:
        """The transaction was committed."""
        self.news.recorded()
        self._pids.clear()
        self._idle_changed = False
        for worker in list(self.kept.values()):
            worker.done = 0
            worker.journal.forget_read()
            worker.forget_orders()
            if worker.number in self._ended and worker.kill is None:
                worker.close()
                worker.directory.remove()
                del self.kept[worker.number]
                del self._ended[worker.number]
        for number in [number for number in self._ended if number not in self.kept]:
            del self._ended[number]

    def take_failures(self) -> list[tuple[Claim, AttemptEnd]]:
        """Claims for which no worker could be started, since the last call."""
        failures, self.failures = self.failures, []
        return failures

    # --- hand over and start ---

    def hand_over(self) -> None:
        """What was claimed is told to the workers, and those there is work for are started."""
        given, self.handouts.given = self.handouts.given, {}
        for worker, jobs in given.items():
            able = [held for held in jobs if self._may_begin(held.claim)]
            try:
                worker.hand_over([(held, self._orders.job(held.claim)) for held in able])
            except OSError as error:
                self.refusal = f"cannot write the orders of a worker: {error.strerror}"
                self.news.released += [held.claim for held in able]
                self._retire(worker)
        if self.handouts.doomed:
            self._told_trouble = True
            end = AttemptEnd(Outcome.FAILED, Reason.SPAWN_ERROR, None, None, self._trouble)
            self.failures += [(claim, end) for claim in self.handouts.doomed]
            self.handouts.doomed = []
        new, self._new = self._new, []
        for number in new:
            self._start(number)

    def _may_begin(self, claim: Claim) -> bool:
        """Whether the function is still allowed; otherwise that is how the attempt ends."""
        refusal = self._orders.refusal(claim)
        if refusal is not None:
            end = AttemptEnd(Outcome.FAILED, Reason.SPAWN_ERROR, NOT_ALLOWED, None, refusal)
            self.failures.append((claim, end))
        return refusal is None

    def _start(self, number: WorkerId) -> None:
        now = self._clock.monotonic()
        directory = WorkerDirectory(self._store.home.worker(number))
        try:
            started = start_worker(self._orders.worker(number))
        except (StartRefused, SpawnError, SecretsError) as error:
            directory.remove()
            self._ended[number] = "never started"
            self._crashes += 1
            self._start_at = now + min(MOST_BACKOFF_SECONDS, 2.0 ** (self._crashes - 1))
            if isinstance(error, StartRefused):
                self.refusal = error.message
            else:
                self._trouble, self._told_trouble = f"no worker could be started: {error}", False
            return
        worker = KeptWorker(number, directory, self._identities.worker_tree(number))
        worker.started(started.process, started.pipe, now)
        self.kept[number] = worker
        self._watcher.workers.add(started.process.pid)
        self._pids[number] = started.process.pid

    # --- asked by others ---

    def heed_cancel(self, job_id: JobId) -> bool:
        """Whether the job is in a worker's hand and is not watched yet: it is asked for again, or comes back."""
        for worker in self.kept.values():
            for held in worker.hand.values():
                if held.claim.job_id == job_id:
                    worker.recall()
                    return True
        return False

    def adopt(self, number: WorkerId, claims: Sequence[Claim]) -> None:
        """A worker of a dead life is this life's to wait for, with the claims that were taken over."""
        directory = WorkerDirectory(self._store.home.worker(number))
        worker = KeptWorker(number, directory, self._identities.worker_tree(number))
        worker.adopted()
        worker.retiring = True
        worker.started_at = worker.idle_since = worker.ended_at = self._clock.monotonic()
        worker.hand = {claim.token: Held(claim, claim.token) for claim in claims}
        worker.gone = not directory.is_held()
        self.kept[number] = worker
        self.news.read(worker, list(self.kept.values()))
        worker.recall()

    def prune(self) -> None:
        """Directories of workers that are on record as gone, or not at all, are gone too."""
        try:
            names = os.listdir(self._store.home.workers)
        except OSError:  # there was never a worker
            return
        open_ones = {number for number, _ in self._store.workers.unended()} | self.kept.keys()
        for name in names:
            directory = WorkerDirectory(f"{self._store.home.workers}/{name}")
            if name.isdecimal() and int(name) not in open_ones and not directory.is_held():
                directory.remove()

    # --- the end ---

    def retire_all(self) -> None:
        """Every worker ends after its present job."""
        for worker in self.kept.values():
            self._retire(worker)

    @property
    def have_jobs(self) -> bool:
        """Whether a job is in any worker's hand."""
        return any(worker.hand for worker in self.kept.values()) or bool(self.handouts.given)

    @property
    def are_at_rest(self) -> bool:
        """Whether there is no worker any more, and nothing to record."""
        return not self.kept and not self.want_a_turn

    def abandon(self) -> None:
        """The workers finish what they do without this supervisor."""
        for worker in self.kept.values():
            worker.abandon()
        self.kept.clear()

    def pause_seconds(self) -> float | None:
        """How long nothing has to be done here; None: until something happens."""
        now = self._clock.monotonic()
        waits = [0.0] if self.failures else []
        for worker in self.kept.values():
            waits.append(worker.pause_seconds(now))
            if not worker.is_child:
                waits.append(max(0.0, self._probe_at - now))
        if self._start_at > now:
            waits.append(self._start_at - now)
        return max(0.0, min(waits)) if waits else None
