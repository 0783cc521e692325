"""The kinds of schedule that follow the calendar and the wall clock. All are made of cron expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from jobctl.model.cron import CronLine, parse_cron
from jobctl.model.rules import LAST_SLOT, Around, Rule, RuleKind

_ALL_BUT_FEBRUARY = "1,3-12"
_Pairs = tuple[tuple[int, int], ...]


class _CalendarRule(Rule):
    """A rule that is a set of cron expressions; the earliest wins."""

    __slots__ = ()

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        return self.asker(around)(after)

    def asker(self, around: Around) -> Callable[[datetime], datetime | None]:
        return _Lines(self.cron_lines(), around.zone).next_after

    def guess_between(self, after: datetime, until: datetime, around: Around, most: int) -> int:
        return sum(line.count_between(after, until, around.zone)[0] for line in self.cron_lines())

    def count_between(self, after: datetime, until: datetime, around: Around, most: int) -> tuple[int, bool]:
        lines = self.cron_lines()
        if len(lines) == 1:
            return lines[0].count_between(after, until, around.zone)
        if (counted := super().count_between(after, until, around, most))[1]:
            return counted
        # Lines may share slots: the longest of them is the least that all have.
        return max(counted[0], *(line.count_between(after, until, around.zone)[0] for line in lines)), False


class _Lines:
    """Several cron expressions asked one question after the other.

    A line is asked again only from its own next firing on: of two dozen lines, one a slot (0.1 ms each).
    """

    def __init__(self, lines: tuple[CronLine, ...], zone: ZoneInfo) -> None:
        self._lines = lines
        self._zone = zone
        self._known: dict[CronLine, tuple[datetime, datetime | None]] = {}
        """Of a line when it was asked, and its first firing after that."""

    def next_after(self, after: datetime) -> datetime | None:
        """The first firing of any of them later than ``after``."""
        found = [self._next_of(line, after.astimezone(UTC)) for line in self._lines]
        return min(
            (instant for instant in found if instant is not None and instant <= LAST_SLOT), default=None
        )

    def _next_of(self, line: CronLine, after: datetime) -> datetime | None:
        asked, found = self._known.get(line, (None, None))
        if asked is None or after < asked or (found is not None and found <= after):
            found = line.next_after(after, self._zone)
            self._known[line] = after, found
        return found


@dataclass(frozen=True, slots=True)
class Cron(_CalendarRule):
    """``--cron``, once or several times."""

    kind: ClassVar[RuleKind] = RuleKind.CRON
    lines: tuple[str, ...]

    @property
    def expression(self) -> str:
        return "; ".join(self.lines)

    def cron_lines(self) -> tuple[CronLine, ...]:
        return tuple(parse_cron(line) for line in self.lines)

    def document(self) -> dict[str, object]:
        return {"kind": self.kind, "lines": list(self.lines)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(tuple(document["lines"]))


@dataclass(frozen=True, slots=True)
class Daily(_CalendarRule):
    """``--daily 02:30,14:30``. ``times`` are (hour, minute), ascending."""

    kind: ClassVar[RuleKind] = RuleKind.DAILY
    times: _Pairs

    @property
    def expression(self) -> str:
        return _clocks(self.times)

    def cron_lines(self) -> tuple[CronLine, ...]:
        return tuple(parse_cron(f"{clock} * * *") for clock in _clock_fields(self.times))

    def document(self) -> dict[str, object]:
        return {"kind": self.kind, "times": [list(time) for time in self.times]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(_pairs(document["times"]))


@dataclass(frozen=True, slots=True)
class Weekly(_CalendarRule):
    """``--weekly mon,fri@09:00``. ``weekdays`` from 0, Sunday."""

    kind: ClassVar[RuleKind] = RuleKind.WEEKLY
    weekdays: tuple[int, ...]
    times: _Pairs

    @property
    def expression(self) -> str:
        names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
        monday_first = sorted(self.weekdays, key=lambda day: (day - 1) % 7)
        return f"{','.join(names[day] for day in monday_first)}@{_clocks(self.times)}"

    def cron_lines(self) -> tuple[CronLine, ...]:
        days = ",".join(map(str, self.weekdays))
        return tuple(parse_cron(f"{clock} * * {days}") for clock in _clock_fields(self.times))

    def document(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "weekdays": list(self.weekdays),
            "times": [list(time) for time in self.times],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(tuple(document["weekdays"]), _pairs(document["times"]))


@dataclass(frozen=True, slots=True)
class Monthly(_CalendarRule):
    """``--monthly 1,last@03:00``: every month fires. A day that a month lacks means its last one.

    Plain cron skips short months; 31 and ``last`` become ``L``, 29 and 30 get a line of their own for February.
    """

    kind: ClassVar[RuleKind] = RuleKind.MONTHLY
    days: tuple[int, ...]
    """1 to 31; 31 is the last day."""
    times: _Pairs

    @property
    def expression(self) -> str:
        return f"{','.join('last' if day == 31 else str(day) for day in self.days)}@{_clocks(self.times)}"

    def cron_lines(self) -> tuple[CronLine, ...]:
        return tuple(
            parse_cron(f"{clock} {days}")
            for clock in _clock_fields(self.times)
            for days in dict.fromkeys(line for day in self.days for line in _monthly_days(day))
        )

    def document(self) -> dict[str, object]:
        return {"kind": self.kind, "days": list(self.days), "times": [list(time) for time in self.times]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(tuple(document["days"]), _pairs(document["times"]))


def _monthly_days(day: int) -> tuple[str, ...]:
    """Day and month fields, and the free weekday, of one day of the month."""
    if 28 < day < 31:
        return f"{day} {_ALL_BUT_FEBRUARY} *", "L 2 *"
    return ("L * *" if day == 31 else f"{day} * *",)


def _clock_fields(times: _Pairs) -> list[str]:
    """The minute and hour fields of as few expressions as mean just these times: each is asked for each slot."""
    minutes_of: dict[int, list[int]] = {}
    for hour, minute in times:
        minutes_of.setdefault(hour, []).append(minute)
    hours_of: dict[str, list[str]] = {}
    for hour, minutes in minutes_of.items():
        hours_of.setdefault(",".join(map(str, minutes)), []).append(str(hour))
    return [f"{minutes} {','.join(hours)}" for minutes, hours in hours_of.items()]


def _clocks(times: _Pairs) -> str:
    return ",".join(f"{hour:02}:{minute:02}" for hour, minute in times)


def _pairs(times: Any) -> _Pairs:
    return tuple((hour, minute) for hour, minute in times)
