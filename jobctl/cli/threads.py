"""Threads that leave Ctrl-Z to the main thread, which defers it while a write transaction is open."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """A daemon thread runs ``target``.

    The mask is inherited: were SIGTSTP open in any thread, it would stop the whole process there, with the store's
    write lock held.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
