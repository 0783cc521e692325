"""The catalog as callers see it: every definition, with what became of its jobs and when it runs next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jobctl.actions.definitions import definitions_of
from jobctl.errors import NotFoundError
from jobctl.model.configurations import Configuration
from jobctl.model.definitions import Definition
from jobctl.model.jobs import Job
from jobctl.model.problems import did_you_mean
from jobctl.model.schedule_records import Schedule
from jobctl.store import Store
from jobctl.store.definitions import Runs, StoredDefinition

_FAILED = ("failed", "timeout")


@dataclass(frozen=True, slots=True)
class Card:
    """One definition and how it stands. Instants in milliseconds UTC."""

    definition: Definition
    runs: Runs = field(default_factory=lambda: Runs({}))
    schedules: tuple[Schedule, ...] = ()
    stored: StoredDefinition | None = None
    """As it was last applied; None: never."""
    is_gone: bool = False
    """The file names it no longer; it cannot be submitted."""
    is_current: bool = True
    """Whether the supervisor goes by what the file says now."""

    @property
    def state(self) -> str:
        """``running``, ``queued``, ``waiting``; else ``gone``, ``failed`` (the last one did) or ``idle``."""
        for state, word in (("running", "running"), ("queued", "queued"), ("created", "waiting")):
            if self.runs.counts.get(state):
                return word
        if self.is_gone:
            return "gone"
        return "failed" if self.runs.last_status in _FAILED else "idle"

    @property
    def next_at(self) -> int | None:
        """When a schedule of it fires next."""
        found = [at for schedule in self.schedules if (at := schedule.next_fire_at) is not None]
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class Details:
    """A card and the newest jobs of it."""

    card: Card
    recent: tuple[Job, ...] = field(default=())


def catalog(store: Store | None, configuration: Configuration | None) -> list[Card]:
    """A card for every definition: those of the file in its order, gone ones, built-in ones."""
    known = definitions_of(configuration, store)
    if store is None:
        return [Card(definition, is_current=_is_current(definition, None)) for definition in known.values()]
    stored = {one.definition.name: one for one in store.definitions.list()}
    schedules = store.schedules.list()
    cards = [_card(store, definition, stored, schedules) for definition in known.values()]
    gone = [one.definition for name, one in stored.items() if name not in known]
    return cards + [_card(store, definition, stored, schedules, is_gone=True) for definition in gone]


def details(store: Store | None, configuration: Configuration | None, name: str, limit: int) -> Details:
    """Everything about the definition, and its newest ``limit`` jobs.

    Raises:
        NotFoundError: there is none of this name, and never was.
    """
    cards = {card.definition.name: card for card in catalog(store, configuration)}
    if name not in cards:
        raise NotFoundError("no such definition", name, did_you_mean(name, cards))
    if store is None:
        return Details(cards[name])
    jobs = (store.jobs.get(number) for number in store.definitions.newest(name, limit))
    return Details(cards[name], tuple(job for job in jobs if job is not None))


def _card(
    store: Store,
    definition: Definition,
    stored: dict[str, StoredDefinition],
    schedules: Iterable[Schedule],
    *,
    is_gone: bool = False,
) -> Card:
    name = definition.name
    applied = stored.get(name)
    mine = tuple(found for found in schedules if found.text.template.get("definition") == name)
    return Card(
        definition=definition,
        runs=store.definitions.runs(name),
        schedules=mine,
        stored=applied,
        is_gone=is_gone,
        is_current=_is_current(definition, applied),
    )


def _is_current(definition: Definition, applied: StoredDefinition | None) -> bool:
    """Whether the supervisor would make the same job of it."""
    from jobctl.model.builtin_definitions import BUILTIN

    if applied is None or applied.gone_at is not None:
        return definition == BUILTIN.get(definition.name)
    return applied.definition.document() == definition.document()
