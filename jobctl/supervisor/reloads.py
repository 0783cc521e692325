"""Reading ``jobctl.yaml`` again while the supervisor runs, on SIGHUP or by ``jobctl reload``."""

from __future__ import annotations

import os
from collections.abc import Callable

from jobctl.actions.configurations import RELOAD_MARK, Change, apply_configuration
from jobctl.clock import Clock
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError, NotFoundError, StoreBusyError, StoreFullError, UnusableError
from jobctl.model.configurations import Configuration
from jobctl.model.events import Entity, EventKind
from jobctl.settings import Settings, settings_of
from jobctl.store import Store
from jobctl.supervisor.lifeline import Lifeline


class Reloads:
    """Notices the wish to reload and carries it out. A broken file changes nothing and is told as an event."""

    def __init__(
        self, store: Store, lifeline: Lifeline, clock: Clock, environment: Callable[[], dict[str, str]]
    ) -> None:
        self._store = store
        self._lifeline = lifeline
        self._clock = clock
        self._environment = environment
        self._mark = f"{store.home.life(lifeline.id)}/{RELOAD_MARK}"
        self._hangups = 0
        self.wanted = False

    def hear(self, hangups: int, poked: bool) -> None:
        """A signal that arrived, or a mark that was left before a poke, is a wish to reload."""
        if hangups != self._hangups:
            self._hangups, self.wanted = hangups, True
        if poked:
            try:
                os.unlink(self._mark)
            except OSError:
                return
            self.wanted = True

    def settings(self) -> Settings | None:
        """The settings from now on; None while they stay as they are. In no transaction."""
        if not self.wanted:
            return None
        try:
            configuration = read_configuration(self._store.home)
            if configuration is None:  # a file that is gone says nothing: its jobs and schedules are disabled
                configuration = Configuration()
            settings = settings_of(self._environment(), configuration.over(Settings()))
        except (BadInputError, UnusableError) as error:
            self._refuse(str(error))
            return None
        try:
            with self._store.write():
                changes = apply_configuration(self._store, configuration, self._clock)
                self._tell(EventKind.SUPERVISOR_RELOADED, _told(changes))
        except (StoreBusyError, StoreFullError):
            return None  # the next turn tries again
        except (BadInputError, NotFoundError) as error:  # what a job or a schedule names is not there
            self._refuse(str(error))
            return None
        self.wanted = False
        return settings

    def _refuse(self, error: str) -> None:
        try:
            with self._store.write():
                self._tell(EventKind.SUPERVISOR_RELOAD_REFUSED, {"error": error})
        except (StoreBusyError, StoreFullError):
            return
        self.wanted = False

    def _tell(self, kind: EventKind, body: dict[str, object]) -> None:
        self._store.events.add(self._clock.now_ms(), kind, Entity.SUPERVISOR, self._lifeline.id, body)


def _told(changes: list[Change]) -> dict[str, object]:
    return {"changes": [str(change) for change in changes]}
