"""The sections of a report, each for one question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jobctl.model.period_reports import PeriodReport, Run, ScheduleTrack, Uptime, packed
from jobctl.model.statistics import OTHER, FailureGroup, Group, Period
from jobctl.views.instants import length, wall
from jobctl.views.markup import Markup, element, join, text
from jobctl.views.report_axes import Axis, instant_text
from jobctl.views.report_charts import (
    MARKS,
    DurationScale,
    depth_chart,
    duration_bar,
    ends_chart,
    firing_strip,
    lane,
    uptime_bar,
)
from jobctl.views.statistics import change_of, rate

MOST_LANES = 40
MOST_LANE_ROWS = 6
MOST_DURATIONS = 30
_NAME_CELLS, _TITLE_CELLS = 60, 200
_MOST_CHANGE = 10
"""Times more than before: beyond that the comparison says nothing."""
_STATES = ("completed", "failed", "timeout", "cancelled", "lost", "running")


def figures_section(report: PeriodReport) -> Markup:
    """What is read first."""
    stats, figures = report.stats, report.stats.figures
    trends = stats.trends()
    rate_of = figures.error_rate
    success = "–" if rate_of is None else _share(1 - rate_of)
    bad = figures.failed + figures.timeout
    waiting = ", ".join(f"{stats.counts[state]:,} {state}" for state in ("created", "queued"))
    finished = trends["finished_per_second"].now
    cards = [
        ("jobs ended", f"{figures.finished:,}", [f"{figures.submitted:,} submitted"]),
        ("succeeded", success, [f"{bad:,} failed or timed out", *_change(report, "error_rate", "errors ")]),
        ("busy time", length(figures.busy_ms / 1000), [f"{figures.attempts:,} attempts"]),
        ("median duration", length(trends["median_seconds"].now) or "–", _change(report, "median_seconds")),
        ("finished", rate(finished) if finished else "–", _change(report, "finished_per_second")),
        ("now", f"{stats.counts['running']:,} running", [waiting]),
    ]
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", label),
                element("dd", figure),
                element("dd", join(list(notes), ", "), class_="note") if notes else "",
            )
            for label, figure, notes in cards
        ),
        class_="figures",
    )


def _share(share: float) -> str:
    """In percent, never rounded up to all nor down to nothing."""
    if 0.9995 <= share < 1:
        return ">99.9%"
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.1%}".replace(".0%", "%")


def _change(report: PeriodReport, name: str, label: str = "") -> list[str]:
    """How the figure has changed since the period before; nothing where it is another figure altogether."""
    trend = report.stats.trends()[name]
    if trend.change is None or abs(trend.change) >= _MOST_CHANGE:
        return []
    said, judgement = change_of(name, trend)
    return [element("span", f"{label}{said} vs. before", class_=judgement or None)] if said != "=" else []


def timeline_section(report: PeriodReport, axis: Axis) -> Markup:
    """Runs by name, each where it ran."""
    timeline = report.timeline
    if not timeline.runs:
        return _section("Timeline", "", _nothing("Nothing ran."))
    lanes = _lanes(timeline.runs)
    said = f"{timeline.total:,} runs by name."
    if timeline.is_sample:
        said = (
            f"{len(timeline.runs):,} of {timeline.total:,} runs by name: of each part of the period some, failures"
            " first. The next chart counts all jobs."
        )
    cells: list[Markup] = []
    for name, runs in lanes:
        rows = packed(runs, report.now, MOST_LANE_ROWS)
        queues = sorted({run.queue for run in runs})
        shown = queues[0] if len(queues) == 1 else f"{len(queues)} queues"
        bad = sum(run.outcome in ("failed", "timeout", "lost") for run in runs)
        told = [f"{len(runs):,}", *([element("span", f" ✗{bad:,}", class_="worse")] if bad else [])]
        cells += [
            element("div", _name(name), element("small", text(shown, 20)), class_="name"),
            element("div", lane(list(zip(runs, rows, strict=True)), axis, report.now)),
            element("div", *told, class_="told"),
        ]
    return _section("Timeline", said, _run_key(), _rows(axis.labels(), cells), is_long=True)


def _lanes(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs of each name, the earliest name first; of too many names those with few runs share the last lane."""
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.name].append(run)
    if len(by_name) <= MOST_LANES:
        return list(by_name.items())
    kept = set(sorted(by_name, key=lambda name: -len(by_name[name]))[: MOST_LANES - 1])
    rest = [run for run in runs if run.name not in kept]
    named = [(name, found) for name, found in by_name.items() if name in kept]
    return [*named, (f"({len(by_name) - len(kept):,} other names)", rest)]


def _run_key() -> Markup:
    items = [(state, MARKS.get(state)) for state in _STATES]
    return _key([
        (
            element(
                "g",
                element("rect", x="1", y="3", width="17", height="9"),
                *([element("text", mark, x="20", y="11.5")] if mark else []),
                class_=f"run {state}",
            ),
            state,
        )
        for state, mark in items
    ])  # fmt: skip


def ends_section(report: PeriodReport, axis: Axis) -> Markup:
    """How many jobs ended when."""
    highest = max((one.total for one in report.ends), default=0)
    if not highest:
        return _section("Jobs ended", "", _nothing("No job ended."))
    widest = max((one.until - one.at for one in report.ends), default=0)
    said = f"Every job, a bar for each {length(widest / 1000)}; failures stand at the bottom."
    key = _key([
        (element("g", element("rect", x="1", y="1", width="17", height="12", class_=state), class_="ends"), state)
        for state in _STATES[:4]
    ])  # fmt: skip
    return _section("Jobs ended", said, key, _beside(highest, ends_chart(report.ends, axis), axis))


def depth_section(report: PeriodReport, axis: Axis) -> Markup:
    """How long the queues were."""
    depths = report.stats.depths
    highest = max((max(one.queued, one.running) for one in depths), default=0)
    if not highest:
        return _section("Queue depth", "", _nothing("No job waited or ran."))
    key = _key([
        (element("line", x1="0", x2="24", y1="7", y2="7", class_="queued"), "queued"),
        (element("line", x1="0", x2="24", y1="7", y2="7", class_="working"), "running"),
    ])  # fmt: skip
    return _section(
        "Queue depth", "The most at any time.", key, _beside(highest, depth_chart(depths, axis), axis)
    )


def durations_section(report: PeriodReport) -> Markup:
    """How long jobs took that completed, by name, what took longest in all first."""
    timed = [group for group in report.stats.groups if group.figures.timed]
    if not timed:
        return _section("Durations", "", _nothing("No job completed."))
    timed.sort(key=lambda group: (group.is_other, -group.figures.done_ms))
    figures = [(group, *_quantiles(group)) for group in timed]
    scale = DurationScale(max(p95 for _, _, p95 in figures), min(median for _, median, _ in figures))
    cells: list[Markup] = []
    for group, median, p95 in figures[:MOST_DURATIONS]:
        cells += [
            element("div", _name(OTHER if group.is_other else group.key), class_="name"),
            element("div", duration_bar(median, p95, scale)),
            element(
                "div", element("b", length(median)), f" · p95 {length(p95)} · {group.figures.timed:,}×",
                class_="told",
            ),
        ]  # fmt: skip
    left_out = len(timed) - MOST_DURATIONS
    said = "Median and 95th percentile of what completed, on a logarithmic scale; what took most time in all first."
    if left_out > 0:
        said += f" {left_out:,} more names are left out."
    return _section("Durations", said, _rows(scale.labels(), cells), is_long=True)


def _quantiles(group: Group) -> tuple[float, float]:
    return group.figures.quantile_seconds(0.5) or 0.0, group.figures.quantile_seconds(0.95) or 0.0


def failures_section(report: PeriodReport) -> Markup:
    """What failed, by what it said."""
    failures = report.stats.failures
    if not failures:
        return _section("Failures", "", _nothing("No attempt failed."))
    head = element(
        "tr",
        element("th", "count", class_="number"),
        element("th", "name"),
        element("th", "message"),
        element("th", "last", class_="wide"),
        element("th", "example"),
    )
    return _section(
        "Failures",
        "Attempts that failed, ran out of time or were lost, by message; numbers, paths and ids count as equal.",
        element(
            "table",
            element("thead", head),
            element("tbody", *(_failure(one, report.gone_jobs) for one in failures)),
        ),
        is_long=True,
    )


def _failure(one: FailureGroup, gone: frozenset[int]) -> Markup:
    example = element("code", f"jobctl logs {one.job_id}", class_="nowrap")
    if one.job_id in gone:
        example = element("span", f"job {one.job_id}, removed", class_="soft")
    return element(
        "tr",
        element("td", f"{one.count:,}", class_="number"),
        element("td", _name(one.name), class_="any name"),
        element("td", text(one.message, 400), class_="message"),
        element("td", wall(one.last_at)[:19], class_="wide nowrap", title=instant_text(one.last_at)),
        element("td", example),
    )


def schedules_section(report: PeriodReport, axis: Axis) -> Markup:
    """Whether schedules kept their times."""
    if not report.schedules:
        return _section("Schedules", "", _nothing("No schedule fired."))
    cells: list[Markup] = []
    for track in report.schedules:
        cells += [
            element("div", _name(track.punctuality.schedule), class_="name"),
            element("div", firing_strip(track.firings, axis)),
            element("div", *_punctuality(track), class_="told"),
        ]
    said = "When each fired; late is a second or more after it was due."
    if any(
        len(track.firings) < track.punctuality.fired + track.punctuality.skipped for track in report.schedules
    ):
        said += " Of many only the newest are drawn, all are counted."
    if report.schedules_left_out:
        said += f" {report.schedules_left_out:,} schedules that fared no worse are left out."
    shapes = [
        (element("line", x1="8", x2="8", y1="1", y2="13"), "fired"),
        (element("line", x1="8", x2="8", y1="0", y2="14"), "late"),
        (element("text", "✗", x="8", y="11"), "missed"),
        (element("text", "–", x="8", y="11"), "skipped"),
        (element("text", "!", x="8", y="11"), "failed"),
    ]
    key = _key([(element("g", shape, class_=f"fire {kind}"), kind) for shape, kind in shapes])
    return _section("Schedules", said, key, _rows(axis.labels(), cells), is_long=True)


def _punctuality(track: ScheduleTrack) -> list[str]:
    found = track.punctuality
    parts = [element("b", f"{found.fired:,}"), " fired"]
    if found.late:
        parts.append(f", {found.late:,} late (worst {length(found.worst_late_seconds)})")
    for count, word in ((found.missed, "missed"), (found.failed, "failed")):
        if count:
            parts += [", ", element("span", f"{count:,} {word}", class_="worse")]
    if found.skipped:
        parts.append(f", {found.skipped:,} skipped")
    return parts


def daemons_section(report: PeriodReport, axis: Axis) -> Markup:
    """When the supervisor and the daemons were up."""
    cells: list[Markup] = []
    for uptime in (report.supervisor, *report.daemons):
        cells += [
            element("div", _name(uptime.name), class_="name"),
            element("div", uptime_bar(uptime, report, axis)),
            element("div", *_uptime_told(uptime, report.period), class_="told"),
        ]
    key = _key([
        (element("g", element("rect", x="1", y="2", width="20", height="11"), class_="up"), "up"),
        (element("g", element("rect", x="1", y="6", width="20", height="2"), class_="down"), "down"),
        (element("g", element("rect", x="1", y="6", width="20", height="2"), class_="stopped"), "stopped"),
        (element("text", "✗", x="10", y="12", class_="endmark"), "ended by itself"),
    ])  # fmt: skip
    said = "When the supervisor and the daemons were up; what is not known any more is left empty."
    if report.daemons_left_out:
        said += f" {report.daemons_left_out:,} more daemons are left out."
    return _section("Uptime", said, key, _rows(axis.labels(), cells), is_long=True)


def _uptime_told(uptime: Uptime, period: Period) -> list[str]:
    share = uptime.up_share(period)
    parts: list[str] = [element("b", "–" if share is None else _share(share)), f" up, {uptime.state}"]
    if uptime.unasked_ends:
        parts += [", ", element("span", f"ended by itself {uptime.unasked_ends:,}×", class_="worse")]
    return parts


# --- what the sections are made of ---


def _section(title: str, said: str, *parts: Markup, is_long: bool = False) -> Markup:
    lead = [element("p", said, class_="soft")] if said else []
    return element("section", element("h2", title), *lead, *parts, class_="long" if is_long else None)


def _nothing(said: str) -> Markup:
    return element("p", said, class_="soft")


def _name(name: str) -> Markup:
    """A name that somebody chose: cut, longer under the pointer, and turning nothing around it."""
    return element("bdi", text(name, _NAME_CELLS), title=name[:_TITLE_CELLS] if len(name) > 20 else None)


def _rows(labels: Markup, cells: list[Markup]) -> Markup:
    head = [
        element("div", class_="bare"),
        element("div", labels, class_="bare"),
        element("div", class_="bare told"),
    ]
    return element("div", *head, *cells, class_="rows")


def _beside(highest: int, chart: Markup, axis: Axis) -> Markup:
    scale = element("div", element("span", f"{highest:,}"), element("span", "0"), class_="scale")
    nothing = element("div", class_="bare")
    return element("div", scale, chart, nothing, element("div"), axis.labels(), class_="beside")


def _key(items: Sequence[tuple[Markup, str]]) -> Markup:
    return element("ul", *(element("li", element("svg", shape), word) for shape, word in items), class_="key")
