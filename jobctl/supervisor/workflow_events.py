"""Events about runs of workflows."""

from __future__ import annotations

import json
from collections.abc import Mapping

from jobctl.model.events import Entity, EventKind
from jobctl.model.states import JobId
from jobctl.store.events import EventRow


def workflow_event(at: int, kind: EventKind, run_id: JobId, data: Mapping[str, object]) -> EventRow:
    """The row of an event about a run."""
    return at, kind.value, Entity.WORKFLOW.value, run_id, json.dumps(data, separators=(",", ":"))
