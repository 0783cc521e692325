"""Batches: their limits, and counters of their items by state.

The counters are kept by triggers in the statement that moves an item, whoever moves it: they cannot drift, and an
end costs the same in a batch of ten and of 100,000. What a batch needs done (``store.batches``) is found in
the partial index ``batches_due``, whose condition is repeated in the query.
"""

DUE = (
    # "+0" keeps it one term for the planner: it would take a bare OR apart and no longer know it in the index.
    "(((ended=0 AND created+queued+running=0) OR (ended=1 AND created+queued+running>0)"
    " OR (ended=0 AND stop_wanted>stop_done)"
    " OR (ended=0 AND stop_wanted=0 AND max_failures IS NOT NULL AND failed+timeout>max_failures)"
    " OR (ended=0 AND max_parallel IS NOT NULL AND created>0 AND queued+running<max_parallel)"
    " OR (ended=0 AND max_parallel IS NOT NULL AND queued>0 AND queued+running>max_parallel))+0)=1"
)
"""Something is to be done: end it, reopen it, stop it, let an item go on, keep an item back."""

IS_HOOK = "submitted_by>='hook:' AND submitted_by<'hook;'"

STATES = ("created", "queued", "running", "completed", "failed", "cancelled", "timeout")

_COUNTERS = ", ".join(f"{state} INTEGER NOT NULL DEFAULT 0 CHECK({state}>=0)" for state in STATES)
_LESS = ", ".join(f"{state}={state}-(OLD.state='{state}')" for state in STATES)
_MOVED = ", ".join(f"{state}={state}-(OLD.state='{state}')+(NEW.state='{state}')" for state in STATES)

STATEMENTS = (
    f"""CREATE TABLE batches(
      job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
      total INTEGER NOT NULL CHECK(total>=0), {_COUNTERS},
      max_parallel INTEGER CHECK(max_parallel>0), max_failures INTEGER CHECK(max_failures>=0),
      stop_wanted INTEGER NOT NULL DEFAULT 0, stop_done INTEGER NOT NULL DEFAULT 0, stop_reason TEXT,
      ended INTEGER NOT NULL DEFAULT 0 CHECK(ended IN(0,1))
    ) STRICT""",
    f"CREATE INDEX batches_due ON batches(job_id) WHERE {DUE}",
    """CREATE INDEX jobs_batch_waiting ON jobs(parent_id, id)
      WHERE parent_id IS NOT NULL AND state='created' AND reason='batch'""",
    f"CREATE INDEX jobs_hooks ON jobs(submitted_by, id) WHERE {IS_HOOK}",
    f"""CREATE TRIGGER batches_moved AFTER UPDATE OF state ON jobs
      WHEN NEW.parent_id IS NOT NULL AND NEW.state<>OLD.state BEGIN
      UPDATE batches SET {_MOVED} WHERE job_id=NEW.parent_id; END""",
    # An item removed while it waited is no longer part of the batch; an ended one stays counted.
    f"""CREATE TRIGGER batches_item_removed AFTER DELETE ON jobs
      WHEN OLD.parent_id IS NOT NULL AND OLD.finished_at IS NULL BEGIN
      UPDATE batches SET total=total-1, {_LESS} WHERE job_id=OLD.parent_id; END""",
    """CREATE TRIGGER batches_cancel_requested AFTER UPDATE OF cancel_requested_at ON jobs
      WHEN NEW.kind='batch' AND NEW.cancel_requested_at IS NOT NULL BEGIN
      UPDATE batches SET stop_wanted=stop_wanted+1, stop_reason=ifnull(stop_reason, 'requested')
      WHERE job_id=NEW.id; END""",
)
