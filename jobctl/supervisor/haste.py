"""Haste: how much time daemons have that are being ended, once the supervisor is to stop now."""

from __future__ import annotations

from jobctl.model.lives import StopMode

IMPATIENT_SIGNALS = 2
"""The first stop signal drains, the second one stops; any more kill what is left of daemons."""


class Haste:
    """What is left to each daemon in place of its own time."""

    def __init__(self) -> None:
        self.grace: float | None = None
        """Seconds; None: its own time."""
        self._asked = False

    def heed(self, stopping: StopMode | None, *, closing: bool, grace: float | None, signals: int) -> None:
        """It is known how urgent the end is.

        Args:
            stopping: how the supervisor was asked to stop.
            closing: whether daemons are being ended already: then who says now is tired of waiting for them.
            grace: what ``up --grace`` says.
            signals: how many stop signals came.
        """
        if stopping is not StopMode.NOW:
            return
        if not self._asked:
            self.grace = 0.0 if closing and grace is None else grace
        self._asked = True
        if signals > IMPATIENT_SIGNALS:
            self.grace = 0.0
