"""What every part of a client shares."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from jobctl.api.connections import Connections
from jobctl.api.records import Job, JobVerbs
from jobctl.clock import to_datetime
from jobctl.model.jobs import Job as JobRecord


class Verbs:
    """Verbs about the jobs of one home."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    def now(self) -> datetime:
        """The present instant."""
        return to_datetime(self.connections.clock.now_ms())

    def job_of(self, record: JobRecord) -> Job:
        """The job of the store as the API gives it."""
        # All verbs together are what a job asks for; a client has them all.
        return Job(record, self.connections.home, self.now(), cast("JobVerbs", self))
