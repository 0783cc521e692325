"""What the API returns: frozen, as it stood when it was read. ``as_json`` gives what verbs print with ``--json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from jobctl.actions.waits import exit_code_of
from jobctl.api.options import HasId
from jobctl.clock import to_datetime, to_ms
from jobctl.model.attempts import Attempt as AttemptRecord
from jobctl.model.events import Event as EventRecord
from jobctl.model.explanations import Cause
from jobctl.model.homes import Home
from jobctl.model.jobs import Job as JobRecord
from jobctl.model.states import JobKind, JobStatus
from jobctl.views.events import event_json
from jobctl.views.explanations import cause_json
from jobctl.views.jobs import attempt_json, duration_of, encodable, eta_of, job_json, log_path, wait_of


class JobVerbs(Protocol):
    """What a job asks of the client that it came from."""

    def job(self, selection: int) -> Job:
        """The job as it stands now."""

    def wait_for(self, job_id: int, timeout: float | None, on_progress: Callable[[Job], None] | None) -> Job:
        """The job, once it has ended."""

    def result(self, selection: int, timeout: float | None = None) -> object:
        """What it returned."""

    def log_lines(self, job_id: int, *, follow: bool) -> Iterator[str]:
        """What it printed."""

    def cancel_one(self, job_id: int, reason: str | None) -> None:
        """It is cancelled, or will be."""

    def retry_one(self, job_id: int) -> None:
        """It runs again."""


@dataclass(frozen=True, slots=True)
class Job(HasId):
    """A job as it stood at ``read_at``. Instants are aware (UTC), durations in seconds, sizes in bytes."""

    record: JobRecord = field(repr=False)
    """All that the store knows; its fields may change between versions."""
    home: Home = field(repr=False)
    read_at: datetime = field(compare=False)
    verbs: JobVerbs = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.name!r} {self.status.value}>"

    @property
    def id(self) -> int:
        """Its id, never given to another job."""
        return self.record.id

    @property
    def name(self) -> str:
        """What it is called; several jobs may share a name."""
        return self.record.name

    @property
    def status(self) -> JobStatus:
        """Created, queued, running, completed, failed, cancelled or timeout."""
        return self.record.status

    @property
    def reason(self) -> str | None:
        """Why it is in that state, where that says more."""
        return self.record.reason

    @property
    def ended(self) -> bool:
        """Whether only a retry changes it any more."""
        return self.status.is_terminal

    @property
    def completed(self) -> bool:
        """Whether it did what was asked."""
        return self.status is JobStatus.COMPLETED

    @property
    def kind(self) -> JobKind:
        """Command, function, batch or workflow."""
        return self.record.kind

    @property
    def queue(self) -> str:
        """Where it queues."""
        return self.record.queue

    @property
    def priority(self) -> int:
        """1 (most urgent) to 10."""
        return self.record.priority

    @property
    def command(self) -> tuple[str, ...]:
        """Its argument vector; empty for a function."""
        return tuple(encodable(word) for word in self.record.spec.argv())

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self.record.tags

    @property
    def type(self) -> str | None:
        """What kind of work it is."""
        return self.record.type

    @property
    def category(self) -> str | None:
        """What it belongs to."""
        return self.record.category

    @property
    def user(self) -> str | None:
        """Whom it is for."""
        return self.record.user

    @property
    def meta(self) -> object:
        """The JSON that was kept with it."""
        return self.record.meta

    @property
    def parent_id(self) -> int | None:
        """The job that it was submitted by, or the batch or workflow it belongs to."""
        return self.record.parent_id

    @property
    def attempt(self) -> int:
        """The number of the newest attempt; 0 before the first."""
        return self.record.attempt

    @property
    def percent(self) -> float | None:
        """Its progress, 0 to 100, as far as is known."""
        return self.record.progress.percent

    @property
    def items_done(self) -> int | None:
        """So many of ``items_total``."""
        return self.record.progress.items_done

    @property
    def items_total(self) -> int | None:
        """How many items it has."""
        return self.record.progress.items_total

    @property
    def items_failed(self) -> int | None:
        """How many of them failed."""
        return self.record.progress.items_failed

    @property
    def item_errors(self) -> Sequence[tuple[str, str]]:
        """The items that failed, each with its error."""
        return tuple((item, error) for item, error in self.record.progress.item_errors)

    @property
    def message(self) -> str | None:
        """The last message of its progress."""
        return self.record.progress.message

    @property
    def exit_code(self) -> int | None:
        """Of its newest attempt; None when it has none."""
        return self.record.exit_code

    @property
    def returncode(self) -> int | None:
        """The code that ``jobctl run`` ends with (124 for a time-out, 143 cancelled); None before its end."""
        return exit_code_of(self.record) if self.ended else None

    @property
    def signal(self) -> str | None:
        """The signal that ended its newest attempt."""
        return self.record.signal

    @property
    def error(self) -> str | None:
        """What went wrong, in one line."""
        return None if self.record.error is None else encodable(self.record.error)

    @property
    def value(self) -> object:
        """The result that it reported or returned, as JSON; None until then. See :meth:`result`."""
        return self.record.result

    @property
    def created_at(self) -> datetime:
        """When it was submitted."""
        return to_datetime(self.record.created_at)

    @property
    def started_at(self) -> datetime | None:
        """When its newest attempt started."""
        return instant(self.record.started_at)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return instant(self.record.finished_at)

    @property
    def duration_seconds(self) -> float | None:
        """How long its newest attempt took, so far if it still runs."""
        return duration_of(self.record, to_ms(self.read_at))

    @property
    def wait_seconds(self) -> float:
        """How long it waited."""
        return wait_of(self.record, to_ms(self.read_at))

    @property
    def eta_seconds(self) -> float | None:
        """How long it still needs, as far as is known."""
        return eta_of(self.record, to_ms(self.read_at))

    @property
    def log_path(self) -> str | None:
        """Where its newest attempt's output is; None before the first."""
        return log_path(self.home, self.record.id, self.attempt, self.record.spec.split_output)

    def as_json(self) -> dict[str, object]:
        """The document that ``list --json`` and ``submit --json`` print."""
        return job_json(self.record, self.home, to_ms(self.read_at))

    def refresh(self) -> Job:
        """The job as it stands now.

        Raises:
            NotFoundError: it has been removed.
        """
        return self.verbs.job(self.id)

    def wait(self, timeout: float | None = None, on_progress: Callable[[Job], None] | None = None) -> Job:
        """The job, once it has ended; see ``Client.wait``."""
        return self.verbs.wait_for(self.id, timeout, on_progress)

    def result(self, timeout: float | None = None) -> object:
        """What it returned, once it has completed; see ``Client.result``."""
        return self.verbs.result(self.id, timeout)

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """The lines it printed; see ``Client.logs``."""
        return self.verbs.log_lines(self.id, follow=follow)

    def cancel(self, reason: str | None = None) -> Job:
        """It is cancelled, or will be; returns it as it stands now."""
        self.verbs.cancel_one(self.id, reason)
        return self.refresh()

    def retry(self) -> Job:
        """It runs again: the same id, the next attempt; returns it as it stands now."""
        self.verbs.retry_one(self.id)
        return self.refresh()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job."""

    record: AttemptRecord = field(repr=False)
    home: Home = field(repr=False)
    read_at: datetime = field(compare=False)

    @property
    def number(self) -> int:
        """From 1."""
        return self.record.number

    @property
    def outcome(self) -> str | None:
        """Completed, failed, cancelled, timeout or lost; None while it runs."""
        return None if self.record.outcome is None else self.record.outcome.value

    def as_json(self) -> dict[str, object]:
        """As in ``attempts`` of ``show --json``."""
        return attempt_json(self.record, self.home, to_ms(self.read_at))


@dataclass(frozen=True, slots=True)
class Event:
    """A fact that happened; ``id`` is the cursor to go on from."""

    id: int
    at: datetime
    kind: str
    """``job.started``, ``daemon.ready``, …"""
    entity: str
    entity_id: int | str
    data: Mapping[str, object]
    record: EventRecord = field(repr=False, compare=False)

    def as_json(self) -> dict[str, object]:
        """The line that ``events --json`` prints."""
        return event_json(self.record)


def event_of(record: EventRecord) -> Event:
    """The event of the store as the API gives it."""
    data = record.data if isinstance(record.data, dict) else {}
    return Event(
        record.id,
        to_datetime(record.at),
        str(record.kind),
        str(record.entity),
        record.entity_id,
        data,
        record,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb did to one job: ``cancelled``, ``cancelling``, ``retried``, ``held``, ``released``, …"""

    id: int
    status: JobStatus
    action: str

    def as_json(self) -> dict[str, object]:
        """As in ``cancel --json``."""
        return {"id": self.id, "status": self.status.value, "action": self.action}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is: ``code`` for programs, ``message`` for people, ``facts`` behind it."""

    code: str
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As in ``reasons`` of ``explain --json``."""
        return cause_json(Cause(self.code, self.message, self.facts))


def reasons_of(causes: Iterable[Cause]) -> list[Reason]:
    """The causes as the API gives them."""
    return [Reason(cause.code, cause.message, cause.facts) for cause in causes]


def instant(milliseconds: int | None) -> datetime | None:
    """The aware instant of a stored one that may be missing."""
    return None if milliseconds is None else to_datetime(milliseconds)
