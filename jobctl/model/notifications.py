"""Notifications: which events somebody wants to hear of, where they are told, and how often.

A rule names occasions, not event kinds: an occasion is what a person would call it, whatever kinds it shows in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from jobctl.model.events import EventKind
from jobctl.model.queues import Rate
from jobctl.model.states import JobKind

QUEUE = "notifications"
"""The queue of deliveries: a week of training in ``default`` must not hold a message back."""
CONCURRENCY = 2
TYPE = "notification"
"""Of the jobs that deliver. What becomes of them is never notified of."""
SUBMITTER = "notification:"
DEFAULT_LIMIT = Rate(20, 3600.0)
GROUPING_MS = 3_000
"""So long the first event waits for others: a burst is one message, and one of the limit."""
LONGEST_TITLE = 200
LONGEST_TEXT = 1000
MOST_TOLD = 50
"""Events written out in one message; of the rest it tells how many there are."""


class Occasion(StrEnum):
    """What somebody may want to hear of."""

    FAILURE = "failure"
    SUCCESS = "success"
    BATCH_END = "batch_end"
    WORKFLOW_END = "workflow_end"
    APPROVAL = "approval"
    DAEMON_ERROR = "daemon_error"
    DAEMON_UNHEALTHY = "daemon_unhealthy"
    SCHEDULE_MISSED = "schedule_missed"
    SCHEDULE_FAILED = "schedule_failed"


MEANINGS: Mapping[Occasion, str] = {
    Occasion.FAILURE: "a job, batch or workflow failed or ran out of time; not each item, step or attempt",
    Occasion.SUCCESS: "a job, batch or workflow completed",
    Occasion.BATCH_END: "a batch ended, however it did",
    Occasion.WORKFLOW_END: "a workflow ended, however it did",
    Occasion.APPROVAL: "a workflow waits for an approval",
    Occasion.DAEMON_ERROR: "a daemon was given up",
    Occasion.DAEMON_UNHEALTHY: "the health check of a daemon failed",
    Occasion.SCHEDULE_MISSED: "a schedule missed a slot",
    Occasion.SCHEDULE_FAILED: "a schedule could not submit its job",
}

_OF_JOBS = {
    EventKind.JOB_COMPLETED.value: (Occasion.SUCCESS, Occasion.BATCH_END),
    EventKind.JOB_FAILED.value: (Occasion.FAILURE, Occasion.BATCH_END),
    EventKind.JOB_TIMEOUT.value: (Occasion.FAILURE, Occasion.BATCH_END),
    EventKind.JOB_CANCELLED.value: (Occasion.BATCH_END,),
}
_OF_WORKFLOWS = {
    EventKind.WORKFLOW_COMPLETED.value: (Occasion.SUCCESS, Occasion.WORKFLOW_END),
    EventKind.WORKFLOW_FAILED.value: (Occasion.FAILURE, Occasion.WORKFLOW_END),
    EventKind.WORKFLOW_TIMEOUT.value: (Occasion.FAILURE, Occasion.WORKFLOW_END),
    EventKind.WORKFLOW_CANCELLED.value: (Occasion.WORKFLOW_END,),
    EventKind.WORKFLOW_STEP_WAITING.value: (Occasion.APPROVAL,),
}
_OF_OTHERS = {
    EventKind.DAEMON_FAILED.value: (Occasion.DAEMON_ERROR,),
    EventKind.DAEMON_UNHEALTHY.value: (Occasion.DAEMON_UNHEALTHY,),
    EventKind.SCHEDULE_MISSED.value: (Occasion.SCHEDULE_MISSED,),
    EventKind.SCHEDULE_FAILED.value: (Occasion.SCHEDULE_FAILED,),
    EventKind.SCHEDULE_BROKEN.value: (Occasion.SCHEDULE_FAILED,),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about, as far as rules ask: a job of any kind, a daemon or a schedule."""

    name: str
    job_kind: JobKind | None = None
    """None: no job."""
    queue: str | None = None
    type: str | None = None
    tags: tuple[str, ...] = ()
    is_part: bool = False
    """Whether it is an item of a batch, a step of a workflow or a workflow within one: the whole is told of."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who hears of what. Filters that are None let everything pass."""

    on: tuple[Occasion, ...]
    to: tuple[str, ...]
    name: str | None = None
    """A pattern with ``*`` and ``?``."""
    queue: str | None = None
    tag: str | None = None
    type: str | None = None

    def matches(self, occasions: Sequence[Occasion], subject: Subject) -> bool:
        """Whether it wants to be told of this."""
        if not any(occasion in self.on for occasion in occasions):
            return False
        if self.name is not None and not fnmatchcase(subject.name, self.name):
            return False
        if self.queue is not None and subject.queue != self.queue:
            return False
        if self.tag is not None and self.tag not in subject.tags:
            return False
        return self.type is None or subject.type == self.type


@dataclass(frozen=True, slots=True)
class Target:
    """Where notifications go. Its URL is a secret: it stays in the file or in the environment."""

    name: str
    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    """The variable that holds the URL, if the file does not."""
    limit: Rate | None = DEFAULT_LIMIT
    """At most so many messages in a time; what comes above waits for the next one. None: as they come."""


@dataclass(frozen=True, slots=True)
class NotificationPlan:
    """The section ``notifications`` of ``jobctl.yaml``."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def targets_for(self, occasions: Sequence[Occasion], subject: Subject) -> list[str]:
        """The targets that are told of this, each once, in the order of the rules."""
        found = [name for rule in self.rules if rule.matches(occasions, subject) for name in rule.to]
        return list(dict.fromkeys(found))

    def as_json(self) -> dict[str, Any]:
        """What the store keeps: everything but the URLs."""
        return {
            "targets": {
                target.name: {
                    "url_env": target.url_env,
                    "limit": None if target.limit is None else [target.limit.count, target.limit.seconds],
                }
                for target in self.targets.values()
            },
            "rules": [
                {
                    "on": [occasion.value for occasion in rule.on], "to": list(rule.to), "name": rule.name,
                    "queue": rule.queue, "tag": rule.tag, "type": rule.type,
                }
                for rule in self.rules
            ],
        }  # fmt: skip

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of events that a rule may want."""
        wanted = {occasion for rule in self.rules for occasion in rule.on}
        every = {**_OF_JOBS, **_OF_WORKFLOWS, **_OF_OTHERS}
        return frozenset(kind for kind, occasions in every.items() if wanted & set(occasions))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one target."""

    target: str
    events: int
    oldest_at: int


@dataclass(frozen=True, slots=True)
class Told:
    """How a target fared: its messages, the newest one's job and what waits."""

    messages: int = 0
    last_at: int | None = None
    last_job_id: int | None = None
    last_status: str | None = None
    waiting: int = 0


def plan_of(document: Mapping[str, Any]) -> NotificationPlan:
    """The plan that ``as_json`` wrote, without the URLs."""
    targets = {
        name: Target(name, None, found["url_env"], None if found["limit"] is None else Rate(*found["limit"]))
        for name, found in document["targets"].items()
    }
    rules = tuple(
        Rule(
            tuple(map(Occasion, found["on"])), tuple(found["to"]), found["name"], found["queue"],
            found["tag"], found["type"],
        )
        for found in document["rules"]
    )  # fmt: skip
    return NotificationPlan(targets, rules)


def occasions_of(kind: str, subject: Subject) -> tuple[Occasion, ...]:
    """The occasions that an event of this kind is, for what it is about; none for most."""
    if subject.type == TYPE or subject.is_part:
        return _OF_WORKFLOWS.get(kind, ()) if kind == EventKind.WORKFLOW_STEP_WAITING else ()
    if kind in _OF_OTHERS:
        return _OF_OTHERS[kind]
    if subject.job_kind is JobKind.WORKFLOW:
        return _OF_WORKFLOWS.get(kind, ())
    found = _OF_JOBS.get(kind, ())
    if subject.job_kind is not JobKind.BATCH:
        found = tuple(occasion for occasion in found if occasion is not Occasion.BATCH_END)
    return found


def message_of(host: str, items: Sequence[tuple[str, str]], total: int) -> tuple[str, str]:
    """Title and text of one message about ``items`` (title and text of each), of ``total`` events in all."""
    if total == 1:
        title, text = items[0]
        return f"[{host}] {title}", text or title
    told = [f"{title}\n{text}" if text else title for title, text in items[:MOST_TOLD]]
    if total > len(told):
        told.append(f"and {total - len(told)} more: jobctl events")
    return f"[{host}] {items[0][0]} and {total - 1} more", "\n\n".join(told)
