"""The rules of recommendation: each of the six patterns and four mechanisms, and what contradicts itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.patterns import (
    LONG_SECONDS,
    Mechanism,
    Need,
    PatternAdvisor,
    TaskPattern,
    recommend,
)

CASES = [
    (Need(), Mechanism.JOB, TaskPattern.SIMPLE, "jobctl run -- CMD …"),
    (Need(expected_duration_seconds=LONG_SECONDS), Mechanism.JOB, TaskPattern.SIMPLE, "run"),
    (Need(expected_duration_seconds=LONG_SECONDS + 1), Mechanism.JOB, TaskPattern.LONG_RUNNING, "logs -f"),
    (Need(requires_streaming=True), Mechanism.JOB, TaskPattern.LONG_RUNNING, "logs -f"),
    (Need(concurrent_tasks=2), Mechanism.JOB, TaskPattern.CONCURRENT, "--max-parallel 2 -- CMD … {}"),
    (Need(concurrent_tasks=500), Mechanism.JOB, TaskPattern.CONCURRENT, "--max-parallel 4"),
    (Need(needs_result=False), Mechanism.JOB, TaskPattern.FIRE_AND_FORGET, "jobctl submit -- CMD …"),
    (
        Need(needs_result=False, expected_duration_seconds=7200.0),
        Mechanism.JOB,
        TaskPattern.FIRE_AND_FORGET,
        "",
    ),
    (Need(high_frequency=True), Mechanism.JOB, TaskPattern.POOLED, "--call jobctl.builtin_functions"),
    (Need(recurring=True), Mechanism.SCHEDULE, TaskPattern.PERIODIC, "schedule add NAME --every 1h -- CMD …"),
    (Need(recurring=True, high_frequency=True), Mechanism.SCHEDULE, TaskPattern.PERIODIC, ""),
    (Need(recurring=True, steps=3), Mechanism.SCHEDULE, TaskPattern.PERIODIC, "-- jobctl workflow run"),
    (Need(steps=3), Mechanism.WORKFLOW, TaskPattern.SIMPLE, "jobctl workflow run FILE.yaml --wait"),
    (Need(continuous=True), Mechanism.DAEMON, TaskPattern.LONG_RUNNING, "jobctl daemon add NAME --start"),
]


@pytest.mark.parametrize(("need", "mechanism", "pattern", "command"), CASES)
def test_what_fits(need: Need, mechanism: Mechanism, pattern: TaskPattern, command: str) -> None:
    found = recommend(need)
    assert (found.mechanism, found.pattern) == (mechanism, pattern)
    assert command in found.command
    assert found.reasons
    assert not any("{" in reason for reason in found.reasons), "a reason was not filled in"


def test_every_pattern_and_mechanism_is_recommended_for_something() -> None:
    assert {case[2] for case in CASES} == set(TaskPattern)
    assert {case[1] for case in CASES} == set(Mechanism)


def test_reasons_say_the_length_the_number_and_what_else_holds() -> None:
    found = recommend(Need(expected_duration_seconds=7200, concurrent_tasks=500, requires_streaming=True))
    text = "\n".join(found.reasons)
    assert "there are 500 alike" in text
    assert "its output is wanted while it runs" in text
    assert "about 2h" in text


@pytest.mark.parametrize(
    "need",
    [
        Need(expected_duration_seconds=math.nan),
        Need(expected_duration_seconds=-1.0),
        Need(expected_duration_seconds=math.inf),
        Need(concurrent_tasks=0),
        Need(steps=0),
        Need(continuous=True, recurring=True),
        Need(continuous=True, expected_duration_seconds=1.0),
        Need(continuous=True, high_frequency=True),
        Need(continuous=True, steps=2),
        Need(concurrent_tasks=2, steps=2),
    ],
)
def test_nonsense_is_refused(need: Need) -> None:
    with pytest.raises(BadInputError) as refused:
        recommend(need)
    assert refused.value.code == "E_ADVICE"
    assert refused.value.hint


def test_the_advisor_takes_six_facts() -> None:
    advisor = PatternAdvisor()
    assert advisor.recommend().pattern is TaskPattern.SIMPLE
    assert advisor.recommend(90, False, 1, True, False, False).pattern is TaskPattern.LONG_RUNNING
    found = advisor.recommend(
        expected_duration_seconds=0.01, requires_streaming=False, concurrent_tasks=1,
        needs_result=True, recurring=False, high_frequency=True,
    )  # fmt: skip
    assert found.pattern is TaskPattern.POOLED
    assert found.as_json().keys() == {"mechanism", "pattern", "reasons", "command"}


@given(
    st.builds(
        Need,
        expected_duration_seconds=st.none() | st.floats(0, 1e6),
        requires_streaming=st.booleans(),
        concurrent_tasks=st.integers(1, 1000),
        needs_result=st.booleans(),
        recurring=st.booleans(),
        high_frequency=st.booleans(),
    )
)
def test_more_streaming_never_loses_the_mechanism(need: Need) -> None:
    found = recommend(need)
    assert recommend(replace(need, requires_streaming=True)).mechanism is found.mechanism
    assert found.command.startswith("jobctl ")
