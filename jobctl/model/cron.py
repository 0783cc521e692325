"""When a cron expression fires, by the rules of Debian's cron (cron(8), "Notes"), through croniter.

A job whose minute or hour starts with ``*`` follows elapsed time. Any other fires once for each wall time: one
that the clocks skip at the end of the gap, one that they repeat the first time.

croniter is asked about naive wall times only. Given aware ones, 7.0.0 fires daily jobs twice at fall-back, ``0 */2``
once too often in the gap, and loses a run in zones of half an hour (measured; Dagster found the same, dagster#17710).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import get_ident
from typing import Any
from zoneinfo import ZoneInfo

from jobctl.model.cron_fields import CronFields, bad_cron, parse_cron_fields

LAST_YEAR = 9900
"""croniter looks 50 years ahead, which must stay within the years of ``datetime``."""

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_WINDOW = timedelta(days=2)
"""More than any change of offset moves a wall clock, less than any zone ever kept an offset."""
_TRIAL = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall time
_MOST_DAYS = 4000


@dataclass(frozen=True, slots=True)
class CronLine:
    """One cron expression. ``text`` is as it was written."""

    text: str
    fields: CronFields

    def next_after(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first firing later than ``after``, in UTC; None: none in the next 50 years."""
        start = after.astimezone(UTC)
        if start.year > LAST_YEAR:
            return None
        return self._next_elapsed(start, zone) if self.fields.is_wild else self._next_fixed(start, zone)

    def count_between(self, after: datetime, until: datetime, zone: ZoneInfo) -> tuple[int, bool]:
        """How many firings are later than ``after`` and up to ``until``, and whether that is exact.

        Costs a microsecond a day: 30 days of ``* * * * *`` through croniter cost two seconds. Only the last
        4,000 days are counted.
        """
        start, end = after.astimezone(UTC), until.astimezone(UTC)
        since = max(start, end - _MOST_DAYS * _DAY)
        # Firings are whole seconds: (start, end] holds the same as [first, beyond).
        first, beyond = _floor(since) + _SECOND, _floor(end) + _SECOND
        total = sum(self._count_stretch(stretch, zone) for stretch in _stretches(first, beyond, zone))
        return total, since == start

    def gap_firings(self, after: datetime, until: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Ends of gaps in (after, until] at which it fires for a wall time that the clocks skip; fixed times only."""
        first, beyond = _floor(after.astimezone(UTC)) + _SECOND, _floor(until.astimezone(UTC)) + _SECOND
        for stretch in _stretches(first, beyond, zone):
            old_wall, new_wall = (
                _naive(stretch.start) + offset for offset in (stretch.offset_before, stretch.offset)
            )
            if old_wall < new_wall and _count_walls(self.fields, old_wall, new_wall):
                yield stretch.start

    def _count_stretch(self, stretch: _Stretch, zone: ZoneInfo) -> int:
        low, high = _naive(stretch.start) + stretch.offset, _naive(stretch.end) + stretch.offset
        if self.fields.is_wild:
            return _count_walls(self.fields, low, high)
        if stretch.start.astimezone(zone).fold:  # what the clocks repeat has fired
            return _count_walls(self.fields, min(_end_of_repeat(stretch.start, zone), high), high)
        old_wall = _naive(stretch.start) + stretch.offset_before
        skipped = old_wall < low and _count_walls(self.fields, old_wall, low) and not self.fields.matches(low)
        return _count_walls(self.fields, low, high) + int(bool(skipped))

    def _next_fixed(self, start: datetime, zone: ZoneInfo) -> datetime | None:
        local = start.astimezone(zone)
        wall = _floor(local.replace(tzinfo=None, fold=0))
        if local.fold:  # the second pass: what it shows until its end has fired in the first
            wall = _end_of_repeat(start, zone) - _SECOND
        while (found := self._step(wall)) is not None:
            instant = _resolved(found, zone)
            if instant > start:
                return instant
            wall = found
        return None

    def _next_elapsed(self, start: datetime, zone: ZoneInfo) -> datetime | None:
        """Walks stretches of one offset; everything up to ``start`` is known not to match."""
        offset = _offset(start, zone)
        wall = _floor(_naive(start) + offset)
        while (found := self._step(wall)) is not None:
            candidate = (found - offset).replace(tzinfo=UTC)
            horizon = min(candidate, start + _WINDOW)
            if (change := _first_change(start, horizon, zone)) is not None:
                start, offset = change, _offset(change, zone)
                wall = _naive(change) + offset - _SECOND
            elif candidate == horizon:
                return candidate
            else:  # walls between here and there do not match, whatever the offset
                start = max(horizon, candidate - _WINDOW)
                offset = _offset(start, zone)
                wall = _floor(_naive(start) + offset)
        return None

    def _step(self, wall: datetime) -> datetime | None:
        return _next_wall(self.fields, wall)


@lru_cache(maxsize=4096)
def parse_cron(text: str) -> CronLine:
    """The expression ``text``, proven to fire some day.

    Raises:
        BadInputError: ``E_CRON``: malformed, or it never fires.
    """
    line = CronLine(text.strip(), parse_cron_fields(text))
    if _next_wall(line.fields, _TRIAL) is None:
        raise bad_cron(text, "it never fires: no such day comes in 50 years")
    return line


def _next_wall(fields: CronFields, wall: datetime) -> datetime | None:
    """The first wall time after ``wall`` that matches."""
    from croniter import CroniterBadDateError

    if wall.year > LAST_YEAR:
        return None
    try:
        found: datetime = _stepper(fields, get_ident()).get_next(datetime, start_time=wall)
    except CroniterBadDateError:
        return None
    return found


@lru_cache(maxsize=4096)
def _stepper(fields: CronFields, thread: int) -> Any:
    from croniter import croniter  # 60 ms

    return croniter(
        fields.canonical(), _TRIAL, datetime, day_or=not fields.needs_both_days, second_at_beginning=True
    )


def _resolved(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the wall shows ``wall`` for the first time; in a gap, the gap's end."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    earlier = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _first_change(earlier, instant, zone) or instant


def _end_of_repeat(instant: datetime, zone: ZoneInfo) -> datetime:
    """The wall time at which the repeat that ``instant`` lies in is over."""
    wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    change = _first_change(first, instant, zone) or instant
    return _naive(change) + _offset(first, zone)


def _first_change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant in (start, end] at which the offset becomes another; the two are near each other."""
    before = _offset(start, zone)
    if end <= start or _offset(end, zone) == before:
        return None
    low, high = _floor(start), end  # changes are at whole seconds
    while high - low > _SECOND:
        middle = low + _SECOND * ((high - low) // _SECOND // 2 or 1)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return _floor(high)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From ``start`` up to but not including ``end`` one offset holds."""

    start: datetime
    end: datetime
    offset: timedelta
    offset_before: timedelta
    """What held just before ``start``; the same at the first stretch unless it starts at a change."""


def _stretches(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[_Stretch]:
    before = _offset(start - _SECOND, zone)
    while start < end:
        offset = _offset(start, zone)
        beyond = start
        change = None
        while change is None and beyond < end:
            change = _first_change(beyond, min(beyond + _DAY, end), zone)
            beyond = min(beyond + _DAY, end)
        stop = end if change is None else change
        yield _Stretch(start, stop, offset, before)
        start, before = stop, offset


def _count_walls(fields: CronFields, low: datetime, high: datetime) -> int:
    """How many matching wall times are in [low, high)."""
    a_day = len(fields.hours) * len(fields.minutes) * len(fields.seconds)
    day, last = low.date(), high.date()
    total = 0
    while day <= last:
        if fields.matches_day(day):
            total += a_day if day < last else _count_before(fields, high)
            total -= _count_before(fields, low) if day == low.date() else 0
        day += _DAY
    return total


def _count_before(fields: CronFields, wall: datetime) -> int:
    """How many matching times of day are before that of ``wall``."""
    seconds = sum(second < wall.second for second in fields.seconds)
    minutes = sum(minute < wall.minute for minute in fields.minutes) * len(fields.seconds)
    hours = sum(hour < wall.hour for hour in fields.hours) * len(fields.minutes) * len(fields.seconds)
    within_hour = minutes + (seconds if wall.minute in fields.minutes else 0)
    return hours + (within_hour if wall.hour in fields.hours else 0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
