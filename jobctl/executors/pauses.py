"""Pauses: a whole tree stopped, or set going again, one step at a time."""

from __future__ import annotations

import signal as signals
from contextlib import suppress

from jobctl.executors.processes import ProcessEntry, ProcessTable, signal_process
from jobctl.executors.trees import Tree, members

PATIENCE_SECONDS = 1.0
"""A process in an uninterruptible wait stops when it returns from it; nothing waits longer for that."""

_STOPPED = frozenset("Tt")
_UNINTERRUPTIBLE = "D"


class TreePause:
    """The stopping of one tree. ``advance`` it every turn until it says True; it never sleeps.

    The shim goes on: it waits only. A process that is being stopped may still fork, so the tree is stopped once
    two tables in a row show no member that runs: what is stopped forks nothing. Who forks by vfork(2), as dash and
    posix_spawn do, waits uninterruptibly for his child to exec: a child that was stopped before that is let on to it.
    """

    def __init__(self, tree: Tree, now: float) -> None:
        self.tree = tree
        self._give_up_at = now + PATIENCE_SECONDS
        self._still = 0

    def advance(self, table: ProcessTable, now: float) -> bool:
        """Whether the tree stands still now; what did not was sent STOP."""
        found = members(table, self.tree)
        going = [entry for entry in found if entry.state not in _STOPPED]
        for entry in going:
            _send(entry, signals.SIGSTOP)
        given_up = now >= self._give_up_at
        if not given_up:
            held_up = {entry.pid for entry in going if entry.state == _UNINTERRUPTIBLE}
            for entry in found:
                if entry.ppid in held_up and entry.state in _STOPPED:
                    _send(entry, signals.SIGCONT)
        self._still = self._still + 1 if found and not going else 0
        return self._still >= 2 or given_up


def resume(table: ProcessTable, tree: Tree) -> int:
    """Every process of the tree goes on; returns how many were stopped.

    The oldest goes first, as it was before any of its children.
    """
    stopped = [entry for entry in members(table, tree) if entry.state in _STOPPED]
    for entry in sorted(stopped, key=lambda entry: entry.start_ticks):
        _send(entry, signals.SIGCONT)
    return len(stopped)


def _send(entry: ProcessEntry, sig: int) -> None:
    with suppress(PermissionError):  # another user's: it goes on
        signal_process(entry.pid, entry.start_ticks, sig)
