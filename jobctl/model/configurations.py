"""What ``jobctl.yaml`` says: all of its sections; every problem in it is found at once.

A section is one table and one line of ``_Reading.configuration``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobctl.errors import BadInputError
from jobctl.model.fields import Field, Rate, Schema, Table, Truth, Whole, table_of
from jobctl.model.file_texts import FileText
from jobctl.model.names import RESOURCE_NAME, check_queue_name, check_resource_word
from jobctl.model.problems import file_error
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE
from jobctl.model.queues import Rate as QueueRate
from jobctl.model.readings import Reading, mark_of, nearest
from jobctl.model.secret_fields import check_secrets, patterns_of
from jobctl.model.setting_fields import MOST_SLOTS, SETTINGS
from jobctl.model.settings import Settings
from jobctl.model.yaml_nodes import MappingNode, Node, read_yaml

if TYPE_CHECKING:
    from jobctl.model.daemon_entries import DaemonEntry
    from jobctl.model.definitions import Definition, ScheduleEntry
    from jobctl.model.functions import Function
    from jobctl.model.notifications import NotificationPlan

_SLOT_WORDS = dict.fromkeys(("max_jobs", "parallel", "slots", "limit", "workers"), "concurrency")
SETTING = Table(
    "setting",
    SETTINGS,
    {
        **_SLOT_WORDS, "timeout": "default_timeout", "attempts": "default_attempts",
        "retries": "default_attempts", "priority": "default_priority", "grace": "default_grace",
        "backoff": "default_backoff", "retention": "retention_age", "keep": "retention_jobs",
    },
)  # fmt: skip
QUEUE = table_of(
    "key",
    Field("concurrency", Whole(1, MOST_SLOTS), "slots", str(DEFAULT_CONCURRENCY)),
    Field("rate", Rate(), "at most so many starts in a time", "none"),
    Field("paused", Truth(), "whether nothing starts from it", "false"),
    other_words={**_SLOT_WORDS, "pause": "paused"},
)
RESOURCE = Field("count", Whole(0, MOST_SLOTS), "how many there are")
SECTIONS = {
    "settings": "what holds where a job does not say otherwise",
    "queues": "lanes with a concurrency of their own, by name",
    "resources": "how much there is of what jobs may ask for, by name",
    "jobs": "what has a name before it runs: `jobctl submit NAME k=v`",
    "schedules": "when what is submitted by itself, by name",
    "daemons": "processes that are kept alive, by name",
    "notifications": "who is told when something fails, ends or waits",
}
_LATER_SECTIONS = ("workflows",)
_OTHER_SECTIONS = {
    "tasks": "jobs", "job": "jobs", "catalog": "jobs", "definitions": "jobs", "services": "daemons",
    "cron": "schedules", "schedule": "schedules", "modules": "settings: {modules: […]}", "config": "settings",
    "pools": "queues", "queue": "queues", "notify": "notifications", "notification": "notifications",
    "alerts": "notifications",
}  # fmt: skip
_TAKEN_NAMES = frozenset({
    "home", "job_id", "attempt", "run", "progress", "result", "output", "daemon", "state_dir", "heartbeat",
    "workflow_id", "step", "item", "seq",
})  # fmt: skip
"""A resource reaches the job as ``JOBCTL_<NAME>``: these are jobctl's own."""

_DAEMON_SECRETS = "start jobctl up with it in its environment: daemons get that"


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue as the file names it: only the keys that were given."""

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def concurrency(self) -> int | None:
        """None: not said."""
        return self.given.get("concurrency")

    @property
    def paused(self) -> bool | None:
        """None: not said."""
        return self.given.get("paused")

    @property
    def rate(self) -> QueueRate | None:
        """None: none, or not said."""
        return self.given.get("rate")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file. What it does not say is not in it."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    queues: tuple[QueueEntry, ...] = ()
    resources: Mapping[str, int] | None = None
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    schedules: tuple[ScheduleEntry, ...] = ()
    """Those of ``schedules:`` and of ``schedule:`` at jobs."""
    daemons: tuple[DaemonEntry, ...] = ()
    functions: tuple[Function, ...] = ()
    """What allowed modules and distributions offer; see ``actions.declarations``."""
    notifications: NotificationPlan | None = None
    """None: the file does not say."""
    file: FileText = field(default=FileText(), compare=False, repr=False)
    """Where it was written, for what is found out later."""

    def over(self, settings: Settings) -> Settings:
        """``settings`` with what the file says instead."""
        return replace(settings, **self.settings) if self.settings else settings


def parse_configuration(text: str, source: str) -> Configuration:
    """The configuration that the YAML ``text`` writes; an empty one from an empty file.

    Raises:
        BadFileError: ``E_CONFIG``; it tells every problem.
    """
    root, problems = read_yaml(text)
    reading = Reading(problems)
    found = _configuration(reading, root) if root is not None else Configuration()
    if problems:
        raise file_error(source, text, problems, "E_CONFIG")
    return replace(found, file=FileText(source, text, root))


def configuration_schema() -> Schema:
    """The JSON schema of the file."""
    from jobctl.model.daemon_entries import daemons_schema
    from jobctl.model.definition_fields import JOB, SCHEDULE
    from jobctl.model.notification_fields import SECTION as NOTIFICATIONS

    queue = {**QUEUE.schema(), "type": ["object", "null"]}
    by_name: dict[str, Schema] = {
        "settings": SETTING.schema(),
        "queues": {"type": "object", "additionalProperties": queue},
        "resources": {
            "type": "object", "additionalProperties": RESOURCE.schema(),
            "propertyNames": {"pattern": f"^{RESOURCE_NAME}$"},
        },
        "jobs": {"type": "object", "additionalProperties": JOB.schema()},
        "schedules": {"type": "object", "additionalProperties": SCHEDULE.schema()},
        "daemons": daemons_schema(),
        "notifications": NOTIFICATIONS.schema(),
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jobctl.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {**by_name[name], "type": ["object", "null"], "description": what}
            for name, what in SECTIONS.items()
        },
    }


def _configuration(reading: Reading, root: Node) -> Configuration:
    sections: dict[str, Node] = {}
    for entry in reading.entries(root, "the file", "sections such as queues:"):
        if entry.name in _LATER_SECTIONS:
            hint = "this one knows: " + ", ".join(SECTIONS)
            reading.add(entry.mark, "a later version of jobctl reads this section", entry.name, hint)
        elif entry.name not in SECTIONS:
            hint = _other_section(entry.name)
            reading.add(entry.mark, "unknown section", entry.name, hint)
        else:
            sections[entry.name] = entry.node
    settings = _settings(reading, sections["settings"]) if "settings" in sections else {}
    queues = _queues(reading, sections["queues"]) if "queues" in sections else ()
    resources = _resources(reading, sections["resources"]) if "resources" in sections else None
    _check_default_queue(reading, sections, settings, queues)
    definitions, schedules = _catalog(reading, sections, settings)
    daemons = _daemons(reading, sections["daemons"], settings) if "daemons" in sections else ()
    plan = None
    if "notifications" in sections:
        plan = _notifications(reading, sections["notifications"], settings)
    return Configuration(settings, queues, resources, definitions, schedules, daemons, notifications=plan)


def _notifications(reading: Reading, node: Node, settings: Mapping[str, Any]) -> NotificationPlan:
    from jobctl.model.notification_fields import read_notifications  # as for jobs

    return read_notifications(reading, node, patterns_of(settings))


def _daemons(reading: Reading, node: Node, settings: Mapping[str, Any]) -> tuple[DaemonEntry, ...]:
    from jobctl.model.daemon_entries import read_daemons  # as for jobs

    entries = node.entries.values() if isinstance(node, MappingNode) else ()
    for _, value in entries:
        check_secrets(reading, value, patterns_of(settings), _DAEMON_SECRETS)
    return read_daemons(node, reading.add)


def _catalog(
    reading: Reading, sections: Mapping[str, Node], settings: Mapping[str, Any]
) -> tuple[dict[str, Definition], tuple[ScheduleEntry, ...]]:
    """The jobs and the schedules."""
    if not {"jobs", "schedules"} & sections.keys():
        return {}, ()
    # Imported here: every submit beside a file of settings would pay for it (100 ms).
    from jobctl.model.definition_fields import own_schedules, read_definitions, read_schedules

    patterns = patterns_of(settings)
    definitions: dict[str, Definition] = {}
    if "jobs" in sections:
        definitions = read_definitions(reading, sections["jobs"], patterns)
    schedules: list[ScheduleEntry] = []
    if "schedules" in sections:
        # What modules declare shows once they are looked at.
        declares = bool(settings.get("modules"))
        schedules = read_schedules(reading, sections["schedules"], definitions, patterns, declares=declares)
    return definitions, (*own_schedules(definitions.values()), *schedules)


def _other_section(word: str) -> str:
    other = _OTHER_SECTIONS.get(word.lower())
    if other is not None and other.partition(":")[0] in SECTIONS:
        return f"here it is called {other}"
    return nearest(word, SECTIONS, {})


def _settings(reading: Reading, node: Node) -> dict[str, Any]:
    found = reading.table(node, "settings", SETTING)
    delay, most = found.get("default_retry_delay"), found.get("default_max_delay")
    if delay is not None and delay > (most if most is not None else Settings().default_max_delay):
        mark = mark_of(node, "default_retry_delay")
        reading.add(mark, "default_retry_delay exceeds default_max_delay", None, "give a larger max delay")
    return found


def _queues(reading: Reading, node: Node) -> tuple[QueueEntry, ...]:
    return tuple(
        QueueEntry(entry.name, reading.table(entry.node, entry.name, QUEUE))
        for entry in reading.entries(node, "queues", "names of queues")
        if reading.passes(entry, check_queue_name)
    )


def _resources(reading: Reading, node: Node) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in reading.entries(node, "resources", "names of resources"):
        if reading.passes(entry, check_resource_name):
            reading.put(found, entry, RESOURCE)
    return found


def _check_default_queue(
    reading: Reading,
    sections: Mapping[str, Node],
    settings: Mapping[str, Any],
    queues: Collection[QueueEntry],
) -> None:
    """The slots of ``default`` are not given twice and differently."""
    wanted = settings.get("concurrency")
    for queue in queues:
        differs = queue.name == DEFAULT_QUEUE and queue.concurrency not in (None, wanted)
        if wanted is not None and differs:
            mark = mark_of(sections["settings"], "concurrency")
            hint = f"queues: says {queue.concurrency}; keep one"
            reading.add(mark, "the concurrency of the queue default is given twice", str(wanted), hint)


def check_resource_name(text: str) -> str:
    """``text``, proven fit to name a resource.

    Raises:
        BadInputError: ``E_NAME``.
    """
    check_resource_word(text)
    variable = text.lower().replace("-", "_")
    if variable in _TAKEN_NAMES or variable in SETTINGS or variable.startswith("hook_"):
        raise BadInputError(
            "this name is jobctl's own", text, "a job would get it in place of ours", "E_NAME"
        )
    return text
