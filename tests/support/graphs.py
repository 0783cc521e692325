"""Random graphs of workflows for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

Graph = dict[str, tuple[str, ...]]


@st.composite
def dags(draw: st.DrawFn, largest: int = 9) -> Graph:
    """Steps that need only steps before them, told in any order."""
    count = draw(st.integers(1, largest))
    names = [f"s{number}" for number in range(count)]
    needs = {
        name: tuple(draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=4)))
        if number
        else ()
        for number, name in enumerate(names)
    }
    return {name: needs[name] for name in draw(st.permutations(names))}


@st.composite
def graphs(draw: st.DrawFn, largest: int = 8) -> Graph:
    """Steps that need any others, cycles included."""
    count = draw(st.integers(1, largest))
    names = [f"s{number}" for number in range(count)]
    return {name: tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=3))) for name in names}


def layers(width: int, depth: int) -> Graph:
    """Full layers: each step needs all of the layer before; ``width ** depth`` ways lead through."""
    return {
        f"l{level}n{index}": tuple(f"l{level - 1}n{other}" for other in range(width)) if level else ()
        for level in range(depth)
        for index in range(width)
    }


def closure(needs: Graph) -> dict[str, set[str]]:
    """What each step needs, directly or not, by repeating until nothing changes."""
    found = {step: set(needed) for step, needed in needs.items()}
    while True:
        grown = {step: set().union(known, *(found[need] for need in known)) for step, known in found.items()}
        if grown == found:
            return found
        found = grown
