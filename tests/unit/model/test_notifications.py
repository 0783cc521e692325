from __future__ import annotations

import json

import pytest

from jobctl.errors import BadFileError
from jobctl.model.configurations import parse_configuration
from jobctl.model.notifications import (
    MOST_TOLD,
    NotificationPlan,
    Occasion,
    Rule,
    Subject,
    message_of,
    occasions_of,
    plan_of,
)
from jobctl.model.states import JobKind

TARGETS = "  targets: {me: {url_env: MAIL_SECRET, limit: 3/h}, desk: dbus://}\n"


def plan(rules: str, targets: str = TARGETS) -> NotificationPlan:
    """The plan of a file with these rules."""
    found = parse_configuration(f"notifications:\n{targets}  rules: {rules}\n", "x.yaml").notifications
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "subject", "occasions"),
    [
        ("job.failed", Subject("a", JobKind.COMMAND), ["failure"]),
        ("job.timeout", Subject("a", JobKind.COMMAND), ["failure"]),
        ("job.completed", Subject("a", JobKind.COMMAND), ["success"]),
        ("job.cancelled", Subject("a", JobKind.COMMAND), []),
        ("job.started", Subject("a", JobKind.COMMAND), []),
        ("job.failed", Subject("a", JobKind.BATCH), ["failure", "batch_end"]),
        ("job.cancelled", Subject("a", JobKind.BATCH), ["batch_end"]),
        ("job.failed", Subject("a", JobKind.COMMAND, is_part=True), []),
        ("job.failed", Subject("a", JobKind.COMMAND, type="notification"), []),
        ("job.failed", Subject("a", JobKind.WORKFLOW), []),
        ("workflow.failed", Subject("a", JobKind.WORKFLOW), ["failure", "workflow_end"]),
        ("workflow.failed", Subject("a", JobKind.WORKFLOW, is_part=True), []),
        ("workflow.step_waiting", Subject("a", JobKind.WORKFLOW, is_part=True), ["approval"]),
        ("daemon.failed", Subject("web"), ["daemon_error"]),
        ("schedule.missed", Subject("nightly"), ["schedule_missed"]),
        ("schedule.fired", Subject("nightly"), []),
    ],
)
def test_an_event_is_the_occasion_a_person_would_call_it(
    kind: str, subject: Subject, occasions: list[str]
) -> None:
    assert [occasion.value for occasion in occasions_of(kind, subject)] == occasions


def test_a_rule_lets_pass_what_all_its_filters_do() -> None:
    rule = Rule((Occasion.FAILURE,), ("me",), name="back*", queue="q", tag="t", type="etl")
    fits = Subject("backup", JobKind.COMMAND, "q", "etl", ("t", "u"))
    assert rule.matches([Occasion.FAILURE], fits)
    assert not rule.matches([Occasion.SUCCESS], fits)
    others = (
        Subject("restore", JobKind.COMMAND, "q", "etl", ("t",)),
        Subject("backup", JobKind.COMMAND, "p", "etl", ("t",)),
        Subject("backup", JobKind.COMMAND, "q", "etl", ("u",)),
        Subject("backup", JobKind.COMMAND, "q", "web", ("t",)),
    )
    assert not any(rule.matches([Occasion.FAILURE], other) for other in others)


def test_each_target_is_told_once_and_the_stored_plan_has_no_url() -> None:
    found = plan("[{on: [failure, batch_end], to: [me, desk]}, {on: failure, to: desk, name: 'b*'}]")
    assert found.targets_for([Occasion.FAILURE, Occasion.BATCH_END], Subject("bb", JobKind.BATCH)) == [
        "me", "desk",
    ]  # fmt: skip
    stored = json.dumps(found.as_json())
    assert "dbus" not in stored
    again = plan_of(json.loads(stored))
    assert again.rules == found.rules
    assert again.targets["me"] == found.targets["me"]
    assert found.kinds == {"job.failed", "job.timeout", "job.completed", "job.cancelled"} | {
        "workflow.failed", "workflow.timeout",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "rules", "message"),
    [
        (TARGETS, "[{on: fialure, to: me}]", "bad on: 'fialure'"),
        (TARGETS, "[{on: failure, to: mee}]", "a rule names a target that there is not: 'mee'"),
        (TARGETS, "[{on: failure}]", "a rule has no to:"),
        (TARGETS, "[{when: failure, to: me}]", "here it is called on"),
        (TARGETS, "{on: failure, to: me}", "rules must be a list"),
        ("  targets: {me: {limit: 3/h}}\n", "[]", "target me has no URL"),
        ("  targets: {me: {url: 'a://b', url_env: X_SECRET}}\n", "[]", "has both url: and url_env:"),
        ("  targets: {me: nonsense}\n", "[]", "no URL of apprise"),
        ("  targets: {me: {url_env: MAIL_URL}}\n", "[]", "call it MAIL_URL_SECRET"),
    ],
)
def test_what_is_wrong_with_the_section_is_told(targets: str, rules: str, message: str) -> None:
    with pytest.raises(BadFileError) as refused:
        plan(rules, targets)
    assert message in "\n".join([str(refused.value), *refused.value.details])


def test_a_variable_named_as_secret_in_the_settings_may_hold_a_url() -> None:
    text = "settings: {secret_env: [MAIL_URL]}\nnotifications: {targets: {me: {url_env: MAIL_URL}}}\n"
    found = parse_configuration(text, "x.yaml").notifications
    assert found is not None
    assert found.targets["me"].url_env == "MAIL_URL"


def test_many_events_are_one_message_that_counts_what_it_leaves_out() -> None:
    assert message_of("h", [("backup failed", "exit code 1")], 1) == ("[h] backup failed", "exit code 1")
    title, text = message_of("h", [(f"t{n}", "x") for n in range(MOST_TOLD)], MOST_TOLD + 7)
    assert title == f"[h] t0 and {MOST_TOLD + 6} more"
    assert text.endswith("and 7 more: jobctl events")
