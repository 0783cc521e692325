"""Questions that runs of workflows wait for, their own and those of the runs that their steps have started."""

from __future__ import annotations

from jobctl.model.states import JobId
from jobctl.model.workflow_questions import Question
from jobctl.model.workflow_runs import Answer
from jobctl.store.database import Database

# A run that was retried keeps the child of each step it left alone; only what has not ended can wait.
_QUESTIONS = (
    "WITH RECURSIVE within(run, path, place) AS (SELECT ?1, '', '' UNION ALL"
    " SELECT s.child_id, within.path||s.step_id||iif(s.map_index<0, '', '['||s.map_index||']')||'/',"
    " within.place||printf('%05d.%05d/', s.position, s.map_index+1)"
    " FROM within CROSS JOIN workflow_steps s ON s.job_id=within.run CROSS JOIN workflows w ON w.job_id=s.child_id"
    " WHERE s.finished_at IS NULL)"
    " SELECT within.path||s.step_id, s.job_id, s.step_id, s.message, s.expires_at, s.decision, s.decided_by FROM within"
    " CROSS JOIN workflow_steps s ON s.job_id=within.run AND s.status='waiting' AND s.reason='approval'"
    " WHERE (s.decision IS NULL)=?2 ORDER BY within.place||printf('%05d', s.position)"
)


class WorkflowQuestions:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, run_id: JobId) -> list[Question]:
        """What the run and those within it wait for, in the order of their files."""
        return self._found(run_id, is_open=True)

    def answered(self, run_id: JobId) -> list[Question]:
        """What was answered, and no supervisor has heeded yet."""
        return self._found(run_id, is_open=False)

    def _found(self, run_id: JobId, *, is_open: bool) -> list[Question]:
        return [
            Question(
                run_id, row[0], JobId(row[1]), row[2], row[3] or "", row[4],
                None if row[5] is None else Answer(row[5]), row[6],
            )
            for row in self._database.rows(_QUESTIONS, (run_id, is_open))
        ]  # fmt: skip
