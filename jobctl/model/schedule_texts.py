"""How schedules are written: the texts of ``schedule add`` and of ``jobctl.yaml``, which have the same keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from jobctl.errors import BadInputError
from jobctl.model.cron import parse_cron
from jobctl.model.cron_fields import DAY, WEEKDAY, parse_numbers
from jobctl.model.durations import parse_duration
from jobctl.model.instants import format_instant, parse_instant, require_future
from jobctl.model.rules import LAST_SLOT
from jobctl.model.schedule_rules import (
    MILLISECOND,
    AfterFinish,
    Around,
    At,
    Cron,
    Daily,
    Every,
    Manual,
    Monthly,
    Reboot,
    Rule,
    RuleKind,
    Weekly,
)
from jobctl.model.schedules import Missed, Overlap, SchedulePolicy, ScheduleTerms
from jobctl.zones import find_zone

Given = str | bool | Sequence[str] | None
"""A value as written: a text, a flag, or (``cron``) several texts. None and False: not given."""

RULE_KEYS = ("cron", "every", "at", "daily", "weekly", "monthly", "reboot", "manual")
"""Exactly one of them says what kind of schedule it is."""
SHORTEST_INTERVAL_SECONDS = 1.0

_ZONE_PREFIX = r"(?:CRON_)?TZ=(\S*)\s+(\S.*)"
_CLOCK = r"([0-9]{1,2})(?::([0-9]{2}))?"
_SHORTHANDS = ("every", "at", "daily", "weekly", "monthly")
_EXAMPLES = "examples: '30 2 * * *', '@daily', 'every 5m', 'daily 02:30', 'weekly mon,fri@09:00', 'manual'"
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where a text is read: relative times and the default zone depend on it."""

    now: datetime
    machine_zone: str | None
    """The IANA name of this machine's zone (``zones.machine_zone_name``); None where it has none."""
    takes_past: bool = False
    """Whether ``at`` and ``end`` may have passed, as in a file that is read again and again: then it has ended."""


def parse_schedule(given: Mapping[str, Given], moment: Moment) -> ScheduleTerms:
    """What the keys of a schedule say: those of ``schedule add`` with underscores; other keys are ignored.

    ``cron every after_finish at daily weekly monthly reboot once_per_boot manual tz missed missed_grace overlap
    jitter start end``. The texts of a file are the same as those of the options.

    Raises:
        BadInputError: none or several kinds, a bad text, an unknown zone, a rule that never fires.
    """
    said: dict[str, Given] = dict(given)
    said = {key: value for key, value in said.items() if value is not None and value is not False}
    said, in_line = _without_cron_extras(said)
    kind = _one_kind(said)
    zone = _zone_of(said, in_line, moment)
    reading = _Reading(said, zone, moment)
    policy = reading.policy()
    rule = reading.rule(kind, policy)
    if policy.end_at is not None and not moment.takes_past:
        _check_end(rule, policy, zone, moment)
    return ScheduleTerms(rule, zone, policy, tuple(reading.notes))


def split_shorthand(text: str) -> dict[str, Given]:
    """The keys that a schedule of one string stands for: ``30 2 * * *``, ``every 5m``, ``daily 02:30``, ``manual``.

    Raises:
        BadInputError: ``E_SCHEDULE``: empty.
    """
    plain = text.strip()
    if not plain:
        raise BadInputError("schedule is empty", None, _EXAMPLES, "E_SCHEDULE")
    word, _, rest = plain.partition(" ")
    rest = rest.strip()
    if word in ("manual", "reboot") and not rest:
        return {word: True}
    if word in _SHORTHANDS:
        if word == "every" and rest.endswith("after finish"):
            return {"every": rest.removesuffix("after finish").strip(), "after_finish": True}
        return {word: re.sub(r"\s+", "@", rest, count=1) if word in ("weekly", "monthly") else rest}
    return {"cron": plain}


class _Reading:
    """Reads the keys of one schedule in its zone."""

    def __init__(self, said: Mapping[str, Given], zone: ZoneInfo, moment: Moment) -> None:
        self._said = said
        self._zone = zone
        self._now = _whole_milliseconds(moment.now)
        self._takes_past = moment.takes_past
        self.notes: list[str] = []

    def policy(self) -> SchedulePolicy:
        start, end = self._instant("start"), self._instant("end")
        if end is not None and not self._takes_past:
            require_future(end, self._now, "end", self._text("end"))
        if start is not None and end is not None and end <= start:
            raise BadInputError("end is not after start", self._text("end"), "give a later end", "E_SCHEDULE")
        default = SchedulePolicy()
        return replace(
            default,
            missed=self._choice("missed", Missed, default.missed),
            missed_grace_seconds=self._seconds("missed_grace", default.missed_grace_seconds),
            overlap=self._choice("overlap", Overlap, default.overlap),
            jitter_seconds=self._seconds("jitter", default.jitter_seconds),
            start_at=start,
            end_at=end,
        )

    def rule(self, kind: str, policy: SchedulePolicy) -> Rule:
        readers: dict[str, Callable[[], Rule]] = {
            "cron": self._cron,
            "every": lambda: self._every(policy),
            "at": self._at,
            "daily": lambda: Daily(_clock_times(self._text("daily"), "daily")),
            "weekly": self._weekly,
            "monthly": self._monthly,
            "reboot": lambda: Reboot(bool(self._said.get("once_per_boot"))),
            "manual": Manual,
        }
        rule = readers[kind]()
        if policy.jitter_seconds and rule.kind in (RuleKind.AFTER_FINISH, RuleKind.MANUAL):
            hint = "it has no times that could be shifted"
            raise BadInputError(
                f"jitter does not go with {_option(rule)}", self._text("jitter"), hint, "E_SCHEDULE"
            )
        return rule

    def _cron(self) -> Rule:
        return Cron(tuple(dict.fromkeys(parse_cron(line).text for line in _cron_texts(self._said))))

    def _every(self, policy: SchedulePolicy) -> Rule:
        text = self._text("every")
        seconds = parse_duration(text, "interval", allow_zero=True)
        if seconds < SHORTEST_INTERVAL_SECONDS:
            raise BadInputError("interval must be at least 1s", text, "examples: 90s, 5m, 6h", "E_DURATION")
        kind = AfterFinish if self._said.get("after_finish") else Every
        return kind(round(seconds * 1000), policy.start_at or self._now)

    def _at(self) -> Rule:
        at = self._instant("at")
        assert at is not None
        if not self._takes_past:
            require_future(at, self._now, "time", self._text("at"))
        local = at.astimezone(self._zone)
        second = local.replace(tzinfo=None, fold=0).replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        is_naive = not re.search(r"([zZ]|[+-][0-9]{2}:?[0-9]{2})$", self._text("at"))
        if is_naive and second != at and second.astimezone(self._zone).fold:
            self.notes.append(
                f"{local:%H:%M} comes twice that day in {self._zone.key}: the first, {format_instant(at)}"
            )
        return At(at)

    def _weekly(self) -> Rule:
        days, clocks = _split_days(self._text("weekly"), "weekly", "mon,fri@09:00")
        return Weekly(parse_numbers(days, WEEKDAY, "weekly"), _clock_times(clocks, "weekly"))

    def _monthly(self) -> Rule:
        days, clocks = _split_days(self._text("monthly"), "monthly", "1@06:00, last@03:00")
        plain = ",".join("31" if day in ("last", "l") else day for day in days.lower().split(","))
        return Monthly(parse_numbers(plain, DAY, "monthly"), _clock_times(clocks, "monthly"))

    def _text(self, key: str) -> str:
        value = self._said.get(key, "")
        return value.strip() if isinstance(value, str) else ""

    def _instant(self, key: str) -> datetime | None:
        if key not in self._said:
            return None
        what = "time" if key == "at" else key
        found = _whole_milliseconds(parse_instant(self._text(key), self._now, what, self._zone))
        if found > LAST_SLOT:
            raise BadInputError(f"bad {what}", self._text(key), "no schedule reaches so far", "E_INSTANT")
        return found

    def _seconds(self, key: str, default: float) -> float:
        if key not in self._said:
            return default
        return parse_duration(self._text(key), key.replace("_", " "), allow_zero=True)

    def _choice(self, key: str, words: type[_Choice], default: _Choice) -> _Choice:
        if key not in self._said:
            return default
        try:
            return words(self._text(key))
        except ValueError:
            hint = f"choose from {', '.join(words)}"
            raise BadInputError(f"bad {key} policy", self._text(key), hint, "E_SCHEDULE") from None


def _one_kind(said: Mapping[str, Given]) -> str:
    """Which of the kinds is meant; exactly one must be."""
    kinds = [key for key in RULE_KEYS if key in said]
    if not kinds:
        hint = "give one of cron, every, at, daily, weekly, monthly, reboot, manual"
        raise BadInputError("no rule says when it is due", None, hint, "E_SCHEDULE")
    if len(kinds) > 1:
        names = " and ".join(f"--{key}" for key in kinds[:2])
        raise BadInputError(f"{names} exclude each other", None, "give one of them", "E_SCHEDULE")
    for extra, owner in (("after_finish", "every"), ("once_per_boot", "reboot")):
        if extra in said and kinds[0] != owner:
            name = extra.replace("_", "-")
            raise BadInputError(f"--{name} goes with --{owner} only", None, f"add --{owner}", "E_SCHEDULE")
    return kinds[0]


def _without_cron_extras(said: dict[str, Given]) -> tuple[dict[str, Given], str | None]:
    """``said`` with the words of other crons as kinds of their own, and the zone that the lines name.

    ``CRON_TZ=Z``, ``TZ=Z`` (robfig/cron, cronie); ``@every 5m``, ``@at T``, ``@reboot``, ``@manually`` (dkron).
    """
    if "cron" not in said:
        return said, None
    lines, zones = [], set()
    for text in _cron_texts(said):
        match = re.fullmatch(_ZONE_PREFIX, text.strip())
        lines.append(match[2] if match else text.strip())
        zones.add(match[1] if match else None)
    if len(zones) > 1:
        hint = "give --tz once, or one schedule a zone"
        raise BadInputError("cron lines name different time zones", lines[0], hint, "E_ZONE")
    rest = {key: value for key, value in said.items() if key != "cron"}
    word, _, argument = lines[0].partition(" ")
    kinds: dict[str, dict[str, Given]] = {
        "@every": {"every": argument.strip()}, "@at": {"at": argument.strip()},
        "@reboot": {"reboot": True}, "@manually": {"manual": True},
    }  # fmt: skip
    if word.lower() not in kinds:
        return {**rest, "cron": tuple(lines)}, next(iter(zones))
    if len(lines) > 1:
        raise BadInputError(f"{word} goes alone", lines[0], "make it a schedule of its own", "E_CRON")
    return {**kinds[word.lower()], **rest}, next(iter(zones))


def _zone_of(said: Mapping[str, Given], in_line: str | None, moment: Moment) -> ZoneInfo:
    given = said.get("tz")
    named = given.strip() if isinstance(given, str) else None
    if named is not None and in_line is not None and find_zone(named).key != find_zone(in_line).key:
        raise BadInputError("cron line and --tz name different time zones", in_line, "give one", "E_ZONE")
    if named is not None or in_line is not None:
        return find_zone(named if named is not None else in_line or "")
    if moment.machine_zone is None:
        hint = "give one, such as --tz Europe/Berlin"
        raise BadInputError("this machine's time zone has no name", None, hint, "E_ZONE")
    return find_zone(moment.machine_zone)


def _check_end(rule: Rule, policy: SchedulePolicy, zone: ZoneInfo, moment: Moment) -> None:
    """Some slot lies before the end, as far as slots are known."""
    after = max(moment.now.astimezone(UTC), (policy.start_at or moment.now) - MILLISECOND)
    found = rule.next_after(after, Around(zone))
    if rule.can_end and policy.end_at is not None and (found is None or found >= policy.end_at):
        when = "never" if found is None else format_instant(found)
        hint = f"its first time would be {when}"
        raise BadInputError("it ends before it is due", format_instant(policy.end_at), hint, "E_SCHEDULE")


def _cron_texts(said: Mapping[str, Given]) -> list[str]:
    value = said.get("cron")
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else []
    if not texts:
        raise BadInputError("no cron expression", None, _EXAMPLES, "E_CRON")
    return texts


def _split_days(text: str, kind: str, examples: str) -> tuple[str, str]:
    days, at, clocks = text.partition("@")
    if not at or not days.strip() or not clocks.strip():
        raise BadInputError(
            f"bad {kind} schedule", text, f"give DAYS@HH:MM; examples: {examples}", "E_SCHEDULE"
        )
    return days.strip().lower(), clocks.strip()


def _clock_times(text: str, kind: str) -> tuple[tuple[int, int], ...]:
    """``02:30``, ``9`` or several with commas; ascending, none twice."""
    times = set()
    for clock in text.split(","):
        match = re.fullmatch(_CLOCK, clock.strip())
        if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
            raise BadInputError(f"bad {kind} schedule", text, "give HH:MM from 00:00 to 23:59", "E_SCHEDULE")
        times.add((int(match[1]), int(match[2] or 0)))
    return tuple(sorted(times))


def _option(rule: Rule) -> str:
    return "--every --after-finish" if rule.kind is RuleKind.AFTER_FINISH else f"--{rule.kind}"


def _whole_milliseconds(instant: datetime) -> datetime:
    utc = instant.astimezone(UTC)
    return utc - timedelta(microseconds=utc.microsecond % 1000)
