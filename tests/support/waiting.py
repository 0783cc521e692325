"""Waiting for a fact, in place of sleeping."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

_EAGER_SECONDS = 0.25


def wait_until(
    predicate: Callable[[], object], *, seconds: float = 60.0, patient_pause: float = 0.01
) -> None:
    """``predicate`` has become true.

    It is asked every 2 ms at first. What takes longer waits for other processes, which need the CPU more than
    the asking does: every ``patient_pause`` seconds then.

    Raises:
        AssertionError: it has not within ``seconds``.
    """
    begun = time.monotonic()
    while not predicate():
        waited = time.monotonic() - begun
        assert waited < seconds, f"not within {seconds} s: {predicate}"
        select.select([], [], [], 0.002 if waited < _EAGER_SECONDS else patient_pause)
