"""What is odd about a rule, and field by field why it does or does not fire at an instant."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from jobctl.model.cron import CronLine
from jobctl.model.cron_fields import HOUR, MINUTE, MONTH, SECOND, CronFields, FieldKind
from jobctl.model.durations import format_duration
from jobctl.model.instants import format_instant
from jobctl.model.schedule_rules import MILLISECOND, Around, Monthly, Rule, RuleKind
from jobctl.model.schedules import ScheduleTerms, jitter_offset

_MOST_SHOWN = 8
_UNITS = {SECOND.name: "s", MINUTE.name: "min", HOUR.name: "h"}
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_OPEN = {
    RuleKind.AFTER_FINISH: "it fires so long after its last job ended",
    RuleKind.REBOOT: "it fires when the supervisor starts",
    RuleKind.MANUAL: "it fires by hand only: jobctl schedule run NAME",
}


def lint(rule: Rule, zone: ZoneInfo, now: datetime) -> list[str]:
    """What a user may not have meant; empty if nothing is odd. Nothing here is an error."""
    warnings: list[str] = []
    if isinstance(rule, Monthly) and (short := [day for day in rule.days if 28 < day < 31]):
        warnings.append(f"in a month without day {short[0]} it fires on the last day")
    for line in rule.cron_lines():
        if rule.kind is RuleKind.CRON:
            warnings += _every_unit(line.fields) + _uneven_steps(line.fields) + _short_months(line.fields)
            warnings += _either_day(line.fields)
        warnings += _skipped_walls(line, zone, now)
    return list(dict.fromkeys(warnings))


def lint_terms(terms: ScheduleTerms, now: datetime, name: str = "") -> list[str]:
    """As :func:`lint`, also about what goes with the rule; ``name`` decides about the jitter, if it is known."""
    return lint(terms.rule, terms.zone, now) + _long_jitter(terms, now, name)


def _long_jitter(terms: ScheduleTerms, now: datetime, name: str) -> list[str]:
    """A jitter that is longer than the time to the next slot: then slots and fires are hard to tell apart."""
    jitter, around = terms.policy.jitter_seconds, Around(terms.zone)
    if not jitter or not terms.rule.is_series:
        return []
    first = terms.rule.next_after(now, around)
    second = None if first is None else terms.rule.next_after(first, around)
    if first is None or second is None or (second - first).total_seconds() >= jitter:
        return []
    gap = format_duration((second - first).total_seconds())
    offset = format_duration(jitter_offset(name, jitter).total_seconds())
    shift = f": it fires {offset} after its slots" if name else ""
    return [f"jitter {format_duration(jitter)} is longer than the {gap} from one slot to the next{shift}"]


def explain_match(rule: Rule, instant: datetime, zone: ZoneInfo) -> list[str]:
    """Whether ``rule`` is due at ``instant``, and for each field of a calendar rule whether it matches.

    The first line is the answer; the local time and the offset are in it.
    """
    at = instant.astimezone(UTC).replace(microsecond=0)
    wall = at.astimezone(zone)
    shown = f"{wall:%a %Y-%m-%d %H:%M:%S %z} ({zone.key})"
    if rule.kind in _OPEN:
        return [f"{shown}: {_OPEN[rule.kind]}"]
    around = Around(zone)
    found = rule.next_after(at - MILLISECOND, around)
    if found == at:
        answer = [f"due at {shown}"]
    else:
        later = "never again" if found is None else f"{found.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z}"
        answer = [f"not due at {shown}; next: {later}"]
    for line in rule.cron_lines():
        answer += _explained_line(line, at, zone)
    if rule.kind is RuleKind.EVERY:
        answer.append(f"it fires every {rule.expression}, whatever the wall clock shows")
    if rule.kind is RuleKind.AT:
        answer.append(f"it fires once, at {rule.expression}")
    return answer


def _explained_line(line: CronLine, at: datetime, zone: ZoneInfo) -> list[str]:
    wall, fields = at.astimezone(zone).replace(tzinfo=None), line.fields
    parts = [
        _part(SECOND, fields.texts[0], wall.second, wall.second in fields.seconds),
        _part(MINUTE, fields.texts[1], wall.minute, wall.minute in fields.minutes),
        _part(HOUR, fields.texts[2], wall.hour, wall.hour in fields.hours),
        _part(MONTH, fields.texts[4], wall.month, wall.month in fields.months),
    ]
    day, weekday = fields.matches_day_of_month(wall.date()), fields.matches_weekday(wall.date())
    parts.append(f"{'yes' if day else 'no '} day of month {wall.day}: '{fields.texts[3]}'")
    parts.append(f"{'yes' if weekday else 'no '} day of week {wall:%a}: '{fields.texts[5]}'")
    if day != weekday and not {"*", "?"} & {fields.texts[3], fields.texts[5]}:
        rule = "both must match" if fields.needs_both_days else "one of the two day fields is enough"
        parts.append(f"    {rule}")
    told = [f"{line.text}:", *(f"  {part}" for part in parts)]
    fires = line.next_after(at - MILLISECOND, zone) == at
    if fires and not fields.matches(wall):
        told.append("  due all the same: the clocks skip the time it names, and this is the end of the gap")
    elif fields.matches(wall) and not fires:
        told.append("  not due all the same: the clocks show this time twice, and it fired the first time")
    return told


def _part(kind: FieldKind, text: str, value: int, matches: bool) -> str:
    return f"{'yes' if matches else 'no '} {kind.name} {value}: '{text}'"


def _every_unit(fields: CronFields) -> list[str]:
    """``* 9 * * *`` where ``0 9 * * *`` was meant (healthchecks#1004)."""
    if len(fields.minutes) == 60 and len(fields.hours) < 24 and fields.seconds == (0,):
        hours = f"{fields.hours[0]:02}:00-{fields.hours[0]:02}:59"
        more = "" if len(fields.hours) == 1 else f" and in {len(fields.hours) - 1} more hours"
        return [f"fires 60 times {hours}{more}; for once an hour write 0 as the minute"]
    if len(fields.seconds) == 60 and len(fields.minutes) < 60:
        return ["fires every second of each minute it names; for once a minute write 0 as the second"]
    return []


def _uneven_steps(fields: CronFields) -> list[str]:
    """``*/35`` is not every 35 minutes: the last gap is shorter (crontab(5), "Notes")."""
    found = []
    for kind, text, values in (
        (SECOND, fields.texts[0], fields.seconds),
        (MINUTE, fields.texts[1], fields.minutes),
        (HOUR, fields.texts[2], fields.hours),
    ):
        size = kind.high + 1
        if not text.startswith("*/") or size % int(text[2:] or 1) == 0:
            continue
        gap = size - values[-1]
        shown = ", ".join(f"{value:02}" for value in values[:_MOST_SHOWN])
        shown += ", …" if len(values) > _MOST_SHOWN else ""
        unit = _UNITS[kind.name]
        found.append(
            f"'{text}' fires at {kind.name} {shown}: gaps of {text[2:]} and {gap} {unit}; see --every"
        )
    return found


def _short_months(fields: CronFields) -> list[str]:
    """A day that some of the months lack: cron leaves those months out."""
    if fields.texts[3][0] in "*?":
        return []
    warnings = []
    for day in (day for day in fields.days if day > 28 and day - 1 not in fields.days):
        lacking = [calendar.month_abbr[month] for month in fields.months if _LENGTHS[month - 1] < day]
        if day == 29 and 2 in fields.months:
            lacking = ["Feb of most years"]
        if lacking:
            months = ", ".join(lacking)
            warnings.append(
                f"does not fire on day {day} in {months}: they have none; L is the last day of any month"
            )
    return warnings


def _either_day(fields: CronFields) -> list[str]:
    """``0 0 13 * 5`` is not Friday the 13th."""
    if fields.needs_both_days or fields.has_last_day or fields.nth_weekdays or fields.nearest_to is not None:
        return []
    return [
        f"fires on day of month '{fields.texts[3]}' and also on every day of week '{fields.texts[5]}': "
        "one of the two is enough"
    ]


def _skipped_walls(line: CronLine, zone: ZoneInfo, now: datetime) -> list[str]:
    """The next time within a year that the clocks skip what it names."""
    if line.fields.is_wild:
        return []
    found = next(line.gap_firings(now, now + timedelta(days=366), zone), None)
    if found is None:
        return []
    wall = found.astimezone(zone)
    return [
        f"the clocks skip its time on {wall:%Y-%m-%d}: it fires at {wall:%H:%M %z} ({format_instant(found)})"
    ]
