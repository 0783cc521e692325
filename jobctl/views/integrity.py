"""Checkups, backups and vacuums as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from jobctl.model.integrity import Check, Checkup, Level
from jobctl.views.jobs import encodable
from jobctl.views.text import printable


def checkup_json(checkup: Checkup) -> dict[str, object]:
    """The checkup; ``ok`` is whether nothing is damaged, as the exit code says."""
    return {
        "path": encodable(checkup.path),
        "ok": checkup.is_sound,
        "schema_version": checkup.schema_version,
        "checks": [_check_json(check) for check in checkup.checks],
    }


def _check_json(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "ok": check.ok,
        "level": check.level.value,
        "count": check.count,
        "message": _message(check),
        "examples": [encodable(text) for text in check.examples],
        "remedy": check.remedy if check.count else None,
        "skipped": check.skipped or None,
    }


def checkup_plain(checkup: Checkup) -> str:
    """One line a check, its examples and remedy below it when it fails, and a last line that says it all."""
    width = max(len(check.name) for check in checkup.checks)
    lines: list[str] = []
    for check in checkup.checks:
        lines.append(f"{_mark(check):<7} {check.name:<{width}}  {_message(check)}")
        if check.count:
            indent = " " * (width + 10)
            lines += [f"{indent}{printable(text)}" for text in check.examples]
            more = check.count - len(check.examples)
            lines += [f"{indent}and {more} more"] * (more > 0)
            lines.append(f"{indent}-> {check.remedy}")
    return "\n".join([*lines, verdict(checkup)])


def verdict(checkup: Checkup) -> str:
    """``sound: 17 checks`` or what is damaged."""
    if not checkup.is_sound:
        return f"DAMAGED: {', '.join(check.name for check in checkup.failed)}"
    waste = f"; to tidy: {', '.join(check.name for check in checkup.waste)}" if checkup.waste else ""
    return f"sound: {len(checkup.checks)} checks{waste}"


def _mark(check: Check) -> str:
    if check.skipped:
        return "skipped"
    if not check.count:
        return "ok"
    return "DAMAGE" if check.level is Level.DAMAGE else "waste"


def _message(check: Check) -> str:
    if check.skipped:
        return f"not looked at: {check.skipped}"
    return f"{check.says}: no, {check.count} found" if check.count else check.says
