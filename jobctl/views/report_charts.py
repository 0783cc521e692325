"""The charts of a report as SVG: widths in percent, so that they fit a wide screen, a narrow one and paper alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from jobctl.model.period_reports import Ends, Firing, PeriodReport, Run, Uptime
from jobctl.model.statistics import LATE_MS, Depth
from jobctl.views.instants import length
from jobctl.views.markup import Markup, element
from jobctl.views.report_axes import Axis, instant_text, percent
from jobctl.views.text import shorten

MARKS = {"failed": "✗", "timeout": "◷", "cancelled": "⊘", "lost": "?", "running": "▶"}
"""Beside the colour; a completed run has none."""
_ROW, _BAR = 13, 9
_TITLE_CELLS = 120
"""A name of 10,000 characters is cut in a tooltip, too."""


def lane(rows: Sequence[tuple[Run, int]], axis: Axis, now: int) -> Markup:
    """Runs of one name, each a bar in its row, with a mark where it did not complete."""
    height = _ROW * (max((row for _, row in rows), default=0) + 1) + 3
    return element(
        "svg", axis.grid(), *(_run(run, row, axis, now) for run, row in rows), class_="lane", height=height
    )


def _run(run: Run, row: int, axis: Axis, now: int) -> Markup:
    end = now if run.finished_at is None else run.finished_at
    x, width = axis.extent(run.started_at, end)
    top = row * _ROW + 3
    mark = MARKS.get(run.outcome)
    return element(
        "g",
        element("title", run_text(run, now)),
        element("rect", x=x, y=top, width=width, height=_BAR),
        *([element("text", mark, x=axis.x(end), y=top + _BAR - 0.5)] if mark else []),
        class_=f"run {run.outcome}",
    )


def run_text(run: Run, now: int) -> str:
    """What a tooltip says of a run."""
    seconds = ((now if run.finished_at is None else run.finished_at) - run.started_at) / 1000
    how = [
        f"runs for {length(seconds)}" if run.finished_at is None else f"{run.outcome} after {length(seconds)}"
    ]
    if run.signal:
        how.append(run.signal)
    elif run.exit_code:
        how.append(f"exit {run.exit_code}")
    if run.reason and run.reason not in ("exit", "signal", run.outcome):
        how.append(run.reason)
    attempt = f", attempt {run.number}" if run.number > 1 else ""
    return (
        f"job {run.job_id} {shorten(run.name, _TITLE_CELLS)}{attempt}: {', '.join(how)}; "
        f"queue {shorten(run.queue, 40)}; {instant_text(run.started_at)}"
    )


def ends_chart(ends: Sequence[Ends], axis: Axis) -> Markup:
    """How many jobs ended over time, stacked by how; failures stand at the bottom, where they are seen."""
    highest = max((one.total for one in ends), default=0) or 1
    bars = []
    for one in ends:
        x, width = axis.extent(one.at, one.until)
        below, parts = 0, []
        for state in ("failed", "timeout", "cancelled", "completed"):
            if count := int(getattr(one, state)):
                y, height = percent(1 - (below + count) / highest), percent(count / highest)
                parts.append(element("rect", x=x, y=y, width=width, height=height, class_=state))
                below += count
        if parts:
            bars.append(element("g", element("title", _ends_text(one)), *parts, class_="ends"))
    return element("svg", axis.grid(), *bars, class_="chart")


def _ends_text(one: Ends) -> str:
    counts = ", ".join(
        f"{getattr(one, state):,} {state}"
        for state in ("completed", "failed", "timeout", "cancelled")
        if getattr(one, state)
    )
    return f"{counts}; {instant_text(one.at)}, for {length((one.until - one.at) / 1000)}"


def depth_chart(depths: Sequence[Depth], axis: Axis) -> Markup:
    """Queued and running jobs over time, as steps."""
    highest = max((max(one.queued, one.running) for one in depths), default=0) or 1

    def path(value: Callable[[Depth], int]) -> str:
        parts: list[str] = []
        for one in depths:
            x, y = axis.share(one.at) * 1000, 100 - value(one) / highest * 96
            parts.append(f"H{x:.1f}V{y:.1f}" if parts else f"M{x:.1f} {y:.1f}")
        return "".join(parts)

    return element(
        "svg",
        axis.grid(),
        element(
            "svg",
            element("path", d=path(lambda one: one.queued), class_="queued"),
            element("path", d=path(lambda one: one.running), class_="working"),
            viewBox="0 0 1000 100",
            preserveAspectRatio="none",
            width="100%",
            height="100%",
        ),
        class_="chart",
    )


class DurationScale:
    """Durations from 1 ms to the longest on a logarithmic scale: seconds and hours are told apart on one page."""

    _NAMED = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000)

    def __init__(self, longest: float, shortest: float) -> None:
        self.low = max((one for one in self._NAMED if one <= shortest), default=self._NAMED[0])
        self.high = min((one for one in self._NAMED if one >= longest), default=self._NAMED[-1])
        if self.high <= self.low:
            self.high = self.low * 10

    def share(self, seconds: float) -> float:
        """From 0 to 1."""
        value = min(self.high, max(self.low, seconds))
        return math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def named(self) -> list[float]:
        """The durations that have a line."""
        return [one for one in self._NAMED if self.low <= one <= self.high]

    def grid(self) -> Markup:
        """A line at each named duration."""
        return Markup(
            "".join(
                element("line", class_="grid", x1=x, x2=x, y1="0", y2="100%")
                for x in (percent(self.share(one)) for one in self.named)
            )
        )

    def labels(self) -> Markup:
        """Their names."""
        last = len(self.named) - 1
        return element(
            "svg",
            *(
                element(
                    "text",
                    length(one),
                    x=percent(self.share(one)),
                    y="12",
                    text_anchor="start" if index == 0 else "end" if index == last else "middle",
                    class_="tick" if index % 2 == 0 else "tick odd",
                )
                for index, one in enumerate(self.named)
            ),
            class_="axis",
        )


def duration_bar(median: float, p95: float, scale: DurationScale) -> Markup:
    """A bar to the median, a thinner one on to the 95th percentile, and a mark at each."""
    middle, far = scale.share(median), scale.share(max(median, p95))
    return element(
        "svg",
        element("title", f"median {length(median)}, p95 {length(p95)}"),
        scale.grid(),
        element("rect", x="0", y="3", width=percent(middle), height="10", class_="median"),
        element("rect", x=percent(middle), y="6", width=percent(far - middle), height="4", class_="p95"),
        element("rect", x=percent(far), y="3", width="2", height="10", class_="p95end"),
        class_="lane",
        height=16,
    )


def uptime_bar(uptime: Uptime, report: PeriodReport, axis: Axis) -> Markup:
    """Up, down and stopped by wish over the period; what is not known is left empty."""
    parts: list[Markup] = []
    edge, wished = max(uptime.known_since, axis.start), True
    for span in uptime.spans:
        end = axis.end if span.end is None else span.end
        parts += _gap(edge, span.start, wished=wished, axis=axis)
        x, width = axis.extent(span.start, end)
        how = "still up" if span.end is None else f"ended: {shorten(span.reason or '', _TITLE_CELLS)}"
        said = f"{span.label} up for {length((min(end, report.now) - span.start) / 1000)}, {how}".strip()
        parts.append(
            element(
                "g",
                element("title", f"{said}; {instant_text(span.start)}"),
                element("rect", x=x, y="2", width=width, height="12"),
                class_="up",
            )
        )
        if span.end is not None and not span.wished and span.end >= axis.start:
            parts.append(element("text", "✗", x=axis.x(span.end), y="12", class_="endmark"))
        edge, wished = end, span.wished
    parts += _gap(edge, axis.end, wished=wished, axis=axis)
    return element("svg", axis.grid(), *parts, class_="lane", height=16)


def _gap(start: int, end: int, *, wished: bool, axis: Axis) -> list[Markup]:
    if axis.share(end) - axis.share(start) <= 0:
        return []
    x, width = axis.extent(start, end)
    word = "stopped" if wished else "down"
    said = element("title", f"{word} for {length((end - start) / 1000)}; {instant_text(start)}")
    return [element("g", said, element("rect", x=x, y="7", width=width, height="2"), class_=word)]


def firing_strip(firings: Sequence[Firing], axis: Axis) -> Markup:
    """A mark for each slot: in time, late, skipped, missed or failed."""
    return element("svg", axis.grid(), *(_firing(one, axis) for one in firings), class_="lane", height=16)


def _firing(one: Firing, axis: Axis) -> Markup:
    kind = "late" if one.outcome == "fired" and one.late_ms >= LATE_MS else one.outcome
    said = [f"{one.count:,} slots {kind}" if one.count > 1 else kind]
    if kind == "late":
        said[0] = f"fired {length(one.late_ms / 1000)} late"
    if one.reason:
        said.append(shorten(one.reason, _TITLE_CELLS))
    if one.job_id is not None:
        said.append(f"job {one.job_id}")
    x = axis.x(one.at)
    title = element("title", f"{', '.join(said)}; due {instant_text(one.at)}")
    if kind in ("fired", "late"):
        shape = element("line", x1=x, x2=x, y1="2" if kind == "fired" else "0", y2="14")
    else:
        shape = element("text", {"missed": "✗", "failed": "!"}.get(kind, "–"), x=x, y="12")
    return element("g", title, shape, class_=f"fire {kind}")
