from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from jobctl.model.workflow_graphs import (
    Ancestors,
    children_of,
    descendants_of,
    find_cycle,
    levels_of,
    ordered,
    undo_order,
)
from tests.support.graphs import Graph, closure, dags, graphs, layers


class Counted(dict[str, tuple[str, ...]]):
    """A graph that counts how often the needs of a step are looked at."""

    looks = 0

    def __getitem__(self, step: str) -> tuple[str, ...]:
        self.looks += 1
        return super().__getitem__(step)

    def items(self) -> Iterator[tuple[str, tuple[str, ...]]]:  # type: ignore[override]
        for step in self:
            yield step, self[step]


@given(graphs())
def test_a_cycle_is_found_exactly_when_a_step_needs_itself_in_the_end(needs: Graph) -> None:
    cycle = find_cycle(needs)
    known = closure(needs)
    assert (cycle is not None) == any(step in known[step] for step in needs)
    if cycle is not None:
        assert len(set(cycle)) == len(cycle)
        for step, need in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            assert need in needs[step]


def test_needs_that_are_no_steps_are_passed_over() -> None:
    assert find_cycle({"a": ("x",), "b": ("a", "y")}) is None
    assert find_cycle({"a": ("a",)}) == ["a"]


@given(dags())
def test_an_order_has_every_step_once_behind_its_needs(needs: Graph) -> None:
    order = ordered(needs)
    assert sorted(order) == sorted(needs)
    places = {step: place for place, step in enumerate(order)}
    assert all(places[need] < places[step] for step in needs for need in needs[step])


@given(dags())
def test_a_level_is_the_length_of_the_longest_way(needs: Graph) -> None:
    def longest(step: str) -> int:
        return max((longest(need) + 1 for need in needs[step]), default=0)

    assert levels_of(needs) == {step: longest(step) for step in needs}


@given(dags(), st.data())
def test_descendants_are_those_of_a_naive_closure(needs: Graph, data: st.DataObject) -> None:
    seeds = data.draw(st.sets(st.sampled_from(sorted(needs))))
    known = closure(needs)
    assert descendants_of(needs, seeds) == {step for step in needs if step in seeds or known[step] & seeds}
    assert descendants_of(needs, ["nobody"]) == set()


@given(dags())
def test_ancestors_are_those_of_a_naive_closure(needs: Graph) -> None:
    ancestors, known = Ancestors(needs), closure(needs)
    assert all(ancestors.includes(step, other) == (other in known[step]) for step in needs for other in needs)


@given(dags(), st.randoms(use_true_random=False))
def test_undo_goes_back_in_the_order_of_starts_so_no_step_is_undone_before_what_needs_it(
    needs: Graph, random: object
) -> None:
    started = {step: number for number, step in enumerate(ordered(needs))}
    order = undo_order(started)
    places = {step: place for place, step in enumerate(order)}
    assert all(places[step] < places[need] for step in needs for need in needs[step])


def test_seventy_steps_in_seven_full_layers_are_walked_once() -> None:
    needs = Counted(layers(10, 7))
    assert len(descendants_of(needs, ["l0n0"])) == 61
    assert needs.looks <= 2 * len(needs)
    assert find_cycle(needs) is None
    assert max(levels_of(needs).values()) == 6
    assert needs.looks <= 10 * len(needs)


def test_a_graph_of_1738_steps_is_walked_once() -> None:
    needs = Counted(
        {
            f"s{number}": tuple(f"s{other}" for other in range(max(0, number - 8), number))
            for number in range(1738)
        }
    )
    assert len(descendants_of(needs, ["s0"])) == 1738
    assert needs.looks <= 2 * len(needs)


def test_a_chain_of_ten_thousand_does_not_exhaust_the_stack() -> None:
    needs = {f"s{number}": (f"s{number - 1}",) if number else () for number in range(10_000)}
    assert find_cycle(dict(reversed(needs.items()))) is None
    assert levels_of(needs)["s9999"] == 9999
    assert len(descendants_of(needs, ["s0"])) == 10_000


def test_children_are_told_once_in_the_order_of_the_file() -> None:
    assert children_of({"a": (), "b": ("a",), "c": ("b", "a")}) == {"a": ["b", "c"], "b": ["c"], "c": []}
