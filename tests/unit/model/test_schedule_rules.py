from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.schedule_rules import (
    RULES,
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
    rule_from_document,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 22, 12, 0, 0, 5000, tzinfo=UTC)
EVERY_KIND: list[Rule] = [
    Cron(("30 2 * * *", "@hourly")),
    Every(90_000, NOON),
    AfterFinish(5_400_000, NOON),
    At(NOON),
    Daily(((2, 30), (14, 0))),
    Weekly((0, 1, 5), ((9, 0),)),
    Monthly((1, 31), ((3, 0),)),
    Reboot(once_per_boot=True),
    Manual(),
]


def _days(rule: Rule, count: int, zone: ZoneInfo = BERLIN) -> list[str]:
    found, at = [], NOON
    for _ in range(count):
        following = rule.next_after(at, Around(zone))
        assert following is not None
        at = following
        found.append(f"{at.astimezone(zone):%m-%d %H:%M}")
    return found


def test_every_kind_is_registered_and_sampled() -> None:
    assert set(RULES) == set(RuleKind) == {rule.kind for rule in EVERY_KIND}


@pytest.mark.parametrize("rule", EVERY_KIND, ids=lambda rule: rule.kind)
def test_a_rule_returns_from_its_document(rule: Rule) -> None:
    assert rule_from_document(json.loads(json.dumps(rule.document()))) == rule
    assert rule.expression


@pytest.mark.parametrize("rule", EVERY_KIND, ids=lambda rule: rule.kind)
@settings(max_examples=20, deadline=None, database=None)
@given(seconds=st.integers(0, 2_000_000_000))
def test_the_next_slot_is_later_and_in_whole_milliseconds(rule: Rule, seconds: int) -> None:
    after = datetime.fromtimestamp(seconds, UTC)
    found = rule.next_after(after, Around(BERLIN, started_at=NOON, life="1", boot_id="b"))
    if found is not None:
        assert found > after
        assert found.utcoffset() == timedelta()
        assert found.microsecond % 1000 == 0


def test_the_earliest_of_several_lines_wins() -> None:
    assert _days(Cron(("30 2 * * *", "0 14 * * *")), 3) == ["11-22 14:00", "11-23 02:30", "11-23 14:00"]


def test_weekly_names_its_days_from_monday() -> None:
    rule = Weekly((0, 1, 5), ((9, 0),))
    assert rule.expression == "mon,fri,sun@09:00"
    assert _days(rule, 3) == ["11-23 09:00", "11-27 09:00", "11-29 09:00"]


@pytest.mark.parametrize(("day", "february"), [(28, "02-28"), (29, "02-28"), (30, "02-28"), (31, "02-28")])
def test_monthly_never_leaves_a_month_out(day: int, february: str) -> None:
    found = [one.split()[0] for one in _days(Monthly((day,), ((3, 0),)), 12)]
    assert len({one[:2] for one in found}) == 12
    assert february in found
    assert ("04-30" if day > 29 else f"04-{day}") in found


def test_monthly_on_a_leap_day() -> None:
    rule = Monthly((30,), ((3, 0),))
    found = rule.next_after(datetime(2028, 2, 1, tzinfo=UTC), Around(BERLIN))
    assert found == datetime(2028, 2, 29, 2, tzinfo=UTC)


def test_every_keeps_its_phase_in_elapsed_time() -> None:
    rule = Every(86_400_000, datetime(2026, 10, 24, 0, 30, tzinfo=UTC))
    found = [rule.next_after(datetime(2026, 10, day, 12, tzinfo=UTC), Around(BERLIN)) for day in (23, 24, 25)]
    assert [f"{at.astimezone(BERLIN):%d %H:%M}" for at in found if at] == ["24 02:30", "25 02:30", "26 01:30"]


@settings(max_examples=50, database=None)
@given(st.integers(1, 10**7), st.integers(-(10**6), 10**6), st.integers(0, 10**6))
def test_every_counts_what_it_would_fire(interval_ms: int, after_s: int, length_s: int) -> None:
    rule = Every(max(interval_ms, 20_000_000 // 100), NOON)
    after, until = NOON + timedelta(seconds=after_s), NOON + timedelta(seconds=after_s + length_s)
    count, found = 0, rule.next_after(after, Around(BERLIN))
    while found is not None and found <= until:
        count += 1
        found = rule.next_after(found, Around(BERLIN))
    assert rule.count_between(after, until, Around(BERLIN), 10) == (count, True)


def test_several_lines_are_counted_up_to_the_most() -> None:
    rule = Cron(("* * * * *", "30 2 * * *"))
    until = NOON + timedelta(days=3)
    assert rule.count_between(NOON, NOON + timedelta(minutes=9), Around(BERLIN), 10) == (9, True)
    assert rule.count_between(NOON, until, Around(BERLIN), 10) == (3 * 1440, False)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(90_000, "1m30s"), (86_400_000, "1d"), (5_400_000, "1h30m"), (1_250, "1s250ms")],
)
def test_an_interval_is_written_as_it_is_read(milliseconds: int, text: str) -> None:
    assert Every(milliseconds, NOON).expression == text


def test_after_finish_knows_nothing_while_a_job_runs() -> None:
    rule = AfterFinish(60_000, NOON)
    assert rule.next_after(NOON, Around(BERLIN, active=True)) is None
    ended = Around(BERLIN, last_ended_at=NOON + timedelta(hours=1))
    assert rule.next_after(NOON, ended) == NOON + timedelta(hours=1, minutes=1)


def test_reboot_without_a_supervisor_has_no_next() -> None:
    assert Reboot().next_after(NOON, Around(BERLIN)) is None


@pytest.mark.parametrize(
    "rule",
    [*EVERY_KIND, Every(36_525 * 86_400_000, NOON), AfterFinish(36_525 * 86_400_000, NOON), Daily(((0, 0),))],
    ids=lambda rule: f"{rule.kind} {rule.expression}",
)
def test_slots_end_before_the_years_that_datetime_knows(rule: Rule) -> None:
    century = timedelta(days=36_525)
    for year in (2026, 9600, 9699, 9998):
        found, ended_at = datetime(year, 12, 31, 23, 59, tzinfo=UTC), NOON.replace(year=year)
        for _ in range(100):
            around = Around(ZoneInfo("Pacific/Kiritimati"), last_ended_at=ended_at)
            following = rule.next_after(found, around)
            if following is None:
                break
            found = following
            assert (found + century).astimezone(around.zone)
