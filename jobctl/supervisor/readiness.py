"""Readiness: how it is known that a started daemon may be used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobctl.model.daemons import DaemonDefinition, ReadyKind
from jobctl.supervisor.checks import Check
from jobctl.supervisor.outputs import TooSlowError, matches_any

CHECK_EVERY_SECONDS = 0.5
CHECK_TIMEOUT_SECONDS = 10.0
LONGEST_LINE = 4096
"""Of a line of output no more is searched."""


class Readiness:
    """Watches one starting generation. ``ready`` once it is; a READY=1 counts for every kind but ``log`` and ``cmd``.

    Args:
        definition: as it is at the start.
        began: the start, on the monotonic clock.
        check: the run of ``cmd:``, for that kind.
    """

    def __init__(self, definition: DaemonDefinition, began: float, check: Check | None) -> None:
        self.ready = False
        self.problem: str | None = None
        """Why it can never become ready."""
        self.check = check
        self._kind = definition.ready.kind
        self._at = began + definition.start_seconds if self._kind is ReadyKind.UPTIME else None
        self._pattern = re.compile(definition.ready.text) if self._kind is ReadyKind.LOG else None

    @property
    def due_at(self) -> float | None:
        """When ``advance`` has something to do, unless something happens before."""
        if self.ready:
            return None
        return self._at if self.check is None else self.check.due_at

    @property
    def reads_output(self) -> bool:
        """Whether the output tells."""
        return self._pattern is not None and not self.ready

    def notified(self) -> None:
        """The daemon sent READY=1."""
        if self._kind in (ReadyKind.NOTIFY, ReadyKind.UPTIME):
            self.ready = True

    def read(self, pieces: Sequence[tuple[str, bytes]]) -> None:
        """This output was written; whole lines."""
        if self._pattern is None or self.ready:
            return
        lines = [
            line[:LONGEST_LINE].decode("utf-8", "replace")
            for _, piece in pieces
            for line in piece.splitlines()
        ]
        try:
            self.ready = matches_any(self._pattern, lines)
        except TooSlowError:
            self._pattern = None
            self.problem = "the expression of its readiness takes too long on a line of the output"

    def advance(self, now: float) -> None:
        """Time has passed, or a check has ended."""
        if self._at is not None and now >= self._at:
            self.ready = True
        if self.check is not None and not self.ready:
            self.ready = self.check.advance(now) is True

    def close(self) -> None:
        """Nothing is watched any more."""
        if self.check is not None:
            self.check.cancel()
            self.check = None
