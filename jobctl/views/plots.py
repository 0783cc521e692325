"""Queue depth and durations drawn with characters, by plotille; only ``stats --plot`` imports it (25 ms)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from plotille import Figure, hist_aggregated

from jobctl.model.sketches import Sketch
from jobctl.model.statistics import Depth, Period
from jobctl.views.instants import length

_TICK = 10
_AXIS = 13
"""The cells that plotille takes for its vertical axis."""
_LEAST_WIDTH = 30
_WIDEST = 160
_BARS = 14
_DAY_MS = 86_400_000
_MINUTES_MS = 600_000


def depth_plot(depths: Sequence[Depth], period: Period, width: int, height: int) -> str:
    """How many jobs were queued over the period, and below it how many ran; each line at most ``width`` cells."""
    if not depths:
        return "queue depth: nothing is known yet; a running supervisor keeps it"
    plots = [
        _steps(
            what,
            [(depth.at, value) for depth, value in zip(depths, values, strict=True)],
            period,
            (width, height),
        )
        for what, values in (
            ("queued", [depth.queued for depth in depths]),
            ("running", [depth.running for depth in depths]),
        )
    ]
    return "\n\n".join(plots)


def durations_plot(sketch: Sketch, width: int) -> str:
    """How many jobs took how long; each line at most ``width`` cells."""
    bars = sketch.bars(_BARS)
    if not bars:
        return "durations: nothing completed in this time"
    labels = [f"{_short(start)} to {_short(end)}" for start, end, _ in bars]
    counts = [count for _, _, count in bars]
    room = width - max(map(len, labels)) - len(str(max(counts))) - 8
    drawn = hist_aggregated(counts, labels=labels, width=max(5, min(_WIDEST, room)), linesep="\n")
    # Its first and last line are rulers for a header that is wider than the bars.
    lines = [line.replace("\u2800", " ").rstrip() for line in drawn.split("\n")[1:-1]]
    return "\n".join(["durations of what completed", *lines])


def _steps(what: str, points: Sequence[tuple[int, int]], period: Period, size: tuple[int, int]) -> str:
    """What holds until the next point is drawn as a step."""
    start = period.since if period.since is not None else points[0][0]
    xs, ys = [float(start)], [float(points[0][1])]
    for at, value in points:
        xs += [float(max(at, start))] * 2
        ys += [ys[-1], float(value)]
    xs.append(float(max(period.until, xs[-1] + 1)))
    ys.append(ys[-1])
    figure = Figure()
    figure.linesep = "\n"
    figure.with_colors = False
    figure.origin = False
    figure.width = max(_LEAST_WIDTH - _AXIS, min(_WIDEST, size[0] - _AXIS))
    figure.height = size[1]
    figure.set_x_limits(min_=xs[0], max_=xs[-1])
    figure.set_y_limits(min_=0, max_=max(1.0, max(ys)) * 1.05)  # what touches the edge is not drawn
    figure.x_label, figure.y_label = "time", what
    digits = 0 if max(ys) > _TICK else 1
    figure.y_ticks_fkt = lambda low, high: f"{low:.{digits}f}"
    figure.x_ticks_fkt = _clock_face(xs[-1] - xs[0])
    figure.plot(xs, ys)
    *lines, ticks = figure.show().replace("\u2800", " ").split("\n")
    if len(ticks) > size[0]:
        ticks = ticks[: size[0] + 1].rpartition(" ")[0]  # half a time is none
    return "\n".join([*(line[: size[0]].rstrip() for line in lines), ticks.rstrip()])


def _short(seconds: float) -> str:
    """Neighbouring bounds differ by a tenth: below ten seconds that takes more digits than people usually need."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.2f}s" if seconds < 10 else length(seconds)


def _clock_face(span_ms: float) -> Callable[[float, float], str]:
    """Formats a tick: the time of day, or the date when the period is longer than two days."""
    form = "%m-%d"
    if span_ms <= 2 * _DAY_MS:
        form = "%H:%M" if span_ms > _MINUTES_MS else "%H:%M:%S"

    def shown(at: float, _until: float) -> str:
        return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime(form)

    return shown


def terminal_height() -> int:
    """Lines for a plot, so that two of them fit the terminal."""
    try:
        lines = os.get_terminal_size().lines
    except OSError:
        lines = 24
    return max(4, min(12, (lines - 14) // 2))
