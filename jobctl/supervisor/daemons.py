"""Keeps the daemons of a home: a few steps of the supervisor's turn (DESIGN section 8)."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable

from jobctl.clock import Clock
from jobctl.errors import StoreBusyError, StoreFullError
from jobctl.executors.base import Executor
from jobctl.executors.compressor import Compressor
from jobctl.executors.descriptors import waiting_out_shortages
from jobctl.executors.notify import NotifyReceiver
from jobctl.executors.processes import ProcessTable
from jobctl.model.daemon_machine import Blocked, Closed, Unblocked
from jobctl.model.daemons import Daemon, DaemonId, DaemonState, Wanted
from jobctl.model.lives import StopMode
from jobctl.store import Store
from jobctl.store.daemons import Intent
from jobctl.supervisor.daemon_functions import DaemonFunctions
from jobctl.supervisor.daemon_means import DaemonMeans
from jobctl.supervisor.daemon_recovery import DaemonRecovery, wanted_at_start
from jobctl.supervisor.haste import Haste
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.kept_daemon import KILL_SECONDS, KeptDaemon
from jobctl.supervisor.wakeups import Wakeups

FIRST_SAMPLE_SECONDS = 1.0
SAMPLE_SECONDS = 5.0
"""Between two looks at memory and processor time."""
OUTPUT_SECONDS_A_TURN = 0.02


class DaemonKeeper:
    """All daemons of one ``up``. No method waits.

    Args:
        store: the supervisor's own.
        clock: wall and monotonic time.
        executor: starts generations.
        identities: what tells their processes from all others.
        functions: starts those that are functions.
        spread: numbers in [0, 1) for the jitter of back-offs.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        executor: Executor,
        identities: Identities,
        functions: DaemonFunctions,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.wakeups: Wakeups | None = None
        self.functions = functions
        self._store = store
        self._clock = clock
        self._kept: dict[DaemonId, KeptDaemon] = {}
        receiver = NotifyReceiver(clock, self._poke)
        self._means = DaemonMeans(
            store.home, clock, identities, executor, receiver, Compressor(), spread, functions
        )
        self._recovery = DaemonRecovery(store.home, identities, clock)
        self._recovered = False
        self._closing = self._abandoned = self._leaves = False
        self._haste = Haste()
        self._wants: list[tuple[Daemon, Wanted]] = []
        """What autostart says of daemons as they were read, until it is on record."""
        self._cursor = 0
        """The newest event when they were read."""
        self._written: dict[DaemonId, Daemon] = {}
        """Facts in the transaction of this turn."""
        self._gone: list[DaemonId] = []
        self._table: ProcessTable | None = None
        self._sample_at: float | None = None
        self._watched: set[int] = set()
        self._turn = 0

    def _poke(self) -> None:
        """From the receiver's thread: the loop takes its next turn."""
        wakeups = self.wakeups
        if wakeups is not None:
            wakeups.poke()

    # --- what the supervisor asks ---

    @property
    def is_due(self) -> bool:
        """Whether something is to be recorded now."""
        now = self._clock.monotonic()
        return bool(self._wants) or any(daemon.unrecorded.is_due(now) for daemon in self._kept.values())

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of any daemon runs, and that is on record, with all they printed in their logs."""
        now = self._clock.monotonic()
        return not self._recovery.strays and not any(
            not daemon.is_at_rest or daemon.unrecorded.is_due(now) or daemon.output.is_behind
            for daemon in self._kept.values()
        )

    @property
    def living(self) -> list[str]:
        """The names of those that have processes."""
        return sorted(daemon.name for daemon in self._kept.values() if not daemon.is_at_rest)

    def pause_seconds(self) -> float:
        """How long nothing has to be done unless something happens, but for what is due to be recorded."""
        now = self._clock.monotonic()
        waits = [daemon.due_in(now) for daemon in self._kept.values()]
        if self._recovery.strays:
            waits.append(KILL_SECONDS)
        if self._sample_at is not None:
            waits.append(max(0.0, self._sample_at - now))
        if not self._recovered or any(daemon.may_start for daemon in self._kept.values()):
            waits.append(0.0)
        return min(waits, default=float("inf"))

    # --- observe ---

    def recover(self) -> None:
        """What other lives left is taken over; once, before anything else."""
        if self._recovered:
            return
        try:
            self._cursor = self._store.events.last_id()
            records = [self._store.daemons.by_id(found.id) for found in self._store.daemons.intents()]
        except (StoreBusyError, StoreFullError):
            return
        for record in records:
            if record is not None:
                self._kept[record.id] = KeptDaemon(record, self._means)
        if self._kept or os.path.isdir(self._store.home.daemons):
            self._recovery.take_over(self._kept)
        for daemon in self._kept.values():
            runs = daemon.process is not None
            wanted = wanted_at_start(daemon.record, runs=runs)
            if wanted is not daemon.record.wanted:
                self._wants.append((daemon.record, wanted))
            if not runs:
                daemon.forget_state(wanted)
        self._recovered = True

    def keep(
        self, stopping: StopMode | None, *, jobs_run: bool, grace: float | None = None, signals: int = 0
    ) -> None:
        """What became of them is known; they are stopped with the jobs, or when the last one has drained."""
        self._leaves = stopping is StopMode.LEAVE_RUNNING
        self._haste.heed(stopping, closing=self._closing, grace=grace, signals=signals)
        if stopping is StopMode.NOW or (stopping is StopMode.DRAIN and not jobs_run):
            self.close()
        self.observe()

    def observe(self) -> None:
        """What became of every daemon is known, and heeded."""
        self.recover()
        self._table = None
        self._note_ended()
        with waiting_out_shortages():
            self._observe_processes()
        self._read_output()
        if self._closing:
            self._close_next()
        self._hurry()
        self._unblock()
        self._watch_leaders()

    def _hurry(self) -> None:
        for daemon in self._kept.values():
            if self._haste.grace is not None and daemon.process is not None:
                daemon.process.hurry(self._clock.monotonic() + self._haste.grace)

    def _observe_processes(self) -> None:
        for daemon in self._kept.values():
            daemon.observe(self._processes)
        if self._recovery.strays:
            self._recovery.strays.advance(self._processes(), self._clock.monotonic())
        self._sample()

    def _processes(self) -> ProcessTable:
        """The table of this turn."""
        if self._table is None:
            self._table = ProcessTable.read()
        return self._table

    def _note_ended(self) -> None:
        if self.wakeups is None:
            return
        for daemon in self._kept.values():
            process = daemon.process
            if process is not None and any(self.wakeups.has_ended(pid) for pid in process.leaders):
                daemon.look_at_once()

    def _watch_leaders(self) -> None:
        """The ends of processes that are no children of ours wake the loop."""
        if self.wakeups is None:
            return
        wanted: set[int] = set()
        for daemon in self._kept.values():
            if daemon.process is not None and not daemon.process.leader_is_gone:
                wanted |= daemon.process.strangers
        for pid in self._watched - wanted:
            self.wakeups.forget_process(pid)
        self._watched = {pid for pid in wanted if pid in self._watched or self.wakeups.watch_process(pid)}

    def _sample(self) -> None:
        now = self._clock.monotonic()
        living = [daemon for daemon in self._kept.values() if daemon.process is not None]
        if not living:
            self._sample_at = None
        elif self._sample_at is None:
            self._sample_at = now + FIRST_SAMPLE_SECONDS
        elif now >= self._sample_at:
            self._sample_at = now + SAMPLE_SECONDS
            for daemon in living:
                daemon.sample(self._processes())

    def _read_output(self) -> None:
        """What they print is in their logs; a flood of one neither starves the others nor holds up the loop."""
        stop, now = time.perf_counter() + OUTPUT_SECONDS_A_TURN, self._clock.monotonic()
        daemons = list(self._kept.values())
        self._turn += 1
        first = self._turn % len(daemons) if daemons else 0
        for daemon in daemons[first:] + daemons[:first]:
            daemon.look_at_output(now)
            if time.perf_counter() > stop:
                break

    def reaped(self, pid: int, status: int) -> None:
        """A child ended that is no job's."""
        for daemon in self._kept.values():
            if daemon.reaped(pid, status):
                return

    # --- heed and record: in the supervisor's transaction ---

    def record(self, now_ms: int) -> None:
        """What is asked for is heeded, and what is known is on record; in an open write transaction."""
        if not self._recovered:
            return
        for read, wanted in self._wants:
            self._store.daemons.autostart(read, wanted, self._cursor)
        intents = self._store.daemons.intents()
        down = {intent.id for intent in intents if intent.wanted is Wanted.DOWN}
        for intent in intents:
            if intent.id not in down or not self._is_needed(intent.id, down):
                self._heed(intent)
        self._unblock()
        now = self._clock.monotonic()
        for daemon in self._kept.values():
            if daemon.unrecorded.is_due(now):
                self._written[daemon.record.id] = self._record(daemon, now, now_ms)
        self._gone = [
            daemon.record.id
            for daemon in self._kept.values()
            if daemon.removed and daemon.is_at_rest and self._store.daemons.delete(daemon.record.id)
        ]

    def _is_needed(self, daemon_id: DaemonId, down: set[DaemonId]) -> bool:
        """Whether one that needs it, and is to stop too, lives yet: that one is stopped first."""
        daemon = self._kept.get(daemon_id)
        return daemon is not None and any(
            other.condition.is_live and other.record.id in down and daemon.name in other.definition.depends_on
            for other in self._kept.values()
        )

    def _heed(self, intent: Intent) -> None:
        daemon = self._kept.get(intent.id)
        if daemon is None or daemon.edits != intent.edits or daemon.removed != intent.removed:
            record = self._store.daemons.by_id(intent.id)
            if record is None:
                return
            if daemon is None:
                daemon = self._kept[intent.id] = KeptDaemon(record, self._means)
            daemon.use(record, intent.edits)
        daemon.wish(intent, closing=self._closing)

    def _record(self, daemon: KeptDaemon, now: float, now_ms: int) -> Daemon:
        facts = daemon.facts(now, now_ms)
        self._store.daemons.record(facts)
        for ended in daemon.unrecorded.exits:
            self._store.daemons.record_exit(facts.id, ended)
        for kind, data in daemon.unrecorded.news:
            self._store.daemons.note(facts.name, kind, data, now_ms)
        return facts

    def _unblock(self) -> None:
        """Who waits for nobody any more may start."""
        if self._closing:
            return
        names = {daemon.name: daemon for daemon in self._kept.values() if not daemon.removed}
        for daemon in self._kept.values():
            if daemon.condition.state is not DaemonState.WAITING or daemon.sweeps:
                continue
            missing = [text for name in daemon.definition.depends_on if (text := _missing(name, names))]
            if missing:
                daemon.blocked(Blocked(f"waits for {', '.join(missing)}"))
            else:
                daemon.apply(Unblocked())

    def recorded(self) -> None:
        """The transaction was committed."""
        now = self._clock.monotonic()
        self._wants.clear()
        for daemon_id, facts in self._written.items():
            self._kept[daemon_id].recorded(facts, now)
        self._written.clear()
        for daemon_id in self._gone:
            self._clear_away(self._kept.pop(daemon_id))
        self._gone.clear()

    def not_recorded(self) -> None:
        """The transaction was not committed: what it was about waits for the next one."""
        self._written.clear()
        self._gone.clear()

    def _clear_away(self, daemon: KeptDaemon) -> None:
        """Of a removed daemon only a ``state`` that holds anything is left."""
        daemon.abandon()
        self._means.receiver.forget(daemon.name)
        path, state = self._store.home.daemon(daemon.name), self._store.home.daemon_state(daemon.name)
        with contextlib.suppress(OSError):  # not empty, or never made
            os.rmdir(state)
        with contextlib.suppress(OSError):
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False) and entry.path != state:
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif entry.path != state:
                    os.unlink(entry.path)
            os.rmdir(path)

    # --- start and stop ---

    def start(self) -> None:
        """Every generation that is on record and may start was started; none if those that run are left behind."""
        if self._leaves:
            return
        for daemon in self._kept.values():
            if not daemon.may_start:
                continue
            if daemon.unproven:
                with waiting_out_shortages():
                    self._prove(daemon)
            if daemon.may_start and not daemon.unproven:
                daemon.start()

    def _prove(self, daemon: KeptDaemon) -> None:
        """Nothing of an older generation runs, or it is being ended."""
        now, identities = self._clock.monotonic(), self._means.identities
        living = identities.living_generations(self._processes())
        daemon.unproven = False
        for daemon_id, generation in living:
            if daemon_id == daemon.record.id:
                daemon.sweeps.add(identities.daemon_tree(daemon_id, generation), 0, now)

    def close(self) -> None:
        """All are being stopped, each before those it depends on; nothing starts any more."""
        self._closing = True

    def _close_next(self) -> None:
        for daemon in self._kept.values():
            if not daemon.condition.is_live:
                daemon.apply(Closed())
        needed = {
            name
            for daemon in self._kept.values()
            if daemon.condition.is_live
            for name in daemon.definition.depends_on
        }
        for daemon in self._kept.values():
            if daemon.name not in needed:
                daemon.apply(Closed())

    def abandon(self) -> None:
        """What runs goes on without this supervisor, for the next one to adopt."""
        if self._abandoned:
            return
        self._abandoned = True
        for daemon in self._kept.values():
            daemon.abandon()
        self._kept.clear()
        self.wakeups = None
        self._means.receiver.close()
        self._means.compressor.close()


def _missing(name: str, names: dict[str, KeptDaemon]) -> str | None:
    """What is wrong with a daemon that is needed; None if it is ready, or did what it had to."""
    daemon = names.get(name)
    if daemon is None:
        return f"{name} (not declared)"
    state = daemon.condition.state
    if state is DaemonState.RUNNING:
        return None
    if state is DaemonState.EXITED and daemon.record.last_exit_code in daemon.definition.success_codes:
        return None
    return f"{name} ({state.value})" if daemon.condition.wanted else f"{name} (not wanted up)"
