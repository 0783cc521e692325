"""Reasons as JSON."""

from __future__ import annotations

from jobctl.model.explanations import Cause
from jobctl.views.instants import instant_json
from jobctl.views.jobs import encodable


def cause_json(cause: Cause) -> dict[str, object]:
    """``{"code": "lock", "message": …}``, then the facts; instants are RFC 3339."""
    facts = {name: _fact(name, value) for name, value in cause.facts.items()}
    return {"code": cause.code, "message": encodable(cause.message), **facts}


def _fact(name: str, value: object) -> object:
    if name.endswith("_at") and isinstance(value, int):
        return instant_json(value)
    return encodable(value) if isinstance(value, str) else value
