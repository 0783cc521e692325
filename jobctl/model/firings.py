"""What a schedule owes: which slots fire now, which wait, which are skipped or missed, and what is next.

``plan`` is pure and decides everything; the scheduler only carries it out, in the transaction that stores the
new cursor. Words: a *slot* is a nominal instant of the rule, and with the schedule the unique key
``(schedule, due_at)``; it *fires at* slot + jitter offset. The *cursor* is the slot up to which all is settled.

Contract with the caller:

- ``add``, ``edit``, ``enable`` set the cursor to now (nothing is owed for the time before), drop pending slots,
  and set ``settled_for`` to ``rule.start_key(...)`` of the running supervisor (None without one; with
  once_per_boot always the present boot). A run by hand changes none of these.
- ``awake_since`` is since when the supervisor has been watching without a gap: its start, or the first turn
  after wall and monotonic clock diverged forward by more than 5 s (suspended, or stepped). Slots that should
  have fired before it are *missed*; later ones are merely late and fire, unless they are later than the grace (a full
  disk or a lock for hours is no flood afterwards): those are missed too.
- Clock stepped backward: call again; nothing fires twice because nothing up to the cursor is considered.
- ``cancel_active``: ask the active jobs to end; the slot waits in ``waits`` and fires once ``active`` is false.
- All of ``fires``, ``waits`` and ``unfired`` become rows, unique by (schedule, due_at): a row that exists
  already wins, and its slot is then not fired again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from jobctl.model.instants import format_instant
from jobctl.model.schedule_rules import MILLISECOND, Around, Rule
from jobctl.model.schedules import Missed, Overlap, SchedulePolicy
from jobctl.model.slots import Outcome, Reason, Slot, Unfired

MOST_AHEAD = timedelta(days=1)
"""A cursor further ahead of now comes from a clock that was wrong, not from one that stepped."""
SHORTEST_GRACE_SECONDS = 60.0
"""Of a supervisor that watches: a turn under load may take longer than a grace of a second."""
_FIRST_SPAN = timedelta(minutes=1)
_SPAN_GROWTH = 4
"""How far to look back for the newest slots: so far at first, then so many times as far."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What a schedule has behind it, as the store knows it."""

    rule: Rule
    policy: SchedulePolicy
    around: Around
    cursor: datetime
    jitter_offset_ms: int = 0
    """``schedules.jitter_offset`` in milliseconds."""
    enabled: bool = True
    disabled_until: datetime | None = None
    """Of a disabled one: it comes back then, and owes nothing from before."""
    pending: tuple[Slot, ...] = ()
    """Slots with the outcome ``pending``, oldest first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. Nothing but ``next_at`` set: nothing to store."""

    cursor: datetime
    fires: tuple[Slot, ...] = ()
    """Oldest first. Each becomes one job."""
    waits: tuple[Slot, ...] = ()
    """New pending rows, in order."""
    unfired: tuple[Unfired, ...] = ()
    next_slot: datetime | None = None
    next_at: datetime | None = None
    """When ``next_slot`` fires, or a disabled schedule comes back: sleep no longer than until then."""
    cancel_active: bool = False
    enable: bool = False
    """``disabled_until`` has passed: store it as enabled."""
    has_ended: bool = False
    """No slot will ever come: show it as ended, keep it."""
    settled_for: str | None = None
    """The new value of ``Around.settled_for`` to store; what it was if nothing changed."""
    warning: str | None = None
    """Something odd to log, such as a cursor far in the future."""


def plan(state: ScheduleState, now: datetime, awake_since: datetime, most_fires: int | None = None) -> Plan:
    """What ``state`` owes at ``now``; the same answer whenever it is asked with the same arguments.

    Of slots that may run side by side at most ``most_fires`` fire: ask again for the rest.
    """
    now, awake_since = now.astimezone(UTC), awake_since.astimezone(UTC)
    settled_for = state.around.settled_for
    if state.enabled:
        return _Planning(state, now, awake_since, most_fires).plan()
    if state.disabled_until is None or state.disabled_until > now:
        dropped = tuple(_unfired(slot, Outcome.SKIPPED, Reason.DISABLED) for slot in state.pending)
        return Plan(state.cursor, unfired=dropped, next_at=state.disabled_until, settled_for=settled_for)
    back = replace(
        state,
        enabled=True,
        cursor=max(state.cursor, state.disabled_until),
        around=replace(state.around, settled_for=state.rule.start_key(state.around) or settled_for),
    )
    return replace(_Planning(back, now, awake_since, most_fires).plan(), enable=True)


@dataclass(slots=True)
class _Planning:
    """One answer in the making. All instants but ``now`` and ``awake_since`` are slots, without the jitter."""

    state: ScheduleState
    now: datetime
    awake_since: datetime
    most_fires: int | None
    cursor: datetime = field(init=False)
    around: Around = field(init=False)
    offset: timedelta = field(init=False)
    ask: Callable[[datetime], datetime | None] = field(init=False)
    is_cut: bool = False
    """More slots are to be caught up than may fire at once: all that is later has to wait."""
    caught_up: list[Slot] = field(default_factory=list)
    due: list[Slot] = field(default_factory=list)
    unfired: list[Unfired] = field(default_factory=list)

    def plan(self) -> Plan:
        state, policy = self.state, self.state.policy
        self.offset, self.around = timedelta(milliseconds=state.jitter_offset_ms), state.around
        self.ask = state.rule.asker(state.around)
        self.cursor, warning = self._sane_cursor()
        before = self._floor()
        until = self.now - self.offset
        if policy.end_at is not None:
            until = min(until, policy.end_at.astimezone(UTC) - MILLISECOND)
        self._sort_missed(before, min(until, self.awake_since - self.offset - MILLISECOND))
        if not self.is_cut:
            self._sort_late(self._floor(), until)
            self._collect_due(self._floor(), until)
        if (self.caught_up or self.due or self.unfired) and not state.rule.is_series:
            self._settle_start(until)
        meeting = _Meeting(state)
        decided = meeting.decide(self.caught_up, self.due)
        decided = replace(decided, unfired=(*self.unfired, *decided.unfired), warning=warning)
        return self._with_outlook(decided, waits=bool(meeting.queue))

    def _sane_cursor(self) -> tuple[datetime, str | None]:
        cursor = self.state.cursor.astimezone(UTC)
        if cursor - self.now <= MOST_AHEAD:
            return cursor, None
        told = f"all was settled up to {format_instant(cursor)}, which is yet to come: counting from now on"
        return self.now, told

    def _floor(self) -> datetime:
        """Slots up to here are of no interest."""
        start_at, started_at = self.state.policy.start_at, self.around.started_at
        floor = self.cursor
        if started_at is not None and self.state.rule.start_key(self.around) is not None:
            floor = started_at.astimezone(UTC) - MILLISECOND  # the life decides: no clock takes a start away
        return floor if start_at is None else max(floor, start_at.astimezone(UTC) - MILLISECOND)

    # --- what was missed ---

    def _sort_missed(self, before: datetime, until: datetime) -> None:
        """The slots in (before, until] are to be caught up, or on record as missed."""
        first = self._next(before, until)
        if until <= before or first is None:
            return
        policy = self.state.policy
        too_old = self._too_old(policy.missed_grace_seconds)
        if not self.state.rule.is_series:  # one is owed; asked from later on, the rule would tell of another
            self._sort_missed_start(first, too_old)
            return
        recent = min(max(before, too_old), until)
        if policy.missed is Missed.SKIP:
            self._miss(before, until, Reason.POLICY)
        else:
            self._miss(before, recent, Reason.GRACE)
            self._catch_up(recent, until)
        settled = self.caught_up[-1].due_at if self.caught_up else self._newest(before, until, 1)[0]
        self.cursor = max(self.cursor, settled)

    def _too_old(self, grace_seconds: float) -> datetime:
        """Slots up to here were due before the grace began."""
        return self.now - self.offset - timedelta(seconds=grace_seconds) - MILLISECOND

    def _sort_late(self, before: datetime, until: datetime) -> None:
        """The slots in (before, until] that are later than the grace are on record as missed."""
        until = min(until, self._too_old(max(self.state.policy.missed_grace_seconds, SHORTEST_GRACE_SECONDS)))
        if not self.state.rule.is_series or until <= before or self._next(before, until) is None:
            return
        self._miss(before, until, Reason.GRACE)
        self.cursor = max(self.cursor, self._newest(before, until, 1)[0])

    def _sort_missed_start(self, slot: datetime, too_old: datetime) -> None:
        if self.state.policy.missed is Missed.SKIP:
            self.unfired.append(Unfired(slot, Outcome.MISSED, Reason.POLICY))
        elif slot <= too_old:
            self.unfired.append(Unfired(slot, Outcome.MISSED, Reason.GRACE))
        else:
            self.caught_up.append(Slot(slot, was_missed=True))

    def _catch_up(self, before: datetime, until: datetime) -> None:
        """The newest slots in (before, until], none too old, run; the ones before them are missed."""
        policy = self.state.policy
        runs, why = (
            (1, Reason.SUPERSEDED) if policy.missed is Missed.LATEST else (policy.most_catch_up, Reason.CAP)
        )
        slots = self._newest(before, until, runs)
        if slots:
            self._miss(before, slots[0] - MILLISECOND, why)
        most = self._most_at_once(runs)
        self.is_cut, slots = len(slots) > most, slots[:most]
        self.caught_up.extend(Slot(slot, was_missed=True) for slot in slots)

    def _most_at_once(self, most: int) -> int:
        """How many of ``most`` slots may fire now; where one bars the next, that is no matter."""
        is_limited = self.most_fires is not None and self.state.policy.overlap is Overlap.ALLOW
        return min(most, self.most_fires) if is_limited and self.most_fires is not None else most

    def _miss(self, before: datetime, until: datetime, why: Reason) -> None:
        """The slots in (before, until] are missed: a row each, and one for all beyond the cap."""
        most = self.state.policy.most_catch_up
        slots = self._slots(before, until, most + 1)
        self.unfired.extend(Unfired(slot, Outcome.MISSED, why) for slot in slots[:most])
        if len(slots) <= most:
            return
        count, is_exact = self.state.rule.count_between(slots[most - 1], until, self.around, 1)
        last = self._newest(slots[most - 1], until, 1)[0]
        self.unfired.append(Unfired(slots[most], Outcome.MISSED, why, max(1, count), is_exact, last))

    # --- what is due ---

    def _collect_due(self, before: datetime, until: datetime) -> None:
        """The oldest slots in (before, until] fire, late or not; what is beyond the cap is for the next turn."""
        if not self.state.rule.is_series and (self.caught_up or self.unfired):
            return
        slots = self._slots(before, until, self._most_at_once(self.state.policy.most_catch_up))
        self.due.extend(Slot(slot) for slot in slots)
        if slots:
            self.cursor = max(self.cursor, slots[-1])

    def _settle_start(self, until: datetime) -> None:
        """The one slot of a rule without series is settled, and with it all time up to now."""
        self.cursor = max(self.cursor, until)
        key = self.state.rule.start_key(self.around)
        self.around = replace(self.around, settled_for=key or self.around.settled_for)

    # --- slots ---

    def _next(self, after: datetime, until: datetime) -> datetime | None:
        found = self.ask(after)
        return found if found is not None and found <= until else None

    def _walk(self, before: datetime, until: datetime) -> Iterator[datetime]:
        """The slots in (before, until], the oldest first."""
        found = self._next(before, until)
        while found is not None:
            yield found
            found = self._next(found, until) if self.state.rule.is_series else None

    def _slots(self, before: datetime, until: datetime, most: int) -> list[datetime]:
        """The oldest slots in (before, until]."""
        return list(islice(self._walk(before, until), most))

    def _newest(self, before: datetime, until: datetime, most: int) -> list[datetime]:
        """The newest slots in (before, until], oldest first, without walking through all of them."""
        wanted = most
        while True:
            start = self._start_of(before, until, wanted)
            slots = list(deque(self._walk(start, until), maxlen=most))
            if len(slots) == most or start <= before:
                return slots
            wanted *= 2  # some expressions share slots: fewer than was guessed

    def _start_of(self, before: datetime, until: datetime, most: int) -> datetime:
        """An instant after which, up to ``until``, are about ``most`` slots; ``before`` if there are no more."""
        span, few = _FIRST_SPAN, until
        while span < until - before and self._guess(until - span, until, most) < most:
            few, span = until - span, span * _SPAN_GROWTH
        many = max(before, until - span)
        while few - many > _SECOND and self._guess(many, until, most) > 2 * most:
            middle = many + (few - many) / 2
            if self._guess(middle, until, most) < most:
                few = middle
            else:
                many = middle
        return many

    def _guess(self, after: datetime, until: datetime, most: int) -> int:
        return self.state.rule.guess_between(after, until, self.around, most)

    # --- what comes ---

    def _with_outlook(self, decided: Plan, *, waits: bool) -> Plan:
        """``decided`` with the cursor, the next slot, and whether there is none for ever."""
        rule, end_at = self.state.rule, self.state.policy.end_at
        around = replace(self.around, active=self.around.active or bool(decided.fires))
        found = rule.next_after(self._floor(), around)
        is_over = found is None and rule.can_end
        if end_at is not None and (self.now >= end_at or (found is not None and found >= end_at)):
            found, is_over = None, True
        return replace(
            decided,
            cursor=self.cursor,
            next_slot=found,
            next_at=None if found is None else found + self.offset,
            has_ended=is_over and not waits,
            settled_for=self.around.settled_for,
        )


@dataclass(slots=True)
class _Meeting:
    """Slots that want to run meet the job of the schedule that has not ended, and each other."""

    state: ScheduleState
    queue: list[Slot] = field(default_factory=list)
    """What waits, oldest first."""
    fires: list[Slot] = field(default_factory=list)
    skipped: list[Unfired] = field(default_factory=list)

    def decide(self, caught_up: list[Slot], due: list[Slot]) -> Plan:
        policy = self.state.policy
        self.queue = [replace(slot, was_pending=True) for slot in self.state.pending]
        if policy.overlap is Overlap.ALLOW:
            fires = (*self.queue, *caught_up, *due)
            self.queue = []
            return Plan(self.state.cursor, fires=fires)
        arrivals = [*caught_up, *due]
        if policy.missed is Missed.ALL:  # the user wants each of them run: one after the other
            self.queue.extend(caught_up)
            arrivals = due
        if self.queue and not self.state.around.active:
            self.fires.append(self.queue.pop(0))
        for slot in arrivals:
            self._meet(slot)
        return Plan(
            self.state.cursor,
            fires=tuple(self.fires),
            waits=tuple(slot for slot in self.queue if not slot.was_pending),
            unfired=tuple(self.skipped),
            cancel_active=self.state.around.active and any(self._replaces(slot) for slot in self.queue),
        )

    def _meet(self, slot: Slot) -> None:
        """``slot`` fires if nothing runs or waits; else the schedule's ``overlap`` says what becomes of it."""
        overlap, active = self.state.policy.overlap, self.state.around.active
        if not (active or self.fires or self.queue):
            self.fires.append(slot)
        elif overlap is Overlap.REPLACE:
            replaced = (*self.fires, *self.queue)
            self.skipped.extend(_unfired(old, Outcome.SKIPPED, Reason.REPLACED) for old in replaced)
            self.fires, self.queue = ([], [slot]) if active else ([slot], [])
        elif overlap is Overlap.QUEUE and not self.queue:
            self.queue.append(slot)
        else:
            self.skipped.append(_unfired(slot, Outcome.SKIPPED, Reason.OVERLAP))

    def _replaces(self, slot: Slot) -> bool:
        """Whether the waiting ``slot`` ends what runs: not so a backlog, which runs one after the other."""
        policy = self.state.policy
        return policy.overlap is Overlap.REPLACE and not (slot.was_missed and policy.missed is Missed.ALL)


def _unfired(slot: Slot, outcome: Outcome, reason: Reason) -> Unfired:
    return Unfired(slot.due_at, outcome, reason, was_pending=slot.was_pending)
