"""A limit for work that a user's text decides: above all regular expressions, which may backtrack for ever.

No check of a pattern tells (``a*a*a*b`` is as bad as ``(a+)+b``). But Python's engine runs signal handlers as it goes
(``MAYBE_CHECK_SIGNALS`` in Modules/_sre), so a timer on this process's own CPU time ends any match.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class TooSlowError(Exception):
    """What was limited took longer."""


@contextlib.contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """What is done in here takes about ``seconds`` of CPU time at most, then ``TooSlowError`` ends it.

    Only in the main thread, where signal handlers run (the supervisor's loop and every verb); elsewhere there is no
    limit. Not to be nested.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    armed = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL if before is None else before)
