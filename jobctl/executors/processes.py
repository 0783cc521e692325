"""Processes as the kernel shows them: identity, tags, and the table of all of them.

A process is itself by pid, start ticks and boot id; a bare pid may be a stranger's by now. A *tag* is the
soft limit RLIMIT_LOCKS, which means nothing since Linux 2.4 (getrlimit(2)) and is inherited through fork,
exec, setsid and ``env -i``: 3.5 µs a process find even a double fork without environment.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import signal as signals
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from jobctl.executors import foreign
from jobctl.executors.descriptors import SHORTAGES

LINUX = sys.platform == "linux"
TICKS_PER_SECOND: int = os.sysconf("SC_CLK_TCK")
YOUNG_TICKS = TICKS_PER_SECOND // 20
MARKER_NAME = b"JOBCTL_RUN"

_RLIMIT_LOCKS = 10  # not named in Python's resource module
_PR_SET_CHILD_SUBREAPER = 36
_TAG_BIT = 1 << 62


def become_subreaper() -> bool:
    """Orphans of this process's descendants become its children (Linux); False where that does not exist."""
    if not LINUX:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


@functools.cache
def boot_id() -> str:
    """What no other boot of this machine has."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return foreign.boot_id()


def attempt_tag(store_hash: int, job_id: int, attempt: int) -> int:
    """The tag of one attempt: bit 62, 22 bits of store, 32 bits of job, 8 bits of attempt."""
    return _TAG_BIT | (store_hash & 0x3FFFFF) << 40 | (job_id & 0xFFFFFFFF) << 8 | (attempt & 0xFF)


def is_tag(value: int) -> bool:
    """Whether a soft limit is a tag of some jobctl."""
    return value >= 0 and value >> 62 == 1


@functools.cache
def tag_supported() -> bool:
    """Whether tags can be set and read here; some sandboxes (gVisor, seccomp) refuse."""
    if not LINUX:
        return False
    probe = _TAG_BIT | 1
    try:
        with soft_tag(probe):
            return resource.prlimit(os.getpid(), _RLIMIT_LOCKS)[0] == probe
    except (OSError, ValueError):
        return False


@contextmanager
def soft_tag(tag: int) -> Iterator[None]:
    """Children started inside carry ``tag``; this process does not, before and after. 0 does nothing."""
    if not tag:
        yield
        return
    soft, hard = resource.getrlimit(_RLIMIT_LOCKS)
    resource.setrlimit(_RLIMIT_LOCKS, (tag, hard))
    try:
        yield
    finally:
        resource.setrlimit(_RLIMIT_LOCKS, (soft, hard))


class ProcessEntry(NamedTuple):
    """One process as it was when the table was read."""

    pid: int
    ppid: int
    pgrp: int
    session: int
    state: str
    start_ticks: int
    cpu_ticks: int
    """User and system time, with that of children it has waited for."""
    rss_bytes: int


def start_ticks(pid: int) -> int | None:
    """When ``pid`` started, in ticks since boot; ``None`` if there is no such process."""
    if not LINUX:
        return foreign.start_ticks(pid)
    entry = _read_entry(pid)
    return None if entry is None else entry.start_ticks


def runs_since(pid: int, ticks: int) -> bool:
    """Whether the process that is ``pid`` since ``ticks`` still runs, or waits for us to hear how it ended.

    A zombie of somebody else (an init that does not reap) has ended; one of ours is about to be reaped with its code.
    """
    if not LINUX:
        return foreign.start_ticks(pid) == ticks
    entry = _read_entry(pid)
    if entry is None or entry.start_ticks != ticks:
        return False
    return entry.state not in "ZXx" or (entry.state == "Z" and entry.ppid == os.getpid())


def now_ticks() -> int:
    """The present in ticks since boot: what a process started now would show."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_REALTIME)
    return int(time.clock_gettime(clock) * TICKS_PER_SECOND)


def signal_process(pid: int, ticks: int, sig: int) -> bool:
    """``sig`` reached the process that is ``pid`` since ``ticks``; False if that one is gone.

    The descriptor pins the process before its identity is looked at, so a reused pid is never hit.

    Raises:
        PermissionError: it is another user's.
    """
    if not LINUX:
        return foreign.signal_process(pid, ticks, sig)
    try:
        fd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return False
    try:
        if start_ticks(pid) != ticks:
            return False
        signals.pidfd_send_signal(fd, sig)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def sweep(tag: int, marker: bytes, spared: Collection[int]) -> None:
    """KILL went to every process with ``tag``, newest pid first, but the ``spared``.

    The fastest sweep there is: what forks itself on every 2 ms is caught; a table is too old by then. Without
    a tag it is every process younger than 50 ms with ``marker``.
    """
    for pid in _listed_pids():
        if pid in spared or not _is_branded(pid, tag, marker):
            continue
        with suppress(OSError):
            fd = os.pidfd_open(pid)
            try:
                if _is_branded(pid, tag, marker):  # the descriptor pins it: still the same process
                    signals.pidfd_send_signal(fd, signals.SIGKILL)
            finally:
                os.close(fd)


def _is_branded(pid: int, tag: int, marker: bytes) -> bool:
    if tag and tag_supported():
        return tag_of(pid) == tag
    started = start_ticks(pid) if marker else None
    return started is not None and started >= now_ticks() - YOUNG_TICKS and _read_marker(pid) == marker


def leads_branded(pid: int, tag: int, marker: bytes) -> bool:
    """Whether ``pid`` leads a session and carries this tag or this marker: so does an attempt's shim alone."""
    try:
        if os.getsid(pid) != pid:
            return False
    except OSError:
        return False
    return (tag != 0 and tag_of(pid) == tag) or (marker != b"" and _read_marker(pid) == marker)


def carries_brand(pid: int, tag: int, marker: bytes) -> bool | None:
    """Whether ``pid`` has this tag or this marker; None if there is no such process."""
    if start_ticks(pid) is None:
        return None
    return (tag != 0 and tag_of(pid) == tag) or (marker != b"" and _read_marker(pid) == marker)


def first_child(pid: int) -> int | None:
    """The oldest child of ``pid``, None if it has none."""
    try:
        found = _read(f"/proc/{pid}/task/{pid}/children").split()
        return int(found[0]) if found else None
    except OSError:  # no such process, no /proc, or a kernel without CONFIG_PROC_CHILDREN
        children = ProcessTable.read().children.get(pid, [])
        return min(children, key=lambda entry: entry.start_ticks).pid if children else None


def group_exists(group: int | None) -> bool:
    """Whether any process is in this process group (1 µs)."""
    if group is None:
        return False
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stray_children(known: Collection[int]) -> list[int]:
    """Direct children of this process that are not ``known``: as a subreaper it inherits orphans of jobs.

    Zombies are among them; the caller reaps.
    """
    try:
        found: list[int] = []
        for thread in os.listdir("/proc/self/task"):
            found += map(int, _read(f"/proc/self/task/{thread}/children").split())
    except OSError:  # no /proc, or a kernel without CONFIG_PROC_CHILDREN
        me = os.getpid()
        found = [entry.pid for entry in ProcessTable.read().entries.values() if entry.ppid == me]
    return [pid for pid in found if pid not in known]


class ProcessTable:
    """All processes at one moment, with their tags; environments are read when asked for, and once.

    Args:
        entries: processes by pid.
        tags: their soft limits, tags or not, by pid.
        markers: what is known already of ``_read_marker``, by pid.
        marker_of: reads the others.
    """

    def __init__(
        self,
        entries: Mapping[int, ProcessEntry],
        tags: Mapping[int, int] | None = None,
        markers: Mapping[int, bytes] | None = None,
        *,
        marker_of: Callable[[int], bytes] | None = None,
    ) -> None:
        self.entries = entries
        self._tags = tags or {}
        self._markers = dict(markers or {})
        self._marker_of = marker_of or _read_marker
        self._marked: dict[tuple[bool, bytes], list[ProcessEntry]] = {}
        self._unread: dict[bool, list[ProcessEntry]] = {}
        self.own_tag = resource.getrlimit(_RLIMIT_LOCKS)[0] if LINUX else 0

    @classmethod
    def read(cls) -> ProcessTable:
        """The table now: one pass over /proc, about 20 µs a process.

        Newest first, and with the tag at once: what forks itself on each 2 ms is gone when one comes back for
        it. For the same reason the environment of those younger than 50 ms that carry no tag is read here.
        """
        if not LINUX:
            return cls({row[0]: ProcessEntry(*row) for row in foreign.read_rows()})
        entries: dict[int, ProcessEntry] = {}
        tags: dict[int, int] = {}
        markers: dict[int, bytes] = {}
        young = now_ticks() - YOUNG_TICKS
        for pid in _listed_pids():
            entry = _read_entry(pid)
            if entry is None:
                continue
            entries[pid] = entry
            tags[pid] = tag_of(pid)
            if entry.start_ticks >= young and not is_tag(tags[pid]):
                markers[pid] = _read_marker(pid)
        return cls(entries, tags, markers)

    @functools.cached_property
    def children(self) -> Mapping[int, list[ProcessEntry]]:
        """Processes by parent."""
        return _grouped(self.entries.values(), lambda entry: entry.ppid)

    @functools.cached_property
    def sessions(self) -> Mapping[int, list[ProcessEntry]]:
        """Processes by session."""
        return _grouped(self.entries.values(), lambda entry: entry.session)

    @functools.cached_property
    def tagged(self) -> Mapping[int, list[ProcessEntry]]:
        """Processes by tag, those of every jobctl on the machine."""
        tagged = _grouped(self.entries.values(), lambda entry: self.tag(entry.pid))
        return {tag: entries for tag, entries in tagged.items() if is_tag(tag)}

    @functools.cached_property
    def protected(self) -> frozenset[int]:
        """This process and its ancestors: never a member of anything."""
        pids: set[int] = set()
        pid = os.getpid()
        while pid > 0 and pid not in pids:
            pids.add(pid)
            entry = self.entries.get(pid)
            pid = entry.ppid if entry else 0
        return frozenset(pids)

    def tag(self, pid: int) -> int:
        """The tag of ``pid``, 0 if it has none or may not be read."""
        return self._tags.get(pid, 0)

    def marker(self, pid: int) -> bytes:
        """``JOBCTL_RUN=…`` of the environment of ``pid``, empty if it has none; read once (40 µs)."""
        return self._marker(pid)

    def marked(self, marker: bytes, since_ticks: int, *, tagged: bool) -> list[ProcessEntry]:
        """Processes that started at ``since_ticks`` or later and whose environment says ``marker``.

        An environment costs 40 µs. So each is read once a table, newest first, no older than asked for; and
        without ``tagged`` not where a tag other than this process's own says already whose it is.
        """
        unread = self._unread.get(tagged)
        if unread is None:
            unread = sorted(self.entries.values(), key=lambda entry: entry.start_ticks)
            self._unread[tagged] = unread
        while unread and unread[-1].start_ticks >= since_ticks:
            entry = unread.pop()
            tag = self.tag(entry.pid)
            if not tagged and is_tag(tag) and tag != self.own_tag:
                continue
            if found := self._marker(entry.pid):
                self._marked.setdefault((tagged, found), []).append(entry)
        found_all = self._marked.get((tagged, marker), [])
        return [entry for entry in found_all if entry.start_ticks >= since_ticks]

    def _marker(self, pid: int) -> bytes:
        found = self._markers.get(pid)
        if found is None:
            found = self._markers[pid] = self._marker_of(pid)
        return found


def _listed_pids() -> list[int]:
    """Every pid, the highest first."""
    return sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)


def _grouped(
    entries: Collection[ProcessEntry], key: Callable[[ProcessEntry], int]
) -> dict[int, list[ProcessEntry]]:
    groups: dict[int, list[ProcessEntry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(fd, 1 << 16)
        while len(content) % 4096 == 0 and (more := os.read(fd, 1 << 20)):
            content += more
        return content
    finally:
        os.close(fd)


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _read_entry(pid: int) -> ProcessEntry | None:
    """The entry of ``pid`` by its stat file (proc_pid_stat(5)); the name in it may hold a ``)`` too."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise  # it may well be there
        return None
    try:
        text = os.read(fd, 4096)
    except OSError:  # ESRCH: it ended between open and read
        return None
    finally:
        os.close(fd)
    part = text[text.rfind(b")") + 2 :].split(b" ", 22)
    cpu = int(part[11]) + int(part[12]) + int(part[13]) + int(part[14])
    return ProcessEntry(
        pid, int(part[1]), int(part[2]), int(part[3]), part[0].decode("ascii"),
        int(part[19]), cpu, int(part[21]) * _PAGE_BYTES,
    )  # fmt: skip


def tag_of(pid: int) -> int:
    """The soft limit of ``pid`` now, which ``is_tag`` or is no tag; 0 if it may not be read."""
    if not LINUX:
        return 0
    try:
        return resource.prlimit(pid, _RLIMIT_LOCKS)[0]
    except PermissionError:
        return _read_limit_line(pid)
    except (OSError, ValueError):
        return 0


def _read_limit_line(pid: int) -> int:
    """The tag by ``/proc/PID/limits``, which is readable where prlimit is not."""
    try:
        for line in _read(f"/proc/{pid}/limits").splitlines():
            if line.startswith(b"Max file locks"):
                soft = line.split()[3]
                return int(soft) if soft.isdigit() else 0
    except OSError:
        pass
    return 0


def _read_marker(pid: int) -> bytes:
    """``JOBCTL_RUN=…`` of ``pid``'s environment; empty if it has none or is another user's."""
    if not LINUX:
        return foreign.marker(pid, MARKER_NAME)
    try:
        owner, me = os.stat(f"/proc/{pid}").st_uid, os.geteuid()
        environment = _read(f"/proc/{pid}/environ") if me in {owner, 0} else b""
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        return b""
    start = (b"\0" + environment).find(b"\0" + MARKER_NAME + b"=")
    return b"" if start < 0 else environment[start:].partition(b"\0")[0]
