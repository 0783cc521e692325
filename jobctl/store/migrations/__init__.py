"""Numbered schema changes. Each runs with ``user_version`` in one transaction; see ``store.migrate``."""

from __future__ import annotations

from dataclasses import dataclass

from jobctl.store.migrations import (
    m0001_jobs,
    m0002_limits,
    m0003_batches,
    m0004_pauses,
    m0005_retention,
    m0006_definitions,
    m0007_schedules,
    m0008_daemons,
    m0009_workflows,
    m0010_functions,
    m0011_calls,
    m0012_statistics,
    m0013_notifications,
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: what ``user_version`` becomes, its name and its statements."""

    number: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(1, "jobs", m0001_jobs.STATEMENTS),
    Migration(2, "limits", m0002_limits.STATEMENTS),
    Migration(3, "batches", m0003_batches.STATEMENTS),
    Migration(4, "pauses", m0004_pauses.STATEMENTS),
    Migration(5, "retention", m0005_retention.STATEMENTS),
    Migration(6, "definitions", m0006_definitions.STATEMENTS),
    Migration(7, "schedules", m0007_schedules.STATEMENTS),
    Migration(8, "daemons", m0008_daemons.STATEMENTS),
    Migration(9, "workflows", m0009_workflows.STATEMENTS),
    Migration(10, "functions", m0010_functions.STATEMENTS),
    Migration(11, "calls", m0011_calls.STATEMENTS),
    Migration(12, "statistics", m0012_statistics.STATEMENTS),
    Migration(13, "notifications", m0013_notifications.STATEMENTS),
)
"""Every migration, oldest first; the last one's number is the newest schema version."""

NEWEST = MIGRATIONS[-1].number
