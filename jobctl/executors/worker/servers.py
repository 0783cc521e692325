"""The servers that ``multiprocessing`` starts beside the processes of a job: fork server and resource tracker.

They carry the variables and the marker of the job that started them: they must not serve the next one, and are ended
politely, since a tracker that is killed leaves semaphores behind. Shared memory that a resource made ends with them.
"""

from __future__ import annotations

import os
import sys
import time

from jobctl.executors.worker.processes import count_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KILL = 9
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.002


def running_servers() -> tuple[int, ...]:
    """Their pids."""
    servers = (getattr(_fork_server(), "_forkserver_pid", None), getattr(_tracker(), "_pid", None))
    return tuple(pid for pid in servers if pid is not None)


def end_servers(spared: tuple[int, ...]) -> int:
    """None runs but the ``spared``; how many processes the fork server has left behind.

    Raises:
        OSError: one is not there any more, and what is known of it is wrong.
    """
    left = 0
    server = _fork_server()
    pid = getattr(server, "_forkserver_pid", None)
    if pid is not None and pid not in spared:
        left = count_children(pid)
        os.kill(pid, _KILL)  # it has nothing to clean up, and a preload of it may hang
        server._stop()
    tracker = _tracker()
    pid = getattr(tracker, "_pid", None)
    if pid is not None and pid not in spared:
        is_last = not left and count_children() <= 1 + len(spared)
        _end_tracker(tracker, pid, _PATIENCE_SECONDS if is_last else 0.0)
    return left


def _end_tracker(tracker: Any, pid: int, patience: float) -> None:
    """It ends by itself once nobody has its pipe open; what the job left running has."""
    fd, tracker._fd, tracker._pid = tracker._fd, None, None
    os.close(fd)
    until = time.monotonic() + patience
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.kill(pid, _KILL)
            os.waitpid(pid, 0)
            return
        time.sleep(_POLL_SECONDS)


def _fork_server() -> Any:
    return getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)


def _tracker() -> Any:
    return getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
