"""Turns due schedules into jobs: a step of the supervisor's turn, inside its one transaction.

``model.firings.plan`` decides, this carries it out: the rows of the slots, the jobs and the new cursor are committed
together, so a slot fires once however often the supervisor is killed. A schedule is read again in the
transaction: of two supervisors the second sees what the first has settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobctl.actions.admissions import check_submissions
from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.actions.schedule_runs import scheduled_job
from jobctl.actions.schedule_states import Watch, offset_ms, schedule_state
from jobctl.clock import Clock, Milliseconds, to_datetime, to_ms
from jobctl.errors import (
    BadInputError,
    NotFoundError,
    SecretsError,
    StateConflictError,
    StoreBusyError,
    StoreDamagedError,
    StoreForeignError,
    StoreFullError,
)
from jobctl.executors.processes import boot_id
from jobctl.model.events import Entity, EventKind
from jobctl.model.firings import Outcome, Plan, ScheduleState, Slot, Unfired, plan
from jobctl.model.instants import format_instant
from jobctl.model.schedule_records import Fire, Schedule, Trigger
from jobctl.model.schedule_rules import RuleKind
from jobctl.model.selectors import parse_selector
from jobctl.model.states import LifeId
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.schedules import OpenJob, Standing

JUMP_MS = 5000
"""The wall and the monotonic clock apart by more, from one turn to the next, is a jump."""
LONGEST_SLEEP_SECONDS = 30.0
"""With a schedule in view, the wall clock is read again at least so often: it may be set."""
MOST_A_TURN = 10
"""Schedules of a sort looked at in one transaction: each costs about 3 ms when it fires."""
_RETRY_MS = 1000
"""A schedule that says it is due and then has nothing due is looked at again after this."""

_REFUSALS = (BadInputError, NotFoundError, StateConflictError, SecretsError)
_STORE_TROUBLE = (StoreBusyError, StoreFullError, StoreDamagedError, StoreForeignError)


@dataclass(slots=True)
class _Look:
    """One look at one schedule."""

    schedule: Schedule
    now: Milliseconds
    offset_ms: int
    open_jobs: list[OpenJob]
    ran: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    """By reason."""
    caught_up: int = 0


class Scheduler:
    """Fires the schedules of one ``up``."""

    def __init__(self, store: Store, life: LifeId, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._life = life
        self._clock = clock
        self._settings = settings
        self._wall, self._monotonic = clock.now_ms(), clock.monotonic()
        self._awake_since = self._wall
        self._watch = Watch(to_datetime(self._wall), str(life), boot_id())
        self._behind: int | None = 0
        """All schedules up to this id have been looked at since the start or the last jump; None: all."""
        self._reached: int | None = 0
        """The same, once the open transaction is committed."""
        self._jumps: list[int] = []
        self._next_at: int | None = None
        self._any_waits = False
        self.is_off = False
        """``up --until-idle`` leaves schedules alone."""

    def use(self, settings: Settings) -> None:
        """From now on these hold."""
        self._settings = settings

    # --- time ---

    def watch_clocks(self) -> None:
        """A jump of the wall clock, or a suspended machine, is noticed."""
        wall, monotonic = self._clock.now_ms(), self._clock.monotonic()
        jump = (wall - self._wall) - round((monotonic - self._monotonic) * 1000)
        self._wall, self._monotonic = wall, monotonic
        if abs(jump) > JUMP_MS:
            self._jumps.append(jump)
            # Forward: what passed in between is missed, not late. Backward: watched from here on.
            self._awake_since = wall
            self._behind = self._reached = 0

    def wants_turn(self) -> bool:
        """Whether there is something to decide or to tell."""
        if self._jumps:
            return True
        if self.is_off:
            return False
        return self._behind is not None or (
            self._next_at is not None and self._next_at <= self._clock.now_ms()
        )

    def pause_seconds(self) -> float | None:
        """How long nothing has to be decided; None: for ever, as far as is known."""
        if self.wants_turn():
            return 0.0
        if self.is_off or self._next_at is None:
            return None
        return min(LONGEST_SLEEP_SECONDS, (self._next_at - self._clock.now_ms()) / 1000)

    # --- in the transaction, and after it ---

    def tell_jumps(self, now: Milliseconds) -> None:
        """Jumps of the clock are events; in the open write transaction."""
        for jump in self._jumps:
            kind, data = EventKind.SUPERVISOR_CLOCK_JUMPED, {"seconds": jump / 1000}
            self._store.events.add(now, kind, Entity.SUPERVISOR, self._life, data)

    def fire(self, now: Milliseconds) -> None:
        """What is due by ``now`` has become jobs or rows that say why not; in the open write transaction."""
        schedules = self._store.schedules
        self._reached = self._behind
        if self.is_off:
            return
        if not (self._any_waits or self.wants_turn()):
            return
        wanted = dict.fromkeys(schedules.due(now, MOST_A_TURN))
        if self._any_waits:
            wanted |= dict.fromkeys(schedules.ready(MOST_A_TURN))
        if self._behind is not None:
            page = schedules.behind(self._behind, MOST_A_TURN)
            wanted |= dict.fromkeys(page)
            self._reached = page[-1] if len(page) == MOST_A_TURN else None
        life = self._store.lives.get(self._life) if wanted else None
        if wanted and (life is None or life.ended_at is not None):
            self.is_off = True  # another supervisor has taken over: it fires them
            return
        for schedule_id in wanted:
            self._look_at(schedule_id, now)

    def committed(self) -> None:
        """What was decided is on disk; when to look again is known."""
        self._jumps.clear()
        self._behind = self._reached
        self._next_at, self._any_waits = self._store.schedules.outlook()

    def _look_at(self, schedule_id: int, now: Milliseconds) -> None:
        schedule = self._store.schedules.by_id(schedule_id)
        if schedule is None:
            return
        try:
            with self._store.database.savepoint():
                self._settle(schedule, now)
        except _STORE_TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - one broken schedule must stop neither the others nor the loop
            self._give_up(schedule, error, now)

    def _give_up(self, schedule: Schedule, error: Exception, now: Milliseconds) -> None:
        """It is disabled with the reason: it must not be tried again every turn."""
        why = f"broken: {error or type(error).__name__}"
        self._store.schedules.disable(schedule.id, None, why, now)
        self._tell(now, EventKind.SCHEDULE_DISABLED, schedule, {"reason": why})

    # --- one schedule ---

    def _settle(self, schedule: Schedule, now: Milliseconds) -> None:
        look = _Look(schedule, now, offset_ms(schedule), self._store.schedules.open_jobs(schedule.name))
        state = self._state(look)
        decided = plan(state, to_datetime(now), to_datetime(self._awake_since))
        if decided.cancel_active:
            self._replace(look)
            if not look.open_jobs:  # none of them had started
                state = self._state(look)
                decided = plan(state, to_datetime(now), to_datetime(self._awake_since))
        self._carry_out(look, state, decided)

    def _state(self, look: _Look) -> ScheduleState:
        return schedule_state(self._store, look.schedule, look.open_jobs, self._watch)

    def _replace(self, look: _Look) -> None:
        """Its jobs are asked to end, each once; ``look`` has those left that run."""
        asked = [job.id for job in look.open_jobs if not job.cancelling]
        if asked:
            reason = f"replaced by the next run of the schedule {look.schedule.name}"
            selector = parse_selector(",".join(map(str, asked)))
            cancel(self._store, selector, self._clock, CancelOptions(reason=reason))
        look.open_jobs = self._store.schedules.open_jobs(look.schedule.name)

    def _carry_out(self, look: _Look, state: ScheduleState, decided: Plan) -> None:
        schedule, schedules = look.schedule, self._store.schedules
        if decided.enable:
            schedules.enable(schedule.id, look.now)
            self._tell(look.now, EventKind.SCHEDULE_ENABLED, schedule, {"reason": "its time has come"})
        for unfired in decided.unfired:
            self._leave(look, unfired)
        for slot in decided.waits:
            schedules.decide(schedule.id, self._fire(look, slot, Outcome.PENDING.value))
        for slot in decided.fires:
            self._start(look, slot)
        self._tell_missed(look)
        self._stand(look, state, decided)

    def _stand(self, look: _Look, state: ScheduleState, decided: Plan) -> None:
        """The new cursor is stored, and when to look again."""
        schedule = look.schedule
        follows_end = state.rule.kind is RuleKind.AFTER_FINISH
        ended_at = state.around.last_ended_at
        if follows_end and decided.fires and not look.ran and not look.open_jobs:
            # Nothing runs that could end: the next one is counted from this failure.
            ended_at = to_datetime(look.now)
            around = replace(state.around, active=False, last_ended_at=ended_at)
            now = to_datetime(look.now)
            decided = plan(replace(state, around=around, cursor=decided.cursor, pending=()), now, now)
        next_at = None if decided.next_at is None else to_ms(decided.next_at)
        idle = not (decided.fires or decided.waits or decided.unfired)
        if next_at is not None and next_at <= look.now and idle:
            next_at = look.now + _RETRY_MS
        active = bool(look.ran or look.open_jobs)
        standing = Standing(
            cursor_at=to_ms(decided.cursor),
            next_at=next_at,
            waiting=bool(self._store.schedules.pending(schedule.id)) or (follows_end and active),
            ended=decided.has_ended,
            settled_for=decided.settled_for,
            last_ended_at=None if ended_at is None else to_ms(ended_at),
        )
        if standing != _standing_of(schedule):
            self._store.schedules.stand(schedule.id, standing)
        if decided.has_ended and not schedule.ended:
            self._tell(look.now, EventKind.SCHEDULE_ENDED, schedule, {})
        if decided.warning is not None:
            self._tell(look.now, EventKind.SCHEDULE_CHANGED, schedule, {"warning": decided.warning})

    # --- one slot ---

    def _start(self, look: _Look, slot: Slot) -> None:
        """The slot has become a job, or a row that says why it could not; nothing if it was decided before."""
        schedule, schedules = look.schedule, self._store.schedules
        if schedules.is_decided(schedule.id, to_ms(slot.due_at)):
            return
        try:
            with self._store.database.savepoint():
                job = scheduled_job(self._store, schedule, self._settings, look.now)
                stored = self._store.submissions.submit(check_submissions(self._store, [job]), look.now)[0]
        except _REFUSALS as error:
            self._note_unable(look, self._fire(look, slot, "failed"), str(error), EventKind.SCHEDULE_FAILED)
            return
        fire = replace(self._fire(look, slot, Outcome.FIRED.value), job_id=stored.id)
        if not stored.is_new:
            fire = replace(fire, outcome=Outcome.SKIPPED.value)
            reason = f"job {stored.id} has its unique key"
            schedules.count(schedule.id, skipped=1)
            self._note_unable(look, fire, reason, EventKind.SCHEDULE_SKIPPED)
            return
        schedules.decide(schedule.id, fire)
        schedules.note_run(schedule.id, stored.id, look.now)
        look.ran += 1
        look.caught_up += slot.was_missed
        facts: dict[str, object] = {"job_id": stored.id, "due_at": format_instant(slot.due_at)}
        facts |= {"trigger": fire.trigger.value, "late_seconds": (fire.late_ms or 0) / 1000}
        self._tell(look.now, EventKind.SCHEDULE_FIRED, schedule, facts)

    def _note_unable(self, look: _Look, fire: Fire, reason: str, kind: EventKind) -> None:
        """The slot is settled without a job; the next one goes on."""
        self._store.schedules.decide(look.schedule.id, replace(fire, reason=reason))
        due = None if fire.due_at is None else format_instant(to_datetime(fire.due_at))
        self._tell(look.now, kind, look.schedule, {"due_at": due, "reason": reason})

    def _fire(self, look: _Look, slot: Slot, outcome: str) -> Fire:
        due_at = to_ms(slot.due_at)
        late = max(0, look.now - due_at - look.offset_ms)
        trigger = Trigger.CATCH_UP if slot.was_missed else Trigger.SLOT
        return Fire(due_at, look.now, outcome, trigger, late_ms=late)

    def _leave(self, look: _Look, unfired: Unfired) -> None:
        """The slot, or the run of slots, is on record as not fired, with the reason."""
        schedule, is_missed = look.schedule, unfired.outcome is Outcome.MISSED
        fire = Fire(
            due_at=to_ms(unfired.due_at),
            decided_at=look.now,
            outcome=unfired.outcome.value,
            trigger=Trigger.SLOT,
            reason=unfired.reason.value,
            count=unfired.count,
            is_exact=unfired.is_exact,
            last_due_at=None if unfired.last_due_at is None else to_ms(unfired.last_due_at),
        )
        if not self._store.schedules.decide(schedule.id, fire):
            return
        if is_missed:
            look.missed[unfired.reason.value] += unfired.count
            return
        self._store.schedules.count(schedule.id, skipped=unfired.count)
        data = {"due_at": format_instant(unfired.due_at), "reason": fire.reason, "count": fire.count}
        self._tell(look.now, EventKind.SCHEDULE_SKIPPED, schedule, data)

    def _tell_missed(self, look: _Look) -> None:
        """One event a reason, not one a slot: a night without a supervisor is no flood."""
        schedule, total = look.schedule, look.missed.total()
        for reason, count in look.missed.items():
            self._tell(look.now, EventKind.SCHEDULE_MISSED, schedule, {"reason": reason, "count": count})
        if total:
            self._store.schedules.count(schedule.id, missed=total)
        if total or look.caught_up:
            counts = {"ran": look.caught_up, "missed": total}
            self._tell(look.now, EventKind.SCHEDULE_CAUGHT_UP, schedule, counts)

    def _tell(
        self, now: Milliseconds, kind: EventKind, schedule: Schedule, data: Mapping[str, object]
    ) -> None:
        self._store.events.add(now, kind, Entity.SCHEDULE, schedule.name, data)


def _standing_of(schedule: Schedule) -> Standing:
    return Standing(
        schedule.cursor_at, schedule.next_at, schedule.waiting, schedule.ended, schedule.settled_for,
        schedule.last_ended_at,
    )  # fmt: skip
