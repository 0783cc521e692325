"""What always holds between the rows of a store, as queries that find whatever breaks it.

Each query gives one text a row. It is one statement, so it sees one state of the store while others write.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.integrity import Level
from jobctl.store.migrations.m0003_batches import STATES

_AGAIN = "end and restart the job: jobctl cancel ID, then jobctl retry ID"
_REPORT = "only figures are wrong; report it with the output of: jobctl db check --json"
_UNENDED = "'created','queued','running'"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule; ``since`` is the schema version that made what it reads."""

    name: str
    says: str
    query: str
    remedy: str
    since: int = 1
    level: Level = Level.DAMAGE
    slow: bool = False
    """Reads every event: left out of a quick examination."""


_ITEMS = ", ".join(f"total(state='{state}') {state}" for state in STATES)
_DRIFTED = " OR ".join(
    # Ended items that were removed stay counted.
    f"b.{state}{'<' if state in ('completed', 'failed', 'cancelled', 'timeout') else '<>'}ifnull(c.{state}, 0)"
    for state in STATES
)


def _reused(*tables: str) -> str:
    """The tables some of whose ids are newer than the newest that SQLite remembers to have given."""
    return " UNION ALL ".join(
        f"SELECT '{table}' WHERE (SELECT ifnull(max(id), 0) FROM {table})"
        f">(SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name='{table}')"
        for table in tables
    )


_OLD_IDS = "restore a backup made before; new ones may take ids of old ones"

INVARIANTS = (
    Invariant(
        "states",
        "every state has its instants and its reason",
        "SELECT 'job '||id||' is '||state FROM jobs WHERE CASE state WHEN 'queued' THEN queued_at IS NULL"
        " WHEN 'running' THEN started_at IS NULL OR token IS NULL"
        " WHEN 'created' THEN reason IS NULL OR (reason IN('time','retry') AND eligible_at IS NULL)"
        " ELSE finished_at IS NULL END"
        " OR (state IN('created','queued','running') AND finished_at IS NOT NULL)",
        _AGAIN,
    ),
    Invariant(
        "needs",
        "every waiting job counts the jobs it needs that have not ended",
        "SELECT 'job '||j.id||' counts '||j.needs_left FROM jobs j WHERE j.state='created'"
        " AND (j.reason='dependency' OR j.needs_left>0) AND (j.needs_left=0 OR j.needs_left<>("
        "SELECT count(*) FROM dependencies d JOIN jobs n ON n.id=d.needs_id WHERE d.job_id=j.id"
        f" AND n.state IN({_UNENDED})))",
        _AGAIN,
        since=2,
    ),
    Invariant(
        "specs",
        "every job says what to run",
        "SELECT 'job '||j.id FROM jobs j LEFT JOIN job_specs s ON s.job_id=j.id WHERE s.job_id IS NULL",
        "submit the job anew, then: jobctl remove ID",
    ),
    Invariant(
        "attempts",
        "only a running job's last attempt has not ended",
        "SELECT 'job '||a.job_id||' attempt '||a.number FROM attempts a LEFT JOIN jobs j ON j.id=a.job_id"
        " WHERE j.id IS NULL OR a.number>j.attempt"
        " OR (a.finished_at IS NULL AND NOT (j.state='running' AND a.number=j.attempt))"
        " UNION ALL SELECT 'job '||id||' runs without an attempt' FROM jobs WHERE state='running' AND attempt<1"
        " AND kind IN('command','function')",
        _AGAIN,
    ),
    Invariant(
        "ends",
        "every ended attempt has one start and one end among the events",
        "SELECT 'job '||a.job_id||' attempt '||a.number FROM attempts a WHERE a.finished_at IS NOT NULL"
        # Old events go first (retention): whose first one is there has them all. The "+" takes the column's affinity
        # away: without it, the comparison with an ANY column uses half of the index, and a job costs a full scan.
        " AND EXISTS(SELECT 1 FROM events WHERE entity='job' AND entity_id=+a.job_id AND kind='job.submitted')"
        " AND (SELECT total(e.kind='job.started')>1"
        " OR total(json_extract(e.data,'$.outcome') IS NOT NULL)<>1 FROM events e"
        " WHERE e.entity='job' AND e.entity_id=+a.job_id AND json_extract(e.data,'$.attempt')=a.number)",
        "the history of these jobs is not to be trusted; their state is",
        slow=True,
    ),
    Invariant(
        "reservations",
        "every reserved job has a life that will run it",
        "SELECT 'job '||j.id FROM jobs j LEFT JOIN lives l ON l.id=j.life_id WHERE j.reserved=1"
        " AND j.state IN('created','queued') AND (l.id IS NULL OR l.ended_at IS NOT NULL)",
        _AGAIN,
    ),
    Invariant(
        "pauses",
        "every paused job runs and says since when",
        "SELECT 'job '||id FROM jobs WHERE state='running' AND (reason IS 'paused')<>(paused_at IS NOT NULL)",
        "jobctl pause ID, then jobctl resume ID",
        since=4,
    ),
    Invariant(
        "batches",
        "every batch counts its items by state",
        f"SELECT 'batch '||b.job_id FROM batches b LEFT JOIN (SELECT parent_id, {_ITEMS} FROM jobs"
        " WHERE parent_id IS NOT NULL GROUP BY parent_id) c ON c.parent_id=b.job_id"
        f" WHERE b.total<>{'+'.join(f'b.{state}' for state in STATES)} OR {_DRIFTED}"
        " UNION ALL SELECT 'batch '||j.id||' has no counters' FROM jobs j LEFT JOIN batches b ON b.job_id=j.id"
        " WHERE j.kind='batch' AND b.job_id IS NULL"
        " UNION ALL SELECT 'batch '||j.id||' is '||j.state FROM jobs j JOIN batches b ON b.job_id=j.id"
        " WHERE j.kind<>'batch' OR b.ended<>(j.finished_at IS NOT NULL)",
        "cancel the batch and submit what is left anew: jobctl cancel ID",
        since=3,
    ),
    Invariant(
        "totals",
        "the kept totals equal the ended jobs",
        "SELECT t.state||': '||t.jobs FROM job_totals t WHERE t.jobs<>("
        "SELECT count(*) FROM jobs j WHERE j.state=t.state AND j.finished_at IS NOT NULL)"
        " UNION ALL SELECT v.value||': missing' FROM"
        ' json_each(\'["completed","failed","cancelled","timeout"]\') v'
        " WHERE v.value NOT IN(SELECT state FROM job_totals)",
        _REPORT,
    ),
    Invariant(
        "ids",
        "no id will be used again",
        _reused("jobs", "events", "lives"),
        _OLD_IDS,
    ),
    Invariant(
        "environments",
        "every environment is some job's",
        "SELECT substr(hash,1,12) FROM environments"
        " WHERE NOT EXISTS(SELECT 1 FROM job_specs WHERE environment_hash=hash)",
        "harmless; they take room only",
        level=Level.WASTE,
    ),
    Invariant(
        "slots",
        "every slot that fired has a job",
        "SELECT s.name FROM schedule_fires f JOIN schedules s ON s.id=f.schedule_id"
        " WHERE f.outcome='fired' AND f.job_id IS NULL",
        "only the history of these schedules is incomplete",
        since=7,
    ),
    Invariant(
        "turns",
        "every schedule that waits for the end of a job knows what for",
        "SELECT name FROM schedules s WHERE CASE WHEN waiting=0 OR kind<>'after_finish' THEN waiting<>"
        "EXISTS(SELECT 1 FROM schedule_fires WHERE schedule_id=s.id AND outcome='pending') ELSE 0 END",
        "jobctl schedule disable NAME, then jobctl schedule enable NAME",
        since=7,
    ),
    Invariant(
        "generations",
        "no daemon is behind its own past",
        "SELECT name FROM daemons d WHERE (state IN('starting','running','stopping') AND generation<1)"
        " OR started_revision>revision OR starts_done>starts_asked OR restarts_done>restarts_asked"
        " OR EXISTS(SELECT 1 FROM daemon_exits e WHERE e.daemon_id=d.id AND e.generation>d.generation"
        "-(d.state IN('starting','running','stopping')))",
        "jobctl daemon remove NAME, then add it anew",
        since=8,
    ),
    Invariant(
        "schedule_ids",
        "no id of a schedule will be used again",
        _reused("schedules", "schedule_fires"),
        _OLD_IDS,
        since=7,
    ),
    Invariant(
        "worker_ids", "no number of a worker will be used again", _reused("workers"), _OLD_IDS, since=10
    ),
    Invariant("daemon_ids", "no id of a daemon will be used again", _reused("daemons"), _OLD_IDS, since=8),
)
