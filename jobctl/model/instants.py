"""How points in time are written: RFC 3339, ``2026-11-22 03:00``, ``03:00``, ``tomorrow 9:00``, ``now``.

Every instant is an aware ``datetime`` in UTC. (Python compares and subtracts two datetimes of the same zone
by their wall clocks, which is wrong across a change of offset; in UTC it is right.)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from jobctl.errors import BadInputError
from jobctl.model.durations import format_duration

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""A day more or an offset must not leave the years that ``datetime`` knows."""

_EXAMPLES = "examples: 03:00, tomorrow 9:00, 2026-11-22 03:00, 2026-11-22T03:00:00Z"
# Patterns are compiled when first used: most verbs parse no instant, and compiling costs 0.6 ms.
_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
_WORD_AND_CLOCK = rf"([A-Za-z]+)(?: +{_CLOCK})?"
_OFFSET = "([Zz]|[+-][0-9]{2}:?[0-9]{2})"
_DATE_AND_CLOCK = rf"([0-9]{{4,}})-([0-9]{{2}})-([0-9]{{2}})(?:(?:[Tt]| +){_CLOCK}(?: ?{_OFFSET})?)?"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_Clock = tuple[str | None, ...]
"""Hour, minute, second, fraction, as written; the last two may be missing."""


class _Question(NamedTuple):
    """What was asked, and from where: all that a relative time depends on."""

    text: str
    now: datetime
    zone: tzinfo
    what: str
    past: bool

    def today(self) -> datetime:
        """The midnight before now on the wall, naive."""
        wall = self.now.astimezone(self.zone)
        return wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)


class LocalZone(tzinfo):
    """The zone of this machine, with the offset it has at each date.

    ``datetime.now().astimezone()`` carries today's offset only: in summer it reads a winter time an hour off.
    """

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """The offset in force at the wall time ``dt``; in a gap or fold as PEP 495 has it."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Unknown."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """The abbreviation in force at the wall time ``dt``."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """The wall time of the UTC fields of ``dt``, with ``fold`` set where it happens the second time."""
        instant = dt.replace(tzinfo=UTC)
        wall = instant.astimezone().replace(tzinfo=self, fold=0)
        return wall.replace(fold=int(wall.utcoffset() != instant.astimezone().utcoffset()))

    def __str__(self) -> str:
        """What messages call it."""
        return "local time"


def parse_instant(
    text: str, now: datetime, what: str = "time", zone: tzinfo | None = None, *, past: bool = False
) -> datetime:
    """The instant that ``text`` means, in UTC.

    A time without offset is a wall time of ``zone`` (else of the zone of ``now``, which must then be a real
    zone, see :class:`LocalZone`); where the wall shows it twice, the first is meant. A time without a day,
    and a weekday, mean the next such moment after ``now``, or with ``past`` the latest one up to it. A day
    without a time means its start.

    Raises:
        BadInputError: ``E_INSTANT``: not an instant, no such date, or skipped by a change of the clocks.
    """
    question = _Question(text, now, zone or now.tzinfo or UTC, what, past)
    if text.lower() == "now":
        return now.astimezone(UTC)
    try:
        if match := re.fullmatch(_DATE_AND_CLOCK, text):
            return _dated(match, question)
        if match := re.fullmatch(_CLOCK, text):
            return _nearest(question.today(), match.groups(), 1, question)
        if match := re.fullmatch(_WORD_AND_CLOCK, text):
            return _worded(match, question)
    except (ValueError, OverflowError) as error:
        raise BadInputError(f"bad {what}", text, f"{error}; {_EXAMPLES}", "E_INSTANT") from None
    raise BadInputError(f"bad {what}", text, _EXAMPLES, "E_INSTANT")


def require_future(
    instant: datetime, now: datetime, what: str = "time", given: str | None = None
) -> datetime:
    """``instant``, proven not to lie before ``now``; an error shows it as it was ``given``.

    Raises:
        BadInputError: ``E_INSTANT``.
    """
    if instant.astimezone(UTC) < now.astimezone(UTC):
        hint = f"that was {format_relative(instant, now)}; give a time to come"
        raise BadInputError(f"{what} is in the past", given or format_instant(instant), hint, "E_INSTANT")
    return instant


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, cut to milliseconds: ``2026-11-22T03:00:00.123Z``."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_relative(instant: datetime, now: datetime) -> str:
    """The distance from ``now`` in its largest unit: ``3m ago``, ``in 2h``; ``now`` within a second."""
    seconds = (instant.astimezone(UTC) - now.astimezone(UTC)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = format_duration(int(abs(seconds))).split()[0]
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def _dated(match: re.Match[str], question: _Question) -> datetime:
    year_text, month, day, hour, minute, second, fraction, offset = match.groups()
    year = int(year_text[:6])
    if len(year_text) > 4 or not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"year must be {FIRST_YEAR}..{LAST_YEAR}")
    date = datetime(year, int(month), int(day))  # noqa: DTZ001 - a wall time, its zone comes next
    if hour is None:
        return _start_of_day(date, question)
    wall = _at_clock(date, (hour, minute, second, fraction))
    if offset is None:
        return _in_zone(wall, question)
    return wall.replace(tzinfo=_fixed(offset)).astimezone(UTC)


def _worded(match: re.Match[str], question: _Question) -> datetime:
    word, clock = match[1].lower(), match.groups()[1:]
    today = question.today()
    if word in _DAYS:
        date = today + timedelta(days=_DAYS[word])
        if clock[0] is None:
            return _start_of_day(date, question)
        return _in_zone(_at_clock(date, clock), question)
    number = next((i for i, name in enumerate(_WEEKDAYS) if word in (name, name[:3])), None)
    if number is None:
        raise BadInputError(f"bad {question.what}", question.text, _EXAMPLES, "E_INSTANT")
    day = today + timedelta(days=(number - today.weekday()) % 7)
    return _nearest(day, clock if clock[0] else ("0", "00", None, None), 7, question)


def _nearest(day: datetime, clock: _Clock, period: int, question: _Question) -> datetime:
    """The first of ``day``, ``day`` + period … after now, or with ``past`` the last one up to now."""
    now = question.now.astimezone(UTC)
    step = timedelta(days=-period if question.past else period)
    wall = _at_clock(day, clock)
    for _ in range(2):
        instant = wall.replace(tzinfo=question.zone).astimezone(UTC)
        if instant <= now if question.past else instant > now:
            break
        wall += step
    return _in_zone(wall, question)


def _at_clock(date: datetime, clock: _Clock) -> datetime:
    hour, minute, second, fraction = clock
    return date.replace(
        hour=int(hour or 0),
        minute=int(minute or 0),
        second=int(second or 0),
        microsecond=int((fraction or "").ljust(6, "0")[:6]),
    )


def _fixed(offset: str) -> tzinfo:
    if offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"offset {offset} does not exist")
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=hours, minutes=minutes))


def _in_zone(wall: datetime, question: _Question) -> datetime:
    zone = question.zone
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    start, end = _gap_around(wall, zone)
    hint = f"{start:%H:%M} to {end:%H:%M} does not exist that day in {zone}; give an offset, such as +02:00"
    raise BadInputError(f"{question.what} is skipped by the clocks", question.text, hint, "E_INSTANT")


def _start_of_day(date: datetime, question: _Question) -> datetime:
    """The first instant of a day, which need not be midnight: Cairo, Havana and others skip that one."""
    instant = date.replace(tzinfo=question.zone).astimezone(UTC)  # fold=0: a gap has the offset before it
    if instant.astimezone(question.zone).date() == date.date():
        return instant
    return _in_zone(date, question)


def _gap_around(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The wall times between which the clocks jumped over ``wall``, found by halving."""
    later = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    earlier = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before = earlier.astimezone(zone).utcoffset() or timedelta()
    after = later.astimezone(zone).utcoffset() or timedelta()
    while later - earlier > timedelta(milliseconds=1):
        middle = earlier + (later - earlier) / 2
        if middle.astimezone(zone).utcoffset() == before:
            earlier = middle
        else:
            later = middle
    change = (later + timedelta(milliseconds=500)).replace(microsecond=0, tzinfo=None)
    return change + before, change + after
