"""Threads of the supervisor: they leave every signal to the main thread, which alone may be stopped, woken or ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """A daemon thread runs ``target``. It inherits a mask that blocks all signals."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
