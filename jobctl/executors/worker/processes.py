"""What the kernel says of processes (proc(5)); it may not be Linux, and then it says nothing."""

from __future__ import annotations

import os


def count_children(pid: int | str = "self") -> int:
    """Children of all threads of ``pid``; those that have ended and were not waited for are none."""
    count = 0
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                pids = file.read().split()
        except OSError:  # the thread has ended, or the kernel does not say
            continue
        count += sum(not _is_zombie(child) for child in pids)
    return count


def _is_zombie(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return True
