"""Schedules as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jobctl.clock import to_datetime, to_ms
from jobctl.model.calls import Call
from jobctl.model.durations import format_duration
from jobctl.model.instants import format_instant
from jobctl.model.schedule_records import Fire, Schedule, Trigger
from jobctl.model.slots import Reason
from jobctl.model.states import JobId
from jobctl.views.instants import ago, instant_json
from jobctl.views.jobs import aligned, call_text, encodable
from jobctl.views.text import printable
from jobctl.zones import zone_or_utc

HEADER = ("NAME", "STATE", "KIND", "WHEN", "NEXT", "LAST", "STATUS", "RUNS", "SKIPPED", "MISSED")
HISTORY_HEADER = ("DUE", "OUTCOME", "TRIGGER", "LATE", "JOB", "STATUS", "REASON")
UNKNOWN_ZONE = "which this machine does not know: times are in UTC"
SYMBOLS = {"on": "●", "off": "○", "broken": "✗", "ended": "✓"}
"""One cell each: a state is never told by colour alone."""
_LATE_MS = 1000
"""Less is not worth a word."""


def schedule_json(schedule: Schedule) -> dict[str, object]:
    """The schedule with exactly the keys of CLI.md, in their order."""
    text = schedule.text
    return {
        "name": schedule.name,
        "kind": text.kind,
        "expression": text.expression,
        "timezone": text.timezone,
        "type": text.type,
        "user": text.user,
        "created_at": instant_json(schedule.created_at),
        "updated_at": instant_json(schedule.updated_at),
        "enabled": schedule.enabled,
        "missed": text.policy.missed.value,
        "missed_grace_seconds": text.policy.missed_grace_seconds,
        "overlap": text.policy.overlap.value,
        "next_at": instant_json(schedule.next_fire_at),
        "last_at": instant_json(schedule.last_at),
        "last_job_id": schedule.last_job_id,
        "last_status": None if schedule.last_status is None else schedule.last_status.value,
        "runs": schedule.runs,
        "skipped": schedule.skipped,
        "missed_count": schedule.missed_count,
    }


def schedule_details_json(
    schedule: Schedule, running: Sequence[JobId] = (), pending: Sequence[Fire] = ()
) -> dict[str, object]:
    """The keys of ``schedule_json``, then all else that is known."""
    policy = schedule.text.policy
    return {
        **schedule_json(schedule),
        "state": state_of(schedule),
        "disabled_until": instant_json(schedule.disabled_until),
        "disabled_reason": schedule.disabled_reason,
        "broken": schedule.broken,
        "jitter_seconds": policy.jitter_seconds,
        "start_at": None if policy.start_at is None else format_instant(policy.start_at),
        "end_at": None if policy.end_at is None else format_instant(policy.end_at),
        "source": schedule.source.value,
        "definition": schedule.text.template.get("definition"),
        "parameters": schedule.text.template.get("parameters"),
        "job": _encodable(schedule.text.template.get("job", {})),
        "cwd": encodable(str(schedule.text.template.get("cwd", "/"))),
        "running": list(running),
        "pending": [instant_json(fire.due_at) for fire in pending],
    }


def fire_json(fire: Fire) -> dict[str, object]:
    """What became of a slot."""
    return {
        "due_at": instant_json(fire.due_at),
        "decided_at": instant_json(fire.decided_at),
        "outcome": fire.outcome.value,
        "trigger": fire.trigger.value,
        "reason": fire.reason,
        "job_id": fire.job_id,
        "status": None if fire.status is None else fire.status.value,
        "late_seconds": None if fire.late_ms is None else fire.late_ms / 1000,
        "count": fire.count,
        "last_due_at": instant_json(fire.last_due_at),
    }


def next_json(instants: Sequence[datetime], zone: ZoneInfo) -> dict[str, object]:
    """``next`` in UTC and ``local`` with the offset of the schedule's zone."""
    return {
        "next": [instant_json(to_ms(instant)) for instant in instants],
        "local": [instant.astimezone(zone).isoformat(timespec="seconds") for instant in instants],
        "timezone": zone.key,
    }


def state_of(schedule: Schedule) -> str:
    """``on``, ``off``, ``broken`` or ``ended``."""
    if not schedule.enabled:
        return "off"
    if schedule.broken is not None:
        return "broken"
    return "ended" if schedule.ended else "on"


def local_text(instant: datetime, zone: ZoneInfo) -> str:
    """``Mon 2026-11-23 02:30:00 +0100 Europe/Berlin``."""
    return f"{instant.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z} {zone.key}"


def next_lines(instants: Sequence[datetime], zone: ZoneInfo, now_ms: int) -> list[str]:
    """One instant a line, with zone and offset and how far it is."""
    return [f"{local_text(instant, zone)}  ({ago(to_ms(instant), now_ms)})" for instant in instants]


def schedules_plain(schedules: Sequence[Schedule], now_ms: int) -> str:
    """Aligned columns under a header, one schedule a line: what pipes get."""
    return aligned([HEADER, *(_row(schedule, now_ms) for schedule in schedules)])


def _row(schedule: Schedule, now_ms: int) -> tuple[str, ...]:
    return (
        printable(schedule.name),
        state_of(schedule),
        schedule.text.kind,
        when_text(schedule),
        ago(schedule.next_fire_at, now_ms) or "-",
        ago(schedule.last_at, now_ms) or "-",
        "-" if schedule.last_status is None else schedule.last_status.value,
        str(schedule.runs),
        str(schedule.skipped),
        str(schedule.missed_count),
    )


def when_text(schedule: Schedule) -> str:
    """``30 2 * * * Europe/Berlin``; the zone only where a wall clock matters."""
    text = schedule.text
    zone = "" if text.kind in ("every", "after_finish", "reboot", "manual") else f" {text.timezone}"
    return printable(f"{text.expression}{zone}".strip()) or "-"


def schedule_fields(
    schedule: Schedule, running: Sequence[JobId], pending: Sequence[Fire], now_ms: int
) -> list[tuple[str, str]]:
    """Everything known of a schedule as ``(label, printable text)``, without what is unknown."""
    text, policy, zone = schedule.text, schedule.text.policy, zone_or_utc(schedule.text.timezone)

    def at(instant: int | None) -> str:
        return "" if instant is None else f"{local_text(to_datetime(instant), zone)} ({ago(instant, now_ms)})"

    last = "" if schedule.last_job_id is None else f"job {schedule.last_job_id}"
    if schedule.last_status is not None:
        last += f" {schedule.last_status.value}"
    fields = [
        ("name", schedule.name),
        ("state", _state_text(schedule)),
        ("when", f"{text.kind} {when_text(schedule)}".removesuffix(" -")),
        ("zone", text.timezone if zone.key == text.timezone else f"{text.timezone}, {UNKNOWN_ZONE}"),
        ("runs", what_text(text.template)),
        ("cwd", str(text.template.get("cwd", ""))),
        ("type", text.type or ""),
        ("user", text.user or ""),
        ("missed", f"{policy.missed.value}, grace {format_duration(policy.missed_grace_seconds)}"),
        ("overlap", policy.overlap.value),
        ("jitter", format_duration(policy.jitter_seconds) if policy.jitter_seconds else ""),
        ("start", at(None if policy.start_at is None else to_ms(policy.start_at))),
        ("end", at(None if policy.end_at is None else to_ms(policy.end_at))),
        ("next", at(schedule.next_fire_at)),
        ("last", f"{last}, {at(schedule.last_at)}" if last else ""),
        ("running", ", ".join(f"job {job_id}" for job_id in running)),
        ("waiting", ", ".join(at(fire.due_at) for fire in pending)),
        ("counts", f"{schedule.runs} runs, {schedule.skipped} skipped, {schedule.missed_count} missed"),
        ("from", schedule.source.value),
        ("created", at(schedule.created_at)),
        ("changed", at(schedule.updated_at) if schedule.updated_at != schedule.created_at else ""),
    ]
    return [(label, printable(value)) for label, value in fields if value]


def _state_text(schedule: Schedule) -> str:
    found = state_of(schedule)
    if schedule.broken is not None:
        found = (
            f"{found}: {schedule.broken}" if schedule.enabled else f"{found}, and broken: {schedule.broken}"
        )
    if not schedule.enabled and schedule.disabled_until is not None:
        zone = zone_or_utc(schedule.text.timezone)
        found += f" until {local_text(to_datetime(schedule.disabled_until), zone)}"
    return f"{found}: {schedule.disabled_reason}" if schedule.disabled_reason else found


def what_text(template: Mapping[str, Any]) -> str:
    """The command as a shell would read it, the call, or the definition with its parameters."""
    if "definition" in template:
        given = [f"{key}={value}" for key, value in (template.get("parameters") or {}).items()]
        return printable(" ".join([str(template["definition"]), *given]))
    job = template.get("job", {})
    if job.get("call"):
        return call_text(Call(job["call"], job.get("args", {})))
    return printable(str(job["shell"]) if job.get("shell") else shlex.join(job.get("command") or ()))


def fires_plain(fires: Sequence[Fire], zone: ZoneInfo) -> str:
    """One decision a line, the newest first."""
    return aligned([HISTORY_HEADER, *(_fire_row(fire, zone) for fire in fires)])


def _fire_row(fire: Fire, zone: ZoneInfo) -> tuple[str, ...]:
    due = fire.decided_at if fire.due_at is None else fire.due_at
    text = f"{to_datetime(due).astimezone(zone):%Y-%m-%d %H:%M:%S %z}"
    late = fire.late_ms is not None and fire.late_ms >= _LATE_MS and fire.trigger is not Trigger.MANUAL
    return (
        text,
        fire.outcome.value,
        fire.trigger.value,
        format_duration((fire.late_ms or 0) / 1000) if late else "-",
        "-" if fire.job_id is None else str(fire.job_id),
        "-" if fire.status is None else fire.status.value,
        printable(_reason_text(fire)) or "-",
    )


def _reason_text(fire: Fire) -> str:
    reason = REASONS.get(fire.reason or "", fire.reason or "")
    if fire.count == 1:
        return reason
    least = "" if fire.is_exact else "at least "
    return f"{reason} ({least}{fire.count} slots)"


REASONS: dict[str, str] = {
    Reason.OVERLAP: "its last job had not ended",
    Reason.REPLACED: "a later slot took its place",
    Reason.DISABLED: "the schedule was disabled",
    Reason.CHANGED: "the schedule was changed",
    Reason.BROKEN: "the schedule was broken",
    Reason.POLICY: "no supervisor ran, and it says missed: skip",
    Reason.GRACE: "nothing could run it within its grace",
    Reason.SUPERSEDED: "no supervisor ran; a later missed slot ran in its place",
    Reason.CAP: "no supervisor ran; too many slots to catch up",
}


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value
