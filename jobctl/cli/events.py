"""``events``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from jobctl.actions.changes import POLL_SECONDS, ChangeWatch
from jobctl.actions.events import (
    EventQuery,
    Gap,
    cursor_at,
    events_after,
    follow_events,
    gap_before,
    newest_events,
    reachable_cursor,
)
from jobctl.actions.selections import past_instant
from jobctl.cli.complete import complete_event_kinds
from jobctl.cli.invocation import Invocation, pause_while_read
from jobctl.cli.words import existing_store
from jobctl.errors import InterruptedByUserError
from jobctl.model.events import Event, check_pattern
from jobctl.model.selectors import LARGEST_ID
from jobctl.store import Store
from jobctl.views.events import event_json, event_line

ON_A_TERMINAL = 100


def events(
    call: Invocation,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="ID|T", help="After this event id, or since this time, or this long ago."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="job.*",
            help="Only kinds like this; repeatable.",
            autocompletion=complete_event_kinds,
        ),
    ] = None,
) -> int:
    """Print what happened: the last 100 events on a terminal, all in a pipe; -f: what happens from now on.

    With --json one object a line. A bare number for --since is the id of the last event already seen.

    \b
    Examples:
      jobctl events --since 1h --kind 'job.failed'
      jobctl events -f --kind 'job.*'
      jobctl events -f --since 4711 --json
    """
    kinds = tuple(map(check_pattern, kind or ()))
    cursor = _id_cursor(since)
    instant = (
        None if since is None or cursor is not None else past_instant(since, "--since", call.clock.now_ms())
    )
    store = existing_store(call)
    if store is None:
        if not follow:
            return 0
        store, cursor = _awaited_store(call), cursor or 0
    with store:
        if instant is not None:
            cursor = cursor_at(store, instant)
        elif cursor is not None:
            cursor = _reachable(call, store, cursor)
        if follow:
            return _follow(
                call, store, EventQuery(store.events.last_id() if cursor is None else cursor, kinds)
            )
        gap = gap_before(store, cursor) if cursor is not None and instant is None else None
        if gap is not None:
            _note_gap(call, gap)
        query = EventQuery(cursor or 0, kinds)
        cut = call.is_terminal and not call.json and since is None
        for event in newest_events(store, query, ON_A_TERMINAL) if cut else events_after(store, query):
            _print(call, event)
    return 0


def _reachable(call: Invocation, store: Store, cursor: int) -> int:
    reachable = reachable_cursor(store, cursor)
    if reachable < cursor:
        call.note(f"there is no event {cursor} yet; going on after the newest, {reachable}")
    return reachable


def _id_cursor(since: str | None) -> int | None:
    if since is None or not (since.isascii() and since.isdigit()) or len(since) > 19:
        return None
    return min(int(since), LARGEST_ID)


def _awaited_store(call: Invocation) -> Store:
    """The store, once somebody has made it."""
    path = call.home().store
    call.note(f"no store yet; waiting for {path!r}")
    while not (os.path.exists(path) and os.path.getsize(path)):
        pause_while_read(POLL_SECONDS)
    return call.store()


def _follow(call: Invocation, store: Store, query: EventQuery) -> int:
    """Events are printed until Ctrl-C, which is how following ends: nothing is said of it."""
    try:
        for found in follow_events(store, query, ChangeWatch(store, pause_while_read)):
            if isinstance(found, Gap):
                _note_gap(call, found)
            else:
                _print(call, found)
                sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    return InterruptedByUserError.exit_code


def _note_gap(call: Invocation, gap: Gap) -> None:
    call.note(f"events {gap.first_missing} to {gap.last_missing} are no longer kept")


def _print(call: Invocation, event: Event) -> None:
    if call.json:
        call.print_json(event_json(event))
    else:
        call.print(f"{event.id} {event_line(event, color=call.color)}")
