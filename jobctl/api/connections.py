"""The store as programs use it: one connection a thread, opened when it is first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobctl.clock import Clock, SystemClock
from jobctl.configuration import read_configuration
from jobctl.errors import NotFoundError
from jobctl.model.homes import Home
from jobctl.settings import Settings, settings_of
from jobctl.store import Store

_INHERITED: list[object] = []
"""Connections of the process this one was forked from: SQLite must not see them used or closed here."""


class Connections:
    """The connections of one client to the store of one home.

    Every thread has its own, and so has every iterator. ``close`` closes that of the calling thread at once and those
    of other threads as soon as these have finished what they do.
    """

    def __init__(self, home: Home, clock: Clock | None = None) -> None:
        self.home = home
        self.clock: Clock = clock or SystemClock()
        self._local = threading.local()
        self._owner = os.getpid()

    def store(self, *, create: bool = False) -> Store:
        """The connection of this thread; with ``create`` the store is made if there is none.

        Raises:
            NotFoundError: ``E_NO_STORE``: there is no store, and ``create`` is False.
            UnusableError: the file is not a store of ours, newer, damaged, or not accessible.
        """
        if self._owner != os.getpid():
            _INHERITED.append(self._local)
            self._local, self._owner = threading.local(), os.getpid()
        found: Store | None = getattr(self._local, "store", None)
        if found is None:
            found = self._local.store = Store.open(self.home, self.clock, create=create)
        return found

    def existing(self) -> Store | None:
        """The connection of this thread; None where no store was made yet: reading never creates one."""
        try:
            return self.store()
        except NotFoundError as error:
            if error.code != "E_NO_STORE":
                raise
            return None

    @contextmanager
    def own(self, *, create: bool = False) -> Iterator[Store]:
        """A connection of its own for the ``with`` block: an iterator may be passed from thread to thread."""
        with Store.open(self.home, self.clock, create=create) as store:
            yield store

    def settings(self) -> Settings:
        """Defaults, then ``jobctl.yaml``, then ``JOBCTL_*`` variables: what holds for the verbs, too."""
        configuration = read_configuration(self.home)
        base = Settings() if configuration is None else configuration.over(Settings())
        return settings_of(os.environ, base)

    def close(self) -> None:
        """Nothing is open any more; closing twice is harmless, and what is called later opens anew."""
        self.close_own()
        self._local = threading.local()

    def close_own(self) -> None:
        """The calling thread has no connection any more."""
        found: Store | None = getattr(self._local, "store", None)
        if found is not None and self._owner == os.getpid():
            found.close()
            del self._local.store
