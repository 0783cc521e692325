"""Paused jobs: what callers want, since when a running job is stopped, and how long it has been before.

``paused_ms`` is what its time limit does not count. All three belong to one attempt; a claim resets them.
"""

STATEMENTS = (
    "ALTER TABLE jobs ADD COLUMN pause_wanted INTEGER NOT NULL DEFAULT 0 CHECK(pause_wanted IN(0,1))",
    "ALTER TABLE jobs ADD COLUMN paused_at INTEGER",
    "ALTER TABLE jobs ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0 CHECK(paused_ms>=0)",
    """CREATE INDEX jobs_pausing ON jobs(life_id)
      WHERE state='running' AND pause_wanted<>(paused_at IS NOT NULL)""",
)
