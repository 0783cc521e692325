"""The supervisor: one synchronous loop, one transaction a turn (DESIGN section 1).

    collect what happened → record all of it and claim new work → start what was claimed → sleep

``turn`` never sleeps, so tests call it by hand with a clock of their own.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobctl.clock import Clock
from jobctl.errors import StoreBusyError, StoreDamagedError, StoreForeignError, StoreFullError, UnusableError
from jobctl.executors.base import Executor
from jobctl.model.events import Event
from jobctl.model.lives import LifeKind, StopMode
from jobctl.model.states import JobId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.database import SUPERVISOR_TIMEOUT_SECONDS
from jobctl.store.transitions import Claim
from jobctl.supervisor.attempts import ActiveAttempt
from jobctl.supervisor.dispatcher import Dispatcher
from jobctl.supervisor.dues import Dues
from jobctl.supervisor.facts import Facts
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.pruner import Pruner
from jobctl.supervisor.publisher import Publisher
from jobctl.supervisor.recovery import Recovery
from jobctl.supervisor.reloads import Reloads
from jobctl.supervisor.reservations import Reservation
from jobctl.supervisor.scheduler import Scheduler
from jobctl.supervisor.statistician import Statistician
from jobctl.supervisor.wakeups import Wakeups
from jobctl.supervisor.watcher import Watcher
from jobctl.supervisor.wishes import Wishes
from jobctl.supervisor.workers import Workers

if TYPE_CHECKING:
    from jobctl.supervisor.daemons import DaemonKeeper
    from jobctl.supervisor.notifier import Notifier
    from jobctl.supervisor.workflows import Workflows

RECOVERY_SECONDS = 2.0
BUSY_SECONDS = 0.02
REFUSED_SECONDS = 1.0
GROUPING_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 60.0


class Supervisor:
    """Runs jobs for one home, or the one job reserved for a private life.

    Args:
        store: open; this object sets its busy timeout.
        settings: intervals and defaults.
        clock: wall and monotonic time.
        executor: starts attempts.
        lifeline: this process's life.
        listener: gets every new event after its commit.
        spread: numbers in [0, 1) for the jitter of back-offs.
    """

    stopping: StopMode | None = None
    stop_grace: float | None = None
    """Seconds of grace for jobs stopped with the supervisor; None: each job's own."""
    reservation: Reservation | None = None
    heeds_signals = True
    """Whether stop signals drain and stop it; otherwise its owner heeds them."""
    trouble: str | None = None
    """Why nothing can be recorded now; None while all is well."""
    daemons: DaemonKeeper | None = None
    """Keeps the daemons; a private life has none."""
    workflows: Workflows | None = None
    """Moves the workflows on; a private life has nothing to do with them."""
    scheduler: Scheduler | None = None
    """Fires the schedules; a private life has none."""
    notifier: Notifier | None = None
    """Tells of what happens; a private life leaves that to the next supervisor."""

    _wakeups: Wakeups | None = None
    _told: StopMode | None = None
    """The way of stopping that is on record."""
    _recovered: bool
    """Whether dead lives were looked for: nothing is claimed before."""
    _recover_at = 0.0
    _dirty = True
    _more = _busy = _checkpointed = False

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        executor: Executor,
        lifeline: Lifeline,
        *,
        listener: Callable[[list[Event]], None] | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.store = store
        self.lifeline = lifeline
        self._settings = settings
        self._clock = clock
        self._publisher = Publisher(store, lifeline.events_before, listener)
        identities = Identities(store)
        self.watcher = Watcher(clock, identities, settings.progress_interval, settings.log_cap)
        self.workers = Workers(store, lifeline, clock, settings, identities, self.watcher, spread)
        self.dispatcher = Dispatcher(store, lifeline, clock, executor, identities, self.workers)
        self._wishes = Wishes(store, lifeline, clock, self.watcher, self.workers)
        self._dues = Dues(store, clock, self.dispatcher, has_workflows=lifeline.kind is LifeKind.UP)
        self._recovery = Recovery(store, lifeline, clock, identities, self.workers)
        self._facts = Facts(store, lifeline, clock, self.watcher, self.workers, spread)
        self._reloads = Reloads(store, lifeline, clock, lambda: dict(os.environ))
        self.statistician = Statistician(store, clock, f"{store.home.life(lifeline.id)}/lock")
        self.pruner = Pruner(store, clock, settings)
        self._recovered = lifeline.kind is LifeKind.RUN
        if lifeline.kind is LifeKind.UP:
            from jobctl.supervisor.daemon_functions import DaemonFunctions  # `run` does without
            from jobctl.supervisor.daemons import DaemonKeeper
            from jobctl.supervisor.notifier import Notifier
            from jobctl.supervisor.workflows import Workflows

            self.notifier = self._dues.notifier = Notifier(store)
            self.workflows = Workflows(store)
            self.scheduler = Scheduler(store, lifeline.id, clock, settings)
            functions = DaemonFunctions(store, settings)
            self.daemons = DaemonKeeper(store, clock, executor, identities, functions, spread)
        self.watcher.stranger_ended = self._stranger_ended
        self._claims: list[Claim] = []
        store.database.set_timeout(SUPERVISOR_TIMEOUT_SECONDS)

    # --- the turn ---

    def turn(self) -> None:
        """One turn; returns without sleeping."""
        self._hear()
        if self.scheduler is not None:
            self.scheduler.watch_clocks()
        self._reload()
        self.watcher.reap()
        self.workers.collect()
        if self.stopping is not None and not self._runs_jobs:
            self.workers.retire_all()
        if self.daemons is not None:
            self.daemons.keep(
                self.stopping, jobs_run=self._runs_jobs, grace=self.stop_grace,
                signals=0 if self._wakeups is None else self._wakeups.stops,
            )  # fmt: skip
        self.watcher.probe_adopted()
        self.watcher.sweep_leftovers()
        self.watcher.enforce_timeouts()
        self.watcher.advance_kills()
        self.workers.advance_kills()
        self.watcher.advance_pauses()
        self.watcher.read_progress()
        self.watcher.read_outputs()
        self.watcher.cap_logs()
        self.watcher.sample_usage()
        self._recover()
        self._facts.note_conclusions()
        self._record_and_claim()
        self._start_claimed()
        if self.daemons is not None:
            self.daemons.start()
        self._keep_house()
        self._publisher.publish()

    def _keep_house(self) -> None:
        """What happened is counted, then what is past its retention goes; a private life does neither."""
        if self.lifeline.kind is LifeKind.RUN:
            return
        self.statistician.beat()
        if self.stopping is None:
            self.statistician.step(is_busy=bool(self.watcher.active))
            if not self.statistician.behind:
                self.pruner.step()

    def run(self, wakeups: Wakeups, until: Callable[[], bool] = lambda: False) -> None:
        """Turn until it was stopped and is done, or ``until`` holds after a turn."""
        self._wakeups = self.watcher.wakeups = wakeups
        if self.daemons is not None:
            self.daemons.wakeups = wakeups
        while True:
            self.turn()
            if self.finished or until():
                return
            wakeups.wait(self.pause_seconds())

    @property
    def active(self) -> dict[JobId, ActiveAttempt]:
        """The attempts that have started and are not on record as ended."""
        return self.watcher.active

    @property
    def failed_jobs(self) -> int:
        """Jobs that this life recorded as ended otherwise than completed."""
        return self._facts.failed_jobs

    @property
    def finished(self) -> bool:
        """Whether it was asked to stop and nothing is left to do."""
        if self.stopping is None or self._facts.of_attempts or self._claims:
            return False
        if self.stopping is StopMode.LEAVE_RUNNING:
            return self.daemons is None or not self.daemons.is_due
        if self._runs_jobs or not self.workers.are_at_rest:
            return False
        return self.daemons is None or self.daemons.is_at_rest

    @property
    def _runs_jobs(self) -> bool:
        return bool(self.watcher.active) or self.workers.have_jobs

    def pause_seconds(self) -> float:
        """How long nothing has to be done unless something happens."""
        if (self._more or self._publisher.has_more) and not self._busy:
            return 0.0
        waits = [self._settings.idle_interval, LONGEST_PAUSE_SECONDS]
        if self.lifeline.kind is LifeKind.UP:
            waits.append(self._recover_at - self._clock.monotonic())
        if self._busy:
            waits.append(BUSY_SECONDS)
        elif self._facts.starts or self._facts.refused:
            waits.append(GROUPING_SECONDS)
        elif self._facts.ends or self.watcher.pauses:
            waits.append(0.0)
        if self.daemons is not None:
            waits.append(self.daemons.pause_seconds())
            if self.daemons.is_due and not self._busy:
                waits.append(0.0)
        due = self.watcher.pause_seconds()
        waits += [] if due is None else [due]
        at_work = self.workers.pause_seconds()
        waits += [] if at_work is None else [at_work]
        waits += self._dues.waits()
        if self.reservation is not None and due is None:
            waits.append(0.1)
        if self._reloads.wanted:
            waits.append(BUSY_SECONDS)
        if self.scheduler is not None and self.stopping is None and not self._busy:
            due = self.scheduler.pause_seconds()
            waits += [] if due is None else [due]
        if self.lifeline.kind is LifeKind.UP and self.stopping is None:
            due = self.statistician.pause_seconds()
            waits.append(self.pruner.pause_seconds() if due is None else due)
        return max(0.0, min(waits))

    # --- collect ---

    def abandon(self) -> None:
        """What runs goes on without this supervisor, for the next one to adopt."""
        self.watcher.abandon()
        self.workers.abandon()
        self._reloads.close()
        if self.daemons is not None:
            self.daemons.abandon()

    def _stranger_ended(self, pid: int, status: int) -> None:
        """A child that leads no attempt has been reaped."""
        if self.workers.reaped(pid, status) or self._reloads.reaped(pid, status):
            return
        if self.daemons is not None:
            self.daemons.reaped(pid, status)

    def _hear(self) -> None:
        """What signals and callers ask for is noted."""
        poked = self.lifeline.drain_wake()
        if poked:
            self._dirty = True
        self._reloads.hear(0 if self._wakeups is None else self._wakeups.hangups, poked)
        if self.heeds_signals and self._wakeups is not None and self._wakeups.stops:
            self.stop(StopMode.DRAIN if self._wakeups.stops == 1 else StopMode.NOW)

    def _reload(self) -> None:
        """The configuration holds as it is now, if that was asked for."""
        settings = self._reloads.settings()
        if settings is None:
            return
        self._settings = settings
        self.watcher.use(settings.progress_interval, settings.log_cap)
        self.pruner.use(settings)
        self.workers.use(settings)
        if self.scheduler is not None:
            self.scheduler.use(settings)
        if self.daemons is not None:
            self.daemons.functions.use(settings)
        self._dirty = True

    def stop(self, mode: StopMode) -> None:
        """It ends in this way; a milder wish never takes back a stronger one."""
        order = (None, StopMode.DRAIN, StopMode.NOW, StopMode.LEAVE_RUNNING)
        if order.index(mode) <= order.index(self.stopping):
            return
        self.stopping = mode
        self._dirty = True
        if mode is StopMode.NOW:
            self.watcher.stop_all(self.stop_grace)
            self.workers.retire_all()

    def _recover(self) -> None:
        """What lives that died meanwhile held is taken over; a private life recovers nothing."""
        now = self._clock.monotonic()
        if self.lifeline.kind is LifeKind.RUN or now < self._recover_at:
            return
        try:
            found = self._recovery.take_over(self.watcher.add)
        except (StoreBusyError, StoreFullError):
            return
        self._recover_at = now + RECOVERY_SECONDS
        self._recovered = True
        self._dirty = self._dirty or found

    # --- record and claim: the one transaction ---

    def _record_and_claim(self) -> None:
        if not self._has_reason_to_write():
            self._checkpoint_when_idle()
            return
        try:
            if self.scheduler is not None and self.stopping is None:
                self.scheduler.consider()
            with self.store.write():
                now = self._clock.now_ms()
                self._record(now)
                wish = self.store.lives.stop_requested(self.lifeline.id)
                if self.scheduler is not None:
                    self.scheduler.step(now, is_stopping=self.stopping is not None or wish is not None)
                self._wishes.read()
                claims, more = self._claim(now, wish)
        except UnusableError as error:
            if isinstance(error, StoreDamagedError | StoreForeignError):
                raise
            self.trouble = None if isinstance(error, StoreBusyError) else str(error)
            self.workers.unclaim()
            # The facts wait for the next turn; time-outs, kills and log tailing go on.
            self._busy = self._dirty = True
            if self.daemons is not None:
                self.daemons.not_recorded()
            return
        self._forget_recorded()
        self._busy, self._dirty, self._checkpointed = False, False, False
        self.trouble = None
        steps = self.workflows is not None and self.workflows.more
        tellings = self.notifier is not None and self.notifier.more
        self._claims, self._more = claims, more or steps or tellings
        self._dues.look()
        self._dirty = self._wishes.heed() or self._dirty
        if wish is not None:
            self.stop(wish)

    def _has_reason_to_write(self) -> bool:
        is_due = self.daemons is not None and self.daemons.is_due
        if self._facts.are_any or self._dirty or self._more or is_due:
            return True
        if self.scheduler is not None and self.stopping is None and self.scheduler.wants_turn():
            return True
        return self._dues.have_come()

    def _record(self, now: int) -> None:
        self._facts.record(now)
        if self.workflows is not None:
            self.workflows.advance(now)
        if self.stopping is not None and self.stopping is not self._told:
            if self._told is None:
                self.store.lives.set_draining(self.lifeline.id, now)
            if self.stopping is StopMode.NOW:
                self.store.lives.set_stopping_jobs(self.lifeline.id)
        if self.daemons is not None:
            self.daemons.record(now)
        if self.notifier is not None:
            self.notifier.record(now)

    def _claim(self, now: int, wish: StopMode | None) -> tuple[list[Claim], bool]:
        if self.stopping is not None or wish is not None or self._dues.resume_claims_at is not None:
            return [], False
        if not self._recovered:
            return [], True
        if self.reservation is not None:
            return self.dispatcher.claim_reserved(self.reservation.queue, now), False
        return self.dispatcher.claim(now)

    def _forget_recorded(self) -> None:
        self._told = self.stopping
        self._facts.recorded()
        if self.scheduler is not None:
            self.scheduler.committed()
        if self.daemons is not None:
            self.daemons.recorded()

    def _checkpoint_when_idle(self) -> None:
        if not self._runs_jobs and not self._checkpointed:
            self._checkpointed = self.store.database.checkpoint()

    # --- start and tell ---

    def _start_claimed(self) -> None:
        self.workers.hand_over()
        self._facts.note_workers()
        claims, self._claims = self._claims, []
        if not claims:
            return
        started = self.dispatcher.start(claims)
        self._facts.note_started(started)
        if started.refused:
            self._dues.resume_claims_at = self._clock.monotonic() + REFUSED_SECONDS
            self._more = False
        if self.stopping is StopMode.NOW:
            self.watcher.stop_all(self.stop_grace)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, is queued in an unpaused queue, or waits for its next attempt."""
        if self._runs_jobs or self._facts.of_attempts or self._claims:
            return False
        if self.notifier is not None and (self.notifier.is_grouping or self.notifier.more):
            return False
        return not self.store.jobs.has_work()
