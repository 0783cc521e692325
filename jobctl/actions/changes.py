"""Noticing what others write to the store, without a thread and without burning a core."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobctl.store import Store

POLL_SECONDS = 0.02
REREAD_SECONDS = 2.0
"""Even without a change noticed, everything is read again this often."""

Pause = Callable[[float], None]


class ChangeWatch:
    """Tells when another process has committed since it was asked last."""

    def __init__(self, store: Store, pause: Pause = time.sleep) -> None:
        self._database = store.database
        self._pause = pause
        self._version = -1
        self._read_at = 0.0

    def changed(self) -> bool:
        """Whether reading again may show something new; True the first time (20 µs)."""
        version, now = self._database.data_version(), time.monotonic()
        if version == self._version and now - self._read_at < REREAD_SECONDS:
            return False
        self._version, self._read_at = version, now
        return True

    def pause(self, seconds: float = POLL_SECONDS) -> None:
        """A moment passes."""
        self._pause(seconds)
