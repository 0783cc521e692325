"""One look at a schedule: how it stands, and what that means now. Nothing is written here."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from jobctl.actions.schedule_runs import scheduled_job
from jobctl.actions.schedule_states import Watch, schedule_state
from jobctl.clock import Milliseconds, to_datetime
from jobctl.errors import UnusableError
from jobctl.model.firings import Plan, ScheduleState, plan
from jobctl.model.schedule_records import Schedule
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.schedules import OpenJob

MOST_FIRES = 10
"""Jobs made of one schedule in one transaction: each costs about 2 ms."""

_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EIO}


@dataclass(slots=True)
class Look:
    """A schedule as it stood at an instant, and what it owed then; or why that cannot be told."""

    schedule: Schedule
    at: Milliseconds
    open_jobs: list[OpenJob]
    state: ScheduleState | None = None
    plan: Plan | None = None
    error: Exception | None = None
    job: Submission | Exception | None = None
    """What it will run, or why it cannot: made before the transaction, since a mount with its files may hang."""


def look_at(
    store: Store, schedule: Schedule, watch: Watch, now: Milliseconds, awake_since: Milliseconds
) -> Look:
    """What the schedule owes now.

    Raises:
        UnusableError: the store cannot be read.
    """
    look = Look(schedule, now, store.schedules.open_jobs(schedule.name))
    try:
        look.state = schedule_state(store, schedule, look.open_jobs, watch)
        look.plan = plan(look.state, to_datetime(now), to_datetime(awake_since), MOST_FIRES)
    except Exception as error:
        if isinstance(error, UnusableError) and not is_shortage(error):
            raise
        look.error = error
    return look


def prepare(store: Store, look: Look, settings: Settings) -> None:
    """Where something is to fire, ``look`` has its job."""
    if look.plan is None or not look.plan.fires:
        return
    try:
        look.job = scheduled_job(store, look.schedule, settings, look.at)
    except Exception as error:  # noqa: BLE001 - told, or raised again, where its slots are settled
        look.job = error


def is_shortage(error: BaseException | None) -> bool:
    """Whether it failed for want of something that may be there later: descriptors, memory, a medium.

    A module that cannot be imported counts: without descriptors its directory looks empty.
    """
    while error is not None:
        if isinstance(error, MemoryError | ImportError):
            return True
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            return True
        error = error.__cause__ or error.__context__
    return False
