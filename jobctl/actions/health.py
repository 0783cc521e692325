"""Looks at everything that has to be well, and judges it (``model.health``)."""

from __future__ import annotations

import contextlib
import os

from jobctl.actions.statistics import count_up
from jobctl.actions.supervisors import is_alive, running_supervisor
from jobctl.clock import Clock
from jobctl.errors import JobctlError, NotFoundError, StoreBusyError, StoreFullError
from jobctl.model.daemons import DaemonState, Wanted
from jobctl.model.health import (
    Health,
    HealthCheck,
    judge_disk,
    judge_errors,
    judge_heartbeat,
    judge_named,
    judge_queue,
    judge_supervisor,
    judge_wal,
)
from jobctl.model.homes import Home
from jobctl.model.lives import Life, LifeKind
from jobctl.model.statistics import HOUR, periods
from jobctl.settings import Settings
from jobctl.store import Store


def health_of(home: Home, settings: Settings, clock: Clock) -> Health:
    """Every check; the ones of the inside of a store that cannot be read are left out."""
    outside = [judge_disk(_free_bytes(home), settings), judge_wal(_size(f"{home.store}-wal"))]
    try:
        with Store.open(home, clock) as store:
            return Health((*_checks(store, settings, clock), *outside))
    except NotFoundError:
        return Health((HealthCheck("store", True, "none yet"), *outside))
    except JobctlError as error:
        return Health((HealthCheck("store", False, str(error)), *outside))


def _checks(store: Store, settings: Settings, clock: Clock) -> list[HealthCheck]:
    now = clock.now_ms()
    sound, says = store.health.examine()
    if not sound:
        return [HealthCheck("store", False, f"{says}; run: jobctl db check")]
    with contextlib.suppress(StoreBusyError, StoreFullError):  # other checks tell of that
        count_up(store, now)
    life = running_supervisor(store)
    hour = store.statistics.totals(periods(now - HOUR, now)[0], now)
    oldest = store.health.oldest_queued()
    daemons = store.daemons.all()
    broken, enabled = store.health.broken_schedules()
    ended = hour.completed + hour.failed + hour.timeout
    return [
        HealthCheck("store", True, says),
        judge_supervisor(life is not None, _has_died(store), [] if life is not None else _waiting(store)),
        judge_heartbeat(None if life is None else _age_seconds(store.home, life, now)),
        judge_queue(None if oldest is None else (oldest[0], (now - oldest[1]) / 1000), settings),
        judge_errors(ended, hour.error_rate, settings),
        judge_named(
            "daemons",
            [one.name for one in daemons if one.state is DaemonState.ERROR],
            len(daemons),
            "in error",
        ),
        judge_named("schedules", broken, enabled, "unable to fire"),
    ]


def _has_died(store: Store) -> bool:
    return any(life.kind is LifeKind.UP and not is_alive(store.home, life) for life in store.lives.unended())


def _waiting(store: Store) -> list[str]:
    """What only a supervisor moves on."""
    counts = store.jobs.counts()
    wanted = sum(one.wanted is Wanted.UP for one in store.daemons.all())
    found = (
        (counts["queued"], "queued job"),
        (counts["running"], "running job"),
        (store.health.due_schedules(), "schedule"),
        (wanted, "wanted daemon"),
    )
    return [
        f"{count:,} {what}{'s' * (count != 1)} wait{'s' * (count == 1)}" for count, what in found if count
    ]


def _age_seconds(home: Home, life: Life, now: int) -> float | None:
    """How long ago the supervisor's loop touched its lock; None when it has just gone."""
    with contextlib.suppress(OSError):
        return now / 1000 - os.stat(f"{home.life(life.id)}/lock").st_mtime
    return None


def _free_bytes(home: Home) -> int:
    """Of the file system that the home is on, or will be."""
    path = home.path
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0
