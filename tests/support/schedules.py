"""Schedules for tests: added as a caller does, fired by supervisors turned by hand, told in short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobctl.actions.callers import CallerContext
from jobctl.actions.queues import set_paused
from jobctl.actions.requests import JobRequest
from jobctl.actions.schedules import ScheduleCaller, ScheduleRequest, add_schedule, edit_schedule
from jobctl.clock import Clock, to_ms
from jobctl.model.schedule_records import Fire, Schedule
from jobctl.model.states import JobId, Reason
from jobctl.settings import Settings
from jobctl.store import Store
from tests.support.supervisors import Stage

MINUTE, HOUR, DAY = 60, 3600, 86_400


def caller(store: Store, clock: Clock) -> ScheduleCaller:
    """Somebody in the home's directory, with nothing in the environment."""
    context = CallerContext(store.home.path, {}, 0o022, clock.now_ms(), store.home.path)
    return ScheduleCaller(context, Settings())


def request(job: dict[str, Any] | None = None, **times: Any) -> ScheduleRequest:
    """What ``schedule add`` would ask for, in UTC unless ``tz`` says otherwise."""
    return ScheduleRequest({"tz": "UTC", **times}, JobRequest(**{"command": ("true",), **(job or {})}))


def milliseconds(text: str) -> int:
    """The stored form of an ISO instant."""
    return to_ms(datetime.fromisoformat(text))


@dataclass
class Timetable:
    """The schedules of a stage. Its jobs stay queued: nothing is spawned, and ``end_jobs`` ends them."""

    stage: Stage

    def __post_init__(self) -> None:
        set_paused(self.store, "default", True, self.stage.clock)

    @property
    def store(self) -> Store:
        """As a caller has it."""
        return self.stage.store

    def add(
        self, name: str = "s", job: dict[str, Any] | None = None, *, disabled: bool = False, **times: Any
    ) -> Schedule:
        """A new schedule."""
        who, clock = caller(self.store, self.stage.clock), self.stage.clock
        return add_schedule(self.store, name, request(job, **times), who, clock, disabled=disabled)[0]

    def edit(self, name: str = "s", **times: Any) -> Schedule:
        """The schedule with other times."""
        who, clock = caller(self.store, self.stage.clock), self.stage.clock
        return edit_schedule(self.store, name, ScheduleRequest(times), who, clock)[0]

    def get(self, name: str = "s") -> Schedule:
        """The schedule as it stands."""
        found = self.store.schedules.get(name)
        assert found is not None
        return found

    def fires(self, name: str = "s") -> list[Fire]:
        """What became of its slots, the oldest decision first."""
        return self.store.schedules.fires(self.get(name).id)[::-1]

    def told(self, name: str = "s") -> list[tuple[str, str | None]]:
        """Outcome and reason of each decision, the oldest first."""
        return [(fire.outcome, fire.reason) for fire in self.fires(name)]

    def fired(self, name: str = "s") -> list[int]:
        """The slots that became jobs."""
        return [fire.due_at or 0 for fire in self.fires(name) if fire.outcome == "fired"]

    def jobs(self, name: str = "s") -> list[JobId]:
        """The jobs of the schedule, ended ones too, by id."""
        rows = self.store.database.rows(
            "SELECT id FROM jobs WHERE submitted_by=? ORDER BY id", (f"schedule:{name}",)
        )
        return [JobId(row[0]) for row in rows]

    def end_jobs(self, name: str = "s") -> None:
        """None of its jobs is left that has not ended."""
        with self.store.write():
            for job in self.store.schedules.open_jobs(name):
                self.store.transitions.cancel_waiting(job.id, Reason.REQUESTED, self.stage.clock.now_ms())
