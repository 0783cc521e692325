"""Attempts for tests: orders with defaults, real processes that never outlive their test."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import AttemptOrder, Executor, StartedProcess
from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.processes import ProcessTable, attempt_tag, start_ticks, stray_children
from jobctl.executors.trees import Tree, members
from tests.support.waiting import wait_until

_numbers = itertools.count(1)


def make_order(root: Path, *argv: str | bytes, **changes: object) -> AttemptOrder:
    """An order for ``argv`` in ``root`` with a marker and a tag of its own."""
    number = next(_numbers)
    marker = b"%d.%d" % (os.getpid(), number)
    environment = {b"PATH": os.environb[b"PATH"], b"HOME": b"/nowhere", b"JOBCTL_RUN": marker}
    order = AttemptOrder(
        job_id=number,
        attempt=1,
        directory=str(root / "runs" / str(number) / "1"),
        argv=tuple(os.fsencode(word) for word in argv),
        cwd=os.fsencode(root),
        umask=0o022,
        environment=environment,
        stdin=None,
        split_output=False,
        nice=0,
        tag=attempt_tag(os.getpid(), number, 1),
    )
    return replace(order, **changes)  # type: ignore[arg-type]


def make_shell(root: Path, text: str | bytes, **changes: object) -> AttemptOrder:
    """An order for a shell line."""
    return make_order(root, "/bin/sh", "-c", text, **changes)


def tree_of(order: AttemptOrder, started: StartedProcess) -> Tree:
    """The tree of a shim that was started just now."""
    marker = b"JOBCTL_RUN=" + order.environment[b"JOBCTL_RUN"]
    return Tree(started.pid, start_ticks(started.pid), started.pid, order.tag, marker)


def finish(started: StartedProcess) -> int:
    """The wait status of the shim, as ``Popen`` tells it."""
    return started.process.wait(timeout=60)


def reap_strays(*known: int) -> None:
    """Orphans that came to this process as a subreaper are no zombies any more."""
    for pid in stray_children(known):
        os.waitpid(pid, os.WNOHANG)


def end(kill: TreeKill, *known: int) -> float:
    """The kill is done; how many seconds it took."""
    began = time.monotonic()

    def done() -> bool:
        reap_strays(*known)
        return kill.advance(ProcessTable.read(), time.monotonic()) is KillState.DONE

    wait_until(done)
    return time.monotonic() - began


@contextmanager
def running(executor: Executor, order: AttemptOrder) -> Iterator[StartedProcess]:
    """The attempt started; all of its tree is gone afterwards."""
    started = executor.start(order)
    tree = tree_of(order, started)
    try:
        yield started
    finally:
        kill = TreeKill(tree, grace_seconds=0, now=time.monotonic())
        end(kill, started.pid)
        finish(started)


def output(order: AttemptOrder, stream: str = "output") -> bytes:
    """What the attempt has printed."""
    return Path(AttemptDirectory(order.directory).log_paths()[stream]).read_bytes()


def has_members(tree: Tree, count: int) -> Callable[[], bool]:
    """A predicate: the tree has ``count`` members or more."""
    return lambda: len(members(ProcessTable.read(), tree)) >= count
