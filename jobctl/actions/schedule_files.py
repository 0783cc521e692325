"""The schedules of ``jobctl.yaml``: applied with the rest of it, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobctl.actions.requests import JobRequest, request_document, request_of
from jobctl.actions.schedule_states import start_afresh
from jobctl.actions.schedules import GONE, moment, schedule_text
from jobctl.clock import Milliseconds
from jobctl.errors import BadInputError
from jobctl.model.definitions import ScheduleEntry
from jobctl.model.events import Entity, EventKind
from jobctl.model.file_texts import FileText
from jobctl.model.problems import Problem, file_error
from jobctl.model.schedule_fields import key_about, with_keys
from jobctl.model.schedule_records import DEFAULT_UMASK, Schedule, ScheduleSource
from jobctl.model.schedule_texts import parse_schedule
from jobctl.model.schedules import ScheduleTerms
from jobctl.store import Store

IN_FILE = "disabled in the file"


def apply_schedules(
    store: Store,
    entries: Sequence[ScheduleEntry],
    directory: str,
    now: Milliseconds,
    file: FileText | None = None,
) -> list[tuple[str, str]]:
    """The store has the schedules of the file; returns (name, what was done) of those that changed.

    What the file no longer names is disabled and keeps its history; named again, it is enabled. A schedule that
    was disabled by hand stays so. One that changed owes nothing for the time before. In an open write transaction.

    Args:
        store: where to.
        entries: all that the file names.
        directory: of the file: where relative paths start, and the working directory.
        now: milliseconds UTC.
        file: where they are written.

    Raises:
        BadFileError: entries cannot be understood, each told with its place.
    """
    file = FileText() if file is None else file
    changes, problems = [], []
    wanted = {entry.name for entry in entries}
    known = {schedule.name: schedule for schedule in store.schedules.list()}
    for schedule in known.values():
        if (
            schedule.source is ScheduleSource.FILE
            and schedule.name not in wanted
            and schedule.disabled_reason != GONE
        ):
            store.schedules.disable(schedule.id, None, GONE, now)
            store.events.add(
                now, EventKind.SCHEDULE_DISABLED, Entity.SCHEDULE, schedule.name, {"reason": GONE}
            )
            changes.append((schedule.name, f"{GONE}; disabled"))
    for entry in entries:
        try:
            done = _apply(store, entry, known.get(entry.name), directory, now)
        except BadInputError as error:
            problems.append(entry_problem(file, entry, error))
            continue
        if done is not None:
            changes.append((entry.name, done))
    if problems:
        raise file_error(file.source, file.text, problems, "E_CONFIG")
    return changes


def _apply(
    store: Store, entry: ScheduleEntry, known: Schedule | None, directory: str, now: Milliseconds
) -> str | None:
    template = entry_template(entry, directory)
    same = known is not None and known.source is ScheduleSource.FILE and known.text.template == template
    if same and known is not None and known.disabled_reason != GONE:
        return None
    if same and known is not None and known.broken is None:
        text = known.text
    else:
        text = schedule_text(entry_terms(entry, now), template, entry.times)
    if known is None:
        schedule_id, done = store.schedules.add(entry.name, text, ScheduleSource.FILE, now), "added"
        kind = EventKind.SCHEDULE_ADDED
    else:
        schedule_id, kind = known.id, EventKind.SCHEDULE_CHANGED
        store.schedules.change(known.id, text, ScheduleSource.FILE, now)
        done = _done(known)
    data: dict[str, object] = {"kind": text.kind, "expression": text.expression, "timezone": text.timezone}
    if known is not None and known.source is ScheduleSource.COMMAND_LINE:
        data |= {"taken_over": True, "was": f"{known.text.kind} {known.text.expression}".strip()}
    store.events.add(now, kind, Entity.SCHEDULE, entry.name, data)
    _switch(store, entry, known, schedule_id, now)
    start_afresh(store, schedule_id, now)
    return done


def _done(known: Schedule) -> str:
    """What became of a schedule there was already."""
    if known.source is ScheduleSource.COMMAND_LINE:
        was = f"{known.text.kind} {known.text.expression}".strip()
        return f"taken over from the command line (it was: {was})"
    return "is back; enabled" if known.disabled_reason == GONE else "changed"


def entry_terms(entry: ScheduleEntry, now: Milliseconds) -> ScheduleTerms:
    """When the entry is due, as of now. Times that have passed are no mistake: the file is read again and again.

    Raises:
        BadInputError: it cannot be understood here (a time that the clocks of its zone skip, no zone).
    """
    return parse_schedule(entry.times, replace(moment(now), takes_past=True))


def entry_keys(file: FileText, entry: ScheduleEntry) -> tuple[str, ...]:
    """Where in the file the entry is: a schedule of its own, or that of a job."""
    own = ("schedules", entry.name)
    return own if file.has(*own) else ("jobs", entry.name, "schedule")


def entry_problem(file: FileText, entry: ScheduleEntry, error: BadInputError) -> Problem:
    """The error with its place."""
    found = with_keys(error)
    key = key_about(entry.times, found)
    mark = file.mark(*entry_keys(file, entry), *([key] if key else []))
    return Problem(mark, f"schedules: {entry.name}: {found.what}", _text(found.value), found.hint)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _switch(
    store: Store, entry: ScheduleEntry, known: Schedule | None, schedule_id: int, now: Milliseconds
) -> None:
    """It is as the file has it: disabled there, or no longer disabled by the file."""
    if entry.times.get("disabled"):
        if known is None or known.enabled or known.disabled_reason == GONE:
            store.schedules.disable(schedule_id, None, IN_FILE, now)
    elif known is not None and known.disabled_reason in (GONE, IN_FILE):
        store.schedules.enable(schedule_id, now)


def entry_template(entry: ScheduleEntry, directory: str) -> dict[str, Any]:
    """The document of what the entry runs, with the texts of when, by which a change is known."""
    request = request_document(request_of(entry.request, JobRequest()))
    found: dict[str, Any] = {
        "cwd": directory,
        "umask": DEFAULT_UMASK,
        "job": request,
        "times": _plain(entry.times),
    }
    if entry.job is not None:
        found |= {"definition": entry.job, "parameters": _plain(entry.given)}
    return found


def _plain(value: Any) -> Any:
    """``value`` as it comes back from JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
