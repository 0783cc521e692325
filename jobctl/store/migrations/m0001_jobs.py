"""The first schema: queues, lives, jobs with their side tables, attempts, events.

All instants are INTEGER milliseconds UTC. STRICT tables and CHECKs refuse nonsense whoever writes it. The
partial indexes only serve queries that repeat their predicate with literal states (notes/taskqueues.md,
fact 4).
"""

STATEMENTS = (
    """CREATE TABLE migrations(
      number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE queues(
      name TEXT PRIMARY KEY, concurrency INTEGER NOT NULL CHECK(concurrency BETWEEN 0 AND 100000),
      paused_at INTEGER, created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE environments(
      hash TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE lives(
      id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK(kind IN('up','run')),
      pid INTEGER NOT NULL, version TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
      end_reason TEXT, stop_requested TEXT CHECK(stop_requested IN('drain','now','leave-running')),
      draining INTEGER NOT NULL DEFAULT 0 CHECK(draining IN(0,1)),
      stops_jobs INTEGER NOT NULL DEFAULT 0 CHECK(stops_jobs IN(0,1))
    ) STRICT""",
    "CREATE INDEX lives_open ON lives(id) WHERE ended_at IS NULL",
    """CREATE TABLE jobs(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      kind TEXT NOT NULL CHECK(kind IN('command','function','batch','workflow')),
      name TEXT NOT NULL,
      state TEXT NOT NULL
        CHECK(state IN('created','queued','running','completed','failed','cancelled','timeout')),
      reason TEXT,
      queue TEXT NOT NULL REFERENCES queues(name),
      priority INTEGER NOT NULL CHECK(priority BETWEEN 1 AND 10),
      type TEXT, category TEXT, user TEXT,
      parent_id INTEGER REFERENCES jobs(id) ON DELETE SET NULL,
      workflow_id INTEGER REFERENCES jobs(id) ON DELETE SET NULL, step TEXT,
      submitted_by TEXT,
      unique_key TEXT, lock_key TEXT,
      attempt INTEGER NOT NULL DEFAULT 0, attempts_used INTEGER NOT NULL DEFAULT 0,
      crashes INTEGER NOT NULL DEFAULT 0,
      reserved INTEGER NOT NULL DEFAULT 0 CHECK(reserved IN(0,1)),
      life_id INTEGER REFERENCES lives(id), token INTEGER,
      revision INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL, eligible_at INTEGER, queued_at INTEGER, started_at INTEGER,
      finished_at INTEGER,
      cancel_requested_at INTEGER,
      exit_code INTEGER, signal TEXT,
      CHECK((finished_at IS NOT NULL)=(state IN('completed','failed','cancelled','timeout'))),
      CHECK((token IS NOT NULL)=(state='running')),
      CHECK(state<>'created' OR reason IS NOT NULL)
    ) STRICT""",
    "CREATE INDEX jobs_claim ON jobs(queue, priority, id) WHERE state='queued'",
    "CREATE INDEX jobs_due ON jobs(eligible_at) WHERE state='created' AND reason IN('time','retry')",
    "CREATE INDEX jobs_waiting ON jobs(queue, reason) WHERE state='created'",
    "CREATE INDEX jobs_running ON jobs(queue, life_id) WHERE state='running'",
    "CREATE INDEX jobs_cancelling ON jobs(life_id) WHERE state='running' AND cancel_requested_at IS NOT NULL",
    "CREATE INDEX jobs_reserved ON jobs(life_id) WHERE reserved=1",
    "CREATE INDEX jobs_finished ON jobs(state, finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX jobs_queue ON jobs(queue, id)",
    "CREATE INDEX jobs_name ON jobs(name, id)",
    "CREATE INDEX jobs_type ON jobs(type, id) WHERE type IS NOT NULL",
    "CREATE INDEX jobs_user ON jobs(user, id) WHERE user IS NOT NULL",
    "CREATE INDEX jobs_parent ON jobs(parent_id, id) WHERE parent_id IS NOT NULL",
    "CREATE INDEX jobs_workflow ON jobs(workflow_id, id) WHERE workflow_id IS NOT NULL",
    "CREATE INDEX jobs_by_hand ON jobs(id) WHERE submitted_by IS NULL",
    """CREATE TABLE job_specs(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      spec TEXT NOT NULL CHECK(json_valid(spec)), meta TEXT CHECK(json_valid(meta)),
      environment_hash TEXT REFERENCES environments(hash)
    ) STRICT""",
    """CREATE TABLE job_tags(
      tag TEXT NOT NULL, job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
      PRIMARY KEY(tag, job_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX job_tags_job ON job_tags(job_id)",
    """CREATE TABLE job_results(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      result TEXT CHECK(json_valid(result)), outputs TEXT CHECK(json_valid(outputs))
    ) STRICT""",
    """CREATE TABLE job_progress(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      percent REAL CHECK(percent BETWEEN 0 AND 100), items_done INTEGER, items_total INTEGER,
      items_failed INTEGER NOT NULL DEFAULT 0, item_errors TEXT NOT NULL DEFAULT '[]', message TEXT,
      updated_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE cancel_requests(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      grace_seconds REAL, signal INTEGER, reason TEXT, requests INTEGER NOT NULL DEFAULT 1
    ) STRICT""",
    """CREATE TABLE attempts(
      job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
      life_id INTEGER NOT NULL REFERENCES lives(id), pid INTEGER,
      started_at INTEGER NOT NULL, finished_at INTEGER,
      outcome TEXT CHECK(outcome IN('completed','failed','cancelled','timeout','lost')),
      reason TEXT, exit_code INTEGER, signal TEXT, error TEXT, cpu_seconds REAL, max_rss_bytes INTEGER,
      split_output INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY(job_id, number),
      CHECK((outcome IS NULL)=(finished_at IS NULL))
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE events(
      id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, entity TEXT NOT NULL,
      entity_id ANY NOT NULL, data TEXT CHECK(json_valid(data))
    ) STRICT""",
    "CREATE INDEX events_entity ON events(entity, entity_id, id)",
    # Finished jobs are never counted by scanning: 45 ms a million (measured), and growing.
    """CREATE TABLE job_totals(
      state TEXT PRIMARY KEY CHECK(state IN('completed','failed','cancelled','timeout')),
      jobs INTEGER NOT NULL CHECK(jobs>=0)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO job_totals(state, jobs) VALUES('completed',0),('failed',0),('cancelled',0),('timeout',0)",
    """CREATE TRIGGER jobs_terminal BEFORE UPDATE OF state ON jobs
      WHEN OLD.finished_at IS NOT NULL AND NEW.revision<=OLD.revision BEGIN
      SELECT RAISE(ABORT, 'a terminal state leaves only by a retry'); END""",
    """CREATE TRIGGER jobs_total_ended AFTER UPDATE OF state ON jobs WHEN NEW.finished_at IS NOT NULL BEGIN
      UPDATE job_totals SET jobs=jobs+1 WHERE state=NEW.state; END""",
    """CREATE TRIGGER jobs_total_left AFTER UPDATE OF state ON jobs WHEN OLD.finished_at IS NOT NULL BEGIN
      UPDATE job_totals SET jobs=jobs-1 WHERE state=OLD.state; END""",
    """CREATE TRIGGER jobs_total_removed AFTER DELETE ON jobs WHEN OLD.finished_at IS NOT NULL BEGIN
      UPDATE job_totals SET jobs=jobs-1 WHERE state=OLD.state; END""",
    """CREATE TRIGGER attempts_immutable BEFORE UPDATE ON attempts WHEN OLD.finished_at IS NOT NULL BEGIN
      SELECT RAISE(ABORT, 'an ended attempt never changes'); END""",
)
