"""Carries out what a look at a schedule decided: jobs, rows of slots, the new cursor and the events of all of it.

All in the supervisor's one transaction, so a slot fires once however often the supervisor is killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from jobctl.actions.admissions import check_submissions
from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.actions.schedule_runs import scheduled_job
from jobctl.actions.schedule_states import offset_ms
from jobctl.clock import Clock, Milliseconds, to_datetime, to_ms
from jobctl.errors import BadInputError, NotFoundError, SecretsError, StateConflictError
from jobctl.model.events import Entity, EventKind
from jobctl.model.firings import Plan, ScheduleState, plan
from jobctl.model.instants import format_instant
from jobctl.model.schedule_records import Fire, Schedule, Trigger
from jobctl.model.schedule_rules import RuleKind
from jobctl.model.selectors import parse_selector
from jobctl.model.slots import Outcome, Slot, Unfired
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.schedules import Standing
from jobctl.supervisor.schedule_looks import Look, is_shortage

RETRY_MS = 1000
"""A schedule that says it is due and then has nothing due is looked at again after this."""

_REFUSALS = (BadInputError, NotFoundError, StateConflictError, SecretsError)


class Settlement:
    """One schedule in one transaction."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, schedule: Schedule, now: Milliseconds
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._schedule = schedule
        self._now = now
        self._ran = 0
        self._caught_up = 0
        self._missed: Counter[str] = Counter()
        """By reason."""

    def carry_out(self, look: Look, state: ScheduleState, decided: Plan) -> None:
        """The slots have become jobs or rows, and the schedule stands where ``decided`` puts it."""
        schedule, schedules = self._schedule, self._store.schedules
        if schedule.broken is not None:
            schedules.repair(schedule.id)
            self.tell(EventKind.SCHEDULE_ENABLED, {"reason": "it works again"})
        if decided.enable:
            schedules.enable(schedule.id, self._now)
            self.tell(EventKind.SCHEDULE_ENABLED, {"reason": "its time has come"})
        for unfired in decided.unfired:
            self._leave(unfired)
        for slot in decided.waits:
            if not schedules.is_decided(schedule.id, to_ms(slot.due_at)):
                schedules.decide(schedule.id, self._fire(slot, Outcome.PENDING))
        for slot in decided.fires:
            self._start(look, slot)
        self._tell_missed()
        self._stand(look, state, decided)

    def replace_jobs(self, look: Look) -> None:
        """The jobs of the schedule are asked to end, each once; ``look`` has those left that run."""
        asked = [job.id for job in look.open_jobs if not job.cancelling]
        if asked:
            reason = f"replaced by the next run of the schedule {self._schedule.name}"
            selector = parse_selector(",".join(map(str, asked)))
            cancel(self._store, selector, self._clock, CancelOptions(reason=reason))
        look.open_jobs = self._store.schedules.open_jobs(self._schedule.name)

    def tell(self, kind: EventKind, data: Mapping[str, object]) -> None:
        """An event about the schedule is in the transaction."""
        self._store.events.add(self._now, kind, Entity.SCHEDULE, self._schedule.name, data)

    # --- where it stands ---

    def _stand(self, look: Look, state: ScheduleState, decided: Plan) -> None:
        """The new cursor is stored, and when to look again."""
        schedule = self._schedule
        follows_end = state.rule.kind is RuleKind.AFTER_FINISH
        ended_at = state.around.last_ended_at
        if follows_end and decided.fires and not self._ran and not look.open_jobs:
            # Nothing runs that could end: the next one is counted from this failure.
            now = ended_at = to_datetime(self._now)
            around = replace(state.around, active=False, last_ended_at=ended_at)
            decided = plan(replace(state, around=around, cursor=decided.cursor, pending=()), now, now)
        next_at = None if decided.next_at is None else to_ms(decided.next_at)
        idle = not (decided.fires or decided.waits or decided.unfired)
        if next_at is not None and next_at <= look.at and idle:
            next_at = self._now + RETRY_MS
        active = bool(self._ran or look.open_jobs)
        standing = Standing(
            cursor_at=to_ms(decided.cursor),
            next_at=next_at,
            waiting=bool(self._store.schedules.pending(schedule.id)) or (follows_end and active),
            ended=decided.has_ended,
            settled_for=decided.settled_for,
            last_ended_at=None if ended_at is None else to_ms(ended_at),
        )
        if standing != _standing_of(schedule) or schedule.broken is not None:
            self._store.schedules.stand(schedule.id, standing)
        if decided.has_ended and not schedule.ended:
            self.tell(EventKind.SCHEDULE_ENDED, {})
        if decided.warning is not None:
            self._store.schedules.release_missed(schedule.id, self._now)
            self.tell(EventKind.SCHEDULE_CHANGED, {"warning": decided.warning})

    # --- one slot ---

    def _job(self, look: Look) -> Submission:
        if look.job is None or look.schedule.text != self._schedule.text:  # it was edited in between
            return scheduled_job(self._store, self._schedule, self._settings, self._now)
        if isinstance(look.job, Exception):
            raise look.job
        return look.job

    def _start(self, look: Look, slot: Slot) -> None:
        """The slot has become a job, or a row that says why it could not; nothing if it was decided before."""
        schedule, schedules = self._schedule, self._store.schedules
        if schedules.is_decided(schedule.id, to_ms(slot.due_at)):
            return
        try:
            with self._store.database.savepoint():
                jobs = check_submissions(self._store, [self._job(look)])
                stored = self._store.submissions.submit(jobs, self._now)[0]
        except _REFUSALS as error:
            if is_shortage(error):
                raise
            failed = replace(self._fire(slot, Outcome.FAILED), reason=str(error))
            self._note_unable(failed, EventKind.SCHEDULE_FAILED)
            return
        fire = replace(self._fire(slot, Outcome.FIRED), job_id=stored.id)
        if not stored.is_new:
            reason = f"job {stored.id} has its unique key"
            schedules.count(schedule.id, skipped=1)
            self._note_unable(
                replace(fire, outcome=Outcome.SKIPPED, reason=reason), EventKind.SCHEDULE_SKIPPED
            )
            return
        schedules.decide(schedule.id, fire)
        schedules.note_run(schedule.id, stored.id, self._now)
        self._ran += 1
        self._caught_up += slot.was_missed
        facts: dict[str, object] = {"job_id": stored.id, "due_at": format_instant(slot.due_at)}
        facts |= {"trigger": fire.trigger.value, "late_seconds": (fire.late_ms or 0) / 1000}
        self.tell(EventKind.SCHEDULE_FIRED, facts)

    def _note_unable(self, fire: Fire, kind: EventKind) -> None:
        """The slot is settled without a job; the next one goes on."""
        self._store.schedules.decide(self._schedule.id, fire)
        due = None if fire.due_at is None else format_instant(to_datetime(fire.due_at))
        self.tell(kind, {"due_at": due, "reason": fire.reason})

    def _fire(self, slot: Slot, outcome: Outcome) -> Fire:
        due_at = to_ms(slot.due_at)
        late = max(0, self._now - due_at - offset_ms(self._schedule))
        trigger = Trigger.CATCH_UP if slot.was_missed else Trigger.SLOT
        return Fire(due_at, self._now, outcome, trigger, late_ms=late)

    def _leave(self, unfired: Unfired) -> None:
        """The slot, or the run of slots, is on record as not fired, with the reason."""
        schedule, is_missed = self._schedule, unfired.outcome is Outcome.MISSED
        fire = Fire(
            due_at=to_ms(unfired.due_at),
            decided_at=self._now,
            outcome=unfired.outcome,
            trigger=Trigger.SLOT,
            reason=unfired.reason.value,
            count=unfired.count,
            is_exact=unfired.is_exact,
            last_due_at=None if unfired.last_due_at is None else to_ms(unfired.last_due_at),
        )
        if not self._store.schedules.decide(schedule.id, fire):
            return
        if is_missed:
            self._missed[unfired.reason.value] += unfired.count
            return
        self._store.schedules.count(schedule.id, skipped=unfired.count)
        data = {"due_at": format_instant(unfired.due_at), "reason": fire.reason, "count": fire.count}
        self.tell(EventKind.SCHEDULE_SKIPPED, data)

    def _tell_missed(self) -> None:
        """One event a reason, not one a slot: a night without a supervisor is no flood."""
        total = self._missed.total()
        for reason, count in self._missed.items():
            self.tell(EventKind.SCHEDULE_MISSED, {"reason": reason, "count": count})
        if total:
            self._store.schedules.count(self._schedule.id, missed=total)
        if total or self._caught_up:
            self.tell(EventKind.SCHEDULE_CAUGHT_UP, {"ran": self._caught_up, "missed": total})


def _standing_of(schedule: Schedule) -> Standing:
    return Standing(
        schedule.cursor_at, schedule.next_at, schedule.waiting, schedule.ended, schedule.settled_for,
        schedule.last_ended_at,
    )  # fmt: skip
