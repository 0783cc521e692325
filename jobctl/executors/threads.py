"""Threads of jobctl: they leave every signal to the main thread, which alone may be stopped, woken or ended."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """A daemon thread runs ``target``. It inherits a mask that blocks all signals.

    Were SIGTSTP open in any thread, it would stop the whole process there, perhaps with the store's write lock held;
    the main thread defers it while a write transaction is open.

    Raises:
        OSError: the system allows no more threads.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    except RuntimeError as error:  # all that CPython tells of pthread_create's EAGAIN
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
