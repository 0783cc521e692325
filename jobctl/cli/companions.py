"""The dashboard beside ``up``: a child process, so that a slow or hung terminal never stops the supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from typing import Any

from jobctl.cli.invocation import Invocation
from jobctl.supervisor.watcher import Watcher

END_SECONDS = 2.0
"""What its dashboard is given to leave the terminal."""
RESTORE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
"""What a dashboard that was killed has left undone."""
_SHARED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Companion:
    """A dashboard that lives as long as this supervisor, or shorter.

    It learns of the supervisor's end from a pipe whose only write end is here: also after ``kill -9``.
    """

    status: int | None = None
    """How it ended, as ``wait`` tells; None while it lives."""

    def __init__(self, call: Invocation, watcher: Watcher) -> None:
        self._modes = _modes()
        read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        color = [] if call.color else ["--no-color"]
        command = ["--home", call.home().path, "watch", "--attached", str(read), *color]
        # Blocked from the beginning: Ctrl-C while its interpreter starts would end it with a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SHARED_SIGNALS)
        try:
            self._process = subprocess.Popen(  # the same process group: it may use the terminal
                [sys.executable, "-m", "jobctl", *command], pass_fds=(read,)
            )
        except BaseException:
            os.close(self._write)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(read)
        self._watcher = watcher
        watcher.companions[self._process.pid] = self._ended

    def _ended(self, status: int) -> None:
        self.status = status
        self._process.returncode = os.waitstatus_to_exitcode(status)

    @property
    def how(self) -> str:
        """How it ended, in a word or two."""
        code = self._process.returncode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit {code}"

    def say(self, text: str) -> None:
        """The dashboard shows the text, which is one printable line; one that does not listen misses it."""
        with contextlib.suppress(OSError):
            os.write(self._write, f"{text}\n".encode(errors="replace"))

    def end(self) -> str:
        """It is gone; what has to be written to the terminal to make it usable again, if it could not do so."""
        os.close(self._write)
        if self.status is None:
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._watcher.companions.pop(self._process.pid, None)
        if self._process.returncode == 0:
            return ""
        if self._modes is not None and _is_foreground():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, self._modes)
        return RESTORE


def may_have_companion(call: Invocation) -> bool:
    """Whether people look at this terminal, and it is ours to draw on: not of ``up &``."""
    return call.is_terminal and _is_foreground()


def _is_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp()
    except OSError:  # not the terminal of this session
        return True


def _modes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None
