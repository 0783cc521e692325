"""What a caller may ask for about schedules: add, edit, remove, enable, disable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobctl.actions.admissions import check_submissions
from jobctl.actions.callers import CallerContext
from jobctl.actions.definitions import given_values, named_definition, overlaid
from jobctl.actions.requests import FIELDS, JobRequest, request_document, request_of
from jobctl.actions.schedule_runs import one_schedule, templated_job, typed_request
from jobctl.actions.schedule_states import start_afresh, stored_rule
from jobctl.actions.supervisors import wake
from jobctl.actions.zones import machine_zone
from jobctl.clock import Clock, Milliseconds, to_datetime
from jobctl.errors import BadInputError, StateConflictError
from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.configurations import Configuration
from jobctl.model.documents import Json
from jobctl.model.events import Entity, EventKind
from jobctl.model.instants import parse_instant, require_future
from jobctl.model.names import check_name
from jobctl.model.schedule_records import Schedule, ScheduleSource, ScheduleText
from jobctl.model.schedule_rules import RuleKind
from jobctl.model.schedule_texts import RULE_KEYS, Given, Moment, parse_schedule
from jobctl.model.schedules import SchedulePolicy, ScheduleTerms
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.zones import find_zone

if TYPE_CHECKING:
    from jobctl.actions.functions import Functions

GONE = "gone from the file"
"""Why a schedule is disabled that ``jobctl.yaml`` no longer names."""
_POLICY_KEYS = {
    "missed": "missed", "missed_grace": "missed_grace_seconds", "overlap": "overlap",
    "jitter": "jitter_seconds", "start": "start_at", "end": "end_at",
}  # fmt: skip
_NOT_UNSET = {
    "command", "shell", "call", "at", "in", "hold", "after", "after_any", "after_failed",
}  # fmt: skip
_RULE_PARTS = ("after_finish", "once_per_boot")


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What a caller asks for, as written; None and empty: not said.

    ``times`` has the keys of ``model.schedule_texts.parse_schedule``.
    """

    times: Mapping[str, Given]
    job: JobRequest = field(default_factory=JobRequest)
    definition: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    """Options that go back to their defaults."""

    @property
    def says_work(self) -> bool:
        """Whether it names a command, a function or a definition."""
        return self.definition is not None or self.job.says_work


@dataclass(frozen=True, slots=True)
class ScheduleCaller:
    """Who asks: where they stand, what holds there, and what gives the functions they may have called."""

    context: CallerContext
    settings: Settings
    configuration: Configuration | None = None
    functions: Callable[[], Functions] | None = None


def moment(now: Milliseconds) -> Moment:
    """Here and now."""
    return Moment(to_datetime(now), machine_zone())


def add_schedule(
    store: Store, name: str, request: ScheduleRequest, caller: ScheduleCaller, clock: Clock, *, disabled: bool
) -> tuple[Schedule, ScheduleTerms]:
    """The schedule exists, owing nothing for the time before; returns it and how its texts were understood.

    Raises:
        BadInputError: something is wrong with it, or it would never fire.
        NotFoundError: there is no such queue or definition.
        StateConflictError: it exists already.
    """
    check_name(name, "schedule name")
    now = clock.now_ms()
    terms = parse_schedule(request.times, moment(now))
    template = _template(request, caller, store, {})
    _check_new(store, name)
    trial = _trial_job(store, template, caller, now, name)
    text = schedule_text(terms, template, request.times)
    with store.write():
        _check_new(store, name)
        check_submissions(store, trial)
        schedule_id = store.schedules.add(name, text, ScheduleSource.COMMAND_LINE, now)
        store.events.add(now, EventKind.SCHEDULE_ADDED, Entity.SCHEDULE, name, _told(text))
        if disabled:
            store.schedules.disable(schedule_id, None, None, now)
        start_afresh(store, schedule_id, now)
        found = one_schedule(store, name)
    wake(store.home)
    return found, terms


def edit_schedule(
    store: Store, name: str, request: ScheduleRequest, caller: ScheduleCaller, clock: Clock
) -> tuple[Schedule, ScheduleTerms]:
    """The schedule is as asked for, what was not said as before; it owes nothing for the time up to now.

    Raises:
        BadInputError: nothing to change, or something is wrong with it.
        NotFoundError: no such schedule, queue or definition.
        StateConflictError: it is written in ``jobctl.yaml``.
    """
    now = clock.now_ms()
    schedule = one_schedule(store, name)
    _check_own(schedule, "edit")
    terms, text = _edited(store, schedule, request, caller, now)
    trial = _trial_job(store, text.template, caller, now, name)
    with store.write():
        if one_schedule(store, name).text != schedule.text:
            hint = "somebody else edits it, too; try again"
            raise StateConflictError("the schedule has just changed", name, hint)
        _check_own(one_schedule(store, name), "edit")
        check_submissions(store, trial)
        store.schedules.change(schedule.id, text, schedule.source, now)
        store.events.add(now, EventKind.SCHEDULE_CHANGED, Entity.SCHEDULE, name, _told(text))
        start_afresh(store, schedule.id, now)
        found = one_schedule(store, name)
    wake(store.home)
    return found, terms


def remove_schedule(store: Store, name: str, clock: Clock) -> None:
    """The schedule is gone with its history; its jobs stay, and what runs goes on.

    Raises:
        NotFoundError: no such schedule.
        StateConflictError: ``jobctl.yaml`` names it.
    """
    with store.write():
        schedule = one_schedule(store, name)
        _check_own(schedule, "remove")
        store.schedules.remove(schedule.id)
        store.events.add(clock.now_ms(), EventKind.SCHEDULE_REMOVED, Entity.SCHEDULE, name)
    wake(store.home)


def enable_schedule(store: Store, name: str, clock: Clock) -> Schedule:
    """The schedule fires again from now on, a broken one too; enabling an enabled one changes nothing.

    Raises:
        BadInputError: it is broken, and still is.
        NotFoundError: no such schedule.
        StateConflictError: the file that it was written in no longer names it.
    """
    with store.write():
        schedule, now = one_schedule(store, name), clock.now_ms()
        if schedule.enabled and schedule.broken is None:
            return schedule
        if schedule.disabled_reason == GONE:
            raise _gone(name)
        store.schedules.repair(schedule.id)
        store.schedules.enable(schedule.id, now)
        store.events.add(now, EventKind.SCHEDULE_ENABLED, Entity.SCHEDULE, name)
        start_afresh(store, schedule.id, now)
        found = one_schedule(store, name)
    wake(store.home)
    return found


def disable_schedule(store: Store, name: str, until: str | None, clock: Clock) -> Schedule:
    """The schedule does not fire, for good or until an instant; what runs goes on, what waits is skipped.

    Raises:
        BadInputError: no such time, or it has passed.
        NotFoundError: no such schedule.
        StateConflictError: the file that it was written in no longer names it, so it cannot come back.
    """
    with store.write():
        schedule, now = one_schedule(store, name), clock.now_ms()
        if schedule.disabled_reason == GONE:
            if until is not None:  # it would come back, though nobody names it
                raise _gone(name)
            return schedule
        instant = None if until is None else _until(schedule, until, now)
        store.schedules.disable(schedule.id, instant, None, now)
        data = {} if instant is None else {"until": to_datetime(instant).isoformat()}
        store.events.add(now, EventKind.SCHEDULE_DISABLED, Entity.SCHEDULE, name, data)
        found = one_schedule(store, name)
    wake(store.home)
    return found


def _gone(name: str) -> StateConflictError:
    return StateConflictError("the schedule is gone from the file", name, "name it again in jobctl.yaml")


def _until(schedule: Schedule, text: str, now: Milliseconds) -> Milliseconds:
    present = to_datetime(now)
    found = parse_instant(text, present, "time", find_zone(schedule.text.timezone))
    return round(require_future(found, present, given=text).timestamp() * 1000)


def _check_new(store: Store, name: str) -> None:
    if store.schedules.get(name) is not None:
        hint = f"change it with: jobctl schedule edit {name}"
        raise StateConflictError("the schedule exists", name, hint, "E_EXISTS")


def _check_own(schedule: Schedule, verb: str) -> None:
    if schedule.source is ScheduleSource.FILE and schedule.disabled_reason != GONE:
        hint = "change the file, then: jobctl reload; or: jobctl schedule disable"
        raise StateConflictError(f"cannot {verb} a schedule of jobctl.yaml", schedule.name, hint)


def schedule_text(
    terms: ScheduleTerms, template: Mapping[str, Any], times: Mapping[str, Given], before: str | None = None
) -> ScheduleText:
    """The stored form of what was understood, and of what it is to run.

    The expression is what was written in ``times``; what it was ``before`` if its rule was not.
    """
    job = template.get("job", {})
    return ScheduleText(
        kind=terms.rule.kind.value,
        expression=_expression(terms, times) if before is None else before,
        rule=terms.rule.document(),
        timezone=terms.zone.key,
        template=template,
        policy=terms.policy,
        type=job.get("type"),
        user=job.get("user"),
    )


def _expression(terms: ScheduleTerms, times: Mapping[str, Given]) -> str:
    """As it was written, where that means the same later: ``90s``, not ``1m30s``."""
    kind = terms.rule.kind
    written = times.get("every" if kind is RuleKind.AFTER_FINISH else kind.value)
    is_lasting = kind not in (RuleKind.AT, RuleKind.CRON) and isinstance(written, str)
    return str(written).strip() if is_lasting else terms.rule.expression


def terms_of(text: ScheduleText) -> ScheduleTerms:
    """What is stored, as it was understood.

    Raises:
        BadInputError: its zone is no longer known, or its rule cannot be read.
    """
    return ScheduleTerms(stored_rule(text), find_zone(text.timezone), text.policy)


# --- what it runs ---


def _template(
    request: ScheduleRequest, caller: ScheduleCaller, store: Store, before: Mapping[str, Any]
) -> dict[str, Any]:
    """The document of the job: where the caller stands, and what was asked for over what was said ``before``."""
    found: dict[str, Any] = {"cwd": caller.context.cwd, "umask": caller.context.umask}
    if request.definition is not None:
        if request.job.says_work:
            raise BadInputError(
                "a definition and a command", request.definition, "give one of them", "E_USAGE"
            )
        definition = named_definition(store.home, caller.configuration, request.definition)
        found |= {
            "definition": request.definition,
            "parameters": given_values(definition, request.parameters),
        }
    elif not request.says_work:
        hint = "a command follows --, as in: -- CMD …; or name a definition"
        raise BadInputError("nothing to run", hint=hint, code="E_COMMAND")
    return found | {"job": _job_document(before, request.job, caller, store)}


def _job_document(
    before: Mapping[str, Any], said: JobRequest, caller: ScheduleCaller, store: Store
) -> dict[str, object]:
    """What is stored of the job: ``said`` over what was said ``before``, arguments as the function wants them."""
    request = overlaid(request_of(before, JobRequest()), said)
    return request_document(typed_request(store, caller.functions, request, caller.context.now))


def _edited(
    store: Store, schedule: Schedule, request: ScheduleRequest, caller: ScheduleCaller, now: Milliseconds
) -> tuple[ScheduleTerms, ScheduleText]:
    terms = _edited_terms(schedule.text, request, moment(now))
    template = _edited_template(schedule, request, caller, store)
    says_rule = any(request.times.get(key) for key in RULE_KEYS)
    before = None if says_rule else schedule.text.expression
    text = schedule_text(terms, template, request.times, before)
    if text == schedule.text and not request.says_work and not request.unset:
        raise BadInputError("nothing to change", hint="give one of the options", code="E_USAGE")
    return terms, text


def _edited_template(
    schedule: Schedule, request: ScheduleRequest, caller: ScheduleCaller, store: Store
) -> Mapping[str, Any]:
    old = schedule.text.template
    job = {key: value for key, value in old.get("job", {}).items() if key not in request.unset}
    if request.says_work:
        for key in ("command", "shell", "call", "args"):
            job.pop(key, None)
        return _template(request, caller, store, job)
    before = old.get("parameters", {})
    if (before or request.parameters) and "definition" not in old:
        raise BadInputError(
            "a parameter without a definition", next(iter(request.parameters)), code="E_USAGE"
        )
    found = {**old, "job": _job_document(job, request.job, caller, store)}
    if request.parameters:
        definition = named_definition(store.home, caller.configuration, old["definition"])
        found["parameters"] = given_values(definition, request.parameters, before)
    if request.job.cwd is not None or request.job.env_file is not None or request.job.stdin is not None:
        found["cwd"] = caller.context.cwd  # what was just written is meant from here
    return found


def _trial_job(
    store: Store, template: Mapping[str, Any], caller: ScheduleCaller, now: Milliseconds, name: str
) -> list[Submission]:
    """The job it would run now; none where its definition was not applied yet.

    Then what the caller said over that definition is proven alone: the rest is, once the file is applied. In no
    transaction: the files of a job may be on a mount that hangs.
    """
    definition = template.get("definition")
    stored = None if definition is None else store.definitions.get(definition)
    if definition is None or definition in BUILTIN or (stored is not None and stored.gone_at is None):
        return [templated_job(store, template, caller.settings, now, name)]
    said = {**template.get("job", {}), "command": ["true"]}
    queues = () if caller.configuration is None else caller.configuration.queues
    if said.get("queue") in {queue.name for queue in queues}:
        del said["queue"]
    alone = {key: value for key, value in template.items() if key not in ("definition", "parameters")}
    templated_job(store, {**alone, "job": said}, caller.settings, now, name)
    return []


# --- when ---


def _edited_terms(text: ScheduleText, request: ScheduleRequest, at: Moment) -> ScheduleTerms:
    """What was said, over what is stored."""
    times = {key: value for key, value in request.times.items() if value is not None and value is not False}
    says_rule = any(key in times for key in RULE_KEYS)
    if not says_rule and any(key in times for key in _RULE_PARTS):
        raise BadInputError("--after-finish goes with --every only", hint="add --every", code="E_SCHEDULE")
    zone = {"tz": text.timezone} | times
    said = parse_schedule(zone if says_rule else zone | {"manual": True} | _harmless(times), at)
    changes = {
        attribute: getattr(said.policy, attribute) for key, attribute in _POLICY_KEYS.items() if key in times
    }
    default = SchedulePolicy()
    changes |= {
        _POLICY_KEYS[key]: getattr(default, _POLICY_KEYS[key]) for key in request.unset if key in _POLICY_KEYS
    }
    policy = replace(text.policy, **changes)
    if policy.start_at is not None and policy.end_at is not None and policy.end_at <= policy.start_at:
        raise BadInputError(
            "end is not after start", request.times.get("end"), "give a later end", "E_SCHEDULE"
        )
    rule = said.rule if says_rule else stored_rule(text)
    return ScheduleTerms(rule, said.zone, policy, said.notes)


def _harmless(times: Mapping[str, Given]) -> dict[str, Given]:
    """What a rule that stands in for the stored one cannot have is read by itself."""
    return {"manual": None, "reboot": True} if "jitter" in times else {}


def unsettable(keys: Collection[str]) -> tuple[str, ...]:
    """``keys`` with underscores, proven to be options that ``edit`` can take back.

    Raises:
        BadInputError: one is none.
    """
    known = {*_POLICY_KEYS, *FIELDS} - _NOT_UNSET
    found = tuple(key.removeprefix("--").replace("-", "_") for key in keys)
    for key in found:
        if key not in known:
            hint = f"one of: {' '.join(sorted(known))}"
            raise BadInputError("no option to take back", key, hint, "E_USAGE")
    return found


def _told(text: ScheduleText) -> dict[str, object]:
    return {"kind": text.kind, "expression": text.expression, "timezone": text.timezone}
