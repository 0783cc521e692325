"""What a cron expression says, field by field, as sets of numbers.

Everything is expanded here, so that croniter gets plain lists only: its own reading of ``5-5`` (the whole field),
``30-10`` (wraps), ``*/70`` and six fields (seconds last) differs from cron(5). Five fields, or six with the
seconds first; names; ``?`` for ``*`` in the day fields; ``L``, ``15W``, ``1#2``, ``5L``.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple, NoReturn

from jobctl.errors import BadInputError

NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
LONGEST_EXPRESSION = 1000
LAST = -1
"""The week of ``5L``: the last Friday of the month."""

_EXAMPLE = "example: 30 2 * * mon-fri"
_MONTHS = [name.lower() for name in calendar.month_name[1:]]
_WEEKDAYS = [name.lower() for name in (*calendar.day_name[6:], *calendar.day_name[:6])]
_VALUE = r"(?:[0-9]{1,4}|[a-z]{3,9})"
_ITEM = rf"(\*|{_VALUE})(?:-({_VALUE}))?(?:/([0-9]{{1,4}}))?"
_NTH = rf"({_VALUE})#([0-9]{{1,2}})|([0-7])l|l([0-7])"
_NEAREST = r"([0-9]{1,2})w|w([0-9]{1,2})"


class FieldKind(NamedTuple):
    """What one field may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Their numbers begin with ``low``."""


SECOND, MINUTE, HOUR = FieldKind("second", 0, 59), FieldKind("minute", 0, 59), FieldKind("hour", 0, 23)
DAY, MONTH = FieldKind("day of month", 1, 31), FieldKind("month", 1, 12, tuple(_MONTHS))
WEEKDAY = FieldKind("day of week", 0, 6, tuple(_WEEKDAYS))
FIELD_KINDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True, slots=True)
class CronFields:
    """An expression, expanded. ``texts`` are the six fields as written (``0`` for missing seconds)."""

    texts: tuple[str, ...]
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    """0 is Sunday."""
    has_last_day: bool = False
    nearest_to: int | None = None
    """The day whose nearest weekday of the same month is meant (``15W``)."""
    nth_weekdays: tuple[tuple[int, int], ...] = ()
    """(weekday, week of the month 1 to 5 or ``LAST``)."""

    @property
    def is_wild(self) -> bool:
        """Whether it follows elapsed time: cron(8) of Debian: minute or hour starts with ``*``."""
        return self.texts[1].startswith("*") or self.texts[2].startswith("*")

    @property
    def needs_both_days(self) -> bool:
        """Whether both day fields must match: either starts with ``*``; else one is enough (cron(5))."""
        return self.texts[3][0] in "*?" or self.texts[5][0] in "*?"

    def matches_day(self, day: date) -> bool:
        """Whether the month and the day fields match ``day``."""
        if day.month not in self.months:
            return False
        if self.needs_both_days:
            return self.matches_day_of_month(day) and self.matches_weekday(day)
        return self.matches_day_of_month(day) or self.matches_weekday(day)

    def matches_day_of_month(self, day: date) -> bool:
        """Whether the day-of-month field alone matches."""
        last = calendar.monthrange(day.year, day.month)[1]
        if self.nearest_to is not None:
            return day.day == _nearest_weekday(day.year, day.month, min(self.nearest_to, last))
        return day.day in self.days or (self.has_last_day and day.day == last)

    def matches_weekday(self, day: date) -> bool:
        """Whether the day-of-week field alone matches."""
        weekday = day.isoweekday() % 7
        if not self.nth_weekdays:
            return weekday in self.weekdays
        last = calendar.monthrange(day.year, day.month)[1]
        weeks = {(day.day - 1) // 7 + 1, *([LAST] if day.day + 7 > last else [])}
        return any(weekday == wanted and week in weeks for wanted, week in self.nth_weekdays)

    def matches(self, wall: datetime) -> bool:
        """Whether every field matches the wall time, to the second."""
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self.matches_day(wall.date())
        )

    def canonical(self) -> str:
        """Six fields, seconds first, of plain lists, as croniter takes them."""
        days = (
            f"w{self.nearest_to}" if self.nearest_to is not None else _listed(self.days, DAY, self.texts[3])
        )
        if self.has_last_day:
            days = f"{days},l" if self.days else "l"
        weekdays = _listed(self.weekdays, WEEKDAY, self.texts[5])
        if self.nth_weekdays:
            weekdays = ",".join(f"l{day}" if n == LAST else f"{day}#{n}" for day, n in self.nth_weekdays)
        return " ".join((
            _listed(self.seconds, SECOND), _listed(self.minutes, MINUTE), _listed(self.hours, HOUR),
            days, _listed(self.months, MONTH), weekdays,
        ))  # fmt: skip


@lru_cache(maxsize=4096)
def parse_cron_fields(text: str) -> CronFields:
    """The fields of a cron expression or nickname. (Whether it ever fires is for ``cron.parse_cron`` to find.)

    Raises:
        BadInputError: ``E_CRON``: names the field and what is wrong with it.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise bad_cron(text, f"longer than {LONGEST_EXPRESSION} characters; split it into several")
    plain = text.strip(" \t\r\n").lower()
    if plain.startswith("@"):
        if plain not in NICKNAMES:
            raise bad_cron(text, f"no such nickname; known: {' '.join(NICKNAMES)}")
        plain = NICKNAMES[plain]
    if not plain.isascii() or "\n" in plain or "\r" in plain:
        raise bad_cron(text, f"one line of ASCII only; {_EXAMPLE}")
    texts = plain.split()
    if len(texts) not in (5, 6):
        raise bad_cron(
            text, f"{len(texts)} fields; give minute hour day month weekday, or seconds first; {_EXAMPLE}"
        )
    return _Reading(text).fields(("0", *texts) if len(texts) == 5 else tuple(texts))


def parse_numbers(text: str, kind: FieldKind, what: str) -> tuple[int, ...]:
    """The numbers of one field of its own: ``mon-fri``, ``1,15``; ascending.

    Raises:
        BadInputError: ``E_CRON``.
    """
    try:
        return _Reading(text).numbers(text.lower(), kind)
    except BadInputError as error:
        raise BadInputError(f"bad {what} schedule", text, error.hint, error.code) from None


def bad_cron(text: str, hint: str) -> BadInputError:
    """The error about a cron expression."""
    return BadInputError("bad cron expression", text, hint, "E_CRON")


class _Reading:
    """Reads the fields of one expression, and can say which one is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text

    def fields(self, texts: tuple[str, ...]) -> CronFields:
        seconds, minutes, hours = (
            self.numbers(text, kind) for text, kind in zip(texts[:3], FIELD_KINDS[:3], strict=True)
        )
        days, has_last, nearest = self._days(texts[3])
        weekdays, nth = self._weekdays(texts[5])
        if (has_last or nearest is not None) and texts[5] not in ("*", "?"):
            self._refuse(DAY, texts[3], "L and W go with * as the day of week only")
        if nth and texts[3] not in ("*", "?"):
            self._refuse(WEEKDAY, texts[5], "# and L go with * as the day of month only")
        months = self.numbers(texts[4], MONTH)
        return CronFields(texts, seconds, minutes, hours, days, months, weekdays, has_last, nearest, nth)

    def _days(self, text: str) -> tuple[tuple[int, ...], bool, int | None]:
        """The days, whether the last one is meant too, and the day of a ``W``."""
        if match := re.fullmatch(_NEAREST, text):
            return (), False, self._number(match[1] or match[2], DAY, text)
        if text == "?":
            return self.numbers("*", DAY), False, None
        items = text.split(",")
        if "l" in items:
            plain = ",".join(item for item in items if item != "l")
            return (self.numbers(plain, DAY) if plain else ()), True, None
        if "w" in text.strip("?") or "l" in text.replace("jul", ""):
            self._refuse(DAY, text, "known are L and 15W; not L-2, LW, nor W in a list")
        return self.numbers(text, DAY), False, None

    def _weekdays(self, text: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """The weekdays, or the weekdays of certain weeks."""
        if text == "?":
            text = "*"
        items = text.split(",")
        found = [re.fullmatch(_NTH, item) for item in items]
        if not any(found):
            return self.numbers(text, WEEKDAY), ()
        nth = []
        for item, match in zip(items, found, strict=True):
            if match is None:
                self._refuse(WEEKDAY, item, "# and L do not mix with plain days")
            if match[1] is None:
                nth.append((int(match[3] or match[4]) % 7, LAST))
                continue
            if not 1 <= int(match[2]) <= 5:
                self._refuse(WEEKDAY, item, "the week is 1 to 5")
            nth.append((self._number(match[1], WEEKDAY, item) % 7, int(match[2])))
        return (), tuple(sorted(set(nth)))

    def numbers(self, text: str, kind: FieldKind) -> tuple[int, ...]:
        """What a plain field holds, ascending."""
        items = text.split(",")
        numbers: set[int] = set()
        for item in items:
            numbers.update(self._item(item, kind, is_alone=len(items) == 1))
        return tuple(sorted(numbers))

    def _item(self, item: str, kind: FieldKind, *, is_alone: bool) -> list[int]:
        match = re.fullmatch(_ITEM, item)
        if match is None or (match[1] == "*" and match[2]):
            self._refuse(kind, item, "not a number, range, list or step")
        step = int(match[3] or 1)
        most = kind.high - kind.low + 1
        # Alone it is a slip of the finger. In a list it is the known trick for "the first Monday": ``*/100,1-7 * MON``.
        if step < 1 or (step > most and is_alone):
            self._refuse(kind, item, f"a step is 1 to {most}")
        if match[1] == "*":
            return list(range(kind.low, kind.high + 1, step))
        first = self._number(match[1], kind, item)
        if match[2]:
            return self._range(first, self._number(match[2], kind, item), step, (kind, item))
        last = kind.high if match[3] else first  # n/step runs to the end of the field
        return [
            number % 7 if kind is WEEKDAY else number for number in range(first, max(first, last) + 1, step)
        ]

    def _range(self, first: int, last: int, step: int, where: tuple[FieldKind, str]) -> list[int]:
        kind, item = where
        if kind is not WEEKDAY:
            if last < first:
                self._refuse(
                    kind, item, f"the range runs backwards; write {first}-{kind.high},{kind.low}-{last}"
                )
            return list(range(first, last + 1, step))
        if last < first:  # fri-mon goes round the week; 7 as a start is Sunday
            first, last = (0, last) if first == 7 else (first, last + 7)
        return [number % 7 for number in range(first, last + 1, step)]

    def _number(self, text: str, kind: FieldKind, item: str) -> int:
        if text.isdigit():
            number = int(text)
            high = 7 if kind is WEEKDAY else kind.high
            if not kind.low <= number <= high:
                self._refuse(kind, item, f"{kind.low} to {high} only")
            return number
        found = next((place for place, name in enumerate(kind.names) if text in (name, name[:3])), None)
        if found is None:
            self._refuse(kind, item, f"not a {kind.name}")
        return kind.low + found

    def _refuse(self, kind: FieldKind, item: str, why: str) -> NoReturn:
        raise bad_cron(self._text, f"{kind.name} '{item}': {why}")


def _listed(numbers: tuple[int, ...], kind: FieldKind, text: str = "*") -> str:
    """``*`` for a field that is full and may be written so, else the numbers."""
    if len(numbers) == kind.high - kind.low + 1 and text[0] in "*?":
        return "*"
    return ",".join(map(str, numbers))


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The Monday to Friday nearest to ``day`` in the same month."""
    weekday = calendar.weekday(year, month, day)
    last = calendar.monthrange(year, month)[1]
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day
