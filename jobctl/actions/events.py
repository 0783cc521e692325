"""Reading the events, and following them by cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from jobctl.actions.changes import ChangeWatch
from jobctl.model.events import Event
from jobctl.store import Store

_PAGE = 1000
FOLLOW_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: with an id above ``cursor`` and of a kind like one of ``kinds`` (all when empty)."""

    cursor: int = 0
    kinds: tuple[str, ...] = ()

    def wants(self, event: Event) -> bool:
        """Whether the event's kind is asked for."""
        return not self.kinds or any(fnmatchcase(event.kind, pattern) for pattern in self.kinds)


@dataclass(frozen=True, slots=True)
class Gap:
    """Events between the cursor and the first one kept are gone."""

    first_missing: int
    last_missing: int


def cursor_at(store: Store, instant: int) -> int:
    """The cursor behind which the events at or after ``instant`` begin."""
    return store.events.last_id_before(instant)


def gap_before(store: Store, cursor: int) -> Gap | None:
    """What lies behind ``cursor`` but is no longer kept."""
    first = store.events.first_id()
    if first > cursor + 1:
        return Gap(cursor + 1, first - 1)
    return None


def reachable_cursor(store: Store, cursor: int) -> int:
    """``cursor``, or the newest event where that is older: a cursor of before a restore would hide what comes."""
    return min(cursor, store.events.last_id())


def events_after(store: Store, query: EventQuery) -> Iterator[Event]:
    """The events of ``query`` up to now, oldest first; read in pages, so that no reader stays open."""
    for event in _pages(store, query.cursor):
        if query.wants(event):
            yield event


def newest_events(store: Store, query: EventQuery, limit: int) -> Sequence[Event]:
    """The last ``limit`` events of ``query``, oldest first."""
    from collections import deque

    if not query.kinds:
        query = EventQuery(max(query.cursor, store.events.last_id() - limit))
    return list(deque(events_after(store, query), maxlen=limit))


class EventReader:
    """A cursor over the events of ``query``; ``poll`` takes 20 µs while nothing is new."""

    def __init__(self, store: Store, query: EventQuery, watch: ChangeWatch | None = None) -> None:
        self._store, self._query = store, query
        self.watch = watch or ChangeWatch(store)
        self.cursor = query.cursor

    def poll(self) -> Iterator[Event | Gap]:
        """What came since the last call; read in pages, so that no reader stays open."""
        if not self.watch.changed():
            return
        gap = gap_before(self._store, self.cursor)
        if gap is not None:
            yield gap
            self.cursor = gap.last_missing
        for event in _pages(self._store, self.cursor):
            self.cursor = event.id
            if self._query.wants(event):
                yield event


def follow_events(store: Store, query: EventQuery, watch: ChangeWatch | None = None) -> Iterator[Event | Gap]:
    """The events of ``query``, then each new one within 50 ms; never ends by itself."""
    reader = EventReader(store, query, watch)
    while True:
        yield from reader.poll()
        reader.watch.pause(FOLLOW_SECONDS)


def _pages(store: Store, cursor: int) -> Iterator[Event]:
    while page := store.events.after(cursor, _PAGE):
        yield from page
        cursor = page[-1].id
        if len(page) < _PAGE:
            return
