from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobctl.errors import BadInputError
from jobctl.model.schedule_rules import At, Cron, Every, RuleKind
from jobctl.model.schedule_texts import Given, Moment, parse_schedule, split_shorthand
from jobctl.model.schedules import Missed, Overlap, SchedulePolicy

NOW = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
NOW_MS = NOW.replace(microsecond=123_000)
HERE = Moment(NOW, "Europe/Berlin")


@pytest.mark.parametrize(
    ("given", "kind", "expression"),
    [
        ({"cron": "30 2 * * *"}, RuleKind.CRON, "30 2 * * *"),
        ({"cron": ["30 2 * * *", " @hourly ", "30 2 * * *"]}, RuleKind.CRON, "30 2 * * *; @hourly"),
        ({"cron": "@every 1h30m"}, RuleKind.EVERY, "1h30m"),
        ({"cron": "@Reboot"}, RuleKind.REBOOT, "supervisor start"),
        ({"cron": "@manually"}, RuleKind.MANUAL, "by hand"),
        ({"cron": "@at 2026-12-01T00:00:00Z"}, RuleKind.AT, "2026-12-01T00:00:00.000Z"),
        ({"every": "90"}, RuleKind.EVERY, "1m30s"),
        ({"every": "90", "after_finish": True}, RuleKind.AFTER_FINISH, "1m30s"),
        ({"at": "tomorrow 9:00"}, RuleKind.AT, "2026-11-23T08:00:00.000Z"),
        ({"daily": "14:00, 2:30,14:00"}, RuleKind.DAILY, "02:30,14:00"),
        ({"weekly": "Fri,mon@9"}, RuleKind.WEEKLY, "mon,fri@09:00"),
        ({"weekly": "sat-mon@9:15"}, RuleKind.WEEKLY, "mon,sat,sun@09:15"),
        ({"monthly": "last,1@3:00"}, RuleKind.MONTHLY, "1,last@03:00"),
        ({"reboot": True, "manual": False}, RuleKind.REBOOT, "supervisor start"),
        ({"reboot": True, "once_per_boot": True}, RuleKind.REBOOT, "once per boot"),
        ({"manual": True, "cron": None}, RuleKind.MANUAL, "by hand"),
    ],
)
def test_a_rule_is_read(given: dict[str, Given], kind: RuleKind, expression: str) -> None:
    terms = parse_schedule(given, HERE)
    assert (terms.rule.kind, terms.rule.expression) == (kind, expression)
    assert terms.zone.key == "Europe/Berlin"
    assert terms.policy == SchedulePolicy()


@pytest.mark.parametrize(
    ("given", "message", "code"),
    [
        ({}, "no rule says when it is due", "E_SCHEDULE"),
        ({"cron": "* * * * *", "every": "5m"}, "--cron and --every exclude each other", "E_SCHEDULE"),
        ({"cron": "@every 5m", "daily": "3"}, "--every and --daily exclude each other", "E_SCHEDULE"),
        ({"cron": []}, "no cron expression", "E_CRON"),
        ({"cron": ["@reboot", "* * * * *"]}, "@reboot goes alone", "E_CRON"),
        ({"cron": "0 0 31 2 *"}, "bad cron expression", "E_CRON"),
        ({"daily": "3", "after_finish": True}, "--after-finish goes with --every only", "E_SCHEDULE"),
        ({"manual": True, "once_per_boot": True}, "--once-per-boot goes with --reboot only", "E_SCHEDULE"),
        ({"every": "0s"}, "interval must be at least 1s", "E_DURATION"),
        ({"every": "soon"}, "bad interval", "E_DURATION"),
        ({"at": "2026-11-22 12:00"}, "time is in the past", "E_INSTANT"),
        ({"at": "2027-03-28 02:30"}, "time is skipped by the clocks", "E_INSTANT"),
        ({"daily": "24:00"}, "bad daily schedule", "E_SCHEDULE"),
        ({"daily": "2:3"}, "bad daily schedule", "E_SCHEDULE"),
        ({"weekly": "mon"}, "bad weekly schedule", "E_SCHEDULE"),
        ({"weekly": "foo@3"}, "bad weekly schedule", "E_CRON"),
        ({"monthly": "32@3"}, "bad monthly schedule", "E_CRON"),
        ({"monthly": "0@3"}, "bad monthly schedule", "E_CRON"),
        ({"daily": "3", "tz": "Berlin"}, "unknown time zone", "E_ZONE"),
        ({"cron": "TZ=Nowhere 0 3 * * *"}, "unknown time zone", "E_ZONE"),
        ({"cron": "TZ=Asia/Tokyo 0 3 * * *", "tz": "UTC"}, "name different time zones", "E_ZONE"),
        ({"cron": ["TZ=Asia/Tokyo 0 3 * * *", "0 4 * * *"]}, "name different time zones", "E_ZONE"),
        ({"daily": "3", "overlap": "kill"}, "bad overlap policy", "E_SCHEDULE"),
        ({"daily": "3", "missed": "some"}, "bad missed policy", "E_SCHEDULE"),
        ({"daily": "3", "missed_grace": "-1h"}, "missed grace must be positive", "E_DURATION"),
        ({"daily": "3", "end": "2026-01-01"}, "end is in the past", "E_INSTANT"),
        ({"daily": "3", "end": "2026-11-23 01:00"}, "it ends before it is due", "E_SCHEDULE"),
        ({"daily": "3", "start": "2027-01-02", "end": "2027-01-01"}, "end is not after start", "E_SCHEDULE"),
        ({"manual": True, "jitter": "5m"}, "jitter does not go with --manual", "E_SCHEDULE"),
        (
            {"every": "5m", "after_finish": True, "jitter": "1m"},
            "jitter does not go with --every",
            "E_SCHEDULE",
        ),
    ],
)
def test_a_bad_schedule_is_refused(given: dict[str, Given], message: str, code: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_schedule(given, HERE)
    assert message in caught.value.what
    assert caught.value.code == code
    assert caught.value.hint


def test_the_policy_is_read() -> None:
    terms = parse_schedule(
        {
            "daily": "3", "missed": "all", "missed_grace": "2h", "overlap": "queue", "jitter": "90s",
            "start": "2027-01-01", "end": "2027-02-01T00:00:00Z", "tz": "Asia/Tokyo", "name": "ignored",
        },
        HERE,
    )  # fmt: skip
    assert terms.zone.key == "Asia/Tokyo"
    assert terms.policy == SchedulePolicy(
        Missed.ALL, 7200.0, Overlap.QUEUE, 90.0,
        datetime(2026, 12, 31, 15, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC),
    )  # fmt: skip


def test_an_interval_is_anchored_at_its_start_or_creation() -> None:
    assert parse_schedule({"every": "5m"}, HERE).rule == Every(300_000, NOW_MS)
    started = parse_schedule({"every": "5m", "start": "tomorrow 9:00"}, HERE).rule
    assert started == Every(300_000, datetime(2026, 11, 23, 8, tzinfo=UTC))


def test_a_line_may_name_its_zone() -> None:
    for prefix in ("CRON_TZ", "TZ"):
        terms = parse_schedule({"cron": f"{prefix}=Asia/Tokyo  0 5 * * *"}, HERE)
        assert (terms.zone.key, terms.rule) == ("Asia/Tokyo", Cron(("0 5 * * *",)))


def test_a_machine_without_a_named_zone_must_be_told_one() -> None:
    nowhere = Moment(NOW, None)
    with pytest.raises(BadInputError, match="no name"):
        parse_schedule({"daily": "3"}, nowhere)
    assert parse_schedule({"daily": "3", "tz": "UTC"}, nowhere).zone.key == "UTC"


def test_a_time_that_comes_twice_means_the_first_and_says_so() -> None:
    terms = parse_schedule({"at": "2027-10-31 02:30"}, HERE)
    assert terms.rule == At(datetime(2027, 10, 31, 0, 30, tzinfo=UTC))
    assert "comes twice" in terms.notes[0]
    assert parse_schedule({"at": "2027-10-31 02:30+02:00"}, HERE).notes == ()
    assert parse_schedule({"at": "2027-10-31 03:30"}, HERE).notes == ()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("30 2 * * *", {"cron": "30 2 * * *"}),
        ("@daily", {"cron": "@daily"}),
        ("TZ=UTC 0 3 * * *", {"cron": "TZ=UTC 0 3 * * *"}),
        ("every 5m", {"every": "5m"}),
        (" every 5m after finish", {"every": "5m", "after_finish": True}),
        ("daily 02:30, 14:00", {"daily": "02:30, 14:00"}),
        ("weekly mon,fri@09:00", {"weekly": "mon,fri@09:00"}),
        ("weekly mon,fri 09:00", {"weekly": "mon,fri@09:00"}),
        ("monthly last 3", {"monthly": "last@3"}),
        ("at 2026-12-01 09:00", {"at": "2026-12-01 09:00"}),
        ("manual", {"manual": True}),
        ("reboot", {"reboot": True}),
    ],
)
def test_one_string_stands_for_its_keys(text: str, keys: dict[str, Given]) -> None:
    assert split_shorthand(text) == keys
    assert parse_schedule(keys, HERE).rule.kind in ({*keys} if len(keys) == 1 else {"after_finish"})


def test_an_empty_string_is_no_schedule() -> None:
    with pytest.raises(BadInputError, match="schedule is empty"):
        split_shorthand("  ")


@pytest.mark.parametrize("key", ["start", "end", "at"])
def test_a_time_that_no_slot_can_have_is_refused(key: str) -> None:
    rest = {} if key == "at" else {"every": "36525d", "jitter": "36525d"}
    with pytest.raises(BadInputError, match="no schedule reaches so far"):
        parse_schedule({**rest, key: "9990-01-01T00:00:00Z"}, HERE)
    assert parse_schedule({**rest, key: "9600-01-01T00:00:00Z"}, HERE)
