"""What a rule is: something that says which instants are due."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from jobctl.model.cron import CronLine

MILLISECOND = timedelta(milliseconds=1)
LAST_SLOT = datetime(9700, 1, 1, tzinfo=UTC)
"""No slot is later: jitter (a century at most) and zones must stay within the years that ``datetime`` knows."""


class RuleKind(StrEnum):
    """What ``kind`` says in tables and JSON."""

    CRON = "cron"
    EVERY = "every"
    AFTER_FINISH = "after_finish"
    AT = "at"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    REBOOT = "reboot"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Around:
    """What a rule may need besides the instant it is asked about. Only ``zone`` matters to most kinds."""

    zone: ZoneInfo
    active: bool = False
    """Whether a job of the schedule has not ended: after_finish knows no next instant then."""
    last_ended_at: datetime | None = None
    """When the schedule's last job ended, however: after_finish counts from here."""
    started_at: datetime | None = None
    """When this supervisor started; None where none asks (previews). For reboot."""
    life: str = ""
    """Names this supervisor's life. For reboot."""
    boot_id: str = ""
    """Names this boot of the machine. For reboot with once_per_boot."""
    settled_for: str | None = None
    """The life (or boot) whose reboot slot is settled already; see :attr:`firings.Plan.settled_for`."""


class Rule(ABC):
    """Which instants are due. Frozen, comparable; equal documents are equal rules."""

    __slots__ = ()

    kind: ClassVar[RuleKind]
    is_series: ClassVar[bool] = True
    """Whether several slots may pass unnoticed: false for after_finish and reboot, which owe one at most."""
    can_end: ClassVar[bool] = True
    """Whether ``next_after`` saying None means never again; false for after_finish, reboot and manual."""

    @property
    @abstractmethod
    def expression(self) -> str:
        """As a user writes it, without the kind: ``30 2 * * *``, ``90s``, ``mon,fri@09:00``."""

    @abstractmethod
    def next_after(self, after: datetime, around: Around) -> datetime | None:
        """The first slot later than ``after`` (aware), in UTC and in whole milliseconds; None: none (now)."""

    @abstractmethod
    def document(self) -> dict[str, object]:
        """As JSON can hold it, ``kind`` included; ``rule_from_document`` gives it back."""

    @classmethod
    @abstractmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The rule that ``document`` of the same kind wrote."""

    def cron_lines(self) -> tuple[CronLine, ...]:
        """The cron expressions that it is made of; none for kinds that are not of the calendar."""
        return ()

    def asker(self, around: Around) -> Callable[[datetime], datetime | None]:
        """``next_after`` for many questions in a row: what one taught may answer the next."""
        return lambda after: self.next_after(after, around)

    def guess_between(self, after: datetime, until: datetime, around: Around, most: int) -> int:
        """About how many slots are later than ``after`` and up to ``until``, cheaply; rather too many than too few."""
        return self.count_between(after, until, around, most)[0]

    def count_between(self, after: datetime, until: datetime, around: Around, most: int) -> tuple[int, bool]:
        """How many slots are later than ``after`` and up to ``until``, and whether that is exact.

        At least ``most`` are counted if there are so many; more only where that is cheap.
        """
        count = 0
        found = self.next_after(after, around)
        while found is not None and found <= until and count < most:
            count += 1
            found = self.next_after(found, around) if self.is_series else None
        return count, found is None or found > until

    def start_key(self, around: Around) -> str | None:
        """Reboot: the name of the life or boot that its slot stands for. Others: None."""
        return None
