"""Figures about jobs as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jobctl.model.statistics import NO_TYPE, OTHER, Depth, Dimension, FailureGroup, Figures, Group, Period
from jobctl.model.stats import Stats, Trend
from jobctl.views.instants import ago, instant_json, length, wall
from jobctl.views.jobs import aligned, encodable
from jobctl.views.text import printable

BARS = "▁▂▃▄▅▆▇█"
_ENDS = ("completed", "failed", "cancelled", "timeout")
_WORSE_WHEN_MORE = frozenset({"mean_seconds", "median_seconds", "p95_seconds", "error_rate"})
LABELS = {
    "submitted_per_second": "submitted",
    "finished_per_second": "finished",
    "mean_seconds": "mean",
    "median_seconds": "median",
    "p95_seconds": "p95",
    "error_rate": "errors",
}
"""What people read for a key of the figures that are compared."""


def stats_json(stats: Stats) -> dict[str, object]:
    """The keys of CLI.md in their order, then what else tells about the period."""
    counts, figures = stats.counts, stats.figures
    return {
        "total": stats.total,
        "submitted": figures.submitted,
        "created": counts["created"],
        "queued": counts["queued"],
        "running": counts["running"],
        **_ends(figures),
        **{name: _rounded(trend.now) for name, trend in stats.trends().items()},
        "trend": None if stats.before is None else _trends_json(stats.trends(), stats.before[0]),
        "depth": [depth_json(depth) for depth in stats.depths],
        "by": [_group_json(stats, group) for group in stats.groups],
        "since": instant_json(stats.period.since),
        "until": instant_json(stats.period.until),
        "attempts": figures.attempts,
        "failed_attempts": figures.errors,
        "busy_seconds": figures.busy_ms / 1000,
        "errors": [failure_json(failure) for failure in stats.failures],
    }


def depth_json(depth: Depth) -> dict[str, object]:
    """One point of the queue depth over time."""
    return {"at": instant_json(depth.at), "queued": depth.queued, "running": depth.running}


def failure_json(failure: FailureGroup) -> dict[str, object]:
    """A recurring failure."""
    return {
        "message": encodable(failure.message),
        "name": encodable(failure.name),
        "count": failure.count,
        "first_at": instant_json(failure.first_at),
        "last_at": instant_json(failure.last_at),
        "job_id": failure.job_id,
    }


def _ends(figures: Figures) -> dict[str, int]:
    return {state: getattr(figures, state) for state in _ENDS}


def _trends_json(trends: dict[str, Trend], before: Period) -> dict[str, object]:
    return {
        "since": instant_json(before.since),
        "until": instant_json(before.until),
        **{
            name: {"before": _rounded(trend.before), "change": _rounded(trend.change)}
            for name, trend in trends.items()
        },
    }


def _group_json(stats: Stats, group: Group) -> dict[str, object]:
    by = stats.by or Dimension.NAME
    key = OTHER if group.is_other else encodable(group.key) or None
    trends = stats.trends_of(group)
    return {
        by.value: key,
        "other": group.is_other,
        "submitted": group.figures.submitted,
        **_ends(group.figures),
        **{name: _rounded(trend.now) for name, trend in trends.items()},
        "busy_seconds": group.figures.busy_ms / 1000,
        "trend": None if stats.before is None else _trends_json(trends, stats.before[0]),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


# --- for people ---


def headline(stats: Stats) -> str:
    """What the figures are about, in a line."""
    figures, period = stats.figures, stats.period
    when = f"in {length(period.seconds)}, since {wall(period.since)}"
    return f"{figures.submitted:,} submitted, {figures.finished:,} ended {when}"


def summary_rows(stats: Stats) -> list[tuple[str, str, str, str, str]]:
    """Label, figure, the same before, the change, and ``worse``, ``better`` or nothing."""
    rows = []
    for name, trend in stats.trends().items():
        change, judgement = change_of(name, trend)
        rows.append((LABELS[name], shown(name, trend.now), shown(name, trend.before), change, judgement))
    return rows


def ends_text(stats: Stats) -> str:
    """``✓ 12 completed  ✗ 3 failed``: how the jobs of the period ended."""
    marks = {"completed": "✓", "failed": "✗", "cancelled": "⊘", "timeout": "⏱"}
    found = [f"{marks[state]} {count:,} {state}" for state, count in _ends(stats.figures).items() if count]
    return "  ".join(found) or "nothing ended"


def present_text(stats: Stats) -> str:
    """What waits and runs now."""
    return ", ".join(f"{stats.counts[state]:,} {state}" for state in ("created", "queued", "running"))


def shown(name: str, value: float | None) -> str:
    """A figure for people: a rate by the second, minute or hour, a share in percent, a duration."""
    if value is None:
        return "-"
    if name == "error_rate":
        return f"{value:.1%}"
    return length(value) if name.endswith("_seconds") else rate(value)


def rate(per_second: float) -> str:
    """``3.2/s``, ``12/min``, ``0.5/h``."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if per_second * seconds >= 1 or unit == "h":
            return f"{per_second * seconds:.3g}/{unit}"
    raise AssertionError("an hour is the last unit")


def change_of(name: str, trend: Trend) -> tuple[str, str]:
    """``▲ 12 %`` and whether that is ``worse`` or ``better``; empty for what cannot be told."""
    change = trend.change
    if change is None:
        return "", ""
    if abs(change) < 0.005:
        return "=", ""
    text = f"{'▲' if change > 0 else '▼'} {min(abs(change), 99.99):.0%}"
    if name not in _WORSE_WHEN_MORE:
        return text, ""
    return text, "worse" if change > 0 else "better"


GROUP_TITLES = ("JOBS", "DONE", "FAILED", "ERRORS", "MEAN", "MEDIAN", "P95", "TREND", "BUSY")


def group_rows(stats: Stats) -> list[tuple[tuple[str, ...], str]]:
    """The cells of each type, queue or name, and whether its mean got ``worse`` or ``better``."""
    rows = []
    for group in stats.groups:
        figures, trend = group.figures, stats.trends_of(group)
        change, judgement = change_of("mean_seconds", trend["mean_seconds"])
        cells = (
            OTHER if group.is_other else printable(group.key) or NO_TYPE,
            f"{figures.submitted:,}",
            f"{figures.completed:,}",
            f"{figures.failed + figures.timeout:,}",
            *(
                shown(name, trend[name].now)
                for name in ("error_rate", "mean_seconds", "median_seconds", "p95_seconds")
            ),
            change or "-",
            length(figures.busy_ms / 1000),
        )
        rows.append((cells, judgement))
    return rows


FAILURE_TITLES = ("COUNT", "LAST", "JOB", "NAME", "MESSAGE")


def failure_rows(failures: Sequence[FailureGroup], now_ms: int) -> list[tuple[str, ...]]:
    """The cells of each recurring failure."""
    return [
        (
            f"{failure.count:,}",
            ago(failure.last_at, now_ms),
            str(failure.job_id),
            printable(failure.name),
            printable(failure.message),
        )
        for failure in failures
    ]


def sparkline(values: Sequence[float], width: int) -> str:
    """At most ``width`` bars, each the highest of the values it stands for; nothing for no values."""
    if not values or width <= 0:
        return ""
    count = min(width, len(values))
    edges = [index * len(values) // count for index in range(count + 1)]
    tops = [max(values[start:end]) for start, end in pairwise(edges)]
    highest = max(tops) or 1
    return "".join(BARS[round(top / highest * (len(BARS) - 1))] for top in tops)


def stats_plain(stats: Stats, now_ms: int) -> str:
    """Everything as aligned columns, for pipes."""
    parts = [headline(stats), f"ended: {ends_text(stats)}", f"now: {present_text(stats)}"]
    summary = [row[:4] for row in summary_rows(stats)]
    parts.append(aligned([("FIGURE", "NOW", "BEFORE", "CHANGE"), *summary]))
    if stats.by is not None:
        parts.append(
            aligned([(stats.by.value.upper(), *GROUP_TITLES), *(cells for cells, _ in group_rows(stats))])
        )
    if stats.failures:
        parts.append(aligned([FAILURE_TITLES, *failure_rows(stats.failures, now_ms)]))
    return "\n\n".join(["\n".join(parts[:3]), *parts[3:]])
