"""Selectors and filters as SQL conditions about ``jobs j``; states are literals so that indexes apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobctl.model.filters import JobFilter, SortKey
from jobctl.model.selectors import SelectorKind, SelectorPart
from jobctl.model.states import TERMINAL, JobStatus
from jobctl.store.migrations.m0008_daemons import IS_BY_DAEMON

Condition = tuple[str, list[Any]]

_ORDERS = {
    SortKey.ID: "j.id DESC",
    SortKey.CREATED: "j.created_at DESC, j.id DESC",
    SortKey.STARTED: "j.started_at DESC, j.id DESC",
    SortKey.FINISHED: "j.finished_at DESC, j.id DESC",
    SortKey.PRIORITY: "j.priority, j.id",
    SortKey.DURATION: "ifnull(j.finished_at, 9e18)-j.started_at DESC, j.id DESC",
    SortKey.NAME: "j.name, j.id",
}


def selection(part: SelectorPart) -> Condition:
    """The condition that one part of a selector stands for."""
    match part.kind:
        case SelectorKind.IDS:
            return "j.id BETWEEN ? AND ?", [part.first, part.last]
        case SelectorKind.LAST:
            return "j.id=(SELECT max(id) FROM jobs WHERE submitted_by IS NULL)", []
        case SelectorKind.ALL:
            return "1", []
        case SelectorKind.STATE:
            return in_states((JobStatus(part.text or ""),)), []
        case SelectorKind.NAME:
            return "j.name=?", [part.text]
        case SelectorKind.TAG:
            return "j.id IN (SELECT job_id FROM job_tags WHERE tag=?)", [part.text]
        case SelectorKind.QUEUE:
            return "j.queue=?", [part.text]
        case SelectorKind.BATCH:
            return "j.parent_id=(SELECT id FROM jobs WHERE id=? AND kind='batch')", [part.first]
        case SelectorKind.PARENT:
            return "j.parent_id=?", [part.first]


def where(narrowed: JobFilter) -> Condition:
    """The whole condition of a filter."""
    conditions, parameters = ["1"], []
    if narrowed.selector is not None:
        parts = [selection(part) for part in narrowed.selector.parts]
        conditions.append("(" + " OR ".join(sql for sql, _ in parts) + ")")
        parameters += [value for _, values in parts for value in values]
    if narrowed.statuses:
        conditions.append(_listed_in(narrowed.statuses))
    for tag in narrowed.tags:
        conditions.append("j.id IN (SELECT job_id FROM job_tags WHERE tag=?)")
        parameters.append(tag)
    daemon = None if narrowed.daemon is None else f"daemon:{narrowed.daemon}"
    for sql, value in (
        (f"j.submitted_by=? AND {IS_BY_DAEMON}", daemon),
        ("j.queue=?", narrowed.queue),
        ("j.name=?", narrowed.name),
        ("j.type=?", narrowed.type),
        ("j.user=?", narrowed.user),
        ("j.parent_id=?", narrowed.parent),
        ("j.created_at>=?", narrowed.since),
        ("j.created_at<?", narrowed.until),
    ):
        if value is not None:
            conditions.append(sql)
            parameters.append(value)
    return " AND ".join(conditions), parameters


def order_of(narrowed: JobFilter) -> str:
    """The ORDER BY; jobs of one terminal state come as they ended, which its index gives for nothing."""
    if narrowed.sort is SortKey.ID and len(narrowed.statuses) == 1 and narrowed.statuses[0] in TERMINAL:
        return "j.finished_at DESC, j.id DESC"
    return _ORDERS[narrowed.sort]


def _listed_in(statuses: Sequence[JobStatus]) -> str:
    """As ``in_states``, but ids first: the order by id would scan all history for the few active jobs."""
    if TERMINAL.intersection(statuses):
        return in_states(statuses)
    parts = [f"SELECT id FROM jobs WHERE state='{status.value}'" for status in statuses]
    return f"j.id IN ({' UNION ALL '.join(parts)})"


def in_states(statuses: Sequence[JobStatus]) -> str:
    """The condition that a job is in one of these states, as literals that partial indexes see."""
    alternatives = []
    for status in statuses:
        extra = " AND j.finished_at IS NOT NULL" if status in TERMINAL else ""
        alternatives.append(f"(j.state='{status.value}'{extra})")
    return alternatives[0] if len(alternatives) == 1 else "(" + " OR ".join(alternatives) + ")"
