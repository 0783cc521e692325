"""What the code of a daemon hears and says: asked to stop, ready, alive, how it stands. ``context`` hands it on.

It goes by the environment alone, so it works in daemons of functions and in commands written in Python alike; outside
of a daemon nothing happens. Stdlib only.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

LONGEST_STATUS = 3500
"""Bytes of a status text: a notice is at most 4096 of them, the rest is for what else it says."""
_QUICK_SECONDS, _PATIENT_SECONDS = 0.02, 2.0
_BEAT_SECONDS = 1.0

Handler = Callable[[int, FrameType | None], object]


class StopRequest:
    """Whether this process was asked to stop by a signal. The signal's handler is set by whoever asks first."""

    def __init__(self) -> None:
        self.is_made = False
        self.is_awaited = False
        """Whether the code itself asks for it: then it ends by itself, and nothing is raised in it."""
        self.on_made: Callable[[], object] | None = None
        """Called in the handler, for whoever runs code that does not ask."""
        self._read = self._write = -1
        self._ends: tuple[tuple[int, int], ...] = ()
        """Its pipe, each descriptor with its inode."""
        self._before: dict[int, Any] = {}
        self._is_registered = False

    def listen(self) -> None:
        """From now on the signals that stop a daemon make the request; what took them before hears of them, too.

        Raises:
            RuntimeError: this is the first time, and not in the main thread.
        """
        if self._before:
            return
        numbers = stop_signals()
        before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
        try:
            for number in numbers:
                signal.signal(number, self._heard)
        except ValueError:
            raise RuntimeError("call context.stopping() in the main thread first") from None
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._ends = tuple((end, os.fstat(end).st_ino) for end in (self._read, self._write))
        self._before = before
        if not self._is_registered:
            os.register_at_fork(after_in_child=self._forget)
            self._is_registered = True

    def _heard(self, number: int, frame: FrameType | None) -> None:
        is_first, self.is_made = not self.is_made, True
        if is_first:
            with suppress(OSError):  # the program may have closed all that it does not know
                os.write(self._write, b"s")
        before = self._before.get(number)
        if callable(before) and before is not signal.default_int_handler:
            before(number, frame)
        if is_first and self.on_made is not None:
            self.on_made()

    def _forget(self) -> None:
        """A child that was forked off listens no more: ``Process.terminate()`` ends it as ever."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._heard:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for opened, number in self._ends:
            with suppress(OSError):  # the program may have closed it, and something else may have its number
                if os.fstat(opened).st_ino == number:
                    os.close(opened)
        self._ends = ()
        self._before, self.is_made, self.is_awaited, self.on_made = {}, False, False, None

    def wait(self, seconds: float) -> bool:
        """Whether it was made, within ``seconds``."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not self.is_made and (left := until - time.monotonic()) > 0:
            poll.poll(left * 1000)
        return self.is_made

    def watch(self, callback: Callable[[], object]) -> Callable[[], None]:
        """The running event loop calls ``callback`` once it is made; returns what ends that."""
        import asyncio  # 50 ms that only code that is async pays for, and has paid

        loop = asyncio.get_running_loop()
        own = os.dup(self._read)

        def end() -> None:
            nonlocal own
            if own >= 0:
                loop.remove_reader(own)
                os.close(own)
                own = -1

        def made() -> None:
            end()
            callback()

        loop.add_reader(own, made)
        return end


STOP = StopRequest()
"""Of this process."""


def is_daemon() -> bool:
    """Whether this process is one of a daemon's."""
    return bool(os.environ.get("JOBCTL_DAEMON"))


def stop_signals() -> set[signal.Signals]:
    """The signals that ask this daemon to stop: SIGTERM, and the one its definition names."""
    named = os.environ.get("JOBCTL_STOP_SIGNAL", "")
    found = {signal.SIGTERM, *(one for one in signal.Signals if one.name == named)}
    return found - {signal.SIGKILL}


def stopping(wait: float = 0.0) -> bool:
    """Whether this daemon is asked to end; ``wait`` seconds long it is waited for that.

    Code that asks is left to end by itself, within the stop time-out; ``while not context.stopping(wait=5):`` is all a
    loop needs. Outside of a daemon: false, after that time.

    Raises:
        RuntimeError: the first call in a command's program was not made in its main thread.
    """
    if not is_daemon():
        time.sleep(max(wait, 0))
        return False
    STOP.listen()
    STOP.is_awaited = True
    return STOP.wait(wait) if wait > 0 else STOP.is_made


async def stopped() -> None:
    """Returns once this daemon is asked to end; the task that awaits it is not cancelled. For code that is async."""
    import asyncio

    made = asyncio.get_running_loop().create_future()
    if not is_daemon():
        await made
    STOP.listen()
    STOP.is_awaited = True
    end = STOP.watch(lambda: None if made.done() else made.set_result(None))
    try:
        if not STOP.is_made:
            await made
    finally:
        end()


def ready() -> None:
    """The daemon is ready, if its readiness is ``notify``: ``READY=1``."""
    NOTICES.say("READY", "1", _PATIENT_SECONDS)


def status(text: str) -> None:
    """``jobctl daemon list`` shows this text from now on: ``STATUS=…``; it is one line."""
    line = " ".join(str(text).split())
    NOTICES.say("STATUS", line.encode("utf-8", "replace")[:LONGEST_STATUS].decode("utf-8", "ignore"))


def heartbeat() -> None:
    """The daemon is alive: ``WATCHDOG=1``, and ``$JOBCTL_HEARTBEAT`` is touched.

    Call it often: it does so at most once a second.
    """
    NOTICES.beat()


class Notices:
    """What is said to the supervisor (sd_notify(3)); what it was not there to hear is said again with the next."""

    def __init__(self) -> None:
        self._unheard: dict[str, str] = {}
        self._beaten_at: float | None = None

    def say(self, name: str, value: str, patience: float = _QUICK_SECONDS) -> None:
        """It has been said, or will be."""
        if not os.environ.get("NOTIFY_SOCKET"):
            return
        self._unheard[name] = value
        said = dict(self._unheard)
        if _sent([f"{key}={said[key]}" for key in said], patience):
            for key, text in said.items():
                if self._unheard.get(key) == text:
                    del self._unheard[key]

    def beat(self) -> None:
        """A sign of life, unless there was one just now."""
        now = time.monotonic()
        if self._beaten_at is not None and now - self._beaten_at < _beat_seconds():
            return
        self._beaten_at = now
        _touch(os.environ.get("JOBCTL_HEARTBEAT"))
        self.say("WATCHDOG", "1")
        self._unheard.pop("WATCHDOG", None)  # an old sign of life says nothing


NOTICES = Notices()
"""Of this process."""


def _beat_seconds() -> float:
    """A quarter of the watchdog's time, at most a second."""
    given = os.environ.get("WATCHDOG_USEC", "")
    return min(_BEAT_SECONDS, int(given) / 4e6) if given.isascii() and given.isdigit() else _BEAT_SECONDS


def _touch(path: str | None) -> None:
    if not path:
        return
    with suppress(OSError):  # a full disk must not end what still works; the notice tells it all the same
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.utime(opened)
        finally:
            os.close(opened)


def _sent(lines: list[str], patience: float) -> bool:
    """Whether the kernel took the notice; a supervisor that is stopped reads none and its queue is short."""
    import socket  # only daemons that speak pay for it

    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):  # the abstract namespace of Linux
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as sender:
            sender.settimeout(patience)
            sender.connect(os.fsencode(address))  # only then does a full queue of the other end count as one
            sender.send("\n".join(lines).encode("utf-8", "replace"))
    except OSError:  # nobody listens: there is no supervisor now
        return False
    return True
