"""Figures about what happened, kept apart from the rows they were counted from.

They are counted from the events, in pages (``store.rollups``): ``rollup_cursor`` is the last event that counts, and
moves in the transaction that adds the counts. So nothing counts twice or never, whoever is killed when; an end costs
nothing more than it did; and what a store of an older version knows is counted likewise, a page at a time, after the
migration. Figures stay when jobs and events go.
"""

STATEMENTS = (
    """CREATE TABLE rollup_cursor(
      id INTEGER PRIMARY KEY CHECK(id=1), event_id INTEGER NOT NULL CHECK(event_id>=0), tidied_at INTEGER
    ) STRICT""",
    "INSERT INTO rollup_cursor(id, event_id) VALUES(1, 0)",
    # span and slot in milliseconds; key is "" for all, and for jobs without a type; other: too rare to be kept apart.
    """CREATE TABLE stat_slots(
      span INTEGER NOT NULL, slot INTEGER NOT NULL,
      dimension TEXT NOT NULL CHECK(dimension IN('all','type','queue','name')),
      other INTEGER NOT NULL CHECK(other IN(0,1)), key TEXT NOT NULL,
      submitted INTEGER NOT NULL, completed INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL,
      timeout INTEGER NOT NULL, attempts INTEGER NOT NULL, errors INTEGER NOT NULL, busy_ms INTEGER NOT NULL,
      timed INTEGER NOT NULL, done_ms INTEGER NOT NULL, sketch TEXT NOT NULL CHECK(json_valid(sketch)),
      PRIMARY KEY(span, dimension, slot, other, key)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE failure_groups(
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, message TEXT NOT NULL, count INTEGER NOT NULL,
      first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, job_id INTEGER NOT NULL, UNIQUE(name, message)
    ) STRICT""",
    """CREATE TABLE failure_slots(
      group_id INTEGER NOT NULL REFERENCES failure_groups(id) ON DELETE CASCADE, slot INTEGER NOT NULL,
      count INTEGER NOT NULL, PRIMARY KEY(group_id, slot)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE depth_samples(
      at INTEGER PRIMARY KEY, queued INTEGER NOT NULL, running INTEGER NOT NULL
    ) STRICT""",
)
