"""The receiving end of sd_notify: a socket a daemon, all drained by one thread.

The kernel queues about ten datagrams a socket and then blocks the sender, so no daemon waits for the supervisor's loop
or for another daemon: the thread takes what comes (10 µs a message), checks who sent it, and sums it up. The loop is
woken only by what it must act upon. A daemon that floods its socket is read 64 messages every 20 ms.
"""

from __future__ import annotations

import array
import contextlib
import errno
import heapq
import os
import selectors
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from jobctl.clock import Clock
from jobctl.executors.notices import LONGEST_MESSAGE, NOTHING, PendingNotice
from jobctl.executors.notices import Notice as Notice
from jobctl.executors.notify_addresses import bindable, notify_address, renew_address
from jobctl.executors.processes import LINUX, ProcessTable, start_ticks, tag_of
from jobctl.executors.threads import start_thread
from jobctl.executors.trees import Tree, find_shim, members

IsMember = Callable[[int], bool | None]
"""Whether a pid is one of a daemon's processes; None if there is no such process any more. Asked in the thread."""

ROUND = 64
"""Messages taken of one socket at once; then it rests."""
REST_SECONDS = 0.02
STATUS_SECONDS = 0.5
_VERDICT_SECONDS = 1.0
_MOST_VERDICTS = 256
_STALE = 1024

_CREDENTIALS = struct.Struct("iII")
_MOST_DESCRIPTORS = 253
"""SCM_MAX_FD: none that comes is left to the kernel to close, which would wait for a lingering socket."""
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_MOST_DESCRIPTORS * 4)
_NO_LINGER = struct.pack("ii", 0, 0)
_RECEIVE_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_PASS_CREDENTIALS = getattr(socket, "SO_PASSCRED", None)
_CREDENTIALS_TYPE = getattr(socket, "SCM_CREDENTIALS", None)


class _Datagram(NamedTuple):
    message: bytes
    truncated: bool
    pid: int
    uid: int


class NotifyReceiver:
    """Hears all daemons of one supervisor; ``close`` it.

    Args:
        wake: called in the thread when something came that should be looked at now; it must not block.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._channels: dict[str, _Channel] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        self._bell, self._bell_push = os.pipe()
        os.set_blocking(self._bell_push, False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)

    def open(self, name: str, directory: str) -> str:
        """The daemon with that directory is heard; the value of its ``NOTIFY_SOCKET``. Again: nothing more happens.

        What comes is dropped until ``expect`` says from whom.

        Raises:
            OSError: it cannot be heard.
        """
        if self._thread is None:
            self._thread = start_thread("jobctl-notify", self._run)
        with self._lock:
            known = self._channels.get(name)
            if known is not None:
                return known.address
            channel = _bound_channel(directory)
            self._channels[name] = channel
            self._selector.register(channel.socket, selectors.EVENT_READ, channel)
        self._ring()
        return channel.address

    def expect(self, name: str, is_member: IsMember) -> None:
        """From now on the daemon's processes are those; what was sent before is gone, as if it had been an hour ago."""
        with self._lock:
            self._channels[name].expect(is_member)

    def take(self, name: str) -> Notice:
        """What the daemon said since the last time (0.1 µs if nothing)."""
        channel = self._channels.get(name)
        if channel is None or not channel.dirty:
            return NOTHING
        with self._lock:
            return channel.taken()

    def forget(self, name: str) -> None:
        """The daemon is not heard any more."""
        with self._lock:
            channel = self._channels.pop(name, None)
            if channel is not None:
                self._drop(channel)

    def close(self) -> None:
        """Nobody is heard; the thread has ended."""
        with self._lock:
            self._closing = True
        self._ring()
        if self._thread is not None:
            self._thread.join()
        for name in list(self._channels):
            self.forget(name)
        self._selector.close()
        os.close(self._bell)
        os.close(self._bell_push)

    def _drop(self, channel: _Channel) -> None:
        channel.closed = True
        with contextlib.suppress(KeyError):  # it rests
            self._selector.unregister(channel.socket)
        channel.close()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            os.write(self._bell_push, b"!")

    def _run(self) -> None:
        """The thread."""
        resting: list[tuple[float, int, _Channel]] = []
        order = 0
        while not self._closing:
            pause = None if not resting else max(0.0, resting[0][0] - time.monotonic())
            events = self._selector.select(pause)
            wanted = False
            received: list[int] = []
            with self._lock:
                for key, _ in events:
                    channel = key.data
                    if channel is None:
                        os.read(self._bell, 4096)
                    elif not channel.closed:
                        full, urgent = channel.receive(self._clock.monotonic(), received)
                        wanted = wanted or urgent
                        if full:
                            self._selector.unregister(channel.socket)
                            order += 1
                            heapq.heappush(resting, (time.monotonic() + REST_SECONDS, order, channel))
                while resting and resting[0][0] <= time.monotonic():
                    rested = heapq.heappop(resting)[2]
                    if not rested.closed:
                        self._selector.register(rested.socket, selectors.EVENT_READ, rested)
            _close_all(received)  # not under the lock: whoever sent them decides how long it takes
            if wanted:
                self._wake()


class _Channel:
    """The socket of one daemon, and what came over it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            if _PASS_CREDENTIALS is not None:  # before bind: no message may come without them
                self.socket.setsockopt(socket.SOL_SOCKET, _PASS_CREDENTIALS, 1)
            if not address.startswith("@"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(address)
            self.socket.bind(bindable(address))
        except BaseException:
            self.socket.close()
            raise
        self.closed = False
        self.dirty = False
        self._woken = False
        self._status: str | None = None
        self._status_at = float("-inf")
        self._is_member: IsMember | None = None
        self._pending = PendingNotice()
        self._verdicts: dict[int, tuple[float, bool]] = {}

    def expect(self, is_member: IsMember) -> None:
        """What waits in the socket is of older processes."""
        for _ in range(_STALE):
            received: list[int] = []
            datagram = self._next(received)
            _close_all(received)  # at once, for there may be many
            if datagram is None:
                break
        self._verdicts.clear()
        self.taken()
        self._status = None
        self._is_member = is_member

    def taken(self) -> Notice:
        """What came, once."""
        self.dirty = self._woken = False
        notice = self._pending.notice()
        self._status = notice.status or self._status
        self._pending = PendingNotice()
        return notice

    def receive(self, now: float, received: list[int]) -> tuple[bool, bool]:
        """(It has to rest, the loop should know.) What came is summed up, at most a round of it.

        Descriptors that came along are in ``received``; behind such a message the round ends.
        """
        urgent = full = False
        before = len(received)
        try:
            for _ in range(ROUND):
                if len(received) > before:
                    break
                datagram = self._next(received)
                if datagram is None:
                    break
                urgent = self._judge(datagram, now) or urgent
            else:
                full = True
        except OSError:  # no memory, say: it is tried again
            full = True
        return full, self._wakes(now, urgent=urgent)

    def _wakes(self, now: float, *, urgent: bool) -> bool:
        """Whether to wake the loop: once until it has taken what came, for a status text alone twice a second."""
        if self._woken:
            return False
        changed = self._pending.status not in (None, self._status)
        if not urgent and changed and now - self._status_at >= STATUS_SECONDS:
            self._status_at, urgent = now, True
        self._woken = urgent
        return urgent

    def _judge(self, datagram: _Datagram, now: float) -> bool:
        if self._is_member is None:
            return False
        self.dirty = True
        if not self._is_trusted(datagram, now, self._is_member):
            self._pending.foreign += 1
            return False
        if datagram.truncated:
            self._pending.malformed += 1
            return False
        return self._pending.add(datagram.message, now)

    def _is_trusted(self, datagram: _Datagram, now: float, is_member: IsMember) -> bool:
        """One of the daemon's processes sent it, or one of this user's that has ended since, as a shell's do."""
        me = os.geteuid()
        if datagram.uid not in (me, 0) and me != 0:
            return False
        known = self._verdicts.get(datagram.pid)
        if known is not None and now < known[0]:
            return known[1]
        verdict = self._verdict(datagram.pid, is_member)
        if verdict is None:
            return datagram.uid == me
        if len(self._verdicts) >= _MOST_VERDICTS:
            self._verdicts.clear()
        self._verdicts[datagram.pid] = (now + _VERDICT_SECONDS, verdict)
        return verdict

    @staticmethod
    def _verdict(pid: int, is_member: IsMember) -> bool | None:
        if pid <= 0:  # of another pid namespace; elsewhere than on Linux nobody's pid is known
            return False if LINUX else None
        try:
            return is_member(pid)
        except OSError:  # no descriptors left to look with
            return None

    def _next(self, received: list[int]) -> _Datagram | None:
        """The next message. Descriptors that came with it are to be closed: that is all a barrier waits for."""
        try:
            message, ancillary, flags, _ = self.socket.recvmsg(LONGEST_MESSAGE, _ANCILLARY, _RECEIVE_FLAGS)
        except (BlockingIOError, InterruptedError):
            return None
        pid, uid = (0, -1) if _PASS_CREDENTIALS is not None else (0, os.geteuid())
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                received += _descriptors(content)
            elif kind == _CREDENTIALS_TYPE and len(content) >= _CREDENTIALS.size:
                pid, uid, _ = _CREDENTIALS.unpack_from(content)
        return _Datagram(message, bool(flags & socket.MSG_TRUNC), pid, uid)

    def close(self) -> None:
        """The address is free."""
        self.socket.close()
        if not self.address.startswith("@"):
            with contextlib.suppress(OSError):
                os.unlink(self.address)


class TreeMembership:
    """Tells whose a pid is, from any thread: its tag at once (4 µs), the rest by the process table (some ms)."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def __call__(self, pid: int) -> bool | None:
        """Whether ``pid`` belongs to the tree; None if it is gone."""
        tree = self._tree
        if tree.tag and tag_of(pid) == tree.tag:
            return True
        if start_ticks(pid) is None:
            return None
        table = ProcessTable.read()
        if pid not in table.entries:
            return None
        shim = find_shim(table, tree)
        if shim is not None and table.entries[pid].session == shim.pid:
            return True  # a zombie too, which is no member but was one when it sent
        return any(entry.pid == pid for entry in members(table, tree))


def _bound_channel(directory: str) -> _Channel:
    """Under the kept address, or a new one if somebody else took that: anybody may bind an abstract name."""
    try:
        return _Channel(notify_address(directory))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return _Channel(renew_address(directory))


def _descriptors(content: bytes) -> array.array[int]:
    found = array.array("i")
    found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return found


def _close_all(descriptors: list[int]) -> None:
    for fd in descriptors:
        with contextlib.suppress(OSError):
            _stop_lingering(fd)
        with contextlib.suppress(OSError):
            os.close(fd)


def _stop_lingering(fd: int) -> None:
    """Closing it does not wait until what was written to it is sent (socket(7), SO_LINGER).

    Raises:
        OSError: it is no socket.
    """
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return
    found = socket.socket(fileno=fd)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    finally:
        found.detach()
