"""When cron fires, found by looking at every minute: slow, and written without the code under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
WINDOW = timedelta(days=4)
TRANSITIONS = (
    ("America/New_York", "2027-03-14"), ("America/New_York", "2027-11-07"),
    ("Europe/Berlin", "2027-03-28"), ("Europe/Berlin", "2027-10-31"),
    ("Europe/Dublin", "2027-03-28"), ("Europe/Dublin", "2027-10-31"),  # winter time is its "daylight saving"
    ("Pacific/Apia", "2011-12-30"),  # a lost day
    ("Pacific/Kwajalein", "1993-08-21"),  # a lost day
    ("Antarctica/Troll", "2027-03-28"), ("Antarctica/Troll", "2027-10-31"),  # two hours
    ("Australia/Lord_Howe", "2027-04-03"), ("Australia/Lord_Howe", "2027-10-02"),  # half an hour
    ("Asia/Kathmandu", "1985-12-31"),  # a quarter of an hour, for good
    ("Asia/Pyongyang", "2015-08-14"), ("Asia/Pyongyang", "2018-05-04"),  # half an hour back, and forth
    ("America/Caracas", "2007-12-09"), ("America/Caracas", "2016-05-01"),
    ("Africa/Casablanca", "2026-02-15"), ("Africa/Casablanca", "2026-03-22"),  # Ramadan
    ("America/Sao_Paulo", "2018-11-04"), ("America/Sao_Paulo", "2018-02-18"),  # midnight skipped, and repeated
    ("Africa/Cairo", "2027-04-29"), ("Africa/Cairo", "2027-10-28"),
    ("America/Havana", "2027-03-14"), ("America/Havana", "2027-11-07"),
    ("Asia/Gaza", "2023-04-29"), ("Asia/Beirut", "2027-03-28"), ("America/Nuuk", "2024-03-31"),
    ("Asia/Tehran", "2022-03-21"), ("Europe/Istanbul", "2016-03-27"), ("Africa/Juba", "2021-01-31"),
    ("America/Scoresbysund", "2024-03-31"), ("Antarctica/Casey", "2020-10-03"), ("Asia/Kolkata", "2027-01-01"),
)  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """A random expression and what its fields hold, known from making it."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_wild: bool
    both_days: bool

    def matches(self, wall: datetime) -> bool:
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and (day and weekday if self.both_days else day or weekday)
        )


def random_expression(random: Random) -> Expression:
    """Mostly dense in hours and days, so that changes of the clocks matter."""
    minute, minutes = _field(random, 0, 59, (0, 0, 15, 30, 45, 59))
    hour, hours = _field(random, 0, 23, (0, 1, 2, 2, 3, 23))
    day, days = _field(random, 1, 31, (1, 15, 28, 30, 31)) if random.random() < 0.2 else _star(1, 31)
    month, months = _field(random, 1, 12, (3, 10)) if random.random() < 0.1 else _star(1, 12)
    weekday, weekdays = _field(random, 0, 6, (0, 1, 5, 6)) if random.random() < 0.2 else _star(0, 6)
    return Expression(
        f"{minute} {hour} {day} {month} {weekday}", minutes, hours, days, months, weekdays,
        minute.startswith("*") or hour.startswith("*"), day.startswith("*") or weekday.startswith("*"),
    )  # fmt: skip


def _star(low: int, high: int) -> tuple[str, frozenset[int]]:
    return "*", frozenset(range(low, high + 1))


def _field(random: Random, low: int, high: int, likely: tuple[int, ...]) -> tuple[str, frozenset[int]]:
    def star() -> tuple[str, frozenset[int]]:
        return _star(low, high)

    def steps() -> tuple[str, frozenset[int]]:
        step = random.randint(2, max(2, (high - low) // 2))
        return f"*/{step}", frozenset(range(low, high + 1, step))

    def listed() -> tuple[str, frozenset[int]]:
        values = [random.choice((*likely, random.randint(low, high))) for _ in range(random.randint(1, 3))]
        return ",".join(map(str, values)), frozenset(values)

    def ranged() -> tuple[str, frozenset[int]]:
        first, last = sorted((random.choice(likely), random.randint(low, high)))
        step = random.choice((1, 1, 2, 3))
        return f"{first}-{last}" + (f"/{step}" if step > 1 else ""), frozenset(range(first, last + 1, step))

    makers: tuple[Callable[[], tuple[str, frozenset[int]]], ...] = (star, steps, listed, listed, ranged)
    return random.choice(makers)()


@lru_cache(maxsize=64)
def walls_around(zone_name: str, day: str) -> tuple[tuple[datetime, datetime], ...]:
    """Every minute of the days around ``day``, as (instant, wall time)."""
    zone = ZoneInfo(zone_name)
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - WINDOW / 2
    minutes = [start + count * MINUTE for count in range(WINDOW // MINUTE)]
    return tuple((instant, instant.astimezone(zone).replace(tzinfo=None, fold=0)) for instant in minutes)


def firings(expression: Expression, minutes: tuple[tuple[datetime, datetime], ...]) -> list[datetime]:
    """The instants at which Debian's cron fires it, the first minute left out."""
    found = []
    latest = minutes[0][1]
    """The latest wall time that was shown."""
    for instant, wall in minutes[1:]:
        if expression.is_wild:
            fires = expression.matches(wall)
        else:
            fires = False
            passed = latest + MINUTE
            while passed <= wall and not fires:
                fires = expression.matches(passed)
                passed += MINUTE
        if fires:
            found.append(instant)
        latest = max(latest, wall)
    return found
