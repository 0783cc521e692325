"""What the doctor found: how grave it is and what helps. The judging rules are pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobctl.model.sizes import format_size

WAL_RESET_FIXED = (3, 51, 3)
"""The first SQLite without the bug that lets two connections damage a store in WAL mode (https://sqlite.org/wal.html,
"the WAL-reset bug"; from 3.7.0 on)."""
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"}
)
_NETWORK_STARTS = ("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3", "fuse.rclone", "fuse.davfs")
_VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_FEW_FILES = 256
_SOME_FILES = 1024
_FEW_PROCESSES = 64
_LITTLE_SPACE = 100 << 20
_LEAST_INODES = 1000
_JUMP_SECONDS = 0.5


class Grade(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    grade: Grade
    message: str
    remedy: str = ""


def judge_sqlite(version: str, source: str) -> Finding:
    """The SQLite in use has no bug that damages stores."""
    numbers = tuple(int(part) for part in version.split(".")[:3])
    if numbers >= WAL_RESET_FIXED:
        return Finding("sqlite", Grade.OK, f"{version}, from {source}, without the WAL-reset bug")
    needed = ".".join(map(str, WAL_RESET_FIXED))
    return Finding(
        "sqlite",
        Grade.BROKEN,
        f"{version}, from {source}, has the WAL-reset bug: it can damage the store",
        f"pip install -U 'apsw>={needed}'",
    )


def judge_filesystem(kind: str | None, path: str) -> Finding:
    """The store's file system has the locks and the shared memory that a WAL needs."""
    if kind is None:
        return Finding(
            "filesystem", Grade.WARNING, f"unknown, of {path}", "make sure that it is a local disk"
        )
    if kind in _NETWORK or kind.startswith(_NETWORK_STARTS):
        return Finding(
            "filesystem",
            Grade.BROKEN,
            f"{kind}, a network file system: a WAL cannot be shared over it, and its locks may lie",
            "put the home on a local disk: jobctl --home DIR, or JOBCTL_HOME",
        )
    if kind in _VOLATILE:
        return Finding(
            "filesystem", Grade.WARNING, f"{kind}: it is gone after a reboot", "fine for a trial only"
        )
    return Finding("filesystem", Grade.OK, kind)


def judge_space(free_bytes: int, free_inodes: int | None) -> Finding:
    """There is room for logs and the store; ``free_inodes`` None: the file system does not count them."""
    text = f"{format_size(free_bytes)} free"
    text += "" if free_inodes is None else f", {free_inodes:,} inodes"
    if free_bytes < _LITTLE_SPACE or (free_inodes is not None and free_inodes < _LEAST_INODES):
        return Finding("space", Grade.BROKEN, text, "free some space, or: jobctl prune --older-than 7d")
    return Finding("space", Grade.OK, text)


def judge_limits(files: int | None, processes: int | None) -> list[Finding]:
    """So many descriptors and processes as jobs need; None: no limit."""
    shown = "no limit" if files is None else f"{files:,} open files"
    remedy = "raise it before jobctl up: ulimit -n 4096"
    grade = Grade.OK
    if files is not None and files < _SOME_FILES:
        grade = Grade.BROKEN if files < _FEW_FILES else Grade.WARNING
    found = [Finding("nofile", grade, shown, remedy)]
    shown = "no limit" if processes is None else f"{processes:,} processes"
    low = processes is not None and processes < _FEW_PROCESSES
    found.append(
        Finding(
            "nproc", Grade.BROKEN if low else Grade.OK, shown, "raise it before jobctl up: ulimit -u 4096"
        )
    )
    return found


def judge_clock(drift_seconds: float, newest_seconds_ahead: float) -> Finding:
    """Wall time goes on as monotonic time does, and nothing on record is from the future.

    Args:
        drift_seconds: how much more the wall clock moved than the monotonic one while both were watched.
        newest_seconds_ahead: how far the newest event lies ahead of the wall clock.
    """
    if abs(drift_seconds) > _JUMP_SECONDS:
        return Finding(
            "clock",
            Grade.WARNING,
            f"the wall clock jumped by {drift_seconds:+.1f} s",
            "look after NTP on this machine",
        )
    if newest_seconds_ahead > 60:
        return Finding(
            "clock",
            Grade.WARNING,
            f"the newest event is {newest_seconds_ahead:.0f} s in the future: the clock was set back",
            "set the clock right; schedules and durations go by it",
        )
    return Finding("clock", Grade.OK, "steady")
