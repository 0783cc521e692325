"""Dependencies, unique keys, locks, resources, rates and batches.

``gated`` marks jobs that need more than a slot (a lock or resources), so that the claim of all others stays one
UPDATE. A lock and an amount of a resource belong to running jobs only.
"""

STATEMENTS = (
    """CREATE TABLE dependencies(
      job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
      needs_id INTEGER NOT NULL,
      condition TEXT NOT NULL CHECK(condition IN('success','any','failure')),
      PRIMARY KEY(job_id, needs_id, condition)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX dependencies_needs ON dependencies(needs_id)",
    "ALTER TABLE jobs ADD COLUMN needs_left INTEGER NOT NULL DEFAULT 0 CHECK(needs_left>=0)",
    "ALTER TABLE jobs ADD COLUMN gated INTEGER NOT NULL DEFAULT 0 CHECK(gated IN(0,1))",
    "CREATE INDEX jobs_gated ON jobs(queue) WHERE state='queued' AND gated=1",
    """CREATE UNIQUE INDEX jobs_unique ON jobs(unique_key)
      WHERE unique_key IS NOT NULL AND state IN('created','queued','running')""",
    "CREATE UNIQUE INDEX jobs_lock ON jobs(lock_key) WHERE lock_key IS NOT NULL AND state='running'",
    """CREATE INDEX jobs_lock_waiting ON jobs(lock_key, priority, id)
      WHERE lock_key IS NOT NULL AND state='created' AND reason='lock'""",
    """CREATE TABLE resources(
      name TEXT PRIMARY KEY, total INTEGER NOT NULL CHECK(total BETWEEN 0 AND 100000)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE job_resources(
      job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, name TEXT NOT NULL,
      amount INTEGER NOT NULL CHECK(amount>0), indices TEXT CHECK(json_valid(indices)),
      PRIMARY KEY(job_id, name)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX job_resources_name ON job_resources(name, job_id)",
    "ALTER TABLE queues ADD COLUMN draining INTEGER NOT NULL DEFAULT 0 CHECK(draining IN(0,1))",
    "ALTER TABLE queues ADD COLUMN rate_count INTEGER CHECK(rate_count>0)",
    "ALTER TABLE queues ADD COLUMN rate_seconds REAL CHECK(rate_seconds>0)",
    "ALTER TABLE queues ADD COLUMN tokens REAL",
    "ALTER TABLE queues ADD COLUMN tokens_at INTEGER",
)
