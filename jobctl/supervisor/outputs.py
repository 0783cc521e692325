"""Progress read from output with a user's pattern, which cannot hold up the loop.

Python's ``re`` may backtrack for ever, and no check of a pattern tells (``a*a*a*b`` is as bad as ``(a+)+b``). But its
engine runs Python's signal handlers as it goes (``MAYBE_CHECK_SIGNALS`` in Modules/_sre), so a timer on this
process's own CPU time ends any match: measured, 0.1 to 0.3 s on a busy machine for twelve evil patterns.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from jobctl.errors import BadInputError
from jobctl.executors.output_lines import OutputLines
from jobctl.model.progress_patterns import ProgressPattern, parse_progress_pattern

LINE_SECONDS = 0.05
"""CPU time: a line that takes longer than one to two of these ends the use of its pattern for the attempt."""
LOOK_SECONDS = 0.01
"""After so long a look keeps to the newest lines."""
_NEWEST = 32


class TooSlowError(Exception):
    """A line took the pattern too long."""


class _Watchdog:
    """Raises ``TooSlowError`` in the main thread when a line is worked on for a whole period."""

    def __init__(self) -> None:
        self.line = 0
        self.armed = False
        self._seen = -1

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Lines that are read in here are limited; each must raise ``line``."""
        if threading.current_thread() is not threading.main_thread():
            yield  # handlers run in the main thread alone; the supervisor's loop is there
            return
        signal.signal(signal.SIGVTALRM, self._tick)
        self.line, self._seen, self.armed = 0, -1, True
        signal.setitimer(signal.ITIMER_VIRTUAL, LINE_SECONDS, LINE_SECONDS)
        try:
            yield
        finally:
            self.armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if not self.armed:
            return
        if self._seen == self.line:
            self.armed = False
            raise TooSlowError
        self._seen = self.line


_watchdog = _Watchdog()


class OutputProgress:
    """Progress lines of one attempt's output, by its pattern."""

    def __init__(self, pattern: str, paths: Sequence[str]) -> None:
        self._lines = OutputLines(paths)
        self.problem: str | None = None
        """Why the pattern is not used any more."""
        self._pattern: ProgressPattern | None = None
        try:
            self._pattern = parse_progress_pattern(pattern)
        except BadInputError as error:
            self.problem = str(error)

    def read(self, *, final: bool = False) -> list[str]:
        """What the new output says of the progress; nothing once the pattern proved too slow."""
        if self._pattern is None:
            return []
        lines = self._lines.read(final=final)
        if not lines:
            return []
        try:
            return limited(self._pattern, lines)
        except TooSlowError:
            self._pattern, self.problem = None, "the progress pattern takes too long on a line of the output"
            return []


def matches_any(pattern: re.Pattern[str], lines: Sequence[str]) -> bool:
    """Whether the pattern is found in one of the lines.

    Raises:
        TooSlowError: one line took more than ``LINE_SECONDS`` of CPU time.
    """
    with _watchdog.guard():
        for line in lines:
            _watchdog.line += 1
            if pattern.search(line):
                return True
    return False


def limited(pattern: ProgressPattern, lines: Sequence[str]) -> list[str]:
    """What the lines tell; of very many, the first ones of 10 ms and the newest ones.

    Raises:
        TooSlowError: one line took more than ``LINE_SECONDS`` of CPU time.
    """
    found: list[str] = []
    with _watchdog.guard():
        stop = time.perf_counter() + LOOK_SECONDS
        for index, line in enumerate(lines):
            if index % 16 == 15 and index < len(lines) - _NEWEST and time.perf_counter() > stop:
                break
            _watchdog.line += 1
            said = pattern.read(line)
            if said is not None:
                found.append(said)
        else:
            return found
        for line in lines[-_NEWEST:]:
            _watchdog.line += 1
            said = pattern.read(line)
            if said is not None:
                found.append(said)
    return found
