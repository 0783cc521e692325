"""Applying ``jobctl.yaml`` to the store: all of it or nothing; telling the supervisor to read it again."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from jobctl.actions.callers import portable
from jobctl.actions.configuration_checks import check_references
from jobctl.actions.daemon_declarations import apply_daemons
from jobctl.actions.schedule_files import apply_schedules
from jobctl.actions.supervisors import running_supervisor, wake
from jobctl.clock import Clock, Milliseconds
from jobctl.configuration import configuration_path
from jobctl.model.configurations import Configuration, QueueEntry
from jobctl.model.definitions import Source
from jobctl.model.notifications import NotificationPlan
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE, Queue
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.gates import Gates

RELOAD_MARK = "reload"
"""The file in the directory of a life that asks it to read the configuration again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the configuration changed, each as a user would write it."""

    entity: str
    name: str
    key: str
    before: object
    after: object

    def __str__(self) -> str:
        """``queue gpu: concurrency 1 → 2``; about the whole (no key) ``job report: added``."""
        if not self.key:
            return f"{self.entity} {self.name}: {self.after}"
        return f"{self.entity} {self.name}: {self.key} {_written(self.before)} → {_written(self.after)}"


def apply_configuration(store: Store, configuration: Configuration, clock: Clock) -> list[Change]:
    """The store has what the configuration names, all or nothing of it; returns what changed.

    Args:
        store: where to.
        configuration: with what the allowed modules say, see ``inspections.examined``.
        clock: tells when.

    What it does not say stays as it is: queues it no longer names, and keys of a queue it leaves out. Jobs and
    schedules that it no longer names are disabled, daemons stopped; they keep their history.

    Raises:
        BadFileError: ``E_CONFIG``: a job names a queue or a resource, or a daemon another one, that there is not; a
            schedule cannot be understood here.
    """
    now = clock.now_ms()
    with store.write():
        changes = _Applying(store, now).all(configuration)
    if changes:
        wake(store.home)
    return changes


def request_reload(store: Store) -> bool:
    """The running supervisor reads its configuration again; False when none runs."""
    life = running_supervisor(store)
    if life is None:
        return False
    with contextlib.suppress(FileNotFoundError):  # it is just ending
        os.close(os.open(f"{store.home.life(life.id)}/{RELOAD_MARK}", os.O_WRONLY | os.O_CREAT, 0o600))
    wake(store.home)
    return True


class _Applying:
    """One application, in an open write transaction."""

    def __init__(self, store: Store, now: Milliseconds) -> None:
        self._store = store
        self._now = now
        self._known = {queue.name: queue for queue in store.queues.limits()}
        self._changes: list[Change] = []

    def all(self, configuration: Configuration) -> list[Change]:
        slots = configuration.settings.get("concurrency")
        if slots is not None:
            self._queue(QueueEntry(DEFAULT_QUEUE, {"concurrency": slots}))
        for entry in configuration.queues:
            self._queue(entry)
        if configuration.resources is not None:
            self._resources(dict(configuration.resources))
        if configuration.definitions or configuration.schedules or configuration.daemons:
            check_references(self._store, configuration)
        self._definitions(configuration)
        directory = portable(os.path.dirname(configuration_path(self._store.home)))
        for name, done in apply_schedules(
            self._store, configuration.schedules, directory, self._now, configuration.file
        ):
            self._note("schedule", name, "", None, done)
        settings = configuration.over(Settings())
        for change in apply_daemons(self._store, configuration.daemons, directory, settings, self._now):
            self._note("daemon", *change)
        plan = NotificationPlan() if configuration.notifications is None else configuration.notifications
        if self._store.notifications.apply(plan):
            done = f"{len(plan.rules)} rules for {len(plan.targets)} targets" if plan.rules else "none"
            self._note("notifications", "rules", "", None, done)
        return self._changes

    def _definitions(self, configuration: Configuration) -> None:
        """The file's jobs are there, and those that it no longer names are retired."""
        table = self._store.definitions
        for stored in table.list():
            if stored.gone_at is None and stored.definition.name not in configuration.definitions:
                table.retire(stored.definition.name, self._now)
                place = "its module" if stored.definition.source is Source.MODULE else "the file"
                self._note("job", stored.definition.name, "", None, f"gone from {place}; disabled")
        for definition in configuration.definitions.values():
            done = table.put(definition, self._now)
            if done is not None:
                self._note("job", definition.name, "", None, done)

        self._store.signatures.replace(configuration.functions, self._now)

    def _queue(self, entry: QueueEntry) -> None:
        queues, name = self._store.queues, entry.name
        queue = self._known.get(name)
        if queue is None:
            slots = DEFAULT_CONCURRENCY if entry.concurrency is None else entry.concurrency
            queues.add(name, slots, self._now)
            queue = self._known[name] = Queue(name, slots, paused=False)
            self._note("queue", name, "concurrency", None, slots)
        elif entry.concurrency is not None and entry.concurrency != queue.concurrency:
            queues.set_concurrency(name, entry.concurrency, self._now)
            self._note("queue", name, "concurrency", queue.concurrency, entry.concurrency)
        if "rate" in entry.given and entry.rate != queue.rate:
            queues.set_rate(name, entry.rate, self._now)
            self._note("queue", name, "rate", _text(queue.rate), _text(entry.rate))
        if entry.paused is not None and entry.paused != queue.paused:
            queues.set_paused(name, entry.paused, self._now)
            self._note("queue", name, "paused", queue.paused, entry.paused)

    def _resources(self, wanted: dict[str, int]) -> None:
        present = self._store.queues.resources()
        if present == wanted:
            return
        self._store.queues.set_resources(wanted)
        for name in sorted(present.keys() | wanted.keys()):
            if present.get(name) != wanted.get(name):
                self._note("resource", name, "count", present.get(name), wanted.get(name))
        # Who waited for more of one may have it now.
        Gates(self._store.database, self._store.events).free_resources(self._now)

    def _note(self, entity: str, name: str, key: str, before: object, after: object) -> None:
        self._changes.append(Change(entity, name, key, before, after))


def _text(rate: object) -> str | None:
    return None if rate is None else str(rate)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
