"""The kinds of schedule. A kind is one frozen dataclass and one line in ``RULES``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from jobctl.model.calendar_rules import Cron, Daily, Monthly, Weekly
from jobctl.model.instants import format_instant
from jobctl.model.rules import LAST_SLOT, MILLISECOND, Around, Rule, RuleKind

__all__ = (
    "MILLISECOND", "RULES", "AfterFinish", "Around", "At", "Cron", "Daily", "Every", "Manual", "Monthly", "Reboot",
    "Rule", "RuleKind", "Weekly", "rule_from_document",
)  # fmt: skip

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


@dataclass(frozen=True, slots=True)
class Every(Rule):
    """``--every 90s``: anchor + k × interval, in elapsed time, whatever restarts and clocks do."""

    kind: ClassVar[RuleKind] = RuleKind.EVERY
    interval_ms: int
    anchor: datetime
    """Its start, else its creation."""

    @property
    def expression(self) -> str:
        return _short_duration(self.interval_ms)

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        passed = (after.astimezone(UTC) - self.anchor) // self._interval
        return _later(self.anchor, self._interval, max(0, passed + 1))

    def count_between(self, after: datetime, until: datetime, around: Around, most: int) -> tuple[int, bool]:
        passed = [(instant.astimezone(UTC) - self.anchor) // self._interval for instant in (after, until)]
        return max(0, passed[1] - max(passed[0], -1)), True

    @property
    def _interval(self) -> timedelta:
        return timedelta(milliseconds=self.interval_ms)

    def document(self) -> dict[str, object]:
        return _interval_document(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["interval_ms"], _instant(document["anchor"]))


@dataclass(frozen=True, slots=True)
class AfterFinish(Rule):
    """``--every 90s --after-finish``: so long after the last job ended."""

    kind: ClassVar[RuleKind] = RuleKind.AFTER_FINISH
    is_series: ClassVar[bool] = False
    can_end: ClassVar[bool] = False
    interval_ms: int
    anchor: datetime
    """The first slot if it is a start to come; else the first is one interval after it."""

    @property
    def expression(self) -> str:
        return _short_duration(self.interval_ms)

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        if around.active:
            return None
        interval, floor = timedelta(milliseconds=self.interval_ms), after.astimezone(UTC)
        ended_at = around.last_ended_at
        due = self.anchor if ended_at is None else _later(ended_at.astimezone(UTC), interval)
        return due if due is None or due > floor else _later(floor, interval)

    def document(self) -> dict[str, object]:
        return _interval_document(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["interval_ms"], _instant(document["anchor"]))


@dataclass(frozen=True, slots=True)
class At(Rule):
    """``--at``: once."""

    kind: ClassVar[RuleKind] = RuleKind.AT
    at: datetime

    @property
    def expression(self) -> str:
        return format_instant(self.at)

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        return self.at if self.at > after else None

    def document(self) -> dict[str, object]:
        return {"kind": self.kind, "at": format_instant(self.at)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(_instant(document["at"]))


@dataclass(frozen=True, slots=True)
class Reboot(Rule):
    """``--reboot``: once for each start of the supervisor, or of the machine."""

    kind: ClassVar[RuleKind] = RuleKind.REBOOT
    is_series: ClassVar[bool] = False
    can_end: ClassVar[bool] = False
    once_per_boot: bool = False

    @property
    def expression(self) -> str:
        return "once per boot" if self.once_per_boot else "supervisor start"

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        """The start of this supervisor, if that is not settled yet: the life decides, no clock does."""
        if around.started_at is None or self.start_key(around) == around.settled_for:
            return None
        return max(around.started_at.astimezone(UTC), after.astimezone(UTC) + MILLISECOND)

    def start_key(self, around: Around) -> str | None:
        return around.boot_id if self.once_per_boot else around.life

    def document(self) -> dict[str, object]:
        return {"kind": self.kind, "once_per_boot": self.once_per_boot}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["once_per_boot"])


@dataclass(frozen=True, slots=True)
class Manual(Rule):
    """``--manual``: only by ``schedule run``."""

    kind: ClassVar[RuleKind] = RuleKind.MANUAL
    can_end: ClassVar[bool] = False

    @property
    def expression(self) -> str:
        return "by hand"

    def next_after(self, after: datetime, around: Around) -> datetime | None:
        return None

    def document(self) -> dict[str, object]:
        return {"kind": self.kind}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls()


RULES: dict[RuleKind, type[Rule]] = {
    rule.kind: rule for rule in (Cron, Every, AfterFinish, At, Daily, Weekly, Monthly, Reboot, Manual)
}


def rule_from_document(document: Mapping[str, object]) -> Rule:
    """The rule that ``Rule.document`` wrote."""
    return RULES[RuleKind(str(document["kind"]))].from_document(document)


def _short_duration(milliseconds: int) -> str:
    """As ``durations.parse_duration`` reads it, exactly: ``1h30m``."""
    text = ""
    for size, unit in _UNITS:
        amount, milliseconds = divmod(milliseconds, size)
        text += f"{amount}{unit}" if amount else ""
    return text


def _later(start: datetime, interval: timedelta, times: int = 1) -> datetime | None:
    """``times`` intervals after ``start``; None beyond the last slot there can be."""
    if (LAST_SLOT - start) // interval < times:
        return None
    return start + times * interval


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _interval_document(rule: Every | AfterFinish) -> dict[str, object]:
    return {"kind": rule.kind, "interval_ms": rule.interval_ms, "anchor": format_instant(rule.anchor)}
