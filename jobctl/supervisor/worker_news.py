"""What workers tell, turned into facts: which attempts have begun, which have ended and what came back."""

from __future__ import annotations

from collections.abc import Callable, Collection

from jobctl.clock import Clock
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.journals import Begin, Bye, End, Ready, Recalled, Record
from jobctl.executors.processes import ProcessTable, stray_children, tag_of
from jobctl.model.attempts import judge
from jobctl.model.homes import Home
from jobctl.model.specs import JobSpec
from jobctl.model.states import JobStatus
from jobctl.store.transitions import Claim, EndFact, StartFact
from jobctl.supervisor.function_attempts import FunctionAttempt, end_of_call
from jobctl.supervisor.handouts import Means
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.kept_worker import Held, KeptWorker
from jobctl.supervisor.watcher import Watcher

_FINAL = (JobStatus.COMPLETED, JobStatus.FAILED)


class WorkerNews:
    """Facts of function jobs that are not on record yet.

    Most functions end within one turn and leave nothing but a result: those are ``ends``, recorded many at once. All
    others go the way of every attempt, through the watcher.
    """

    def __init__(
        self,
        home: Home,
        clock: Clock,
        identities: Identities,
        watcher: Watcher,
        means: Means,
        spread: Callable[[], float],
    ) -> None:
        self.starts: list[StartFact] = []
        self.ends: list[EndFact] = []
        self.released: list[Claim] = []
        """Handed out and never begun."""
        self.tracebacks: list[tuple[Claim, str]] = []
        self._home = home
        self._clock = clock
        self._identities = identities
        self._watcher = watcher
        self._means = means
        self._spread = spread
        self._strays: frozenset[bytes] | None = None
        self._now, self._now_ms = clock.monotonic(), clock.now_ms()

    @property
    def are_any(self) -> bool:
        """Whether there is anything to record."""
        return bool(self.starts or self.ends or self.released or self.tracebacks)

    def take_starts(self) -> list[StartFact]:
        """Attempts that have begun since the last call and are watched."""
        starts, self.starts = self.starts, []
        return starts

    def recorded(self) -> None:
        """The transaction was committed."""
        self.ends, self.released, self.tracebacks = [], [], []

    def read(self, worker: KeptWorker, workers: Collection[KeptWorker]) -> None:
        """What the worker told since the last time is known.

        Args:
            worker: the one.
            workers: all there are: what they left behind is told by their tags.
        """
        self._strays = None
        self._now, self._now_ms = self._clock.monotonic(), self._clock.now_ms()
        for record in worker.read():
            self._heed(worker, record, workers)
        current = worker.current
        if current is not None and current.attempt is None:
            self._watch(worker, current)

    def _heed(self, worker: KeptWorker, record: Record, workers: Collection[KeptWorker]) -> None:
        match record:
            case Begin():
                worker.begins(record, self._now)
            case End():
                held = worker.held(record.token, record.job, record.attempt)
                if held is not None and held.begun_at is not None:
                    self._ended(worker, held, record, workers)
            case Recalled():
                self.released += [held.claim for held in worker.recalled(record.tokens)]
            case Ready():
                worker.pid = worker.pid or record.pid
                worker.ready = True
            case Bye():
                worker.bye = record

    # --- begun ---

    def _watch(self, worker: KeptWorker, held: Held) -> FunctionAttempt:
        """The attempt has begun and is watched as any other."""
        claim = held.claim = self._begun(held)
        directory = AttemptDirectory(self._home.attempt(claim.job_id, claim.attempt))
        leftovers = self._identities.call_tree(claim)
        attempt = FunctionAttempt(claim, directory, worker, leftovers, held.token)
        held.attempt = attempt
        self._watcher.add(attempt)
        attempt.set_clock(self._clock.now_ms(), self._clock.monotonic())
        self.starts.append(StartFact(claim, worker.pid, adopted=not worker.is_child and not worker.gone))
        return attempt

    def _begun(self, held: Held) -> Claim:
        """The claim with the instant of its begin; clocks may have been set meanwhile."""
        claimed_at = held.claim.started_at
        begun_at = claimed_at if held.begun_at is None else held.begun_at
        return held.claim.begun(max(min(begun_at, self._now_ms), min(claimed_at, self._now_ms)))

    # --- ended ---

    def _ended(self, worker: KeptWorker, held: Held, record: End, workers: Collection[KeptWorker]) -> None:
        del worker.hand[held.token]
        worker.done += 1
        worker.idle_since = self._now
        if held.name in worker.known and held.name is not None and held.begun_at is not None:
            self._means.note(held.name, (record.at - held.begun_at) / 1000)
        elif held.name is not None:
            worker.known.add(held.name)
        if record.traceback is not None:
            self.tracebacks.append((held.claim, record.traceback))
        if held.attempt is None:
            claim = self._begun(held)
            if self._is_plain(claim, record, workers) and self._note_plain(worker, claim, record):
                return
            self._watch(worker, held)
        if isinstance(held.attempt, FunctionAttempt):
            self._end_watched(held, held.attempt, record)

    def _is_plain(self, claim: Claim, record: End, workers: Collection[KeptWorker]) -> bool:
        """Whether the attempt left nothing but a result: no files, no processes, nobody to tell."""
        spec = claim.spec
        if record.has_directory or record.children or record.was_cancelled or _has_hooks(spec):
            return False
        if claim.start_on_record:  # a life that died since has told of its start
            return False
        left = self._runs_of(workers)
        return not left or self._identities.run(claim) not in left

    def _note_plain(self, worker: KeptWorker, claim: Claim, record: End) -> bool:
        """Whether the end waits for the next transaction; not if the job is tried again."""
        end = end_of_call(record)
        verdict = judge(end, claim.spec, claim.attempts_used, claim.crashes, self._spread())
        if verdict.status not in _FINAL:
            return False
        self.ends.append(
            EndFact(
                claim, worker.pid, self._ended_at(claim, record), end, verdict, record.result, None,
                record.cpu_seconds, record.rss_bytes,
            )
        )  # fmt: skip
        return True

    def _end_watched(self, held: Held, attempt: FunctionAttempt, record: End) -> None:
        attempt.record = record
        attempt.worker.is_dirty = attempt.worker.is_dirty or record.children > 0
        attempt.cpu_seconds = record.cpu_seconds
        attempt.max_rss_bytes = max(record.rss_bytes or 0, attempt.max_rss_bytes or 0) or None
        if held.linked and not record.has_directory:
            attempt.worker.directory.unlink_logs(attempt.directory.path)
        self._watcher.call_ended(attempt, self._ended_at(attempt.claim, record), clean=not record.children)

    def _ended_at(self, claim: Claim, record: End) -> int:
        return max(claim.started_at, min(record.at, self._now_ms))

    def _runs_of(self, workers: Collection[KeptWorker]) -> frozenset[bytes]:
        """Whose processes have lost their parents: as a subreaper this process has inherited them."""
        if self._strays is None:
            tags = {worker.tree.tag for worker in workers}
            known = {worker.pid for worker in workers if worker.pid is not None}
            strays = [pid for pid in stray_children(known) if tag_of(pid) in tags]
            table = ProcessTable({})
            self._strays = frozenset(table.marker(pid).removeprefix(b"JOBCTL_RUN=") for pid in strays)
        return self._strays

    # --- gone ---

    def settle(self, worker: KeptWorker) -> None:
        """The worker is gone and its journal read: what it had begun has ended, the rest was never begun."""
        self._now, self._now_ms = self._clock.monotonic(), self._clock.now_ms()
        for held in list(worker.hand.values()):
            if held.begun_at is None:
                self.released.append(held.claim)
                continue
            attempt = held.attempt or self._watch(worker, held)
            spec = attempt.claim.spec
            worker.directory.link_logs(attempt.directory.path, spec.split_output)
            self._watcher.call_ended(attempt, self._clock.now_ms(), clean=False)
        worker.hand.clear()


def _has_hooks(spec: JobSpec) -> bool:
    return spec.on_success is not None or spec.on_failure is not None
