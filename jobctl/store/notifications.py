"""Notifications as rows: the plan, the cursor over the events, what waits and what was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jobctl.model.documents import canonical_json
from jobctl.model.notifications import NotificationPlan, Told, Waiting, plan_of
from jobctl.store.database import Database
from jobctl.store.events import Events

NotificationRow = tuple[str, int, int, str, str]
"""Target, id of the event, its instant, title, text."""


class Notifications:
    """The tables of migration 13. Writing methods expect an open write transaction."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events
        self._document = ""
        self._plan = NotificationPlan()

    def plan(self) -> tuple[NotificationPlan, int] | None:
        """The plan that holds and the last event that was looked at; None without one."""
        row = self._database.row("SELECT document, cursor FROM notification_plan")
        if row is None:
            return None
        if row[0] != self._document:
            self._document, self._plan = row[0], plan_of(json.loads(row[0]))
        return self._plan, row[1]

    def apply(self, plan: NotificationPlan) -> bool:
        """This plan holds from now on; True if that changes anything. What happened before is not told."""
        found = self._database.value("SELECT document FROM notification_plan")
        if not plan.targets and not plan.rules:
            self._database.rows("DELETE FROM notifications WHERE job_id IS NULL")
            self._database.rows("DELETE FROM notification_plan")
            return found is not None
        document = canonical_json(plan.as_json())
        if found == document:
            return False
        self._database.rows(
            "INSERT INTO notification_plan(id, document, cursor) VALUES(1, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET document=excluded.document",
            (document, self._events.last_id()),
        )
        self._database.rows(
            "DELETE FROM notifications WHERE job_id IS NULL"
            " AND target NOT IN(SELECT value FROM json_each(?))",
            (canonical_json(list(plan.targets)),),
        )
        return True

    def move_cursor(self, cursor: int) -> None:
        """Events up to this one were looked at."""
        self._database.rows("UPDATE notification_plan SET cursor=? WHERE cursor<?", (cursor, cursor))

    def add(self, rows: Sequence[NotificationRow]) -> None:
        """These wait to be told."""
        self._database.many(
            "INSERT INTO notifications(target, event_id, at, title, text) VALUES(?,?,?,?,?)"
            " ON CONFLICT(event_id, target) DO NOTHING",
            rows,
        )

    def waiting(self) -> list[Waiting]:
        """What waits, by target."""
        rows = self._database.rows(
            "SELECT target, count(*), min(at) FROM notifications WHERE job_id IS NULL GROUP BY target"
        )
        return [Waiting(*row) for row in rows]

    def sent_since(self, target: str, instant: int) -> list[int]:
        """When messages went to the target since then, oldest first."""
        rows = self._database.rows(
            "SELECT at FROM notification_messages WHERE target=? AND at>? ORDER BY at", (target, instant)
        )
        return [row[0] for row in rows]

    def put_into(self, target: str, job_id: int, now: int) -> int:
        """All that waits for the target is told by this job; returns how many events that are."""
        taken = self._database.rows(
            "UPDATE notifications SET job_id=? WHERE job_id IS NULL AND target=? RETURNING id",
            (job_id, target),
        )
        self._database.rows(
            "INSERT INTO notification_messages(job_id, target, at, events) VALUES(?,?,?,?)",
            (job_id, target, now, len(taken)),
        )
        return len(taken)

    def items(self, job_id: int, limit: int) -> tuple[list[tuple[str, str]], int]:
        """Title and text of the first events that the job tells, and how many it tells in all."""
        rows = self._database.rows(
            "SELECT title, text FROM notifications WHERE job_id=? ORDER BY id LIMIT ?", (job_id, limit)
        )
        total = self._database.value("SELECT count(*) FROM notifications WHERE job_id=?", (job_id,))
        return [(row[0], row[1]) for row in rows], int(total)

    def told(self) -> dict[str, Told]:
        """How each target fared, as far as its messages are kept."""
        found = {
            row[0]: Told(row[1], row[2], row[3], row[4])
            for row in self._database.rows(
                "SELECT m.target, m.count, m.at, j.id, j.state FROM"
                " (SELECT target, count(*) AS count, max(at) AS at, max(job_id) AS job_id"
                "  FROM notification_messages GROUP BY target) AS m JOIN jobs AS j ON j.id=m.job_id"
            )
        }
        for one in self.waiting():
            before = found.get(one.target, Told())
            found[one.target] = Told(
                before.messages, before.last_at, before.last_job_id, before.last_status, one.events
            )
        return found
