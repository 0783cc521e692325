"""The reference of ``jobctl.yaml`` in README.md is the tables that read it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.configurations import SECTIONS
from jobctl.model.definition_fields import JOB, SCHEDULE, TEMPLATED
from jobctl.model.fields import Described, Field
from jobctl.model.notification_fields import RULE, TARGET
from jobctl.model.parameter_fields import PARAMETER
from jobctl.model.schedule_fields import TIMES
from tests.docs import readme

OWN = {
    name: known
    for name, known in SCHEDULE.fields.items()
    if name in TIMES.fields or name in ("job", "with", "command", "call", "args")
}


@pytest.mark.parametrize(
    ("header", "table"),
    [
        ("key of a job", JOB.fields),
        ("key of a parameter", PARAMETER.fields),
        ("key of a schedule", OWN),
        ("key of a target", TARGET.fields),
    ],
)
def test_the_reference_lists_every_key_in_order(header: str, table: Mapping[str, Field[Described]]) -> None:
    rows = readme.table(header, "default", "what")
    wanted = [
        [f"`{name}`", f"`{known.default}`" if known.default else "", known.help]
        for name, known in table.items()
    ]
    assert [[cell.replace("\\|", "|") for cell in row] for row in rows] == wanted


def test_the_keys_of_a_rule_are_listed() -> None:
    assert readme.table("key of a rule", "what") == [
        [f"`{name}`", known.help] for name, known in RULE.fields.items()
    ]


def test_every_section_is_listed() -> None:
    listed = {row[0].strip("`") for row in readme.table("section", "key", "what")} - {""}
    assert listed == set(SECTIONS)


def test_where_templates_may_stand_is_told() -> None:
    (sentence,) = [part for part in readme.text().split("\n\n") if "may stand in" in part]
    assert all(f"`{key}`" in sentence for key in TEMPLATED)


def test_the_built_in_jobs_are_named() -> None:
    assert all(f"`{name}`" in readme.text() for name in BUILTIN)
