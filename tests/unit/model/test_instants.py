"""Instants: read in a zone, gaps and folds included, and shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.instants import LocalZone, format_instant, format_relative, parse_instant, require_future

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=BERLIN)  # a Friday, 11:30 UTC


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-22T03:00:00Z", "2026-11-22T03:00:00.000Z"),
        ("2026-11-22t03:00:00z", "2026-11-22T03:00:00.000Z"),
        ("2026-11-22 03:00:00Z", "2026-11-22T03:00:00.000Z"),
        ("2026-11-22T03:00:00.123456789Z", "2026-11-22T03:00:00.123Z"),
        ("2026-11-22T03:00:00+02:00", "2026-11-22T01:00:00.000Z"),
        ("2026-11-22T03:00-0530", "2026-11-22T08:30:00.000Z"),
        ("2026-11-22 03:00 +02:00", "2026-11-22T01:00:00.000Z"),
        ("2026-11-22 03:00", "2026-11-22T02:00:00.000Z"),
        ("2026-11-22 03:00:05", "2026-11-22T02:00:05.000Z"),
        ("2026-11-22T03:00", "2026-11-22T02:00:00.000Z"),
        ("2026-11-22", "2026-11-21T23:00:00.000Z"),
        ("2026-07-22 03:00", "2026-07-22T01:00:00.000Z"),
        ("13:00", "2026-11-20T12:00:00.000Z"),
        ("03:00", "2026-11-21T02:00:00.000Z"),
        ("3:00", "2026-11-21T02:00:00.000Z"),
        ("12:30", "2026-11-21T11:30:00.000Z"),
        ("12:30:01", "2026-11-20T11:30:01.000Z"),
        ("today 9:00", "2026-11-20T08:00:00.000Z"),
        ("today", "2026-11-19T23:00:00.000Z"),
        ("tomorrow 9:00", "2026-11-21T08:00:00.000Z"),
        ("Tomorrow  09:00", "2026-11-21T08:00:00.000Z"),
        ("tomorrow", "2026-11-20T23:00:00.000Z"),
        ("yesterday 9:00", "2026-11-19T08:00:00.000Z"),
        ("monday 9:00", "2026-11-23T08:00:00.000Z"),
        ("mon", "2026-11-22T23:00:00.000Z"),
        ("friday 13:00", "2026-11-20T12:00:00.000Z"),
        ("friday 9:00", "2026-11-27T08:00:00.000Z"),
        ("friday", "2026-11-26T23:00:00.000Z"),
        ("now", "2026-11-20T11:30:00.000Z"),
    ],
)
def test_an_instant_reads_as_this_moment(text: str, shown: str) -> None:
    instant = parse_instant(text, NOW)
    assert instant.tzinfo is UTC
    assert format_instant(instant) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("03:00", "2026-11-20T02:00:00.000Z"),
        ("13:00", "2026-11-19T12:00:00.000Z"),
        ("12:30", "2026-11-20T11:30:00.000Z"),
        ("friday", "2026-11-19T23:00:00.000Z"),
        ("monday 9:00", "2026-11-16T08:00:00.000Z"),
        ("2026-11-22", "2026-11-21T23:00:00.000Z"),
    ],
)
def test_a_moment_looked_back_for_is_the_latest_one(text: str, shown: str) -> None:
    assert format_instant(parse_instant(text, NOW, past=True)) == shown


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "soon", "9", "9am", "24:00", "12:60", "12:00:60", "1:2", "12026-01-01T00:00", "0001-01-01",
     "1969-12-31", "9999-12-31", "9" * 5000 + "-01-01", "2026-13-01", "2026-02-30", "2026-1-1", "26-01-01",
     "2026-11-22T25:00", "2026-11-22Z", "2026-11-22T03:00+24:00", "2026-11-22T03:00+02:99", "2026-11-22T",
     "03:00Z", "２０２６-11-22", "2026-11-22 03:00 ", " 03:00", "03:00\n", "tomorrow 25:00", "tomorrow9:00",
     "someday 9:00", "1766370000", "now 9:00", "-03:00", "2026-11-22T03:00:00\0"],
)  # fmt: skip
def test_a_malformed_instant_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_instant(text, NOW, "start")
    assert caught.value.code == "E_INSTANT"
    assert caught.value.what == "bad start"
    assert "tomorrow 9:00" in caught.value.hint


def test_a_year_out_of_range_is_named_as_the_reason() -> None:
    with pytest.raises(BadInputError, match=r"bad time: '12026-01-01T00:00'; year must be 1970\.\.9998"):
        parse_instant("12026-01-01T00:00", NOW)


@pytest.mark.parametrize(
    ("text", "now"),
    [
        ("2026-03-29T02:30", NOW),
        ("2026-03-29 02:00", NOW),
        ("2026-03-29 02:59:59.999", NOW),
        ("02:30", datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)),
        ("tomorrow 2:30", datetime(2026, 3, 28, 12, 0, tzinfo=BERLIN)),
        ("sunday 2:30", datetime(2026, 3, 27, 12, 0, tzinfo=BERLIN)),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_and_the_gap_named(text: str, now: datetime) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_instant(text, now)
    assert "02:00 to 03:00 does not exist that day in Europe/Berlin; give an offset" in caught.value.hint


def test_the_edges_of_a_gap_exist() -> None:
    assert format_instant(parse_instant("2026-03-29 01:59:59", NOW)) == "2026-03-29T00:59:59.000Z"
    assert format_instant(parse_instant("2026-03-29 03:00", NOW)) == "2026-03-29T01:00:00.000Z"


def test_a_gap_already_passed_today_does_not_stop_tomorrow() -> None:
    now = datetime(2026, 3, 29, 10, 0, tzinfo=BERLIN)
    assert format_instant(parse_instant("02:30", now)) == "2026-03-30T00:30:00.000Z"


def test_a_time_shown_twice_means_the_first() -> None:
    assert format_instant(parse_instant("2026-10-25 02:30", NOW)) == "2026-10-25T00:30:00.000Z"
    between = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)  # 02:30 has passed once already
    assert format_instant(parse_instant("02:30", between)) == "2026-10-26T01:30:00.000Z"


def test_a_day_without_midnight_starts_after_its_gap() -> None:
    havana = ZoneInfo("America/Havana")  # 2026-03-08 00:00 -> 01:00
    assert format_instant(parse_instant("2026-03-08", NOW, zone=havana)) == "2026-03-08T05:00:00.000Z"


def test_a_day_that_a_zone_skipped_whole_is_refused() -> None:
    with pytest.raises(BadInputError, match="skipped by the clocks"):
        parse_instant("2011-12-30", NOW, zone=ZoneInfo("Pacific/Apia"))


def test_the_given_zone_overrules_that_of_now() -> None:
    assert (
        format_instant(parse_instant("03:00", NOW, zone=ZoneInfo("Asia/Tokyo"))) == "2026-11-20T18:00:00.000Z"
    )
    assert format_instant(parse_instant("2026-11-22", NOW, zone=UTC)) == "2026-11-22T00:00:00.000Z"


def test_an_instant_before_now_is_refused_where_only_the_future_counts() -> None:
    assert require_future(NOW, NOW) == NOW
    with pytest.raises(
        BadInputError, match=r"start is in the past: '2026-11-20T08:30:00\.000Z'; that was 3h ago"
    ):
        require_future(NOW - timedelta(hours=3), NOW, "start")


def test_an_instant_is_shown_in_utc_with_milliseconds() -> None:
    instant = datetime(2026, 11, 22, 4, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
    assert format_instant(instant) == "2026-11-22T03:00:00.123Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "in 1s"),
        (-185, "3m ago"),
        (7260, "in 2h"),
        (-200000, "2d ago"),
        (-2.7, "2s ago"),
    ],
)
def test_a_distance_is_shown_in_its_largest_unit(seconds: float, text: str) -> None:
    assert format_relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_a_distance_across_a_change_of_clocks_counts_real_time() -> None:
    before = datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN)
    after = datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)
    assert format_relative(after, before) == "in 1h"


@pytest.fixture
def berlin_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin_machine")
def test_the_local_zone_agrees_with_the_named_one_all_year() -> None:
    local = LocalZone()
    for hours in range(0, 24 * 365, 1):
        instant = datetime(2026, 1, 1, 0, 30, tzinfo=UTC) + timedelta(hours=hours)
        here, there = instant.astimezone(local), instant.astimezone(BERLIN)
        assert here.replace(tzinfo=None) == there.replace(tzinfo=None)
        assert here.fold == there.fold
        assert (here.utcoffset(), here.tzname()) == (there.utcoffset(), there.tzname())


@pytest.mark.usefixtures("berlin_machine")
def test_local_times_in_the_other_half_of_the_year_keep_their_own_offset() -> None:
    now = datetime(2026, 7, 1, 12, 0, tzinfo=LocalZone())
    assert format_instant(parse_instant("2026-12-01 03:00", now)) == "2026-12-01T02:00:00.000Z"
    with pytest.raises(BadInputError, match="02:00 to 03:00 does not exist that day in local time"):
        parse_instant("2026-03-29 02:30", now)


zones: st.SearchStrategy[tzinfo] = st.sampled_from(["Europe/Berlin", "America/Havana", "Asia/Tokyo"]).map(
    ZoneInfo
)
moments = st.integers(31536000_000000, 2114380800_000000).map(lambda us: EPOCH + timedelta(microseconds=us))


@given(moments)
def test_a_shown_instant_reads_back_to_the_millisecond(moment: datetime) -> None:
    exact = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_instant(format_instant(exact), NOW) == exact


@given(moments, zones)
def test_a_wall_time_reads_back_except_for_the_second_pass_of_a_fold(moment: datetime, zone: tzinfo) -> None:
    wall = moment.astimezone(zone)
    if not wall.fold:
        assert parse_instant(wall.replace(tzinfo=None).isoformat(" "), NOW, zone=zone) == moment


@given(moments, zones, st.times().map(lambda clock: clock.strftime("%H:%M")))
def test_a_bare_time_lies_within_the_next_day_and_a_bit(moment: datetime, zone: tzinfo, text: str) -> None:
    try:
        instant = parse_instant(text, moment, zone=zone)
        previous = parse_instant(text, moment, zone=zone, past=True)
    except BadInputError as error:
        assert "does not exist that day" in error.hint  # noqa: PT017
    else:
        assert moment < instant <= moment + timedelta(hours=25)
        assert moment - timedelta(hours=25) <= previous <= moment
        assert instant.astimezone(zone).strftime("%H:%M") == text


@given(st.text() | st.text(alphabet="0123456789-:TZ+. tomrw"))
def test_any_text_is_an_instant_or_bad_input(text: str) -> None:
    try:
        assert parse_instant(text, NOW).tzinfo is UTC
    except BadInputError as error:
        assert error.code == "E_INSTANT"  # noqa: PT017
