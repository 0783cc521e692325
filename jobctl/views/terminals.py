"""The terminal as a screen: entered, drawn on, left as it was found. Imports Rich.

Nothing here waits for the terminal: it is written through a description of its own that never blocks, so one that
stops reading (Ctrl-S, a dead connection) keeps nobody from noticing keys, signals and the end of the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from rich.console import Console
from rich.text import Text

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, no wrapping: a line that the terminal finds too wide spoils no other."""
LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_SUSPEND_KEY = b"\x1a"
_FLUSH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What happened while nothing was drawn."""

    keys: bytes = b""
    notices: bytes = b""
    """What the supervisor wrote."""
    is_alone: bool = False
    """Whether the supervisor, or the terminal, is gone."""


class Terminal:
    """The terminal on standard output, while it is a screen.

    Args:
        color: whether colours are wanted.
        supervisor: the read end of a pipe that the supervisor holds open; None without one.
    """

    ended_by = 0
    """The signal that asked for the end."""

    def __init__(self, *, color: bool, supervisor: int | None = None) -> None:
        self._console = Console(
            file=sys.stdout,
            force_terminal=True,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._supervisor = supervisor
        self._keys: int | None = None
        self._output = -1
        self._pending = bytearray()
        self._shown: list[Text | None] = []
        self._is_entered = self._wants_suspend = False
        self._modes: list[Any] | None = None
        self._wake_read, self._wake_write = os.pipe()

    def __enter__(self) -> Terminal:
        """Signals are heard; the screen is entered when this process is in the foreground."""
        self._output = _own_description(sys.stdout.fileno())
        self._keys = 0 if os.isatty(0) else None
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        heard = {signal.SIGWINCH, signal.SIGTSTP}
        if self._supervisor is None:
            heard |= {signal.SIGTERM, signal.SIGHUP}
        self._handlers = {number: signal.signal(number, self._note) for number in heard}
        # Leaving must succeed in the background too, where the kernel would stop who changes the modes.
        self._handlers[signal.SIGTTOU] = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        return self

    def __exit__(self, *_: object) -> None:
        """The terminal is as it was."""
        self._leave()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for descriptor in (self._wake_read, self._wake_write, self._output):
            os.close(descriptor)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTSTP:
            self._wants_suspend = True
        elif number != signal.SIGWINCH:
            self.ended_by = number

    def size(self) -> tuple[int, int]:
        """Its width and height now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:  # hung up
            return 80, 24
        return found.columns or 80, found.lines or 24

    def is_ready(self) -> bool:
        """Whether something may be drawn: it is ours, and has taken what was drawn last."""
        if not is_foreground(sys.stdout.fileno()):
            return False
        if not self._is_entered:
            self._enter()
        return not self._pending

    def draw(self, lines: Sequence[Text]) -> None:
        """The screen shows these lines; only those that differ are written."""
        known = self._shown + [None] * (len(lines) - len(self._shown))
        for row, (line, before) in enumerate(zip(lines, known, strict=False), start=1):
            if before is None or line != before:
                self._pending += f"\x1b[{row};1H\x1b[K".encode() + self._encoded(line)
        self._shown = list(lines)
        self._write()

    def forget(self) -> None:
        """The next drawing writes every line."""
        self._shown = []

    def _encoded(self, line: Text) -> bytes:
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get().encode(sys.stdout.encoding, "replace")

    def wait(self, seconds: float) -> Heard:
        """What was heard within this time; at once when something was."""
        if self._wants_suspend:
            self._suspend()
        sources = [self._wake_read]
        sources += [] if self._keys is None or not self._is_entered else [self._keys]
        sources += [] if self._supervisor is None else [self._supervisor]
        outputs = [self._output] if self._pending else []
        readable, writable, _ = select.select(sources, outputs, [], seconds)
        if self._wake_read in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if writable:
            self._write()
        keys, notices, is_alone = b"", b"", False
        if self._supervisor in readable and self._supervisor is not None:
            notices = os.read(self._supervisor, 65536)
            is_alone = not notices
        if self._keys in readable and self._keys is not None:
            keys = self._read_keys()
            is_alone = is_alone or not keys
        return Heard(keys, notices, is_alone)

    def _read_keys(self) -> bytes:
        try:
            keys = os.read(0, 1024)
        except OSError:  # EIO: hung up, or no longer ours
            return b""
        if _SUSPEND_KEY in keys:
            self._suspend()
        return keys

    def _suspend(self) -> None:
        """The screen is left, then the whole job stops; it goes on from here with ``fg``."""
        self._wants_suspend = False
        self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.killpg(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)

    def _enter(self) -> None:
        self._is_entered = True
        self.forget()
        if self._keys is not None:
            with contextlib.suppress(termios.error):
                self._modes = termios.tcgetattr(self._keys)
                termios.tcsetattr(self._keys, termios.TCSANOW, _screen_modes(self._keys))
        self._pending = bytearray(ENTER)
        self._write()

    def _leave(self) -> None:
        """What was begun is written whole, or the rest would be taken for text; a stuck terminal is left as it is."""
        if not self._is_entered:
            return
        self._is_entered = False
        self._pending += LEAVE
        stop = time.monotonic() + _FLUSH_SECONDS
        while self._pending and time.monotonic() < stop:
            select.select([], [self._output], [], max(0.0, stop - time.monotonic()))
            self._write()
        # In the background the modes are the shell's own by now.
        if self._modes is not None and self._keys is not None and is_foreground(self._keys):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSANOW, self._modes)

    def _write(self) -> None:
        """What the terminal takes now is written."""
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                try:
                    written = os.write(self._output, self._pending)
                except BlockingIOError:
                    raise
                except OSError:  # hung up: nobody looks any more
                    self._pending.clear()
                    self.ended_by = self.ended_by or signal.SIGHUP
                    return
                del self._pending[:written]


def is_foreground(descriptor: int) -> bool:
    """Whether this process may use the terminal now; of one that is not its own nobody knows."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True


def _own_description(descriptor: int) -> int:
    """A descriptor of the same terminal that does not block, and makes nobody else's not block."""
    try:
        path = os.ttyname(descriptor)
        return os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # after su, say
        return os.dup(descriptor)


def _screen_modes(descriptor: int) -> list[Any]:
    """Keys come one by one, unseen; Ctrl-Z comes as a key, so that the screen is left before the job stops."""
    modes = termios.tcgetattr(descriptor)
    modes[3] &= ~(termios.ICANON | termios.ECHO)
    modes[6] = list(modes[6])
    modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
    modes[6][termios.VSUSP] = os.fpathconf(descriptor, "PC_VDISABLE").to_bytes(1, "little")
    return modes
