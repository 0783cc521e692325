"""Functions that may be called, and definitions that modules declare.

``signatures`` holds the signature of each public function of an allowed module, as it was last looked at, so that the
arguments of a call are checked without importing anything. SQLite cannot widen a CHECK, so ``definitions`` is
written anew.
"""

STATEMENTS = (
    """CREATE TABLE signatures(
      function TEXT PRIMARY KEY, document TEXT NOT NULL CHECK(json_valid(document)), updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE definitions_now(
      name TEXT PRIMARY KEY, document TEXT NOT NULL CHECK(json_valid(document)),
      category TEXT, type TEXT, icon TEXT,
      source TEXT NOT NULL CHECK(source IN('file','builtin','module')),
      revision INTEGER NOT NULL DEFAULT 1 CHECK(revision>0),
      created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, gone_at INTEGER
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO definitions_now SELECT name, document, category, type, icon, source, revision, created_at,"
    " updated_at, gone_at FROM definitions",
    "DROP TABLE definitions",
    "ALTER TABLE definitions_now RENAME TO definitions",
)
