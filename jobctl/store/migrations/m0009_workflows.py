"""Workflows: runs, their steps, the jobs that belong to them, and what is new about them.

A trigger puts the end of a child into ``workflow_news`` in the statement that ends it, whoever does; a supervisor takes
the news out in the transaction that draws the conclusions (``supervisor.workflows``). So nothing is looked for by
scanning, and nothing is lost between an end and what follows from it.
"""

STEP_STATES = (
    "pending", "ready", "running", "waiting", "completed", "failed", "timeout", "skipped", "cancelled",
    "upstream_failed", "rolled_back", "rollback_failed",
)  # fmt: skip
_STEP_STATES = ",".join(f"'{state}'" for state in STEP_STATES)

STATEMENTS = (
    # Of one file run a hundred times there is one text.
    """CREATE TABLE workflow_definitions(
      hash TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE workflows(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      definition_hash TEXT NOT NULL REFERENCES workflow_definitions(hash),
      params TEXT NOT NULL CHECK(json_valid(params)),
      attempt INTEGER NOT NULL DEFAULT 1,
      phase TEXT NOT NULL DEFAULT 'running'
        CHECK(phase IN('running','stopping','rolling_back','handlers','ended')),
      stop TEXT CHECK(stop IN('cancel','timeout','fail_fast')),
      end_status TEXT CHECK(end_status IN('completed','failed','cancelled','timeout')), end_reason TEXT,
      outcome TEXT CHECK(outcome IN('clean','partial')),
      rollback TEXT NOT NULL DEFAULT 'none' CHECK(rollback IN('none','complete','partial')),
      failure TEXT,
      rollback_wanted INTEGER NOT NULL DEFAULT 0 CHECK(rollback_wanted IN(0,1)),
      rollback_by_hand INTEGER NOT NULL DEFAULT 0 CHECK(rollback_by_hand IN(0,1)),
      cancels_wanted INTEGER NOT NULL DEFAULT 0, cancels_done INTEGER NOT NULL DEFAULT 0,
      max_parallel INTEGER CHECK(max_parallel>0),
      steps INTEGER NOT NULL CHECK(steps>=0), left INTEGER NOT NULL CHECK(left>=0),
      completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
      open INTEGER NOT NULL DEFAULT 0 CHECK(open>=0), starts INTEGER NOT NULL DEFAULT 0,
      rollbacks INTEGER NOT NULL DEFAULT 0,
      deadline_at INTEGER
    ) STRICT""",
    "CREATE INDEX workflows_definition ON workflows(definition_hash)",
    "CREATE INDEX workflows_deadline ON workflows(deadline_at) WHERE deadline_at IS NOT NULL AND phase='running'",
    f"""CREATE TABLE workflow_steps(
      job_id INTEGER NOT NULL REFERENCES workflows(job_id) ON DELETE CASCADE,
      step_id TEXT NOT NULL, map_index INTEGER NOT NULL DEFAULT -1 CHECK(map_index>=-1),
      position INTEGER NOT NULL, spec_hash TEXT NOT NULL,
      status TEXT NOT NULL DEFAULT 'pending' CHECK(status IN({_STEP_STATES})),
      reason TEXT, cause TEXT, message TEXT,
      left_needs INTEGER NOT NULL DEFAULT 0 CHECK(left_needs>=0),
      attempt INTEGER NOT NULL DEFAULT 0, start_seq INTEGER, when_result INTEGER CHECK(when_result IN(0,1)),
      item TEXT CHECK(json_valid(item)), exit_code INTEGER,
      outputs TEXT CHECK(json_valid(outputs)), result TEXT CHECK(json_valid(result)),
      is_partial INTEGER NOT NULL DEFAULT 0 CHECK(is_partial IN(0,1)),
      items INTEGER, items_left INTEGER NOT NULL DEFAULT 0 CHECK(items_left>=0),
      items_failed INTEGER NOT NULL DEFAULT 0,
      child_id INTEGER, undo_id INTEGER, undo_message TEXT, undone_in INTEGER,
      expires_at INTEGER, decision TEXT CHECK(decision IN('approved','rejected')), decided_by TEXT,
      ready_at INTEGER, started_at INTEGER, finished_at INTEGER,
      PRIMARY KEY(job_id, step_id, map_index)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX workflow_steps_ready ON workflow_steps(job_id, position, map_index)
      WHERE status='ready' AND child_id IS NULL""",
    """CREATE INDEX workflow_steps_items ON workflow_steps(job_id, step_id, map_index)
      WHERE status='pending' AND map_index>=0""",
    """CREATE INDEX workflow_steps_due ON workflow_steps(expires_at)
      WHERE status='waiting' AND expires_at IS NOT NULL""",
    "CREATE INDEX workflow_steps_waiting ON workflow_steps(job_id) WHERE status='waiting'",
    "CREATE INDEX workflow_steps_started ON workflow_steps(job_id, start_seq) WHERE start_seq IS NOT NULL",
    """CREATE TABLE workflow_jobs(
      job_id INTEGER NOT NULL, workflow_id INTEGER NOT NULL REFERENCES workflows(job_id) ON DELETE CASCADE,
      step_id TEXT NOT NULL, map_index INTEGER NOT NULL, role TEXT NOT NULL
        CHECK(role IN('step','undo','on_failure','on_exit')),
      attempt INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0 CHECK(ended IN(0,1)),
      PRIMARY KEY(job_id, role)
    ) STRICT, WITHOUT ROWID""",
    # Whatever happens, a step has one job in an attempt of its run, and so has its undo.
    "CREATE UNIQUE INDEX workflow_jobs_once ON workflow_jobs(workflow_id, step_id, map_index, role, attempt)",
    "CREATE INDEX workflow_jobs_open ON workflow_jobs(workflow_id) WHERE ended=0",
    """CREATE TABLE workflow_news(
      id INTEGER PRIMARY KEY, workflow_id INTEGER NOT NULL, child_id INTEGER, status TEXT
    ) STRICT""",
    """CREATE TRIGGER workflows_child_ended AFTER UPDATE OF state ON jobs
      WHEN NEW.workflow_id IS NOT NULL AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL BEGIN
      INSERT INTO workflow_news(workflow_id, child_id, status) VALUES(NEW.workflow_id, NEW.id, NEW.state); END""",
    """CREATE TRIGGER workflows_cancel_requested AFTER UPDATE OF cancel_requested_at ON jobs
      WHEN NEW.kind='workflow' AND NEW.cancel_requested_at IS NOT NULL BEGIN
      UPDATE workflows SET cancels_wanted=cancels_wanted+1 WHERE job_id=NEW.id;
      INSERT INTO workflow_news(workflow_id) VALUES(NEW.id); END""",
    """CREATE TRIGGER workflows_removed AFTER DELETE ON workflows BEGIN
      DELETE FROM workflow_news WHERE workflow_id=OLD.job_id;
      DELETE FROM workflow_definitions WHERE hash=OLD.definition_hash
      AND NOT EXISTS(SELECT 1 FROM workflows WHERE definition_hash=OLD.definition_hash); END""",
)
