"""Schedules, and what became of each of their slots.

A slot (schedule, due) is unique: it is decided once, whoever asks twice. ``cursor_at`` is the slot up to which all is
settled; a clock that was wrong may take it back, so ``schedule_trims`` remembers of which slots the rows were pruned:
all from ``first_due`` to ``last_due``. ``enabled`` is what the owner wants, ``broken`` why it cannot be heeded.
"""

IS_SCHEDULED = "submitted_by>='schedule:' AND submitted_by<'schedule;'"
"""Jobs that a schedule submitted."""

STATEMENTS = (
    """CREATE TABLE schedules(
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL, expression TEXT NOT NULL, rule TEXT NOT NULL CHECK(json_valid(rule)),
      timezone TEXT NOT NULL, type TEXT, user TEXT,
      created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
      enabled INTEGER NOT NULL CHECK(enabled IN(0,1)), disabled_until INTEGER, disabled_reason TEXT, broken TEXT,
      missed TEXT NOT NULL CHECK(missed IN('skip','latest','all')),
      missed_grace_seconds REAL NOT NULL CHECK(missed_grace_seconds>=0),
      overlap TEXT NOT NULL CHECK(overlap IN('skip','queue','replace','allow')),
      jitter_seconds REAL NOT NULL CHECK(jitter_seconds>=0), start_at INTEGER, end_at INTEGER,
      template TEXT NOT NULL CHECK(json_valid(template)),
      source TEXT NOT NULL CHECK(source IN('command line','file','builtin')),
      cursor_at INTEGER NOT NULL, next_at INTEGER, settled_for TEXT, last_ended_at INTEGER,
      waiting INTEGER NOT NULL DEFAULT 0 CHECK(waiting IN(0,1)),
      ended INTEGER NOT NULL DEFAULT 0 CHECK(ended IN(0,1)),
      last_at INTEGER, last_job_id INTEGER,
      runs INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
      missed_count INTEGER NOT NULL DEFAULT 0,
      CHECK(enabled=0 OR (disabled_until IS NULL AND disabled_reason IS NULL))
    ) STRICT""",
    "CREATE INDEX schedules_due ON schedules(next_at) WHERE next_at IS NOT NULL",
    "CREATE INDEX schedules_waiting ON schedules(id) WHERE waiting=1",
    """CREATE TABLE schedule_fires(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      schedule_id INTEGER NOT NULL REFERENCES schedules(id) ON DELETE CASCADE,
      due_at INTEGER, decided_at INTEGER NOT NULL,
      outcome TEXT NOT NULL CHECK(outcome IN('fired','pending','skipped','missed','failed')),
      trigger TEXT NOT NULL CHECK(trigger IN('slot','manual','catch-up')),
      reason TEXT, job_id INTEGER, late_ms INTEGER,
      count INTEGER NOT NULL DEFAULT 1 CHECK(count>0), is_exact INTEGER NOT NULL DEFAULT 1, last_due_at INTEGER,
      CHECK((due_at IS NULL)=(trigger='manual'))
    ) STRICT""",
    """CREATE TABLE schedule_trims(
      schedule_id INTEGER NOT NULL REFERENCES schedules(id) ON DELETE CASCADE,
      first_due INTEGER NOT NULL, last_due INTEGER NOT NULL CHECK(last_due>=first_due),
      PRIMARY KEY(schedule_id, first_due)
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX schedule_fires_slot ON schedule_fires(schedule_id, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX schedule_fires_history ON schedule_fires(schedule_id, id)",
    "CREATE INDEX schedule_fires_pending ON schedule_fires(schedule_id, due_at) WHERE outcome='pending'",
    "CREATE INDEX schedule_fires_decided ON schedule_fires(decided_at) WHERE outcome<>'pending'",
    f"CREATE INDEX jobs_scheduled ON jobs(submitted_by, id) WHERE {IS_SCHEDULED}",
    f"CREATE INDEX jobs_scheduled_open ON jobs(submitted_by) WHERE finished_at IS NULL AND {IS_SCHEDULED}",
)
