"""Health and the doctor's findings as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from jobctl.model.diagnoses import Finding, Grade
from jobctl.model.health import Health
from jobctl.views.jobs import encodable
from jobctl.views.text import printable

_MARKS = {Grade.OK: "✓", Grade.WARNING: "!", Grade.BROKEN: "✗"}
_COLORS = {Grade.OK: "32", Grade.WARNING: "33", Grade.BROKEN: "1;31"}
_LEAST_WIDTH = 40


def health_json(health: Health) -> dict[str, object]:
    """The keys of CLI.md."""
    return {
        "healthy": health.healthy,
        "checks": [
            {"name": check.name, "ok": check.ok, "message": encodable(check.message)}
            for check in health.checks
        ],
    }


def health_lines(health: Health, width: int, *, color: bool) -> list[str]:
    """A line a check, and a last one that says it all."""
    findings = [
        Finding(check.name, Grade.OK if check.ok else Grade.BROKEN, check.message) for check in health.checks
    ]
    bad = [check.name for check in health.checks if not check.ok]
    verdict = f"unhealthy: {', '.join(bad)}" if bad else "healthy"
    return [*finding_lines(findings, width, color=color), _colored(verdict, "1;31" if bad else "1;32", color)]


def diagnosis_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Every finding; ``ok`` as the exit code says."""
    return {
        "ok": not any(finding.grade is Grade.BROKEN for finding in findings),
        "checks": [
            {
                "name": finding.name,
                "ok": finding.grade is not Grade.BROKEN,
                "level": finding.grade.value,
                "message": encodable(finding.message),
                "remedy": finding.remedy or None,
            }
            for finding in findings
        ],
    }


def diagnosis_lines(findings: Sequence[Finding], width: int, *, color: bool) -> list[str]:
    """A line a finding with its remedy below, and a last one that says it all."""
    broken = [finding.name for finding in findings if finding.grade is Grade.BROKEN]
    warnings = [finding.name for finding in findings if finding.grade is Grade.WARNING]
    verdict = f"broken: {', '.join(broken)}" if broken else "all works"
    verdict += f"; worth a look: {', '.join(warnings)}" if warnings else ""
    shade = "1;31" if broken else "33" if warnings else "1;32"
    return [*finding_lines(findings, width, color=color), _colored(verdict, shade, color)]


def finding_lines(findings: Sequence[Finding], width: int, *, color: bool) -> list[str]:
    """Each finding behind its mark, wrapped to ``width`` cells under its message."""
    names = max(len(finding.name) for finding in findings)
    indent, room = " " * (names + 4), max(_LEAST_WIDTH, width - names - 4)
    lines = []
    for finding in findings:
        first, *more = wrap(printable(finding.message), room, break_on_hyphens=False) or [""]
        mark = _colored(_MARKS[finding.grade], _COLORS[finding.grade], color)
        lines.append(f"{mark} {finding.name:<{names}}  {first}")
        lines += [indent + line for line in more]
        if finding.remedy and finding.grade is not Grade.OK:
            lines += [
                indent + line
                for line in wrap(f"-> {printable(finding.remedy)}", room, break_on_hyphens=False)
            ]
    return lines


def _colored(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
