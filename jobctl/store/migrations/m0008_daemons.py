"""Daemons: definition, intent and facts in one row each, and how their generations ended.

A removed daemon keeps its row until nothing of it runs any more; declared anew meanwhile, the row is its again, so
generations never repeat under one name.
"""

IS_BY_DAEMON = "submitted_by>='daemon:' AND submitted_by<'daemon;'"
"""The condition that a job was submitted by a daemon, as its index has it."""

STATEMENTS = (
    """CREATE TABLE daemons(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE,
      definition TEXT NOT NULL CHECK(json_valid(definition)),
      source TEXT NOT NULL CHECK(source IN('cli','file','gone')),
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      edits INTEGER NOT NULL DEFAULT 1,
      revision INTEGER NOT NULL DEFAULT 1,
      wanted TEXT NOT NULL DEFAULT 'down' CHECK(wanted IN('up','down')),
      starts_asked INTEGER NOT NULL DEFAULT 0,
      restarts_asked INTEGER NOT NULL DEFAULT 0,
      removed_at INTEGER,
      state TEXT NOT NULL DEFAULT 'stopped' CHECK(state IN
        ('stopped','waiting','starting','running','backoff','stopping','exited','error')),
      reason TEXT,
      error TEXT,
      generation INTEGER NOT NULL DEFAULT 0 CHECK(generation>=0),
      pid INTEGER,
      vouched INTEGER NOT NULL DEFAULT 0 CHECK(vouched IN(0,1)),
      started_at INTEGER,
      ready_at INTEGER,
      started_revision INTEGER,
      restarts INTEGER NOT NULL DEFAULT 0,
      consecutive_failures INTEGER NOT NULL DEFAULT 0,
      next_restart_at INTEGER,
      heartbeat_at INTEGER,
      status_text TEXT,
      last_exit_code INTEGER,
      last_signal TEXT,
      memory_bytes INTEGER,
      cpu_percent REAL,
      health TEXT CHECK(health IN('healthy','unhealthy')),
      starts_done INTEGER NOT NULL DEFAULT 0,
      restarts_done INTEGER NOT NULL DEFAULT 0,
      CHECK(removed_at IS NULL OR wanted='down')
    ) STRICT""",
    """CREATE TABLE daemon_exits(
      daemon_id INTEGER NOT NULL REFERENCES daemons(id) ON DELETE CASCADE,
      generation INTEGER NOT NULL,
      pid INTEGER,
      started_at INTEGER NOT NULL,
      ended_at INTEGER NOT NULL,
      exit_code INTEGER,
      signal TEXT,
      reason TEXT,
      error TEXT,
      PRIMARY KEY(daemon_id, generation)
    ) STRICT, WITHOUT ROWID""",
    f"CREATE INDEX jobs_daemons ON jobs(submitted_by, id) WHERE {IS_BY_DAEMON}",
)
