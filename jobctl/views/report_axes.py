"""The time axis of a report: where an instant stands, and which instants are named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobctl.model.instants import LocalZone
from jobctl.model.statistics import Period
from jobctl.views.instants import instant_json, wall
from jobctl.views.markup import Markup, element

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR,
    2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 90 * _DAY,
    365 * _DAY,
)  # fmt: skip
MOST_TICKS = 9
_LEAST_SHARE = 0.0005


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant that the axis names."""

    at: int
    label: str
    is_day: bool


@dataclass(frozen=True, slots=True)
class Axis:
    """A period laid out from 0 % to 100 %."""

    start: int
    end: int
    ticks: tuple[Tick, ...]

    @classmethod
    def of(cls, period: Period) -> Axis:
        """The axis of a period; at least a second long."""
        start = period.since or 0
        end = max(period.until, start + 1000)
        return cls(start, end, _ticks(start, end))

    def share(self, at: int) -> float:
        """Where an instant stands, from 0 to 1; what lies outside stands at the edge."""
        return min(1.0, max(0.0, (at - self.start) / (self.end - self.start)))

    def x(self, at: int) -> str:
        """The same in percent: ``12.5%``."""
        return percent(self.share(at))

    def extent(self, start: int, end: int) -> tuple[str, str]:
        """Left edge and width of what lasted from ``start`` to ``end``; never 0: browsers draw nothing of that."""
        return self.x(start), percent(max(_LEAST_SHARE, self.share(end) - self.share(start)))

    def grid(self) -> Markup:
        """A line at each tick, over the whole height of an ``svg``."""
        return Markup(
            "".join(
                element("line", class_="grid day" if tick.is_day else "grid", x1=x, x2=x, y1="0", y2="100%")
                for tick in self.ticks
                for x in [self.x(tick.at)]
            )
        )

    def labels(self) -> Markup:
        """The row of labels below or above a chart."""
        return element(
            "svg",
            *(
                element(
                    "text",
                    element("title", instant_text(tick.at)),
                    tick.label,
                    x=self.x(tick.at),
                    y="12",
                    class_="tick day" if tick.is_day else "tick" if index % 2 else "tick odd",
                    text_anchor=self._anchor(tick.at),
                )
                for index, tick in enumerate(self.ticks)
            ),
            class_="axis",
            role="presentation",
        )

    def _anchor(self, at: int) -> str:
        share = self.share(at)
        return "start" if share < 0.04 else "end" if share > 0.96 else "middle"


def percent(share: float) -> str:
    """``12.34%`` without needless zeros."""
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"


def instant_text(at: int) -> str:
    """Local time, and the same in UTC."""
    return f"{wall(at)} = {(instant_json(at) or '')[:19]}Z"


def _ticks(start: int, end: int) -> tuple[Tick, ...]:
    seconds = (end - start) / 1000
    step = next((step for step in _STEPS if seconds / step <= MOST_TICKS), seconds / MOST_TICKS)
    zone = LocalZone()
    first = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if step > _DAY:
        # Long steps count from an ordinal, so that the same days are named whenever the report is made.
        midnight -= timedelta(days=first.toordinal() % max(1, round(step / _DAY)))
    found: list[Tick] = []
    passed = max(0, int((first - midnight).total_seconds() // step))
    while True:
        # Sums of a date and a length are wall times: at a change of the clocks the labels stay round.
        wall_time = midnight + timedelta(seconds=step * passed)
        passed += 1
        at = round(wall_time.timestamp() * 1000)
        if at > end:
            return tuple(found)
        if at < start or (found and at <= found[-1].at):
            continue
        is_day = (wall_time.hour, wall_time.minute, wall_time.second) == (0, 0, 0)
        found.append(Tick(at, _label(wall_time, step, is_day), is_day))


def _label(wall_time: datetime, step: float, is_day: bool) -> str:
    if step >= 300 * _DAY:
        return f"{wall_time:%b %Y}"
    if is_day:
        return f"{wall_time.day} {wall_time:%b}"
    return f"{wall_time:%H:%M}" if step >= _MINUTE else f"{wall_time:%H:%M:%S}"
