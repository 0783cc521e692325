"""A daemon's output: when its spools are looked at, and when what is left of a generation may go."""

from __future__ import annotations

import contextlib
import os
import re

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.spools import Spool, SpoolPump
from jobctl.model.homes import Home

SECONDS, QUIET_SECONDS = 0.1, 0.5
"""Between two looks; the second where nothing came for ``QUIET_AFTER_SECONDS``."""
QUIET_AFTER_SECONDS = 2.0

_GENERATION = re.compile("[1-9][0-9]{0,9}")
"""The name of a generation's directory; what else lies there is no business of ours."""


class DaemonOutput:
    """Takes what one daemon prints into its log, generation after generation."""

    def __init__(self, home: Home, name: str, pump: SpoolPump) -> None:
        self.pump = pump
        self.problem: str | None = None
        """Why the log cannot be written now."""
        self._home = home
        self._name = name
        self._at = 0.0
        self._last = 0.0
        self._ended: set[int] = set()
        self._over: set[int] = set()
        """Ended generations whose ends are on record."""

    def due_at(self) -> float | None:
        """When the next look is due; None while nobody writes."""
        return self._at if self.pump.pending else None

    @property
    def is_behind(self) -> bool:
        """Whether ended generations have output that is not in the log yet, but can be."""
        return self.problem is None and any(one in self._ended | self._over for one in self.pump.pending)

    def begin(self, number: int, now: float) -> None:
        """What the generation prints is taken from now on."""
        directory = self._home.generation(self._name, number)
        self.pump.begin(Spool(number, f"{directory}/stdout.log", f"{directory}/stderr.log"))
        self._at = self._last = now

    def end(self, number: int, now: float) -> None:
        """The generation prints no more."""
        self.pump.end(number)
        self._ended.add(number)
        self._at = now

    def take_up(self, living: int | None, now: float) -> str | None:
        """What other lives left unread of ended generations is taken; returns why it cannot be looked for."""
        try:
            names = os.listdir(self._home.daemon(self._name))
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{self._home.daemon(self._name)}: {error.strerror}"
        for number in sorted(int(name) for name in names if _GENERATION.fullmatch(name)):
            if number != living:
                self.begin(number, now)
                self.end(number, now)
        return None

    def look(self, now: float) -> tuple[tuple[str, bytes], ...]:
        """What is new is in the log, and is returned; nothing before a look is due."""
        if not self.pump.pending or now < self._at:
            return ()
        pumped = self.pump.pump()
        self.problem = pumped.problem
        if pumped.pieces:
            self._last = now
        if self._over:
            self._clear()
        pause = QUIET_SECONDS if now - self._last >= QUIET_AFTER_SECONDS else SECONDS
        # At the same instants for all: twenty quiet daemons wake the loop twice a second, not forty times.
        self._at = now if pumped.more else (now // pause + 1) * pause
        return pumped.pieces

    def recorded(self) -> None:
        """The ends of all generations so far are on record: once their output is in the log they may go."""
        self._over |= self._ended
        self._ended.clear()
        self._clear()

    def _clear(self) -> None:
        pending = self.pump.pending
        for number in [one for one in self._over if one not in pending]:
            self._over.discard(number)
            with contextlib.suppress(OSError):  # the next life tries again
                AttemptDirectory(self._home.generation(self._name, number)).remove()
