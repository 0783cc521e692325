"""Events as JSON objects and as lines of text."""

from __future__ import annotations

import json
import time
from functools import lru_cache

from jobctl.model.events import Event
from jobctl.views.instants import instant_json, wall
from jobctl.views.text import printable


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


def event_line(event: Event, *, with_entity: bool = True) -> str:
    """``2026-… job.started job 12 attempt=1 pid=4711``, printable."""
    parts = [_second(event.at // 1000, time.tzname), event.kind]
    if with_entity:
        parts.append(f"{event.entity} {event.entity_id}")
    if isinstance(event.data, dict):
        parts += [f"{key}={_value(value)}" for key, value in event.data.items() if value is not None]
    elif event.data is not None:
        parts.append(_value(event.data))
    return printable(" ".join(parts))


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
