"""Turns events into notifications and hands what waits to delivering jobs: two steps of the turn's transaction."""

from __future__ import annotations

from jobctl.actions.notifications import delivery_of, rows_of
from jobctl.clock import Milliseconds
from jobctl.model.notifications import GROUPING_MS, NotificationPlan, Target, Waiting
from jobctl.store import Store

EVENTS_A_TURN = 500


class Notifier:
    """Tells of events for one supervisor."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.more = False
        """Whether there are events that it has not looked at."""
        self.next_at: Milliseconds | None = None
        """When something that waits may be sent."""
        self.is_grouping = False
        """Whether something is about to be sent, within seconds."""

    def record(self, now: Milliseconds) -> None:
        """What happened since the last look waits to be told, or is being told; in the open transaction."""
        self.more, self.next_at, self.is_grouping = False, None, False
        found = self._store.notifications.plan()
        if found is None:
            return
        plan, cursor = found
        self._look(plan, cursor)
        for waiting in self._store.notifications.waiting():
            target = plan.targets.get(waiting.target)
            if target is not None:
                self._send(target, waiting, now)

    def _look(self, plan: NotificationPlan, cursor: int) -> None:
        newest = self._store.events.last_id()
        if newest <= cursor:
            return
        events = self._store.events.of_kinds(cursor, plan.kinds, EVENTS_A_TURN)
        self.more = len(events) == EVENTS_A_TURN
        self._store.notifications.add(rows_of(self._store, plan, events))
        self._store.notifications.move_cursor(events[-1].id if self.more else newest)

    def _send(self, target: Target, waiting: Waiting, now: Milliseconds) -> None:
        # A clock that was set back must not hold it for ever.
        due = min(waiting.oldest_at, now) + GROUPING_MS
        self.is_grouping = self.is_grouping or due > now
        if target.limit is not None:
            window = int(target.limit.seconds * 1000)
            sent = self._store.notifications.sent_since(target.name, now - window)
            if len(sent) >= target.limit.count:
                due = max(due, min(sent[-target.limit.count], now) + window)
        if due <= now:
            delivery_of(target, self._store, now)
        else:
            self.next_at = due if self.next_at is None else min(self.next_at, due)
