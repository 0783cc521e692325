"""How long the steps of a workflow took lately."""

from __future__ import annotations

from jobctl.model.states import JobKind
from jobctl.store.database import Database

LATELY = 20
"""Runs of the same name that are looked at."""


class WorkflowFigures:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def usual_seconds(self, name: str) -> dict[str, float]:
        """The mean seconds of each step that completed in one of the last runs of this name."""
        rows = self._database.rows(
            "SELECT s.step_id, avg(max(0, s.finished_at - s.started_at)) / 1000.0 FROM workflow_steps s"
            " WHERE s.map_index=-1 AND s.status IN('completed','rolled_back') AND s.started_at IS NOT NULL"
            " AND s.finished_at IS NOT NULL AND s.job_id IN"
            f" (SELECT id FROM jobs WHERE name=? AND kind='{JobKind.WORKFLOW.value}' ORDER BY id DESC LIMIT {LATELY})"
            " GROUP BY s.step_id",
            (name,),
        )
        return {row[0]: row[1] for row in rows}
