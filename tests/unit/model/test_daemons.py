"""Definitions of daemons: delays, readiness, order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.daemons import DaemonDefinition, Readiness, ReadyKind, order, parse_ready
from jobctl.model.homes import Home

PLAIN = DaemonDefinition("web")


@given(st.integers(1, 10_000), st.floats(0.0, 1.0, exclude_max=True))
def test_a_delay_is_within_a_fifth_of_the_doubled_one_and_never_far_above_the_cap(
    failures: int, spread: float
) -> None:
    delay = PLAIN.delay_after(failures, spread)
    middle = min(2.0 ** (min(failures, 100) - 1), 60.0)
    assert 0.8 * middle <= delay <= 1.2 * middle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uptime", Readiness()),
        ("notify", Readiness(ReadyKind.NOTIFY)),
        ("log:listening on :[0-9]+", Readiness(ReadyKind.LOG, "listening on :[0-9]+")),
        ("cmd:curl -f localhost", Readiness(ReadyKind.COMMAND, "curl -f localhost")),
    ],
)
def test_a_readiness_is_read_and_written(text: str, expected: Readiness) -> None:
    assert parse_ready(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "yes", "log:", "cmd:", "cmd: ", "notify:x", "uptime:", "log:(", "LOG:x",
        "log:a{99999999999}", "log:" + "(" * 3000 + ")" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_readiness_is_refused(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_ready(text)
    assert caught.value.code == "E_READY"


def test_each_comes_after_all_it_needs() -> None:
    needs = {"web": ["db", "cache"], "cache": ["db"], "db": [], "lone": []}
    assert order(needs) == ["db", "cache", "web", "lone"]


def test_a_circle_is_named() -> None:
    with pytest.raises(BadInputError) as caught:
        order({"a": ["b"], "b": ["c"], "c": ["b"]})
    assert caught.value.value == "b → c → b"
    with pytest.raises(BadInputError):
        order({"a": ["a"]})


def test_a_long_chain_is_no_trouble_and_what_is_not_declared_is_left_out() -> None:
    needs = {f"d{n}": [f"d{n + 1}"] for n in range(5000)}
    assert order(needs)[0] == "d4999"
    assert len(order(needs)) == 5000


@given(st.dictionaries(st.integers(0, 8), st.sets(st.integers(0, 8), max_size=4), max_size=9))
def test_an_order_is_found_exactly_where_there_is_no_circle(graph: dict[int, set[int]]) -> None:
    needs = {str(name): [str(one) for one in sorted(others)] for name, others in graph.items()}
    left = dict(needs)
    while free := [name for name in left if not any(one in left for one in left[name])]:
        for name in free:
            del left[name]
    if left:
        with pytest.raises(BadInputError):
            order(needs)
        return
    found = order(needs)
    assert sorted(found) == sorted(needs)
    assert all(found.index(one) < found.index(name) for name in needs for one in needs[name] if one in needs)


def test_policy_changes_launch_nothing_new() -> None:
    assert PLAIN.launches_like(replace(PLAIN, max_restarts=3, stop_timeout_seconds=1.0))
    assert not PLAIN.launches_like(replace(PLAIN, env={"A": "1"}))
    assert not PLAIN.launches_like(replace(PLAIN, watchdog_seconds=3.0))


@pytest.mark.parametrize("name", ["web", "Web-2.0", "a" * 64])
def test_a_plain_name_is_the_directory(name: str) -> None:
    assert Home("/h").daemon(name) == f"/h/daemons/{name}"


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "é" * 128, "a" * 65, "~web~x"])
def test_other_names_stay_inside_and_apart(name: str) -> None:
    path = Home("/h").daemon(name)
    folder, _, file = path.rpartition("/")
    assert folder == "/h/daemons"
    assert file.startswith("~")
    assert len(file.encode()) < 100
    assert Home("/h").daemon(name + "x") != path
