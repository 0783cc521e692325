from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from jobctl.model.schedule_lint import explain_match, lint
from jobctl.model.schedule_rules import At, Cron, Daily, Every, Manual, Monthly, Rule

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (Cron(("* 9 * * *",)), "fires 60 times 09:00-09:59"),
        (Cron(("* 9,10 * * *",)), "in 1 more hours"),
        (Cron(("* 30 2 * * *",)), "fires every second"),
        (Cron(("*/35 * * * *",)), "minute 00, 35: gaps of 35 and 25 min"),
        (Cron(("0 */5 * * *",)), "hour 00, 05, 10, 15, 20: gaps of 5 and 4 h"),
        (Cron(("0 0 31 * *",)), "day 31 in Feb, Apr, Jun, Sep, Nov"),
        (Cron(("0 0 30 * *",)), "day 30 in Feb:"),
        (Cron(("0 0 29 * *",)), "day 29 in Feb of most years"),
        (Cron(("0 0 13 * 5",)), "one of the two is enough"),
        (Monthly((30,), ((3, 0),)), "without day 30 it fires on the last day"),
        (Cron(("30 2 * * *",)), "the clocks skip its time on 2027-03-28: it fires at 03:00 +0200"),
        (Daily(((2, 30),)), "the clocks skip its time on 2027-03-28"),
    ],
)
def test_what_may_not_be_meant_is_told(rule: Rule, warning: str) -> None:
    assert any(warning in told for told in lint(rule, BERLIN, NOW))


@pytest.mark.parametrize(
    "rule",
    [
        Cron(("* * * * *",)),
        Cron(("*/15 */6 * * *",)),
        Cron(("0 9 * * mon-fri",)),
        Cron(("0 0 L * *",)),
        Cron(("0 0 25-31 * *",)),
        Cron(("0 0 * * 5L",)),
        Cron(("0 0 31 1,3 *",)),
        Cron(("30 2 * * *",)),
        Daily(((2, 30),)),
        Monthly((31,), ((3, 0),)),
        Every(35_000, NOW),
        Manual(),
    ],
)
def test_nothing_is_odd_about_these(rule: Rule) -> None:
    assert lint(rule, UTC_ZONE, NOW) == []


def test_each_field_is_explained() -> None:
    told = explain_match(Cron(("30 2 * * 1",)), datetime(2026, 11, 23, 1, 31, tzinfo=UTC), BERLIN)
    assert told[0].startswith(
        "not due at Mon 2026-11-23 02:31:00 +0100 (Europe/Berlin); next: Mon 2026-11-30"
    )
    assert "  no  minute 31: '30'" in told
    assert "  yes hour 2: '2'" in told
    assert "  yes day of week Mon: '1'" in told


def test_a_match_is_told() -> None:
    told = explain_match(Cron(("30 2 * * 1",)), datetime(2026, 11, 23, 1, 30, tzinfo=UTC), BERLIN)
    assert told[0] == "due at Mon 2026-11-23 02:30:00 +0100 (Europe/Berlin)"
    assert not any(line.startswith("  no") for line in told)


def test_the_rule_of_the_two_day_fields_is_told() -> None:
    friday = datetime(2026, 11, 20, tzinfo=UTC)
    assert "one of the two" in "\n".join(explain_match(Cron(("0 0 13 * 5",)), friday, UTC_ZONE))
    assert "both must match" in "\n".join(explain_match(Cron(("0 0 */2 * 5",)), friday, UTC_ZONE))


def test_changes_of_the_clocks_are_told() -> None:
    rule = Cron(("30 2 * * *",))
    gap = explain_match(rule, datetime(2027, 3, 28, 1, tzinfo=UTC), BERLIN)
    assert gap[0].startswith("due at Sun 2027-03-28 03:00")
    assert "this is the end of the gap" in gap[-1]
    twice = explain_match(rule, datetime(2027, 10, 31, 1, 30, tzinfo=UTC), BERLIN)
    assert twice[0].startswith("not due at Sun 2027-10-31 02:30:00 +0100")
    assert "fired the first time" in twice[-1]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Manual(), "by hand only"),
        (Every(300_000, NOW), "every 5m"),
        (At(NOW), "never again"),
    ],
)
def test_other_kinds_are_explained_in_words(rule: Rule, words: str) -> None:
    told = explain_match(rule, datetime(2026, 11, 22, 12, 1, tzinfo=UTC), UTC_ZONE)
    assert words in "\n".join(told)
