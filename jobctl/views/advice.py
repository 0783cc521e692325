"""Advice as text; as JSON it is ``Recommendation.as_json``. Nothing here needs Rich."""

from __future__ import annotations

from jobctl.model.patterns import Recommendation


def advice_lines(found: Recommendation) -> list[str]:
    """What fits, why, and what to type."""
    return [
        f"use a {found.mechanism.value}, pattern {found.pattern.value}",
        *(f"  because {reason}" for reason in found.reasons),
        "",
        f"  {found.command}",
    ]
