"""Targets and rules of notifications as lines and as JSON. A URL is in neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobctl.model.notifications import NotificationPlan, Rule, Target, Told
from jobctl.views.instants import ago, instant_json
from jobctl.views.jobs import aligned
from jobctl.views.text import printable

_TARGETS = ("TARGET", "LIMIT", "SENT", "LAST", "STATUS", "WAITING")
_RULES = ("ON", "TO", "ONLY")


def notifications_json(plan: NotificationPlan, told: Mapping[str, Told]) -> dict[str, object]:
    """Targets with how they fared, and the rules."""
    return {
        "targets": [_target_json(target, told.get(target.name, Told())) for target in plan.targets.values()],
        "rules": plan.as_json()["rules"],
    }


def notifications_plain(plan: NotificationPlan, told: Mapping[str, Told], now_ms: int) -> str:
    """Two tables; one sentence if there is no plan."""
    if not plan.targets and not plan.rules:
        return "no notifications; see the section notifications of jobctl.yaml"
    targets = [_target_row(target, told.get(target.name, Told()), now_ms) for target in plan.targets.values()]
    rules = [(", ".join(rule.on), printable(", ".join(rule.to)), _only(rule)) for rule in plan.rules]
    return f"{aligned([_TARGETS, *targets])}\n\n{aligned([_RULES, *rules])}"


def _target_json(target: Target, told: Told) -> dict[str, Any]:
    return {
        "name": target.name,
        "url_env": target.url_env,
        "limit": None if target.limit is None else str(target.limit),
        "messages": told.messages,
        "last_at": instant_json(told.last_at),
        "last_job_id": told.last_job_id,
        "last_status": told.last_status,
        "waiting": told.waiting,
    }


def _target_row(target: Target, told: Told, now_ms: int) -> tuple[str, ...]:
    return (
        printable(target.name),
        "none" if target.limit is None else str(target.limit),
        str(told.messages),
        "-" if told.last_at is None else ago(told.last_at, now_ms),
        "-" if told.last_job_id is None else f"{told.last_status} (job {told.last_job_id})",
        str(told.waiting),
    )


def _only(rule: Rule) -> str:
    filters = (("name", rule.name), ("queue", rule.queue), ("tag", rule.tag), ("type", rule.type))
    return printable(" ".join(f"{key}={text}" for key, text in filters if text is not None)) or "-"
