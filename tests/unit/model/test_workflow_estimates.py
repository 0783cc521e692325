"""How long a workflow takes if its steps take as long as they did: against the longest way and the sum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobctl.model.workflow_estimates import estimate

Graph = tuple[dict[str, list[str]], dict[str, float]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 12 steps, each needing some of those before it, and how long each takes."""
    count = draw(st.integers(1, 12))
    names = [f"s{index}" for index in range(count)]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    seconds = {name: float(draw(st.integers(0, 50))) for name in names}
    return needs, seconds


def longest_way(needs: dict[str, list[str]], seconds: dict[str, float]) -> float:
    """The seconds of the longest chain of steps that need each other."""
    ends: dict[str, float] = {}
    for step, needed in needs.items():
        ends[step] = max((ends[need] for need in needed), default=0.0) + seconds[step]
    return max(ends.values())


@given(graphs())
def test_without_a_limit_it_is_the_longest_way_and_one_by_one_the_sum(graph: Graph) -> None:
    needs, seconds = graph
    assert estimate(needs, seconds) == longest_way(needs, seconds)
    assert estimate(needs, seconds, 1) == sum(seconds.values())


@given(graphs(), st.integers(1, 5))
def test_a_limit_costs_no_more_than_a_list_schedule_may(graph: Graph, slots: int) -> None:
    needs, seconds = graph
    found, longest, total = (
        estimate(needs, seconds, slots),
        longest_way(needs, seconds),
        sum(seconds.values()),
    )
    # Graham 1966: any schedule that never idles while a step is ready.
    assert max(longest, total / slots) <= found <= total / slots + longest * (1 - 1 / slots) + 1e-9


def test_steps_that_nobody_knows_take_no_time() -> None:
    assert estimate({"a": [], "b": ["a"], "c": ["b"]}, {"a": 3.0, "c": 4.0}) == 7.0
