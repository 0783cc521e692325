"""Whether all is well: what was seen of a home, judged by thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.model.durations import format_duration
from jobctl.model.settings import Settings
from jobctl.model.sizes import format_size

HEARTBEAT_SECONDS = 30.0
"""The loop of a supervisor turns at least once a second; it was never seen to take ten."""
LARGEST_WAL = 256 << 20
"""Sixteen times what a checkpoint cuts it to: a reader that never ends keeps it from being emptied."""
FEWEST_ENDS = 10
"""Before an error rate says anything."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Health:
    """Every check of one home."""

    checks: tuple[HealthCheck, ...]

    @property
    def healthy(self) -> bool:
        """Whether none failed."""
        return all(check.ok for check in self.checks)


def judge_supervisor(alive: bool, died: bool, waiting: list[str]) -> HealthCheck:
    """One runs, or none is needed.

    Args:
        alive: whether one runs.
        died: whether the last one ended without a goodbye.
        waiting: what waits for one: ``3 queued jobs``.
    """
    if alive:
        return HealthCheck("supervisor", True, "runs")
    if died:
        return HealthCheck("supervisor", False, "died; start it again with: jobctl up")
    if waiting:
        return HealthCheck(
            "supervisor", False, f"none runs, but {', '.join(waiting)}; start one with: jobctl up"
        )
    return HealthCheck("supervisor", True, "none runs, and nothing waits for one")


def judge_heartbeat(age_seconds: float | None) -> HealthCheck:
    """The loop of the supervisor turns."""
    if age_seconds is None:
        return HealthCheck("heartbeat", True, "no supervisor to look at")
    age = format_duration(max(0.0, age_seconds))
    if age_seconds <= HEARTBEAT_SECONDS:
        return HealthCheck("heartbeat", True, f"{age} old")
    return HealthCheck("heartbeat", False, f"{age} old: the supervisor hangs or is stopped")


def judge_queue(oldest: tuple[str, float] | None, settings: Settings) -> HealthCheck:
    """No job has been queued for too long in a queue that is open; ``oldest``: its queue and seconds."""
    limit = settings.health_queue_age
    if oldest is None:
        return HealthCheck("queue_age", True, "nothing is queued")
    queue, seconds = oldest
    text = f"the oldest job waits for {format_duration(seconds)} in the queue {queue}"
    if seconds <= limit:
        return HealthCheck("queue_age", True, text)
    return HealthCheck("queue_age", False, f"{text}: more than {format_duration(limit)}")


def judge_errors(ended: int, error_rate: float | None, settings: Settings) -> HealthCheck:
    """Not too large a part of the last hour's jobs failed."""
    if error_rate is None:
        return HealthCheck("error_rate", True, "nothing ended in the last hour")
    text = f"{error_rate:.0%} of {ended:,} in the last hour"
    if ended < FEWEST_ENDS or error_rate * 100 <= settings.health_error_percent:
        return HealthCheck("error_rate", True, text)
    return HealthCheck(
        "error_rate", False, f"{text}: more than {settings.health_error_percent}%; see: jobctl stats --errors"
    )


def judge_disk(free_bytes: int, settings: Settings) -> HealthCheck:
    """The file system of the home has room."""
    text = f"{format_size(free_bytes)} free"
    if free_bytes >= settings.health_disk_free:
        return HealthCheck("disk", True, text)
    return HealthCheck("disk", False, f"{text}: less than {format_size(settings.health_disk_free)}")


def judge_wal(size_bytes: int) -> HealthCheck:
    """The write-ahead log does not grow without bound."""
    text = format_size(size_bytes)
    if size_bytes <= LARGEST_WAL:
        return HealthCheck("wal", True, text)
    return HealthCheck(
        "wal", False, f"{text}: some process keeps a read open; more than {format_size(LARGEST_WAL)}"
    )


def judge_named(name: str, bad: list[str], total: int, what: str) -> HealthCheck:
    """None of the named things is in a bad state; ``what`` says which: ``in error``."""
    if not bad:
        return HealthCheck(name, True, f"none of {total} is {what}" if total else "none")
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    return HealthCheck(name, False, f"{what}: {', '.join(bad[:5])}{more}")
