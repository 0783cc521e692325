"""Notifications: the plan that holds, how far the events were looked through, and what waits to be told.

``notification_plan`` has one row while there is a plan. ``cursor`` moves in the transaction that writes the rows it
passed, so no event is told twice or forgotten. The URLs of targets are in no table.
"""

STATEMENTS = (
    """CREATE TABLE notification_plan(
      id INTEGER PRIMARY KEY CHECK(id=1),
      document TEXT NOT NULL CHECK(json_valid(document)),
      cursor INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE notifications(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      target TEXT NOT NULL, event_id INTEGER NOT NULL, at INTEGER NOT NULL,
      title TEXT NOT NULL, text TEXT NOT NULL,
      job_id INTEGER REFERENCES jobs(id) ON DELETE CASCADE,
      UNIQUE(event_id, target)
    ) STRICT""",
    "CREATE INDEX notifications_waiting ON notifications(target, id) WHERE job_id IS NULL",
    "CREATE INDEX notifications_job ON notifications(job_id) WHERE job_id IS NOT NULL",
    """CREATE TABLE notification_messages(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      target TEXT NOT NULL, at INTEGER NOT NULL, events INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX notification_messages_at ON notification_messages(target, at)",
)
