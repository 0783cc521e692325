"""Named job definitions, and which jobs were made from which.

A definition that ``jobctl.yaml`` no longer names keeps its row with ``gone_at``: its jobs and schedules still
point at it by name. ``revision`` counts what the file made of it; jobs remember the name only.
"""

STATEMENTS = (
    """CREATE TABLE definitions(
      name TEXT PRIMARY KEY, document TEXT NOT NULL CHECK(json_valid(document)),
      category TEXT, type TEXT, icon TEXT,
      source TEXT NOT NULL CHECK(source IN('file','builtin')),
      revision INTEGER NOT NULL DEFAULT 1 CHECK(revision>0),
      created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, gone_at INTEGER
    ) STRICT, WITHOUT ROWID""",
    "ALTER TABLE jobs ADD COLUMN definition TEXT",
    "CREATE INDEX jobs_definition ON jobs(definition, id) WHERE definition IS NOT NULL",
    """CREATE INDEX jobs_definition_open ON jobs(definition, state)
      WHERE definition IS NOT NULL AND finished_at IS NULL""",
)
