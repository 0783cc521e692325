"""Dependencies: what a job needs of others before it may run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobctl.model.states import JobId, JobStatus


class Condition(StrEnum):
    """``--after``, ``--after-any`` and ``--after-failed``."""

    SUCCESS = "success"
    ANY = "any"
    FAILURE = "failure"

    def is_met_by(self, status: JobStatus) -> bool:
        """Whether a needed job that ended so fulfils it. A cancelled job neither completed nor failed."""
        if self is Condition.ANY:
            return True
        if self is Condition.SUCCESS:
            return status is JobStatus.COMPLETED
        return status in (JobStatus.FAILED, JobStatus.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One job needed, and how it has to end."""

    needs: JobId
    condition: Condition
