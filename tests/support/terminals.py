"""A spawned ``jobctl`` whose standard output is a terminal."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

from tests.support.cli import cli_environment
from tests.support.waiting import wait_until


def on_terminal(*args: str, home: Path | str, width: int = 100, color: bool = True) -> str:
    """All that ``jobctl args…`` showed on a terminal of this width, both streams."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    env = {"TERM": "xterm-256color"} if color else {"TERM": "dumb", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "jobctl", *args],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=cli_environment(home, env),
    )
    os.close(theirs)
    shown = bytearray()
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: the last writer is gone
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n")


_DRAWN = re.compile(r"\x1b\[(\d+);1H\x1b\[K")
_ALLOWED = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\d+;1H|\x1b\[K|\x1b\[\?(?:1049|25|7)[hl]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SCRIPT = (
    'trap : INT QUIT; exec <"$0" >"$0" 2>&1; "$@"; echo "ended with $?"; stty -a; echo done; read -r line'
)


class Session:
    """A shell that leads a session with a terminal of its own and runs one call of jobctl there, in the foreground.

    After it the shell prints the exit code and the modes of the terminal, and waits.
    """

    def __init__(self, *args: str, home: Path | str, width: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))
        name = os.ttyname(theirs)
        self.rows = rows
        self._leader = subprocess.Popen(
            # A leader without a terminal gets the first that it opens.
            ["sh", "-c", _SCRIPT, name, sys.executable, "-m", "jobctl", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=cli_environment(home, {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}),
        )  # fmt: skip
        self._theirs = theirs
        os.set_blocking(self._ours, False)
        self._shown = bytearray()

    def read(self) -> str:
        """All that the terminal was sent so far."""
        try:
            while piece := os.read(self._ours, 65536):
                self._shown += piece
        except BlockingIOError:
            pass
        return self._shown.decode("utf-8", "replace")

    def wait_for(self, text: str) -> str:
        """All that was sent, once ``text`` is part of it."""
        wait_until(lambda: text in self.read())
        return self.read()

    def screen(self) -> list[str]:
        """The lines of the dashboard as they stand now, without colours."""
        lines = [""] * self.rows
        parts = _DRAWN.split(self.read().rpartition("\x1b[?1049h")[2].partition("\x1b[?1049l")[0])
        for row, text in zip(parts[1::2], parts[2::2], strict=True):
            if int(row) <= self.rows:
                lines[int(row) - 1] = _ALLOWED.sub("", text)
        return lines

    def wait_screen(self, text: str) -> list[str]:
        """The screen, once a line of it has ``text``."""
        wait_until(lambda: any(text in line for line in self.screen()))
        return self.screen()

    def type(self, keys: str) -> None:
        """These keys were pressed."""
        os.write(self._ours, keys.encode())

    def resize(self, width: int, rows: int) -> None:
        """The terminal has another size, and its jobs were told."""
        self.rows = rows
        ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))

    def close(self) -> None:
        """The terminal is gone, and so is whatever ran on it."""
        os.close(self._theirs)
        os.close(self._ours)
        self._leader.kill()
        self._leader.wait(timeout=60)


def check_clean(stream: str, *, was_cut: bool = False) -> None:
    """The terminal is as it was, and was sent no control sequence but the dashboard's own few.

    Args:
        stream: all that was sent.
        was_cut: the dashboard was killed, perhaps within a sequence.
    """
    for entered, left in (
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?25l", "\x1b[?25h"),
        ("\x1b[?7l", "\x1b[?7h"),
    ):
        assert 0 < stream.count(entered) <= stream.count(left)
        assert stream.rfind(entered) < stream.rfind(left)
    modes = stream.rpartition("ended with")[2]
    assert " icanon" in modes
    assert " echo " in modes
    assert "susp = ^Z" in modes
    rest = _ALLOWED.sub("", stream)
    assert was_cut or not _CONTROL.search(rest), repr(rest)
