"""Sweeps: the ends of what older generations of a daemon left behind."""

from __future__ import annotations

from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.processes import ProcessTable
from jobctl.executors.trees import Tree


class Sweeps:
    """False once nothing is being ended any more."""

    def __init__(self) -> None:
        self._kills: list[TreeKill] = []

    def __bool__(self) -> bool:
        return bool(self._kills)

    def add(self, tree: Tree, grace_seconds: float, now: float) -> None:
        """That tree is being ended."""
        self._kills.append(TreeKill(tree, grace_seconds=grace_seconds, now=now))

    def advance(self, table: ProcessTable, now: float) -> list[int]:
        """The pids that could not be ended, once all others were."""
        going = [kill for kill in self._kills if kill.advance(table, now) is KillState.GOING]
        if going:
            return []
        survivors = [pid for kill in self._kills for pid in kill.survivors]
        self._kills.clear()
        return survivors
