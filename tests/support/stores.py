"""Stores for tests: a real SQLite file in a temporary home, under a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobctl.actions.callers import CallerContext
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.lives import LifeKind
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, LifeId, Token
from jobctl.store import Store

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""


@dataclass
class HandClock:
    """A clock that stands still until it is set."""

    now: int = NOON

    def now_ms(self) -> int:
        """The instant it was set to."""
        return self.now

    def monotonic(self) -> float:
        """Seconds that follow ``now``."""
        return self.now / 1000


def open_store(directory: Path, clock: HandClock) -> Store:
    """A new store in ``directory``."""
    return Store.open(Home(str(directory / "home")), clock, create=True)


def make_caller(directory: Path, environment: dict[str, str] | None = None) -> CallerContext:
    """A caller who stands in ``directory`` at noon."""
    return CallerContext(str(directory), environment or {}, 0o022, NOON, str(directory / "home"))


def make_submission(name: str = "true", **changes: object) -> Submission:
    """A job that runs ``true``."""
    return Submission(name, JobSpec(command=("true",)), {}, **changes)  # type: ignore[arg-type]


def add_job(store: Store, name: str = "true", **changes: object) -> JobId:
    """The id of a job stored just now."""
    with store.write():
        return store.submissions.submit([make_submission(name, **changes)], NOON)[0].id


def start_jobs(store: Store, count: int = 1) -> LifeId:
    """The most urgent queued jobs of ``default`` run, under the life returned."""
    with store.write():
        life = store.lives.begin(LifeKind.UP, 1, "test", NOON)
        claimed = store.claims.claim(life, "default", count, Token(1), NOON)
    assert len(claimed) == count
    return life


def job_of(store: Store, job_id: int) -> Job:
    """The job, which exists."""
    job = store.jobs.get(job_id)
    assert job is not None
    return job
