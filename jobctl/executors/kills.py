"""Kills: a whole tree ended, gently first, one step at a time."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Collection
from contextlib import suppress
from enum import StrEnum

from jobctl.executors.processes import (
    LINUX,
    ProcessEntry,
    ProcessTable,
    now_ticks,
    signal_process,
    sweep,
)
from jobctl.executors.trees import Tree, find_shim, is_running, members

SHIM_SECONDS = 1.0
"""How long the shim may take to write its record once it is alone."""

HOPELESS_SECONDS = 10.0
"""How long KILL is tried: a process in state D or of another user outlives it."""

_TRAPPED = frozenset(
    {
        signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGTERM,
        signals.SIGUSR1, signals.SIGUSR2, signals.SIGALRM, signals.SIGCONT,
    }
)  # fmt: skip
"""Signals that the shim survives."""

_PASSES = 8
"""Tables read in one ``advance`` while new members keep turning up; bounded for the loop's sake."""


class Ghosts:
    """Zombies of a tree: what forks itself on fast enough is missed by a table now and then.

    Its dead ancestors, inherited by the subreaper and tagged like it, are not.
    """

    def __init__(self, tree: Tree) -> None:
        self._tag = tree.tag
        self._known: set[tuple[int, int]] = set()

    def grew(self, table: ProcessTable, spared: Collection[int] = ()) -> bool:
        """Whether a process of the tree has become a zombie since the last table, in no ``spared`` session."""
        tagged = table.tagged.get(self._tag, ()) if self._tag else ()
        found = {
            (entry.pid, entry.start_ticks)
            for entry in tagged
            if not is_running(entry) and entry.session not in spared
        }
        new = found - self._known
        self._known |= found
        return bool(new)


class KillState(StrEnum):
    """Whether a kill needs more turns."""

    GOING = "going"
    DONE = "done"


class TreeKill:
    """The end of one tree. ``advance`` it every turn; it never sleeps.

    First the signal and CONT to every member; then it waits until no member is left, not only the leader;
    after the grace KILL, in descending pid order: ascending lets a forking process escape. The shim is
    spared until it has been alone for a second, so that it writes the exit record.

    Args:
        tree: what to end.
        grace_seconds: 0 kills at once.
        signal: the gentle one.
        now: monotonic seconds, as for every other call.
        reread: makes the further tables that chasing a forking tree needs within one turn.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        grace_seconds: float,
        signal: int = signals.SIGTERM,
        now: float,
        reread: Callable[[], ProcessTable] = ProcessTable.read,
    ) -> None:
        self.tree = tree
        self.signal = signal
        self.state = KillState.GOING
        self.survivors: list[int] = []
        """Pids that KILL did not end; empty unless it was given up."""
        self.escalated = False
        """Whether KILL was needed."""
        self._reread = reread
        self._deadline, self._hurried = now + grace_seconds, False
        self._asked: set[tuple[int, int]] = set()
        self._killed: set[tuple[int, int]] = set()
        self._ghosts = Ghosts(tree)
        self._empty = 0
        self._asked_at_ticks: int | None = None
        self._killing_since: float | None = None
        self._alone_since: float | None = None

    def hurry(self, until: float) -> None:
        """The grace lasts until then at most: the first ``advance`` from then on kills."""
        self._deadline, self._hurried = min(self._deadline, until), True

    def extend(self, until: float) -> None:
        """The grace lasts until then, unless it lasts longer already, is over, or is not its own any more."""
        if self._killing_since is None and not self._hurried:
            self._deadline = max(self._deadline, until)

    def advance(self, table: ProcessTable, now: float) -> KillState:
        """The next step was taken; DONE once nothing of the tree is left, or nothing more can be done."""
        if self.state is KillState.DONE:
            return self.state
        if now < self._deadline:
            left = members(table, self.tree)
            self._ask(table, left)
        else:
            left, table = self._kill(table, now)
        restless = self._ghosts.grew(table)
        self._empty = 0 if left or restless else self._empty + 1
        if left:
            self._alone_since = None
            if self._killing_since is not None and now - self._killing_since >= HOPELESS_SECONDS:
                self.survivors = sorted(entry.pid for entry in left)
                self.state = KillState.DONE
        elif self._shim_gone(table, now) and self._empty >= 2:  # a table is no snapshot: two are proof
            self.state = KillState.DONE
        return self.state

    def _ask(self, table: ProcessTable, left: list[ProcessEntry]) -> None:
        """Every member has had the signal once, and runs.

        Later ones are left alone, for a handler may start helpers to clean up; but not those that were forked
        while the table was read, and not the command of a shim that was asked before it started it.
        """
        first = self._asked_at_ticks is None
        shim = find_shim(table, self.tree)
        group = shim.pid if first and is_running(shim) and shim is not None else None
        if self._asked_at_ticks is None:
            self._asked_at_ticks = now_ticks()
        wanted = [
            entry
            for entry in left
            if (entry.pid, entry.start_ticks) not in self._asked
            and (entry.start_ticks <= self._asked_at_ticks or (shim is not None and entry.ppid == shim.pid))
        ]
        self._asked.update((entry.pid, entry.start_ticks) for entry in wanted)
        for sig in (self.signal, signals.SIGCONT):
            if group is not None and sig in _TRAPPED:
                _signal_group(group, sig)
            for entry in wanted:
                if group is None or entry.pgrp != group or sig not in _TRAPPED:
                    _send(entry, sig)

    def _kill(self, table: ProcessTable, now: float) -> tuple[list[ProcessEntry], ProcessTable]:
        left = members(table, self.tree)
        if self._killing_since is None:
            self._killing_since = now
            self._send_kill(left)
            return left, table
        for _ in range(_PASSES):
            known = self._killed.issuperset((entry.pid, entry.start_ticks) for entry in left)
            if known and not self._ghosts.grew(table):
                break  # nothing new: what is left is dying
            shim = find_shim(table, self.tree)
            if LINUX:
                sweep(self.tree.tag, self.tree.marker, table.protected | ({shim.pid} if shim else set()))
            self._send_kill(left)
            table = self._reread()
            left = members(table, self.tree)
        return left, table

    def _send_kill(self, left: list[ProcessEntry]) -> None:
        for entry in sorted(left, reverse=True):
            self.escalated = True
            self._killed.add((entry.pid, entry.start_ticks))
            _send(entry, signals.SIGKILL)

    def _shim_gone(self, table: ProcessTable, now: float) -> bool:
        """Whether the shim has ended; when it has been alone for a second it is killed."""
        shim = find_shim(table, self.tree)
        if shim is None or not is_running(shim):
            return True
        if shim.pid in table.protected:
            return True
        if self._alone_since is None:
            self._alone_since = now
            _send(shim, signals.SIGCONT)
        elif now - self._alone_since >= SHIM_SECONDS + HOPELESS_SECONDS:
            self.survivors = [shim.pid]
            return True
        elif now - self._alone_since >= SHIM_SECONDS:
            _send(shim, signals.SIGKILL)
        return False


def _send(entry: ProcessEntry, sig: int) -> None:
    with suppress(PermissionError):  # another user's: it shows up as a survivor
        signal_process(entry.pid, entry.start_ticks, sig)


def _signal_group(group: int, sig: int) -> None:
    """Every process of the shim's group has ``sig``: one call, which no fork slips through."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sig)
