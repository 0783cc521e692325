from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.cron import parse_cron
from jobctl.model.cron_fields import parse_cron_fields
from tests.support.cron_checks import disagreement
from tests.support.cron_oracle import TRANSITIONS, Expression, firings, random_expression, walls_around

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
UTC_ZONE = ZoneInfo("UTC")
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)


def _next(text: str, after: str, zone: ZoneInfo = UTC_ZONE) -> str:
    start = datetime.fromisoformat(after)
    start = start if start.tzinfo else start.replace(tzinfo=zone)
    found = parse_cron(text).next_after(start, zone)
    assert found is not None
    return found.astimezone(zone).isoformat(timespec="minutes")


def _all(text: str, after: str, until: str, zone: ZoneInfo) -> list[str]:
    line, found, end = parse_cron(text), [], datetime.fromisoformat(until)
    at = line.next_after(datetime.fromisoformat(after), zone)
    while at is not None and at <= end:
        found.append(f"{at.astimezone(zone):%H:%M%z}")
        at = line.next_after(at, zone)
    return found


# --- grammar: what croniter alone reads otherwise (notes/schedulers.md section 2) ---


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("5-5 * * * *", (5,)),
        ("59/15 * * * *", (59,)),
        ("6/20 * * * *", (6, 26, 46)),
        ("5-6/2 * * * *", (5,)),
        ("50,10,10-12 * * * *", (10, 11, 12, 50)),
        ("08 * * * *", (8,)),
    ],
)
def test_minutes_are_those_of_cron(text: str, minutes: tuple[int, ...]) -> None:
    assert parse_cron_fields(text).minutes == minutes


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("5-5", (5,)),
        ("fri-mon", (0, 1, 5, 6)),
        ("5-7", (0, 5, 6)),
        ("0-7", (0, 1, 2, 3, 4, 5, 6)),
        ("7-2", (0, 1, 2)),
        ("sat-sun", (0, 6)),
        ("7", (0,)),
        ("friday,MON", (1, 5)),
        ("*/3", (0, 3, 6)),
        ("mon/2", (1, 3, 5)),
        ("fri-tue/2", (0, 2, 5)),
    ],
)
def test_weekdays_may_go_round_the_week(text: str, weekdays: tuple[int, ...]) -> None:
    assert parse_cron_fields(f"0 0 * * {text}").weekdays == weekdays


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("30-10 * * * *", "backwards"),
        ("0 17-9 * * *", "write 17-23,0-9"),
        ("*/70 * * * *", "a step is 1 to 60"),
        ("0/120 * * * *", "a step is 1 to 60"),
        ("*/0 * * * *", "a step is"),
        ("R * * * *", "minute 'r'"),
        ("H H * * *", "minute 'h'"),
        ("60 * * * *", "0 to 59 only"),
        ("0 0 0 * *", "1 to 31 only"),
        ("0 0 * 13 *", "1 to 12 only"),
        ("0 0 * * 8", "0 to 7 only"),
        ("0 0 1 * 1#1", "# and L go with *"),
        ("0 2 15W * 1", "L and W go with *"),
        ("0 0 L * mon", "L and W go with *"),
        ("0 0 LW * *", "not L-2, LW"),
        ("0 0 L-2 * *", "not L-2, LW"),
        ("0 0 15W,20 * *", "nor W in a list"),
        ("0 0 * * 1#6", "the week is 1 to 5"),
        ("0 0 * * 1,2#1", "do not mix"),
        ("0 0 * * monl", "not a day of week"),
        ("0 0 * * L", "not a number"),
        ("*-5 * * * *", "not a number"),
        ("? * * * *", "not a number"),
        ("@reboot", "no such nickname"),
        ("* * * *", "4 fields"),
        ("0 * * * * * 2026", "7 fields"),
        ("", "0 fields"),
        ("0 0 * *\n*", "one line"),
        ("¹ * * * *", "ASCII"),
        ("1," * 600 + "1 * * * *", "longer than"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
    ],
)
def test_what_cron_does_not_know_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadInputError, match="bad cron expression") as caught:
        parse_cron(text)
    assert why in caught.value.hint
    assert caught.value.code == "E_CRON"


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 0 */2 * 1", "2026-11-01T00:00", "2026-11-09T00:00+00:00"),  # AND: an odd Monday
        ("0 0 2-30/2 * 1", "2026-11-01T00:00", "2026-11-02T00:00+00:00"),  # OR
        ("0 0 1-31 * 1", "2026-11-03T00:00", "2026-11-04T00:00+00:00"),  # OR with every day written out
        ("0 0 1-7 * */7", "2026-11-02T00:00", "2026-12-06T00:00+00:00"),  # AND: the first Sunday
        ("0 0 13 * 5", "2026-11-13T00:00", "2026-11-20T00:00+00:00"),  # OR
        ("0 0 * * 5L", "2026-11-01T00:00", "2026-11-27T00:00+00:00"),
        ("0 0 * * L5", "2026-11-01T00:00", "2026-11-27T00:00+00:00"),
        ("0 0 * * mon#2,5l", "2026-11-01T00:00", "2026-11-09T00:00+00:00"),
        ("0 0 L * *", "2027-02-01T00:00", "2027-02-28T00:00+00:00"),
        ("0 0 1,L * *", "2027-02-01T00:00", "2027-02-28T00:00+00:00"),
        ("0 0 15W * *", "2026-11-01T00:00", "2026-11-16T00:00+00:00"),  # the 15th is a Sunday
        ("0 0 31 2 1", "2026-11-01T00:00", "2027-02-01T00:00+00:00"),  # Mondays in February
        ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00+00:00"),  # 2100 is no leap year
        ("30 8 ? jul sun", "2026-11-01T00:00", "2027-07-04T08:30+00:00"),
        (" \t@daily ", "2026-11-01T00:00", "2026-11-02T00:00+00:00"),
        ("@Midnight", "2026-11-01T00:00", "2026-11-02T00:00+00:00"),
        ("@yearly", "2026-11-01T00:00", "2027-01-01T00:00+00:00"),
        ("@weekly", "2026-11-01T00:00", "2026-11-08T00:00+00:00"),
    ],
)
def test_the_next_firing(text: str, after: str, expected: str) -> None:
    assert _next(text, after) == expected


def test_of_six_fields_the_first_is_the_second() -> None:
    line = parse_cron("*/10 * * * * *")
    found = line.next_after(datetime(2026, 11, 22, 3, 0, 5, 250_000, tzinfo=UTC), UTC_ZONE)
    assert found == datetime(2026, 11, 22, 3, 0, 10, tzinfo=UTC)


# --- the clocks change ---


def test_a_fixed_time_in_the_gap_fires_once_at_its_end() -> None:
    for text in ("30 2 * * *", "15,45 2 * * *", "0-59 2 * * *"):
        assert _all(text, "2027-03-14T00:00-05:00", "2027-03-14T12:00-04:00", NEW_YORK) == ["03:00-0400"]


def test_a_fixed_time_at_the_end_of_the_gap_swallows_those_within() -> None:
    assert _all("0 2,3 * * *", "2027-03-14T00:00-05:00", "2027-03-14T12:00-04:00", NEW_YORK) == ["03:00-0400"]


def test_a_fixed_time_that_comes_twice_fires_the_first_time() -> None:
    assert _all("30 1 * * *", "2027-11-07T00:00-04:00", "2027-11-07T12:00-05:00", NEW_YORK) == ["01:30-0400"]


def test_a_wildcard_follows_elapsed_time() -> None:
    repeated = _all("0 * * * *", "2027-11-07T00:00-04:00", "2027-11-07T02:00-05:00", NEW_YORK)
    assert repeated == ["01:00-0400", "01:00-0500", "02:00-0500"]
    assert _next("0 */2 * * *", "2027-03-14T00:30-05:00", NEW_YORK) == "2027-03-14T04:00-04:00"
    assert _next("*/20 1 * * *", "2027-04-04T01:45+11:00", LORD_HOWE) == "2027-04-04T01:40+10:30"


def test_in_the_second_pass_the_fixed_times_of_both_are_over() -> None:
    assert (
        _next("* 1 * * *".replace("*", "0-59", 1), "2027-11-07T01:10-05:00", NEW_YORK)
        == "2027-11-08T01:00-05:00"
    )


def test_a_day_that_a_zone_never_had_is_made_up_for_at_the_gap() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert _next("30 2 * * *", "2011-12-29T03:00-10:00", apia) == "2011-12-31T00:00+14:00"
    assert _next("30 2 * * *", "2011-12-31T00:00+14:00", apia) == "2011-12-31T02:30+14:00"


def test_offsets_with_seconds_do_not_shift_the_walls() -> None:
    monrovia = ZoneInfo("Africa/Monrovia")  # -0:44:30 until 1972-01-07
    line = parse_cron("0 * * * *")
    found = line.next_after(datetime(1971, 6, 1, tzinfo=UTC), monrovia)
    assert found == datetime(1971, 6, 1, 0, 44, 30, tzinfo=UTC)


def test_the_scanned_changes_change_the_offset() -> None:
    unchanged = []
    for zone, day in TRANSITIONS:
        offsets = {wall - instant.replace(tzinfo=None) for instant, wall in walls_around(zone, day)}
        unchanged += [zone] if len(offsets) == 1 else []
    # Greenland's east took another standard time at the very moment that summer time began.
    assert unchanged == ["America/Scoresbysund", "Asia/Kolkata"]


@QUICK
@given(st.randoms(use_true_random=False))
def test_a_look_at_every_minute_finds_the_same(random: Random) -> None:
    assert disagreement(random) is None


def test_the_look_at_every_minute_tells_the_wrapper_from_raw_croniter() -> None:
    """croniter with aware instants fires a fixed time in both passes of a repeated hour."""
    everything = Expression("", *(frozenset(range(61)),) * 5, is_wild=False, both_days=True)
    expression = replace(everything, text="30 1 * * *", minutes=frozenset({30}), hours=frozenset({1}))
    minutes = walls_around("America/New_York", "2027-11-07")
    raw = croniter(expression.text, minutes[0][0].astimezone(NEW_YORK), datetime)
    seen = [found for _ in range(4) if (found := raw.get_next()).astimezone(UTC) <= minutes[-1][0]]
    assert len(seen) == 4
    assert seen[2].date() == seen[1].date() or seen[3].date() == seen[2].date()
    wanted = firings(expression, minutes)
    assert len({at.astimezone(NEW_YORK).date() for at in wanted}) == len(wanted) == 4


# --- invariants (notes/schedulers.md section 5) ---


@QUICK
@given(st.randoms(use_true_random=False), st.integers(0, 2_000_000_000), st.integers(0, 2_000_000_000))
def test_the_next_firing_is_later_and_grows(random: Random, one: int, two: int) -> None:
    try:
        line = parse_cron(random_expression(random).text)
    except BadInputError:
        return
    zone = ZoneInfo(random.choice(TRANSITIONS)[0])
    found = []
    for seconds in sorted((one, two)):
        after = datetime.fromtimestamp(seconds, UTC)
        at = line.next_after(after, zone)
        assert at is not None
        assert at > after
        found.append(at)
    assert found == sorted(found)


@pytest.mark.parametrize("zone_name", sorted({zone for zone, _ in TRANSITIONS}))
def test_a_daily_time_fires_once_a_day_in_every_zone(zone_name: str) -> None:
    zone, line = ZoneInfo(zone_name), parse_cron("30 2 * * *")
    at: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    days = []
    while at is not None and at < datetime(2028, 1, 1, tzinfo=UTC):
        at = line.next_after(at, zone)
        assert at is not None
        days.append(at.astimezone(zone).date())
    assert days == [days[0] + timedelta(days=count) for count in range(len(days))]


def test_a_wildcard_leaves_no_gap_longer_than_its_step_where_hours_change_whole() -> None:
    line = parse_cron("*/15 * * * *")
    for zone, day in (("America/New_York", 7), ("Europe/Berlin", 1)):
        at = datetime(2027, 11 if day == 7 else 10, 6 if day == 7 else 30, tzinfo=UTC)
        for _ in range(300):
            following = line.next_after(at, ZoneInfo(zone))
            assert following is not None
            assert following - at <= timedelta(minutes=15)
            at = following


def test_the_far_future_has_no_firing() -> None:
    assert parse_cron("* * * * *").next_after(datetime(9950, 1, 1, tzinfo=UTC), UTC_ZONE) is None


# --- counting ---


def test_a_month_of_minutes_is_counted_at_once() -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_cron("* * * * *").count_between(start, start + timedelta(days=30), berlin) == (43_200, True)
    assert parse_cron("30 2 * * *").count_between(start, start + timedelta(days=30), berlin) == (30, True)


def test_a_count_over_decades_says_that_it_is_the_least() -> None:
    start = datetime(1990, 1, 1, tzinfo=UTC)
    count, is_exact = parse_cron("0 0 * * *").count_between(start, datetime(2026, 1, 1, tzinfo=UTC), UTC_ZONE)
    assert (count, is_exact) == (4000, False)
