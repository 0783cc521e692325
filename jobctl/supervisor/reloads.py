"""Reading ``jobctl.yaml`` again while the supervisor runs, on SIGHUP or by ``jobctl reload``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from jobctl.actions.configurations import RELOAD_MARK, apply_configuration
from jobctl.actions.declarations import with_declarations
from jobctl.actions.inspections import inspection_order
from jobctl.clock import Clock
from jobctl.configuration import required_configuration
from jobctl.errors import JobctlError, StoreBusyError, StoreDamagedError, StoreForeignError, StoreFullError
from jobctl.executors.inspections import Inspection, started
from jobctl.model.configurations import Configuration
from jobctl.model.events import Entity, EventKind
from jobctl.model.functions import Inspected
from jobctl.settings import Settings, settings_of
from jobctl.store import Store
from jobctl.supervisor.bugs import frames_of
from jobctl.supervisor.lifeline import Lifeline

_LONGEST_TEXT = 1000


@dataclass(slots=True)
class _Look:
    """What the file said when it was read, and the child that looks at its modules."""

    configuration: Configuration
    settings: Settings
    inspection: Inspection | None
    found: Inspected = field(default_factory=Inspected)

    def is_over(self, now: float) -> bool:
        """Whether everything was looked at; ``found`` holds it then."""
        if self.inspection is None:
            return True
        found = self.inspection.poll(now)
        if found is None:
            return False
        self.found, self.inspection = found, None
        return True


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
        self._look: _Look | None = None
        self.wanted = False

    def hear(self, hangups: int, poked: bool) -> None:
        """A signal that arrived, or a mark that was left before a poke, is a wish to reload."""
        if hangups != self._hangups:
            self._hangups, self.wanted = hangups, True
            self.close()  # what is looked at now may be what has changed since
        if poked:
            try:
                os.unlink(self._mark)
            except OSError:
                return
            self.wanted = True
            self.close()

    def settings(self) -> Settings | None:
        """The settings from now on; None while they stay as they are. In no transaction.

        Modules are imported by a child, for as many turns as that takes.
        """
        if not self.wanted:
            return None
        try:
            self._look = self._look or self._begun()
            if not self._look.is_over(self._clock.monotonic()):
                return None
            settings = self._look.settings
            self._apply(self._look)
        except (StoreBusyError, StoreFullError):
            return None  # the next turn tries again
        except (StoreDamagedError, StoreForeignError):
            raise
        except Exception as error:  # noqa: BLE001 - a file, whatever it holds, does not end what runs
            self._refuse(error)
            return None
        self.close()
        self.wanted = False
        return settings

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that was just reaped looked at modules for this."""
        inspection = None if self._look is None else self._look.inspection
        return inspection is not None and inspection.reaped(pid, status)

    def close(self) -> None:
        """Nothing is looked at any more."""
        if self._look is not None and self._look.inspection is not None:
            self._look.inspection.close()
        self._look = None

    def _begun(self) -> _Look:
        home = self._store.home
        configuration = required_configuration(home)
        settings = settings_of(self._environment(), configuration.over(Settings()))
        order = inspection_order(home, settings, configuration)
        return _Look(
            configuration, settings, None if order is None else started(order, self._clock.monotonic())
        )

    def _apply(self, look: _Look) -> None:
        store = self._store
        configuration = with_declarations(look.configuration, look.found, store.home, look.settings)
        with store.write():
            changes = apply_configuration(store, configuration, self._clock)
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
        self.close()
        self.wanted = False

    def _tell(self, kind: EventKind, body: dict[str, object]) -> None:
        self._store.events.add(self._clock.now_ms(), kind, Entity.SUPERVISOR, self._lifeline.id, body)
