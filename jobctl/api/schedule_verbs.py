"""Schedules: what is due when."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict, Unpack

from jobctl.actions import schedules as actions
from jobctl.actions.callers import caller_context
from jobctl.actions.schedule_answers import (
    MOST_SLOTS,
    listed_schedules,
    next_fires,
    next_of,
    situation_of,
    why,
)
from jobctl.actions.schedule_runs import one_schedule, run_schedule, unknown_schedule
from jobctl.actions.schedules import ScheduleCaller, ScheduleRequest, moment
from jobctl.api.connections import Connections
from jobctl.api.job_reads import JobReads
from jobctl.api.options import Duration, Function, Instant, JobOptions, Word, job_request, number_text, plain
from jobctl.api.records import Job, Reason, instant, reasons_of
from jobctl.clock import to_datetime, to_ms
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.instants import parse_instant
from jobctl.model.names import check_name
from jobctl.model.schedule_records import Fire as FireRecord
from jobctl.model.schedule_records import Schedule as ScheduleRecord
from jobctl.model.schedule_texts import Given, parse_schedule
from jobctl.model.states import JobId
from jobctl.store import Store
from jobctl.views.schedules import fire_json, schedule_details_json
from jobctl.zones import zone_or_utc


class Rule(TypedDict, total=False):
    """When it is due: exactly one of the first eight, as on the command line; then what else counts."""

    cron: str | Sequence[str]
    every: Duration
    at: Instant
    daily: str
    weekly: str
    monthly: str
    reboot: bool
    manual: bool
    after_finish: bool
    tz: str
    start: Instant
    end: Instant
    jitter: Duration
    missed: str
    """``skip``, ``latest`` or ``all``."""
    missed_grace: Duration
    overlap: str
    """``skip``, ``queue``, ``replace`` or ``allow``."""


class ScheduledJob(Rule, JobOptions, total=False):
    """The rule, and the options of its jobs (without those that say when one job starts)."""


_RULE_KEYS = frozenset(Rule.__annotations__)
_NOT_OF_SCHEDULES = ("in_", "hold", "after", "after_any", "after_failed")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it stood when it was read. Instants are aware (UTC)."""

    record: ScheduleRecord = field(repr=False)
    verbs: ScheduleVerbs = field(repr=False, compare=False)
    running: tuple[int, ...] = ()
    """Its jobs that have not ended, where they were asked for."""
    pending: tuple[FireRecord, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"<Schedule {self.name!r} {self.kind} {self.expression!r}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def kind(self) -> str:
        """``cron``, ``every``, ``at``, ``daily``, ``weekly``, ``monthly``, ``manual``, ``reboot``."""
        return self.record.text.kind

    @property
    def expression(self) -> str:
        """Its rule as it was written."""
        return self.record.text.expression

    @property
    def type(self) -> str | None:
        """What kind of work its jobs are."""
        return self.record.text.type

    @property
    def user(self) -> str | None:
        """Whom its jobs are for."""
        return self.record.text.user

    @property
    def enabled(self) -> bool:
        """Whether it fires."""
        return self.record.enabled

    @property
    def next_at(self) -> datetime | None:
        """When it fires next, as far as is known."""
        return instant(self.record.next_fire_at)

    @property
    def last_at(self) -> datetime | None:
        """When it fired last."""
        return instant(self.record.last_at)

    @property
    def last_job_id(self) -> int | None:
        """Its newest job."""
        return self.record.last_job_id

    @property
    def last_status(self) -> str | None:
        """The state of that job."""
        return None if self.record.last_status is None else self.record.last_status.value

    @property
    def runs(self) -> int:
        """How many jobs it has made."""
        return self.record.runs

    def as_json(self) -> dict[str, object]:
        """The document that ``schedule show --json`` prints."""
        return schedule_details_json(self.record, [JobId(number) for number in self.running], self.pending)

    def refresh(self) -> Schedule:
        """The schedule as it stands now."""
        return self.verbs.get(self.name)

    def enable(self) -> Schedule:
        """It fires again, from now on."""
        return self.verbs.enable(self.name)

    def disable(self, until: Instant | None = None) -> Schedule:
        """It does not fire, for good or until then."""
        return self.verbs.disable(self.name, until=until)

    def run(self, *, force: bool = False) -> Job:
        """A job of it, now."""
        return self.verbs.run(self.name, force=force)

    def remove(self) -> None:
        """It is gone."""
        self.verbs.remove(self.name)


@dataclass(frozen=True, slots=True)
class Fire:
    """What became of a slot: ``fired``, ``skipped``, ``missed``, …, and why."""

    due_at: datetime | None
    """None: a run by hand."""
    outcome: str
    reason: str | None
    job_id: int | None
    record: FireRecord = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """As in ``schedule history --json``."""
        return fire_json(self.record)


def _fire(record: FireRecord) -> Fire:
    return Fire(instant(record.due_at), record.outcome.value, record.reason, record.job_id, record)


class ScheduleVerbs:
    """``client.schedules``: the repository of schedules. Errors are those of the verbs ``schedule …``."""

    def __init__(self, connections: Connections, jobs: JobReads) -> None:
        self._connections, self._jobs = connections, jobs

    def add(
        self,
        name: str,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        definition: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        disabled: bool = False,
        **options: Unpack[ScheduledJob],
    ) -> Schedule:
        """The schedule exists, owing nothing for the time before; returns it.

        Args:
            name: of the new schedule.
            command, shell, call, definition, parameters: what it runs, as in ``Client.submit``.
            disabled: without letting it fire.
            options: when it is due (``every="5m"``, ``cron="30 2 * * *"``, …) and those of its jobs.

        Raises:
            BadInputError: something is wrong with it, or it would never fire.
            NotFoundError: there is no such queue or definition.
            StateConflictError: it exists already.
        """
        request = _request(command, shell, call, (definition, parameters), dict(options))
        store = self._connections.store(create=True)
        found, _ = actions.add_schedule(
            store, name, request, self._caller(), self._connections.clock, disabled=disabled
        )
        return self._schedule(found)

    def edit(
        self,
        name: str,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        definition: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        unset: Sequence[str] = (),
        **options: Unpack[ScheduledJob],
    ) -> Schedule:
        """What is given is changed, the rest stays; it owes nothing for the time before. ``unset``: back to defaults.

        Raises:
            BadInputError: nothing to change, or something is wrong with it.
            NotFoundError: no such schedule, queue or definition.
            StateConflictError: it is written in ``jobctl.yaml``.
        """
        taken_back = actions.unsettable(unset)
        request = _request(command, shell, call, (definition, parameters), dict(options), taken_back)
        found, _ = actions.edit_schedule(
            self._store_with(name), name, request, self._caller(), self._connections.clock
        )
        return self._schedule(found)

    def get(self, name: str) -> Schedule:
        """The schedule, with what runs of it and which slots wait.

        Raises:
            NotFoundError: there is none.
        """
        found = situation_of(self._store_with(name), name)
        return Schedule(found.schedule, self, tuple(found.running), found.pending)

    def list(
        self, *, type: str | None = None, user: str | None = None, everything: bool = False
    ) -> builtins.list[Schedule]:
        """The schedules of a type and of a user, what is due next first; ended and gone ones with ``everything``."""
        store = self._connections.existing()
        if store is None:
            return []
        return [
            self._schedule(one)
            for one in listed_schedules(store, type=type, user=user, everything=everything)
        ]

    def enable(self, name: str) -> Schedule:
        """It fires again, from now on: it owes nothing for the time it was disabled."""
        return self._schedule(actions.enable_schedule(self._store_with(name), name, self._connections.clock))

    def disable(self, name: str, *, until: Instant | None = None) -> Schedule:
        """It does not fire, for good or until then; what runs goes on."""
        text = None if until is None else str(plain(until))
        found = actions.disable_schedule(self._store_with(name), name, text, self._connections.clock)
        return self._schedule(found)

    def remove(self, name: str) -> None:
        """It is gone with its history; its jobs stay, and what runs goes on."""
        actions.remove_schedule(self._store_with(name), name, self._connections.clock)

    def run(self, name: str, *, force: bool = False) -> Job:
        """A job of it is stored now; its times stay as they are.

        Raises:
            NotFoundError: no such schedule, or what it needs is gone.
            StateConflictError: a job of it has not ended, and its ``overlap`` refuses another (without ``force``).
        """
        ran = run_schedule(
            self._store_with(name),
            name,
            self._connections.settings(),
            self._connections.clock,
            force=force,
        )
        return self._jobs.job(ran.job_id)

    def next(self, name: str, *, after: Instant | None = None, count: int = 5) -> builtins.list[datetime]:
        """The next instants at which it fires, in its zone; fewer than ``count`` when it ends before."""
        store = self._store_with(name)
        zone = zone_or_utc(one_schedule(store, name).text.timezone)
        floor = None if after is None else parse_instant(str(plain(after)), self._now(), "time", zone)
        _, found = next_of(store, name, floor, _count(count), self._connections.clock)
        return [one.astimezone(zone) for one in found]

    def preview(
        self, *, after: Instant | None = None, count: int = 5, **rule: Unpack[Rule]
    ) -> builtins.list[datetime]:
        """When a rule that is no schedule yet would fire, in its zone: ``preview(cron="30 2 * * *")``.

        Raises:
            BadInputError: it is no rule, or would never fire.
        """
        now = self._now()
        zone = parse_schedule({"manual": True, "tz": rule.get("tz")}, moment(to_ms(now))).zone
        floor = now if after is None else parse_instant(str(plain(after)), now, "time", zone)
        terms = parse_schedule(_times(dict(rule)), moment(to_ms(floor)))
        return [one.astimezone(terms.zone) for one in next_fires(terms, floor, _count(count))]

    def history(self, name: str, *, limit: int | None = None) -> builtins.list[Fire]:
        """What became of its slots, newest first: each run, skip and miss with its reason."""
        store = self._store_with(name)
        return [_fire(record) for record in store.schedules.fires(one_schedule(store, name).id, limit)]

    def why(self, name: str, *, at: Instant | None = None) -> builtins.list[Reason]:
        """Why it fires or does not, now or at an instant."""
        store = self._store_with(name)
        zone = zone_or_utc(one_schedule(store, name).text.timezone)
        when = None if at is None else parse_instant(str(plain(at)), self._now(), "time", zone, past=True)
        return reasons_of(why(store, name, when, self._connections.clock).causes)

    def _now(self) -> datetime:
        return to_datetime(self._connections.clock.now_ms())

    def _schedule(self, record: ScheduleRecord) -> Schedule:
        store = self._connections.store()
        running = tuple(int(job.id) for job in store.schedules.open_jobs(record.name))
        return Schedule(record, self, running)

    def _caller(self) -> ScheduleCaller:
        home = self._connections.home
        context = caller_context(home.path, self._connections.clock.now_ms())
        return ScheduleCaller(context, self._connections.settings(), read_configuration(home))

    def _store_with(self, name: str) -> Store:
        """The store; where there is none, there is no such schedule."""
        check_name(name, "schedule name")
        store = self._connections.existing()
        if store is None:
            raise unknown_schedule(name, [])
        return store


def _request(
    command: Sequence[Word] | None,
    shell: str | None,
    call: str | Function | None,
    definition: tuple[str | None, Mapping[str, Json] | None],
    options: dict[str, object],
    unset: tuple[str, ...] = (),
) -> ScheduleRequest:
    for key in _NOT_OF_SCHEDULES:
        if key in options:
            raise BadInputError("a schedule has no option", key, "its rule says when it starts", "E_USAGE")
    times = {key: value for key, value in options.items() if key in _RULE_KEYS}
    job = {key: value for key, value in options.items() if key not in _RULE_KEYS}
    name, parameters = definition
    return ScheduleRequest(
        times=_times(times),
        job=job_request(command, shell, call, job),
        definition=name,
        parameters=plain(parameters or {}),
        unset=unset,
    )


def _times(rule: Mapping[str, object]) -> dict[str, Given]:
    """The rule as the texts of the command line."""
    found: dict[str, Given] = {}
    for key, value in rule.items():
        if key == "cron" and not isinstance(value, str) and isinstance(value, Sequence):
            found[key] = [str(text) for text in value]
        elif key == "cron":
            found[key] = [str(value)]
        else:
            found[key] = value if isinstance(value, bool) else number_text(value)
    return found


def _count(count: int) -> int:
    if isinstance(count, bool) or not 1 <= count <= MOST_SLOTS:
        raise BadInputError("bad count", count, f"give 1 to {MOST_SLOTS}", "E_NUMBER")
    return count
