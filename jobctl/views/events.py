"""Events as JSON objects and as lines of text."""

from __future__ import annotations

import json
import time
from functools import lru_cache

from jobctl.model.events import Event
from jobctl.views.instants import instant_json, wall
from jobctl.views.text import printable

_COLORS = {
    "submitted": "2", "queued": "36", "started": "34", "ready": "32", "fired": "34", "completed": "32", "healthy": "32",
    "failed": "1;31", "lost": "1;31", "broken": "1;31", "unhealthy": "1;31", "timeout": "1;35", "cancelled": "33",
    "missed": "33", "skipped": "33", "backed_off": "33", "retried": "33",
}  # fmt: skip


def event_json(event: Event) -> dict[str, object]:
    """The keys of CLI.md."""
    return {
        "id": event.id,
        "at": instant_json(event.at),
        "kind": event.kind,
        "entity": event.entity,
        "entity_id": event.entity_id,
        "data": event.data,
    }


def event_line(event: Event, *, with_entity: bool = True, color: bool = False) -> str:
    """``2026-… job.started job 12 attempt=1 pid=4711``, printable but for our own colours."""
    parts = [_second(event.at // 1000, time.tzname), event.kind]
    if with_entity:
        parts.append(f"{event.entity} {event.entity_id}")
    if isinstance(event.data, dict):
        parts += [f"{key}={_value(value)}" for key, value in event.data.items() if value is not None]
    elif event.data is not None:
        parts.append(_value(event.data))
    if not color:
        return printable(" ".join(parts))
    at, kind, rest = parts[0], printable(event.kind), printable(" ".join(parts[2:]))
    return f"\x1b[2m{at}\x1b[0m \x1b[{_color(event.kind)}m{kind}\x1b[0m {rest}"


def _color(kind: str) -> str:
    """The SGR code for a kind: by what it tells, whatever it is about."""
    return _COLORS.get(kind.rpartition(".")[2], "0")


@lru_cache(8)
def _second(seconds: int, zone: tuple[str, str]) -> str:
    """Thousands of events share one, as long as the machine's zone stays the same."""
    return wall(seconds * 1000)[:19]


def _value(value: object) -> str:
    if type(value) is int:
        return str(value)  # a twentieth of what an encoder takes
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
