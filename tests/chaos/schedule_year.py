"""A year of schedules under a clock set by hand, from due instant to due instant: each slot once, at its instant.

    python -m tests.chaos.schedule_year [--schedules 200] [--days 365] [--seed N]

Schedules of every calendar kind and of intervals, in zones with odd changes, some with jitter, start and end. What
fired is compared with what the rule says, slot by slot; that the rule is right is what the vectors and the minute scan
of ``tests/unit/model`` show.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobctl.actions.schedule_states import offset_ms
from jobctl.actions.schedules import add_schedule, terms_of
from jobctl.clock import to_datetime, to_ms
from jobctl.model.homes import Home
from jobctl.model.lives import LifeKind
from jobctl.model.schedule_records import Schedule
from jobctl.model.schedule_rules import Around
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.supervisor.scheduler import Scheduler
from tests.support.clocks import ManualClock
from tests.support.schedules import DAY, caller, milliseconds, request

ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Antarctica/Troll",
    "Africa/Casablanca", "Asia/Kolkata", "America/Santiago", "Pacific/Chatham",
)  # fmt: skip
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(slots=True)
class Year:
    """What happened in a year."""

    fires: int = 0
    transactions: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The summary."""
        return (
            f"{self.fires} slots in {self.transactions} transactions, {len(self.problems)} problems,"
            f" {self.seconds:.1f} s"
        )


def times_of(number: int, pick: random.Random) -> dict[str, Any]:
    """When the schedule of this number is due; most kinds a few times a week, some every few hours."""
    hour, minute = pick.randrange(24), pick.randrange(60)
    kinds: tuple[dict[str, Any], ...] = (
        {"daily": f"{hour:02}:{minute:02}"},
        {"weekly": f"{pick.choice(WEEKDAYS)},{pick.choice(WEEKDAYS)}@{hour:02}:{minute:02}"},
        {"monthly": f"{pick.choice(('1', '15', '29', '31', 'last'))}@{hour:02}:{minute:02}"},
        {"cron": f"{minute} {hour} * * {pick.randrange(7)}"},
        {"cron": f"{minute} */{pick.choice((6, 8, 12))} * * *"},
        {"cron": (f"{minute} {hour} 1-7 * */2", f"30 2 {pick.randrange(1, 28)} * *")},
        {"every": f"{pick.choice((7, 11, 26, 50))}h{minute}m"},
        {"daily": "02:30", "jitter": f"{1 + minute}m"},
        {"daily": "01:30", "start": "2026-02-01 00:00", "end": "2026-11-30 00:00"},
        {"at": f"2026-{pick.randrange(2, 12):02}-{pick.randrange(1, 28):02} {hour:02}:{minute:02}"},
    )
    chosen = kinds[number % len(kinds)]
    return {"tz": pick.choice(ZONES), "overlap": "allow", **chosen}


def live_a_year(
    root: Path, schedules: int, days: int, seed: int, start: str = "2026-01-01T00:00+00:00"
) -> Year:
    """A year has passed and what fired was compared with the rules."""
    pick, clock, year = random.Random(seed), ManualClock(milliseconds(start)), Year()
    began = time.monotonic()
    with Store.open(Home(str(root)), clock, create=True) as store:
        with store.write():
            life = store.lives.begin(LifeKind.UP, 1, "test", clock.now_ms())
            for number in range(schedules):
                asked = request(**times_of(number, pick))
                add_schedule(store, f"s{number}", asked, caller(store, clock), clock, disabled=False)
        first = clock.now_ms()
        _pass_time(store, Scheduler(store, life, clock, Settings()), clock, first + days * DAY * 1000, year)
        for schedule in store.schedules.list():
            _compare(store, schedule, first, clock.now_ms(), year)
    year.seconds = time.monotonic() - began
    return year


def _pass_time(store: Store, scheduler: Scheduler, clock: ManualClock, end: int, year: Year) -> None:
    store.database.rows("PRAGMA synchronous=OFF")
    while True:
        scheduler.watch_clocks()
        if scheduler.wants_turn():
            scheduler.consider()
            with store.write():
                scheduler.fire(clock.now_ms())
            scheduler.committed()
            year.transactions += 1
            continue
        next_at = store.schedules.outlook()[0]
        if next_at is None or next_at > end:
            clock.advance((end - clock.now_ms()) / 1000)
            return
        clock.advance((next_at - clock.now_ms()) / 1000)


def _compare(store: Store, schedule: Schedule, start: int, end: int, year: Year) -> None:
    """Each slot of the rule up to ``end`` fired once and on time, and nothing else did."""
    fires = store.schedules.fires(schedule.id)[::-1]
    year.fires += len(fires)
    late = [
        fire for fire in fires if fire.outcome != "fired" or fire.late_ms != 0 or fire.trigger.value != "slot"
    ]
    if late:
        year.problems.append(f"{schedule.name}: {late[0]}")
    found, wanted = [fire.due_at for fire in fires], _slots(schedule, start, end)
    if found != wanted:
        year.problems.append(
            f"{schedule.name} {schedule.text.expression}: {len(found)} slots, not {len(wanted)}"
        )


def _slots(schedule: Schedule, start: int, end: int) -> list[int]:
    terms = terms_of(schedule.text)
    policy, around = terms.policy, Around(terms.zone)
    after = to_datetime(start)
    if policy.start_at is not None:
        after = max(after, to_datetime(to_ms(policy.start_at) - 1))
    until = to_datetime(end - offset_ms(schedule))
    slots = []
    while (slot := terms.rule.next_after(after, around)) is not None and slot <= until:
        if policy.end_at is not None and slot >= policy.end_at:
            break
        slots.append(to_ms(slot))
        after = slot
    return slots


def main() -> int:
    """The exit code: 0 if every slot fired once, at its instant."""
    parser = argparse.ArgumentParser(prog="tests.chaos.schedule_year")
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobctl-year-") as root:
        year = live_a_year(Path(root) / "home", arguments.schedules, arguments.days, arguments.seed)
    for problem in year.problems:
        print(problem)
    print(year.line)
    return 1 if year.problems else 0


if __name__ == "__main__":
    sys.exit(main())
