"""The graph of a workflow: cycles, levels, what depends on what, and in which order things are undone.

A graph is a mapping of each step to the steps it needs. Everything here looks at each step and edge a bounded number
of times: Dagu's retry walks every path instead, 11,111,110 visits for 70 steps in 7 full layers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

Needs = Mapping[str, Sequence[str]]


def find_cycle(needs: Needs) -> list[str] | None:
    """The steps of one cycle, each needing the next and the last the first; None where there is none.

    Needs that are no steps are passed over.
    """
    done: set[str] = set()
    for root in needs:
        if root in done:
            continue
        path: list[str] = [root]
        on_path = {root}
        waiting: list[Iterator[str]] = [iter(needs[root])]
        while waiting:
            step = next((need for need in waiting[-1] if need in needs and need not in done), None)
            if step is None:
                waiting.pop()
                left = path.pop()
                on_path.discard(left)
                done.add(left)
            elif step in on_path:
                return path[path.index(step) :]
            else:
                path.append(step)
                on_path.add(step)
                waiting.append(iter(needs[step]))
    return None


def children_of(needs: Needs) -> dict[str, list[str]]:
    """The steps that need each step, in the order of the file."""
    children: dict[str, list[str]] = {step: [] for step in needs}
    for step, needed in needs.items():
        for need in dict.fromkeys(needed):
            children[need].append(step)
    return children


def ordered(needs: Needs) -> list[str]:
    """The steps, each behind those it needs, else in the order of the file. There must be no cycle."""
    left = {step: len(set(needed)) for step, needed in needs.items()}
    children = children_of(needs)
    ready = deque(step for step, count in left.items() if not count)
    found: list[str] = []
    while ready:
        step = ready.popleft()
        found.append(step)
        for child in children[step]:
            left[child] -= 1
            if not left[child]:
                ready.append(child)
    return found


def levels_of(needs: Needs) -> dict[str, int]:
    """How many steps stand before each on the longest way to it; 0 for one that needs none."""
    levels: dict[str, int] = {}
    for step in ordered(needs):
        levels[step] = max((levels[need] + 1 for need in needs[step]), default=0)
    return levels


def descendants_of(needs: Needs, seeds: Iterable[str]) -> set[str]:
    """The seeds and every step that needs one of them, directly or not."""
    children = children_of(needs)
    found = {seed for seed in seeds if seed in children}
    waiting = list(found)
    while waiting:
        for child in children[waiting.pop()]:
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


class Ancestors:
    """Which steps have ended whenever a step starts; one bit a step, so that 2,000 steps cost a few milliseconds."""

    def __init__(self, needs: Needs) -> None:
        self._place = {step: place for place, step in enumerate(needs)}
        self._masks: dict[str, int] = {}
        for step in ordered(needs):
            mask = 0
            for need in needs[step]:
                mask |= self._masks[need] | 1 << self._place[need]
            self._masks[step] = mask

    def includes(self, step: str, other: str) -> bool:
        """Whether ``step`` needs ``other``, directly or not."""
        return bool(self._masks[step] >> self._place[other] & 1)


def undo_order(started: Mapping[str, int]) -> list[str]:
    """The steps in the order of their undo commands: the last one started first.

    ``started`` holds the recorded number of each start. A step starts after all it needs have ended, so the
    reverse is always a valid order; that of completion is not, two steps side by side may complete in any.
    """
    return sorted(started, key=lambda step: (started[step], step), reverse=True)
