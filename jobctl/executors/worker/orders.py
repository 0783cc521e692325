"""What the worker is to do: lines from the pipe say which, the file ``orders`` says what."""

from __future__ import annotations

import os
import select
from collections import deque
from json import loads

from jobctl.executors.worker.descriptors import lifted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 1 << 16
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Order:
    """One attempt of one job."""

    __slots__ = ("attempt", "document", "fault", "job", "length", "offset", "token")

    def __init__(self, line: bytes) -> None:
        self.job, self.attempt, self.token, self.offset, self.length = map(int, line.split())
        self.document: dict[str, Any] = {}
        """``{"run", "function", "args", "env", "vars", "cwd", "split", "dir"}``, once it is read."""
        self.fault: Exception | None = None
        """Why it cannot be read."""


class OrderPipe:
    """Orders as they arrive. The other end closes when its supervisor ends, however it ends."""

    __slots__ = ("_fd", "_orders", "_poll", "_rest", "hand", "is_closed", "is_lost")

    def __init__(self, fd: int, orders: str) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._orders = lifted(os.open(orders, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), close=True)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._rest = b""
        self.hand: deque[Order] = deque()
        """What has arrived and is not begun."""
        self.is_closed = False
        """The supervisor has gone, or ``is_lost``: nothing more is begun."""
        self.is_lost = False
        """A job has closed our descriptors."""

    def poll(self, *, wait: bool) -> bool:
        """Whether something has arrived; ``wait``: returns once it has, or the other end is closed."""
        for _, events in self._poll.poll(None if wait else 0):
            if events & _GONE:
                self.is_closed = True
                self.is_lost = bool(events & select.POLLNVAL)
            return bool(events & select.POLLIN)
        return False

    def take(self) -> None:
        """All that has arrived is in ``hand``; never waits."""
        parts = [self._rest]
        while True:
            try:
                part = os.read(self._fd, _CHUNK)
            except OSError:  # nothing more now, or a job has closed the descriptor
                break
            if not part:
                break
            parts.append(part)
            if len(part) < _CHUNK:
                break
        *lines, self._rest = b"".join(parts).split(b"\n")
        self.hand.extend(map(Order, lines))

    def read(self, order: Order) -> None:
        """``order.document`` is there.

        Raises:
            OSError: the file is not readable.
            ValueError: what stands there is no order of this job.
        """
        text = os.pread(self._orders, order.length, order.offset)
        document = loads(text)
        if document["job"] != order.job or document["token"] != order.token:
            raise ValueError("the order is another job's")
        order.document = document

    def close(self) -> None:
        """The file is not open in this process; the pipe is closed by its owner."""
        try:
            os.close(self._orders)
        except OSError:
            return
