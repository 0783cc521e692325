"""Reading ``jobctl.yaml`` again while the supervisor runs, on SIGHUP or by ``jobctl reload``."""

from __future__ import annotations

import os
from collections.abc import Callable

from jobctl.actions.configurations import RELOAD_MARK, apply_configuration
from jobctl.clock import Clock
from jobctl.configuration import required_configuration
from jobctl.errors import JobctlError, StoreBusyError, StoreDamagedError, StoreForeignError, StoreFullError
from jobctl.model.configurations import Configuration
from jobctl.model.events import Entity, EventKind
from jobctl.settings import Settings, settings_of
from jobctl.store import Store
from jobctl.supervisor.bugs import frames_of
from jobctl.supervisor.lifeline import Lifeline

_LONGEST_TEXT = 1000


class Reloads:
    """Notices the wish to reload and carries it out. A broken or missing file changes nothing and is told."""

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
            configuration = required_configuration(self._store.home)
            settings = settings_of(self._environment(), configuration.over(Settings()))
            self._apply(configuration)
        except (StoreBusyError, StoreFullError):
            return None  # the next turn tries again
        except (StoreDamagedError, StoreForeignError):
            raise
        except Exception as error:  # noqa: BLE001 - a file, whatever it holds, does not end what runs
            self._refuse(error)
            return None
        self.wanted = False
        return settings

    def _apply(self, configuration: Configuration) -> None:
        with self._store.write():
            changes = apply_configuration(self._store, configuration, self._clock)
            told: dict[str, object] = {"changes": [str(change) for change in changes]}
            self._tell(EventKind.SUPERVISOR_RELOADED, told)

    def _refuse(self, error: Exception) -> None:
        """It is on record why; a bug of ours with its traceback."""
        told: dict[str, object] = {"error": str(error)}
        if not isinstance(error, JobctlError):
            told["error"] = f"a bug in jobctl: {type(error).__name__}: {str(error)[:_LONGEST_TEXT]}"
            told["traceback"] = frames_of(error)
        try:
            with self._store.write():
                self._tell(EventKind.SUPERVISOR_RELOAD_REFUSED, told)
        except (StoreBusyError, StoreFullError):
            return
        self.wanted = False

    def _tell(self, kind: EventKind, body: dict[str, object]) -> None:
        self._store.events.add(self._clock.now_ms(), kind, Entity.SUPERVISOR, self._lifeline.id, body)
