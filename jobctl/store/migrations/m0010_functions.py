"""Function jobs: the workers there are, and which of them has which job in hand.

The claim index has the kind in it: a queue whose head are ten thousand functions without a free worker must not be
read through for the one command behind them, nor the other way round. The index of what runs tells, without a row,
how many slots are taken: a worker takes one, however many jobs it has in hand.

``jobs.worker_id`` names no table: a worker's row goes a day after its end, and looking for jobs that name it would
cost each claim and each end an index.
"""

STATEMENTS = (
    """CREATE TABLE workers(
      id INTEGER PRIMARY KEY AUTOINCREMENT, life_id INTEGER NOT NULL, pid INTEGER,
      jobs_done INTEGER NOT NULL DEFAULT 0 CHECK(jobs_done>=0),
      started_at INTEGER NOT NULL, ended_at INTEGER, end_reason TEXT,
      CHECK((ended_at IS NULL)=(end_reason IS NULL))
    ) STRICT""",
    "CREATE INDEX workers_open ON workers(id) WHERE ended_at IS NULL",
    "ALTER TABLE jobs ADD COLUMN worker_id INTEGER",
    """CREATE TABLE tracebacks(
      job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY(job_id, number)
    ) STRICT""",
    "DROP INDEX jobs_claim",
    "CREATE INDEX jobs_claim ON jobs(queue, kind, priority, id) WHERE state='queued'",
    "DROP INDEX jobs_running",
    "CREATE INDEX jobs_running ON jobs(queue, life_id, worker_id) WHERE state='running'",
)
