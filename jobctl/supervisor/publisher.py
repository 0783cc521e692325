"""Tells a listener every event after its commit, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable

from jobctl.model.events import Event
from jobctl.store import Store

PAGE = 500
"""Events told a turn; the rest comes in the next ones."""


class Publisher:
    """The listener's place in the events; without a listener nothing is read.

    Args:
        store: whose events.
        cursor: the id of the last event that is not told.
        listener: gets every newer one.
    """

    def __init__(self, store: Store, cursor: int, listener: Callable[[list[Event]], None] | None) -> None:
        self._store = store
        self._cursor = cursor
        self._listener = listener
        self.has_more = False
        """Whether there may be more to tell at once."""

    def publish(self) -> None:
        """The listener has a page more of what was committed so far."""
        if self._listener is None:
            return
        events = self._store.events.after(self._cursor, PAGE)
        if events:
            self._cursor = events[-1].id
            self._listener(events)
        self.has_more = len(events) == PAGE
