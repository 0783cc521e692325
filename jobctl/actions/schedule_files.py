"""The schedules of ``jobctl.yaml``: applied with the rest of it, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobctl.actions.requests import JobRequest, request_document, request_of
from jobctl.actions.schedule_states import start_afresh
from jobctl.actions.schedules import GONE, moment, schedule_text
from jobctl.clock import Milliseconds
from jobctl.errors import JobctlError
from jobctl.model.definitions import ScheduleEntry
from jobctl.model.events import Entity, EventKind
from jobctl.model.schedule_records import Schedule, ScheduleText, Source
from jobctl.model.schedule_texts import parse_schedule
from jobctl.store import Store

IN_FILE = "disabled in the file"
_UMASK = 0o022


def apply_schedules(
    store: Store, entries: Sequence[ScheduleEntry], directory: str, now: Milliseconds
) -> list[tuple[str, str]]:
    """The store has the schedules of the file; returns (name, what was done) of those that changed.

    What the file no longer names is disabled and keeps its history; named again, it is enabled. A schedule that
    was disabled by hand stays so. One that changed owes nothing for the time before. In an open write transaction.

    Args:
        store: where to.
        entries: all that the file names.
        directory: of the file: where relative paths start, and the working directory.
        now: milliseconds UTC.

    Raises:
        BadInputError: an entry cannot be understood; its name is in the message.
    """
    changes = []
    wanted = {entry.name for entry in entries}
    known = {schedule.name: schedule for schedule in store.schedules.list()}
    for schedule in known.values():
        if (
            schedule.source is Source.FILE
            and schedule.name not in wanted
            and schedule.disabled_reason != GONE
        ):
            store.schedules.disable(schedule.id, None, GONE, now)
            store.events.add(
                now, EventKind.SCHEDULE_DISABLED, Entity.SCHEDULE, schedule.name, {"reason": GONE}
            )
            changes.append((schedule.name, f"{GONE}; disabled"))
    for entry in entries:
        done = _apply(store, entry, known.get(entry.name), directory, now)
        if done is not None:
            changes.append((entry.name, done))
    return changes


def _apply(
    store: Store, entry: ScheduleEntry, known: Schedule | None, directory: str, now: Milliseconds
) -> str | None:
    template = entry_template(entry, directory)
    same = known is not None and known.source is Source.FILE and known.text.template == template
    if same and known is not None and known.disabled_reason != GONE:
        return None
    text = known.text if same and known is not None else _understood(entry, template, now)
    if known is None:
        schedule_id, done = store.schedules.add(entry.name, text, Source.FILE, now), "added"
        kind = EventKind.SCHEDULE_ADDED
    else:
        schedule_id, kind = known.id, EventKind.SCHEDULE_CHANGED
        store.schedules.change(known.id, text, Source.FILE, now)
        done = "is back; enabled" if known.disabled_reason == GONE else "changed"
    data = {"kind": text.kind, "expression": text.expression, "timezone": text.timezone}
    store.events.add(now, kind, Entity.SCHEDULE, entry.name, data)
    _switch(store, entry, known, schedule_id, now)
    start_afresh(store, schedule_id, now)
    return done


def _understood(entry: ScheduleEntry, template: dict[str, Any], now: Milliseconds) -> ScheduleText:
    try:
        return schedule_text(parse_schedule(entry.times, moment(now)), template, entry.times)
    except JobctlError as error:
        where = f"schedules: {entry.name}: {error.what}"
        raise type(error)(where, error.value, error.hint, error.code) from None


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
    found: dict[str, Any] = {"cwd": directory, "umask": _UMASK, "job": request, "times": _plain(entry.times)}
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
