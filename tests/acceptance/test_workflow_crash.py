"""Promise 3 for workflows, from outside: the supervisor of a recorded one is killed, in its rollback too."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.workflows import WorkflowChaos
from tests.support.recorded_workflows import recorded_workflow


def test_kills_at_random_moments_repeat_no_step_and_no_undo(tmp_path: Path) -> None:
    recorded = recorded_workflow("wfi-blast-chameleon-small-001")
    outcome = WorkflowChaos(tmp_path, recorded, seed=3, rollback=True).run(kills=3)
    assert outcome.problems == []
    assert (outcome.steps, outcome.undone) == (43, 42)
