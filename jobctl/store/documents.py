"""Which documents of a store cannot be read: what no query can tell. Nothing is written.

Each check reads row by row, so that a million jobs are no more in memory than one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from jobctl.clock import to_datetime
from jobctl.errors import JobctlError
from jobctl.model.definitions import Source, definition_of
from jobctl.store.daemons import definition_of as daemon_of
from jobctl.store.database import Row
from jobctl.store.specs import spec_of

Rows = Callable[[str], Iterable[Row]]

_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, JobctlError)
"""What readers of documents raise that were written by nobody of ours."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of one kind; ``since`` is the schema version that made their table."""

    name: str
    says: str
    find: Callable[[Rows], Iterator[str]]
    """Those that cannot be read, as texts."""
    remedy: str | None = None
    """None: only a backup helps."""
    since: int = 1


def _jobs(rows: Rows) -> Iterator[str]:
    for job_id, text in rows(
        "SELECT s.job_id, s.spec FROM job_specs s JOIN jobs j ON j.id=s.job_id"
        " WHERE j.state IN('created','queued','running')"
    ):
        try:
            spec_of(text)
        except _UNREADABLE:
            yield f"job {job_id}"


def _environments(rows: Rows) -> Iterator[str]:
    for digest, body in rows("SELECT hash, body FROM environments"):
        if sha256(body.encode()).hexdigest()[: len(digest)] != digest:
            yield str(digest)[:12]


def _definitions(rows: Rows) -> Iterator[str]:
    for name, text, source in rows("SELECT name, document, source FROM definitions"):
        try:
            definition_of(name, json.loads(text), Source(source))
        except _UNREADABLE:
            yield str(name)


def _schedules(rows: Rows) -> Iterator[str]:
    """What a schedule fires by and what it fires; that it once could be read, the moment it was added has shown."""
    for name, kind, rule, zone, template, cursor_at in rows(
        "SELECT name, kind, rule, timezone, template, cursor_at FROM schedules"
    ):
        try:
            known = ZoneInfo(zone)
        except (OSError, *_UNREADABLE):  # a directory; no zone file; ZoneInfoNotFoundError
            yield f"{name}: no time zone {zone}"
            continue
        if not _is_rule(kind, rule, known, cursor_at):
            yield f"{name}: its rule"
        if not _is_template(json.loads(template)):
            yield f"{name}: its template"


def _is_rule(kind: str, text: str, zone: ZoneInfo, cursor_at: int) -> bool:
    """Whether it can be asked: the lines of a cron rule are not read before."""
    from jobctl.model.rules import Around  # these bring croniter, and the store is opened by every verb
    from jobctl.model.schedule_rules import rule_from_document

    try:
        rule = rule_from_document(json.loads(text))
        rule.next_after(to_datetime(cursor_at), Around(zone))
    except _UNREADABLE:
        return False
    return rule.kind.value == kind


def _is_template(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("job", {}), dict):
        return False
    if "definition" in document:
        return isinstance(document["definition"], str) and isinstance(document.get("parameters", {}), dict)
    return "job" in document


def _daemons(rows: Rows) -> Iterator[str]:
    for name, text in rows("SELECT name, definition FROM daemons"):
        try:
            is_own = daemon_of(text).name == name
        except _UNREADABLE:
            is_own = False
        if not is_own:
            yield str(name)


DOCUMENTS = (
    Documents("documents", "every waiting or running job can be read", _jobs, "jobctl cancel ID"),
    Documents("hashes", "every environment is as it was stored", _environments),
    Documents("definitions", "every job definition can be read", _definitions,
              "change it in jobctl.yaml, then: jobctl reload", 6),
    Documents("schedules", "the rule, time zone and template of every schedule can be read", _schedules,
              "jobctl schedule remove NAME, then add it anew", 7),
    Documents("daemons", "every definition of a daemon can be read", _daemons,
              "jobctl daemon remove NAME, then add it anew", 8),
)  # fmt: skip
