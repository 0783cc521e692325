"""Definitions as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join
from typing import Protocol

from jobctl.model.calls import Call
from jobctl.model.definitions import JOINER, Definition, parameter_document
from jobctl.model.jobs import Job
from jobctl.model.parameters import shown
from jobctl.views.instants import ago, exact, instant_json, length, wall
from jobctl.views.jobs import aligned, call_text, duration_of, exit_text, status_text
from jobctl.views.text import printable

HEADER = ("NAME", "CATEGORY", "STATE", "LAST", "NEXT", "USUALLY", "WHAT")
SYMBOLS = {"running": "▶", "queued": "○", "waiting": "◌", "failed": "✗", "gone": "⊘", "idle": "·"}


class RunsView(Protocol):
    """What became of the jobs of a definition."""

    @property
    def last_id(self) -> int | None:
        """The newest job."""

    @property
    def last_status(self) -> str | None:
        """Its state."""

    @property
    def last_at(self) -> int | None:
        """When it started."""

    @property
    def usual_seconds(self) -> float | None:
        """How long jobs of it took lately."""


class ScheduleView(Protocol):
    """What of a schedule is shown here."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def next_fire_at(self) -> int | None:
        """When it fires next."""


class CardView(Protocol):
    """What a card shows."""

    @property
    def definition(self) -> Definition:
        """The definition."""

    @property
    def state(self) -> str:
        """In one word."""

    @property
    def runs(self) -> RunsView:
        """What became of its jobs."""

    @property
    def schedules(self) -> Sequence[ScheduleView]:
        """What submits it by itself."""

    @property
    def next_at(self) -> int | None:
        """When it runs next."""

    @property
    def is_gone(self) -> bool:
        """The file names it no longer."""

    @property
    def is_current(self) -> bool:
        """Whether it was applied as it is now."""


def definition_json(card: CardView) -> dict[str, object]:
    """The definition and how it stands."""
    definition, runs = card.definition, card.runs
    return {
        "name": definition.name,
        "category": definition.category,
        "type": definition.type,
        "icon": definition.icon or None,
        "help": definition.help or None,
        "source": definition.source.value,
        "state": card.state,
        "enabled": not card.is_gone,
        "applied": card.is_current,
        "last_job_id": runs.last_id,
        "last_status": runs.last_status,
        "last_at": instant_json(runs.last_at),
        "next_at": instant_json(card.next_at),
        "usual_seconds": runs.usual_seconds,
        "schedules": [schedule.name for schedule in card.schedules],
        "parameters": [
            {"required": False, "default": None, "help": "", **parameter_document(parameter)}
            for parameter in definition.parameters
        ],
        "command": list(definition.command) or None,
        "shell": definition.shell,
        "call": definition.call,
        "args": None if definition.call is None else dict(definition.args),
        "options": dict(definition.options),
    }


def recent_json(job: Job, now_ms: int) -> dict[str, object]:
    """One run in brief."""
    return {
        "id": job.id,
        "status": job.status.value,
        "started_at": instant_json(job.started_at),
        "finished_at": instant_json(job.finished_at),
        "duration_seconds": duration_of(job, now_ms),
        "exit_code": job.exit_code,
        "signal": job.signal,
    }


def definitions_plain(cards: Sequence[CardView], now_ms: int) -> str:
    """Aligned columns under a header, one definition a line."""
    return aligned([HEADER, *(_row(card, now_ms) for card in cards)])


def _row(card: CardView, now_ms: int) -> tuple[str, ...]:
    definition = card.definition
    return (
        printable(definition.name),
        printable(definition.category or "-"),
        card.state,
        last_text(card, now_ms) or "-",
        ago(card.next_at, now_ms) or "-",
        length(card.runs.usual_seconds) or "-",
        printable(definition.help.partition("\n")[0]) or "-",
    )


def last_text(card: CardView, now_ms: int) -> str:
    """``completed 5m ago``; empty before the first run."""
    runs = card.runs
    return "" if runs.last_status is None else f"{runs.last_status} {ago(runs.last_at, now_ms)}"


def command_text(definition: Definition) -> str:
    """The command as a shell would read it, templates and all; ``pkg.mod:func(days=7)`` of a function."""
    if definition.call is not None:
        return call_text(Call(definition.call, definition.args))
    return printable(definition.shell if definition.shell is not None else join(definition.command))


def definition_fields(card: CardView, now_ms: int) -> list[tuple[str, str]]:
    """Everything known of one definition as ``(label, printable text)``, without what is unknown."""
    definition = card.definition
    fields = [
        ("what", definition.help),
        (
            "state",
            card.state + ("" if card.is_current or card.is_gone else "; the file has changed: jobctl reload"),
        ),
        ("category", definition.category),
        ("command" if definition.call is None else "call", command_text(definition)),
        *(
            (f"option {key}", shown(value))
            for key, value in definition.options.items()
            if key not in ("category",)
        ),
        *(
            (f"schedule {schedule.name}", exact(schedule.next_fire_at, now_ms) or "not due")
            for schedule in card.schedules
        ),
        ("last", f"{card.runs.last_status or ''} {exact(card.runs.last_at, now_ms)}".strip()),
        ("usually", length(card.runs.usual_seconds)),
    ]
    name = f"{icon_text(definition)} {printable(definition.name)}".strip()
    return [("name", name), *((label, printable(str(value))) for label, value in fields if value)]


def icon_text(definition: Definition) -> str:
    """The icon, printable; what joins several signs to one emoji stays."""
    return JOINER.join(map(printable, definition.icon.split(JOINER)))


def parameters_plain(definition: Definition) -> str:
    """One parameter a line: what it takes, its default, what it is for."""
    rows = [
        (
            f"  {parameter.name}",
            parameter.words,
            "required" if parameter.required else f"default {shown(parameter.default)}",
            printable(parameter.help),
        )
        for parameter in definition.parameters
    ]
    return aligned([tuple(map(printable, row)) for row in rows]) if rows else "  none"


def recent_plain(jobs: Sequence[Job], now_ms: int) -> str:
    """One run a line."""
    rows = [
        (f"  {job.id}", wall(job.started_at) or "-", length(duration_of(job, now_ms)) or "-", status_text(job),
         exit_text(job) or "-")
        for job in jobs
    ]  # fmt: skip
    return aligned(rows) if rows else "  none"
