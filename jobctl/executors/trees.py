"""Trees: which processes belong to an attempt, without ever counting a stranger in."""

from __future__ import annotations

import os
from dataclasses import dataclass

from jobctl.executors.processes import TICKS_PER_SECOND, ProcessEntry, ProcessTable

_ENDED = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class Tree:
    """What is known of an attempt's processes. Pid and ticks are of this boot, or ``None``."""

    shim_pid: int | None
    shim_ticks: int | None
    session: int | None
    """For records; membership goes by the proven shim's own session."""
    tag: int
    marker: bytes
    """``b"JOBCTL_RUN=<value>"``, looked for in environments; empty: do not look."""


def find_shim(table: ProcessTable, tree: Tree) -> ProcessEntry | None:
    """The entry that is the tree's shim for certain, a zombie included; ``None`` if there is no such proof.

    Proof is the start ticks. Where they were never noted: an unreaped child of ours, or a session leader that
    carries the tree's own tag or marker.
    """
    entry = None if tree.shim_pid is None else table.entries.get(tree.shim_pid)
    if entry is None:
        return None
    if tree.shim_ticks is not None:
        return entry if entry.start_ticks == tree.shim_ticks else None
    if entry.session != entry.pid:
        return None
    proven = entry.ppid == os.getpid() or entry in _branded(table, tree)
    return entry if proven else None


def is_running(entry: ProcessEntry | None) -> bool:
    """Whether there is a process that still runs: zombies do not."""
    return entry is not None and entry.state not in _ENDED


def members(table: ProcessTable, tree: Tree) -> list[ProcessEntry]:
    """Every running process of the tree but its shim: session ∪ tag ∪ marker, and all their descendants.

    Session and descent count only while the shim is proven. Never this process or its ancestors.
    """
    return _members(table, tree, find_shim(table, tree), _branded(table, tree))


def tree_usage(table: ProcessTable, tree: Tree) -> tuple[int, float]:
    """(resident bytes, CPU seconds) of the tree now; environments are not read for it."""
    shim = find_shim(table, tree)
    found = _members(table, tree, shim, table.tagged.get(tree.tag, []) if tree.tag else [])
    spent = sum(entry.cpu_ticks for entry in found) + (shim.cpu_ticks if shim else 0)
    return sum(entry.rss_bytes for entry in found), spent / TICKS_PER_SECOND


def _branded(table: ProcessTable, tree: Tree) -> list[ProcessEntry]:
    """Processes that carry the tree's own tag or marker."""
    found = list(table.tagged.get(tree.tag, ())) if tree.tag else []
    if tree.marker:
        found += table.marked(tree.marker, tree.shim_ticks or 0, tagged=not tree.tag)
    return found


def _members(
    table: ProcessTable, tree: Tree, shim: ProcessEntry | None, branded: list[ProcessEntry]
) -> list[ProcessEntry]:
    waiting = list(branded)
    if shim is not None:
        waiting.append(shim)
        waiting += table.sessions.get(shim.pid, ())  # it leads one: nobody else's
    seen = set(table.protected)
    found: list[ProcessEntry] = []
    while waiting:
        entry = waiting.pop()
        if entry.pid in seen:
            continue
        seen.add(entry.pid)
        waiting += table.children.get(entry.pid, ())
        if is_running(entry) and entry is not shim:
            found.append(entry)
    return found
