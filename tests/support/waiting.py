"""Waiting for a fact, in place of sleeping."""

from __future__ import annotations

import select
import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], object], *, seconds: float = 60.0) -> None:
    """``predicate`` has become true.

    Raises:
        AssertionError: it has not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, f"not within {seconds} s: {predicate}"
        select.select([], [], [], 0.002)
