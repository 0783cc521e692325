"""How long a workflow will take if its steps take as long as they did lately."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

from jobctl.model.workflow_graphs import Needs, children_of


def estimate(needs: Needs, seconds: Mapping[str, float], max_parallel: int | None = None) -> float:
    """Seconds from the first start to the last end, steps being started in the order of the file.

    A step that ``seconds`` does not name takes no time. Queues that are busy with other work are not known here.
    """
    children = children_of(needs)
    left = {step: len(set(needed)) for step, needed in needs.items()}
    place = {step: index for index, step in enumerate(needs)}
    ready = [index for step, index in place.items() if not left[step]]
    names = list(needs)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and (max_parallel is None or len(running) < max_parallel):
            index = heappop(ready)
            heappush(running, (now + seconds.get(names[index], 0.0), index))
        now, index = heappop(running)
        for child in children[names[index]]:
            left[child] -= 1
            if not left[child]:
                heappush(ready, place[child])
    return now
