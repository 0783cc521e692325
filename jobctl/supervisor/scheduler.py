"""Turns due schedules into jobs: a step of the supervisor's turn, inside its one transaction.

``model.firings.plan`` decides, before the transaction: a plan may cost tens of milliseconds, and the write lock is
for others too. ``settlements`` carries it out. A schedule is read again in the transaction: of two supervisors the
second sees what the first has settled. Both halves stop after ``SLICE_SECONDS``; the rest is for the next turn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain, zip_longest

from jobctl.actions.schedule_states import Watch, schedule_state
from jobctl.clock import Clock, Milliseconds, to_datetime
from jobctl.errors import JobctlError, UnusableError
from jobctl.executors.processes import boot_id
from jobctl.model.events import Entity, EventKind
from jobctl.model.firings import plan
from jobctl.model.schedule_records import Schedule
from jobctl.model.states import LifeId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.supervisor.bugs import frames_of
from jobctl.supervisor.clock_watch import ClockWatch
from jobctl.supervisor.schedule_looks import MOST_FIRES, Look, is_shortage, look_at, prepare
from jobctl.supervisor.settlements import RETRY_MS, Settlement

LONGEST_SLEEP_SECONDS = 30.0
"""With a schedule in view, the wall clock is read again at least so often: it may be set."""
MOST_A_TURN = 10
"""Schedules of a sort looked at in one turn."""
SLICE_SECONDS = 0.02
"""Planning ends after so long, and so does carrying it out; each goes through with the schedule it is at."""
_FRESH_MS = 1000
"""Older looks are not carried out, but taken anew."""
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class _Pages:
    """The ids to look at: what is due, what waited for the end of a job, what was not looked at since a start."""

    due: list[int]
    ready: list[int]
    behind: list[int]

    def in_turn(self, first: int) -> list[int]:
        """All ids once, in turn from each page: none keeps the others from their place."""
        pages = [self.due, self.ready, self.behind]
        mixed = chain.from_iterable(zip_longest(*pages[first:], *pages[:first]))
        return [schedule_id for schedule_id in dict.fromkeys(mixed) if schedule_id is not None]


class Scheduler:
    """Fires the schedules of one ``up``."""

    def __init__(self, store: Store, life: LifeId, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._life = life
        self._clock = clock
        self._settings = settings
        self._clocks = ClockWatch(clock)
        self._watch = Watch(to_datetime(self._clocks.started_at), str(life), boot_id())
        self.slice_seconds = SLICE_SECONDS
        self.is_off = False
        """``up --until-idle`` leaves schedules alone."""
        self._looks: list[Look] = []
        self._looked_at: Milliseconds = 0
        self._settled = 0
        """So many of the looks are carried out once the open transaction is committed."""
        self._behind: int | None = 0
        """All schedules up to this id have been looked at since the start or the last jump; None: all."""
        self._reached: int | None = 0
        """The same, once the looks are carried out."""
        self._is_first_pass = True
        """Broken schedules get one more chance in each life."""
        self._ready_behind = self._ready_reached = 0
        """Up to this id those that waited have been looked at; 0: all."""
        self._first_page = 0
        self._next_at: int | None = None
        self._any_waits = self._any_ready = False
        """Whether a schedule waits for the end of a job, and whether that end is on record."""
        self._delayed: set[int] = set()
        """Schedules that wait for descriptors or memory, and that is on record."""
        self._now_delayed: set[int] = set()

    def use(self, settings: Settings) -> None:
        """From now on these hold."""
        self._settings = settings

    # --- time ---

    def watch_clocks(self) -> None:
        """A jump of the wall clock, or a suspended machine, is noticed."""
        if self._clocks.look():
            self._behind = self._reached = 0
            self._looks = []

    def wants_turn(self) -> bool:
        """Whether there is something to decide or to tell."""
        if self._clocks.jumps:
            return True
        if self.is_off:
            return False
        if self._looks or self._behind is not None or self._ready_behind or self._any_ready:
            return True
        return self._next_at is not None and self._next_at <= self._clock.now_ms()

    def pause_seconds(self) -> float | None:
        """How long nothing has to be decided; None: for ever, as far as is known."""
        if self.wants_turn():
            return 0.0
        if self.is_off or self._next_at is None:
            return None
        return min(LONGEST_SLEEP_SECONDS, (self._next_at - self._clock.now_ms()) / 1000)

    # --- before the transaction ---

    def consider(self) -> None:
        """What is due now is decided, as far as a slice of time goes.

        Raises:
            UnusableError: the store cannot be read.
        """
        if self.is_off or not (self._any_waits or self.wants_turn()):
            return
        now = self._clock.now_ms()
        if self._looks and now - self._looked_at < _FRESH_MS:
            return  # the store was busy, or the last slice ended before them
        self._looks, self._looked_at = [], now
        stop, looked = time.perf_counter() + self.slice_seconds, set()
        pages = self._pages(now)
        self._first_page = (self._first_page + 1) % 3
        for schedule_id in pages.in_turn(self._first_page):
            self._consider(schedule_id, now)
            looked.add(schedule_id)
            if time.perf_counter() >= stop:
                break
        self._reached = self._behind if self._behind is None else _reached(pages.behind, looked, self._behind)
        self._ready_reached = _reached(pages.ready, looked, self._ready_behind) or 0

    def _pages(self, now: Milliseconds) -> _Pages:
        schedules = self._store.schedules
        return _Pages(
            schedules.due(now, MOST_A_TURN),
            schedules.ready(self._ready_behind, MOST_A_TURN) if self._any_waits else [],
            [] if self._behind is None else schedules.behind(self._behind, MOST_A_TURN),
        )

    def _consider(self, schedule_id: int, now: Milliseconds) -> None:
        schedule = self._store.schedules.by_id(schedule_id)
        if schedule is None or (schedule.broken is not None and not self._is_first_pass):
            return
        until = schedule.disabled_until
        if not schedule.enabled and (until is None or until > now):
            return  # it owes nothing, whatever is wrong with it
        look = look_at(self._store, schedule, self._watch, now, self._clocks.awake_since)
        prepare(self._store, look, self._settings)
        self._looks.append(look)

    # --- in the transaction, and after it ---

    def step(self, now: Milliseconds, *, is_stopping: bool) -> None:
        """Jumps are told and due schedules have become jobs; in the open write transaction.

        None while the supervisor stops: the next one counts them as missed.
        """
        self.watch_clocks()  # the machine may have slept since the turn began
        for jump in self._clocks.jumps:
            kind, data = EventKind.SUPERVISOR_CLOCK_JUMPED, {"seconds": jump / 1000}
            self._store.events.add(now, kind, Entity.SUPERVISOR, self._life, data)
        if not is_stopping:
            self.fire(now)

    def fire(self, now: Milliseconds) -> None:
        """What was considered has become jobs, or rows that say why not; in the open write transaction."""
        self._settled, self._now_delayed = 0, set(self._delayed)
        if self.is_off or not self._looks:
            return
        life = self._store.lives.get(self._life)
        if life is None or life.ended_at is not None:
            self.is_off = True  # another supervisor has taken over: it fires them
            return
        stop = time.perf_counter() + self.slice_seconds
        for look in self._looks:
            self._settle(look, now)
            self._settled += 1
            if time.perf_counter() >= stop:
                break

    def committed(self) -> None:
        """What was decided is on disk; when to look again is known."""
        self._clocks.jumps.clear()
        del self._looks[: self._settled]
        self._settled = 0
        self._delayed = set(self._now_delayed)
        if not self._looks:
            self._behind, self._ready_behind = self._reached, self._ready_reached
            self._is_first_pass = self._is_first_pass and self._behind is not None
        self._next_at, self._any_waits = self._store.schedules.outlook()
        # The end of a job may just have been recorded. What is delayed has its own time.
        ready = self._store.schedules.ready(0, len(self._delayed) + 1) if self._any_waits else []
        self._any_ready = not self._delayed.issuperset(ready)

    def _settle(self, look: Look, now: Milliseconds) -> None:
        database = self._store.database
        schedule = self._store.schedules.by_id(look.schedule.id)
        if schedule is None:
            return
        settlement = Settlement(self._store, self._clock, self._settings, schedule, now)
        try:
            with database.savepoint():
                self._carry_out(settlement, schedule, look)
                self._now_delayed.discard(schedule.id)
        except Exception as error:
            if not database.in_transaction:
                raise  # SQLite has rolled all of it back by itself
            if is_shortage(error):
                self._delay(settlement, schedule, error, now)
            elif isinstance(error, UnusableError):
                raise
            else:
                self._break(settlement, schedule, error, now)

    def _carry_out(self, settlement: Settlement, schedule: Schedule, look: Look) -> None:
        if look.error is not None and schedule == look.schedule:
            raise look.error
        look.open_jobs = self._store.schedules.open_jobs(schedule.name)
        state = schedule_state(self._store, schedule, look.open_jobs, self._watch)
        at, awake_since = to_datetime(look.at), to_datetime(self._clocks.awake_since)
        decided = look.plan
        if decided is None or state != look.state:  # somebody was faster
            decided = plan(state, at, awake_since, MOST_FIRES)
        if decided.cancel_active:
            settlement.replace_jobs(look)
            if not look.open_jobs:  # none of them had started
                state = schedule_state(self._store, schedule, look.open_jobs, self._watch)
                decided = plan(state, at, awake_since, MOST_FIRES)
        settlement.carry_out(look, state, decided)

    # --- what cannot be carried out ---

    def _delay(self, settlement: Settlement, schedule: Schedule, error: Exception, now: Milliseconds) -> None:
        """It is tried again soon; that is told once."""
        self._store.schedules.postpone(schedule.id, now + RETRY_MS)
        if schedule.id not in self._now_delayed:
            settlement.tell(EventKind.SCHEDULE_DELAYED, {"reason": _reason(error)})
        self._now_delayed.add(schedule.id)

    def _break(self, settlement: Settlement, schedule: Schedule, error: Exception, now: Milliseconds) -> None:
        """It is on record as broken: it must not be tried again every turn. What its owner wants stays as it is."""
        reason = _reason(error)
        if schedule.broken == reason:
            return
        self._store.schedules.mark_broken(schedule.id, reason, now)
        facts: dict[str, object] = {"reason": reason}
        if not isinstance(
            error, JobctlError
        ):  # perhaps a bug of ours: without its place nobody could mend it
            facts["traceback"] = frames_of(error)
        settlement.tell(EventKind.SCHEDULE_BROKEN, facts)


def _reached(page: list[int], looked: set[int], before: int) -> int | None:
    """Up to which id all of a page have been looked at; None when that was all there is."""
    seen = [schedule_id for schedule_id in page if schedule_id in looked]
    if len(seen) == len(page) and len(page) < MOST_A_TURN:
        return None
    return seen[-1] if seen else before


def _reason(error: Exception) -> str:
    """What went wrong, for people: our own errors say it; of others the kind, since their text may be a bare key."""
    text = str(error) if isinstance(error, JobctlError | OSError) else f"{type(error).__name__}: {error}"
    return text[:_LONGEST_REASON]
