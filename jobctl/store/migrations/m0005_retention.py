"""Indexes for removals: what points at a life or an environment is found without reading a table.

Without them, deleting one row of ``lives`` or ``environments`` makes SQLite scan the tables that refer to it
(https://sqlite.org/foreignkeys.html#fk_indexes): 100 ms and more at a million jobs, in the supervisor's loop.
"""

STATEMENTS = (
    "CREATE INDEX job_specs_environment ON job_specs(environment_hash) WHERE environment_hash IS NOT NULL",
    "CREATE INDEX attempts_life ON attempts(life_id)",
    "CREATE INDEX jobs_life ON jobs(life_id) WHERE life_id IS NOT NULL",
)
