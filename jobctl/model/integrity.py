"""What an examination of the store found: named checks, each with a count, examples and a remedy. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is when a check fails."""

    DAMAGE = "damage"
    """Something is wrong or lost."""
    WASTE = "waste"
    """Something lies about that nobody needs; nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; sound when ``count`` is 0."""

    name: str
    says: str
    """What holds when it is sound: ``every ended attempt has one end``."""
    level: Level = Level.DAMAGE
    count: int = 0
    """How many things break it."""
    examples: tuple[str, ...] = ()
    """The first of them: ``job 12``."""
    remedy: str = ""
    skipped: str = ""
    """Why it was not looked at; empty when it was."""

    @property
    def ok(self) -> bool:
        """Whether nothing breaks it."""
        return not self.count and not self.skipped


@dataclass(frozen=True, slots=True)
class Checkup:
    """Every check of one store file."""

    path: str
    schema_version: int | None
    """None when it could not be read."""
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that found damage."""
        return tuple(check for check in self.checks if check.count and check.level is Level.DAMAGE)

    @property
    def waste(self) -> tuple[Check, ...]:
        """The checks that found what nobody needs."""
        return tuple(check for check in self.checks if check.count and check.level is Level.WASTE)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.failed
