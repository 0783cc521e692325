"""One daemon as its supervisor keeps it: the state machine, what it starts and ends, and what is to be recorded."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

from jobctl.executors.base import SpawnError, StartRefused
from jobctl.executors.processes import ProcessTable
from jobctl.model.daemon_machine import Condition, Ended, Event, Extended, Passed, Refused, Wished, step
from jobctl.model.daemons import (
    Daemon,
    DaemonDefinition,
    DaemonExit,
    DaemonReason,
    DaemonState,
    Health,
    Wanted,
)
from jobctl.model.events import EventKind
from jobctl.store.daemons import Intent
from jobctl.supervisor.daemon_facts import Moment, facts_of
from jobctl.supervisor.daemon_means import DaemonMeans, log_limits
from jobctl.supervisor.daemon_processes import CANNOT_START, DaemonProcess
from jobctl.supervisor.daemon_watches import Figures, Watches
from jobctl.supervisor.sweeps import Sweeps
from jobctl.supervisor.unrecorded import Unrecorded

POLL_SECONDS = 0.25
"""Between two looks at a leader that is no child of ours."""
KILL_SECONDS = 0.02
MAIN_SECONDS = 0.02
"""Between two looks for the process that the shim forks."""


class KeptDaemon:
    """Each method is a part of the supervisor's turn and never waits."""

    def __init__(self, record: Daemon, means: DaemonMeans) -> None:
        self.record = record
        """As it is on record, but for the facts that ``facts`` tells."""
        self.condition = Condition(
            wanted=False,
            state=DaemonState.STOPPED if record.state.is_live else record.state,
            reason=record.reason, error=record.error, generation=record.generation,
            failures=record.consecutive_failures, restarts=record.restarts,
        )  # fmt: skip
        self.edits = -1
        """Which edit of the definition is known."""
        self.removed = False
        self.unrecorded = Unrecorded()
        self.process: DaemonProcess | None = None
        self.sweeps = Sweeps()
        """Ends of what older generations left: nothing starts beside it."""
        self.recorded_generation = record.generation
        self.output = means.new_output(record)
        self._means = means
        self.unproven = True
        """Whether processes of older generations may be about: they are looked for before each start."""
        self._watches: Watches | None = None
        self._figures = Figures(heartbeat_at=record.heartbeat_at)
        self._probe_at = 0.0

    @property
    def name(self) -> str:
        """The daemon's name."""
        return self.record.name

    @property
    def definition(self) -> DaemonDefinition:
        """As it is declared now."""
        return self.record.definition

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of it runs and all is told."""
        return self.process is None and not self.condition.is_live and not self.sweeps

    @property
    def may_start(self) -> bool:
        """Whether its generation is on record and waits to be spawned."""
        condition = self.condition
        return (
            condition.state is DaemonState.STARTING and self.process is None and not self.sweeps
            and self.recorded_generation == condition.generation
        )  # fmt: skip

    def due_in(self, now: float) -> float:
        """Seconds until there is something to do, unless something happens before."""
        dues = [self.condition.due_at, self.output.due_at(), self.unrecorded.due_at(now)]
        process, condition = self.process, self.condition
        if self.sweeps:
            dues.append(now + KILL_SECONDS)
        if process is not None:
            dues.append(self._process_due(process, now))
        if self._watches is not None:
            dues.append(self._watches.due_at(condition, self.definition))
        if condition.ready_at is not None and (condition.failures or condition.reason):
            dues.append(condition.ready_at + self.definition.stable_seconds)
        return max(0.0, min((due for due in dues if due is not None), default=float("inf")) - now)

    def _process_due(self, process: DaemonProcess, now: float) -> float | None:
        if process.kill is not None or process.leader_is_gone:
            return now + KILL_SECONDS
        if process.main_pid is None and not process.adopted:
            return now + MAIN_SECONDS
        return self._probe_at if self._is_polled(process) else None

    # --- what happened ---

    def apply(self, event: Event) -> None:
        """The event led where the machine says, and what follows from that was begun."""
        before = self.condition
        now = self._means.clock.monotonic()
        after = step(before, self.definition, event, now, self._means.spread())
        if after == before:
            return
        self.condition = after
        self.unrecorded.facts()
        if after.state is before.state:
            return
        if after.state is DaemonState.WAITING:
            return  # told when it is known what for
        self.unrecorded.tell(after, None if self.process is None else self.process.pid, now)
        if after.state is DaemonState.STOPPING:
            self._begin_end(after)

    def wish(self, intent: Intent, *, closing: bool) -> None:
        """What is asked for is heeded; while the supervisor stops, starts wait for the next one."""
        record, wanted = self.record, intent.wanted is Wanted.UP
        start = intent.starts_asked > record.starts_done
        restart = intent.restarts_asked > record.restarts_done
        if not (start or restart) and wanted is self.condition.wanted:
            return
        if wanted and closing:
            return
        self.apply(Wished(wanted, start, restart))
        if start or restart:
            self.record = replace(
                self.record, starts_done=intent.starts_asked, restarts_done=intent.restarts_asked
            )
            self.unrecorded.facts()

    def forget_state(self, wanted: Wanted) -> None:
        """Nothing of it runs and a new life begins: what is wanted is tried, whatever the last one made of it.

        Its failures still count: a supervisor that is started over and over makes no crash loop of it.
        """
        if wanted is Wanted.UP or self.condition.state in (DaemonState.WAITING, DaemonState.BACKOFF):
            self.condition = replace(self.condition, state=DaemonState.STOPPED, reason=None, error=None)
        self.unrecorded.facts()

    def blocked(self, event: Event) -> None:
        """It waits for a daemon it depends on; that is told once."""
        before = self.condition.error
        self.apply(event)
        if self.condition.error != before:
            self.note(EventKind.DAEMON_WAITING, reason=self.condition.reason, error=self.condition.error)

    def note(self, kind: EventKind, **data: object) -> None:
        """An event waits to be recorded."""
        self.unrecorded.news.append((kind, {"generation": self.condition.generation, **data}))

    def _begin_end(self, condition: Condition) -> None:
        process = self.process
        if self._watches is not None:
            self._watches.close()
        if process is None:  # not spawned yet
            self.apply(Ended(condition.generation, DaemonReason.EXIT, success=True))
            return
        number = signal.Signals[self.definition.stop_signal]
        if condition.reason == DaemonReason.WATCHDOG:
            number = signal.SIGABRT
        process.start_kill(number, self.definition.stop_timeout_seconds, self._means.clock.monotonic())

    # --- observe ---

    def observe(self, table: Callable[[], ProcessTable]) -> None:
        """What became of its processes and what they told is known, and heeded."""
        now = self._means.clock.monotonic()
        if self.sweeps:
            self._sweep(table(), now)
        if self.process is not None:
            self._hear(self.process)
            self._watch_process(self.process, table, now)
        if self._watches is not None:
            self._watch(self._watches, now)
        self.apply(Passed())

    def _watch_process(self, process: DaemonProcess, table: Callable[[], ProcessTable], now: float) -> None:
        if process.main_pid is None and process.find_main():
            self.unrecorded.facts()
        if self._notes_end(process, now):
            self._hear(process)  # it may have vouched for another one
        if process.kill is not None or process.leader_is_gone:
            sessions = frozenset() if self._watches is None else self._watches.sessions
            ended = process.advance(table(), self.definition, sessions, now)
            if ended is not None:
                self._conclude(process, ended)

    def _notes_end(self, process: DaemonProcess, now: float) -> bool:
        """Whether its leader has ended since the last look."""
        if self._is_polled(process):
            if now < self._probe_at:
                return False
            self._probe_at = now + POLL_SECONDS
        return process.note_leader(now, self._means.clock.now_ms())

    def _is_polled(self, process: DaemonProcess) -> bool:
        """Whether its leader's end is found by looking, not by the kernel's word."""
        return process.adopted or bool(process.strangers)

    def look_at_once(self) -> None:
        """A process that may be its leader ended."""
        self._probe_at = 0.0

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended is known here."""
        if self._watches is not None and self._watches.reaped(pid, status):
            return True
        if self.process is None or not self.process.reaped(pid, status):
            return False
        self.look_at_once()
        return True

    def _hear(self, process: DaemonProcess) -> None:
        """What it said on its notify socket is heeded."""
        notice = self._means.receiver.take(self.name)
        if notice.main_pid is not None and process.vouch(notice.main_pid):
            self.unrecorded.facts()
        if self._watches is None:
            return
        for event in self._watches.hear(notice, self.definition, self._means.clock.monotonic()):
            self.apply(event)
            if process.kill is not None and isinstance(event, Extended):
                process.kill.extend(event.until)
        self._note_figures(self._watches)

    def _watch(self, watches: Watches, now: float) -> None:
        before = watches.figures.health
        event = watches.observe(self.condition, self.definition, now)
        after = watches.figures.health
        if after is not before:
            self.unrecorded.facts()
            self.note(EventKind.DAEMON_HEALTHY if after is Health.HEALTHY else EventKind.DAEMON_UNHEALTHY)
        if event is not None:
            self.apply(event)

    def sample(self, table: ProcessTable) -> None:
        """Its use of memory and processor is known, and heeded."""
        if self._watches is None or self.process is None or self.process.leader_is_gone:
            return
        now = self._means.clock.monotonic()
        event = self._watches.sample(table, self.process.tree, self.definition, now)
        self._note_figures(self._watches)
        if event is not None:
            self.apply(event)

    def _note_figures(self, watches: Watches) -> None:
        """What is new is recorded at leisure."""
        figures, text = watches.figures, watches.status_text
        if figures.differs(self._figures):
            self._figures = figures
            self.unrecorded.figures()
        if text is not None and text != self.record.status_text:
            self.record = replace(self.record, status_text=text)
            self.unrecorded.figures()

    # --- output ---

    def look_at_output(self, now: float) -> None:
        """What it printed is in its log."""
        before, pieces = self.output.problem, self.output.look(now)
        if self.output.problem not in (None, before):
            self.note(EventKind.DAEMON_LOG_FAILED, error=self.output.problem)
        if pieces and self._watches is not None:
            self._watches.read(pieces)

    def use(self, record: Daemon, edits: int) -> None:
        """Its definition is this one from now on."""
        self.edits, self.removed = edits, record.removed_at is not None
        before = self.definition
        self.record = replace(
            self.record, definition=record.definition, source=record.source, revision=record.revision,
            updated_at=record.updated_at,
        )  # fmt: skip
        self.output.pump.limits = log_limits(record.definition)
        process, changed = self.process, self.definition.examination != before.examination
        if changed and self._watches is not None and process is not None:
            self._watches.examine(self._means.new_health_check(self.record, process))

    # --- start and end ---

    def start(self) -> None:
        """Its new generation runs, or it is known why not."""
        self.record = replace(self.record, started_revision=self.record.revision, status_text=None)
        self._figures = Figures()
        try:
            process = self._means.launch(self.record, self.condition.generation)
        except SpawnError as error:
            self._refuse(error.message, final=True, code=error.exit_code)
        except StartRefused as error:
            self._refuse(error.message, final=False)
        except OSError as error:
            self._refuse(f"cannot prepare it: {error.strerror or error}", final=False)
        else:
            self._take(process)
            self.note(EventKind.DAEMON_STARTED, reason=self.condition.reason)

    def adopt(self, process: DaemonProcess, condition: Condition) -> None:
        """What another life started is watched from now on."""
        self.condition = condition
        deaf = None
        try:
            self._means.listen(self.name, process.tree)
        except OSError as error:
            deaf = f"its notify socket cannot be opened: {error.strerror or error}"
        self._take(process)
        self.note(EventKind.DAEMON_ADOPTED, pid=process.pid, **({} if deaf is None else {"error": deaf}))

    def _take(self, process: DaemonProcess) -> None:
        self.process = process
        self.unrecorded.facts()
        self.output.begin(process.number, self._means.clock.monotonic())
        starting = self.condition.state is DaemonState.STARTING
        self._watches = self._means.new_watches(self.record, process, starting=starting)

    def _refuse(self, error: str, *, final: bool, code: int | None = None) -> None:
        now, generation = self._means.clock.now_ms(), self.condition.generation
        self.output.end(generation, self._means.clock.monotonic())
        if final:
            reason = DaemonReason.SPAWN_ERROR
            self.record = replace(self.record, last_exit_code=code, last_signal=None)
            self.unrecorded.exits.append(DaemonExit(generation, None, now, now, code, None, reason, error))
        self.apply(Refused(generation, error, final))

    def _conclude(self, process: DaemonProcess, ended: Ended) -> None:
        """Nothing of the generation is left, or nothing more can be done: on record, and on to what follows."""
        now_ms, condition = self._means.clock.now_ms(), self.condition
        at = process.ended_at or now_ms
        reason = condition.reason if condition.state is DaemonState.STOPPING else ended.reason
        error = condition.error if condition.state is DaemonState.STOPPING else ended.error
        found = DaemonExit(process.number, process.pid, process.started_at, at, process.exit_code,
                           process.signal, reason, error)  # fmt: skip
        self.unrecorded.exits.append(found)
        self.note(
            EventKind.DAEMON_ENDED, exit_code=found.exit_code, signal=found.signal, reason=reason,
            uptime_seconds=found.uptime_seconds,
        )  # fmt: skip
        if process.strays:
            self.note(EventKind.DAEMON_STRAYS_KILLED, processes=process.strays)
        self.record = replace(self.record, last_exit_code=process.exit_code, last_signal=process.signal)
        self.unproven = True
        self._end_watches()
        self.process = None
        now = self._means.clock.monotonic()
        self.output.end(process.number, now)
        self.look_at_output(now)  # the last words are in the log before the end is told
        if condition.state is DaemonState.STARTING and process.exit_code in CANNOT_START:
            why = f"{ended.error}: it cannot be started; see: jobctl daemon logs"
            self.apply(Refused(process.number, why, final=True))
        self.apply(ended)

    def _end_watches(self) -> None:
        if self._watches is not None:
            self._watches.close()
            self._watches = None
        self._figures = Figures(heartbeat_at=self._figures.heartbeat_at)

    def _sweep(self, table: ProcessTable, now: float) -> None:
        """Processes of older generations come closer to their end; nothing starts beside those that stay."""
        survivors = self.sweeps.advance(table, now)
        self.unproven = bool(survivors)
        if survivors:
            error = f"processes of an older generation that could not be killed: {survivors}"
            generation = self.condition.generation
            self.apply(Ended(generation, DaemonReason.SURVIVORS, survivors=True, error=error))

    def abandon(self) -> None:
        """Its processes run on without this supervisor, for the next one to adopt."""
        if self._watches is not None:
            self._watches.close()
        if self.process is not None and self.process.process is not None:
            # A Popen that is dropped while its child runs warns, and the next Popen would reap it.
            self.process.process.returncode = 0
        self.output.pump.close()

    # --- record ---

    def facts(self, now: float, now_ms: int) -> Daemon:
        """What is to be on record of it now."""
        return facts_of(self.record, self.condition, self.process, self._figures, Moment(now, now_ms))

    def recorded(self, facts: Daemon, now: float) -> None:
        """These facts, and all news, are on record."""
        self.record = facts
        self.recorded_generation = facts.generation
        self.unrecorded.recorded(now)
        self.output.recorded()
