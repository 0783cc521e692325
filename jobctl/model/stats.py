"""The figures that ``stats`` shows: a period beside the period before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobctl.model.statistics import Depth, Dimension, FailureGroup, Figures, Group, Period


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure, and what it was in the period before."""

    now: float | None
    before: float | None

    @property
    def change(self) -> float | None:
        """By what part of itself it has grown: 0.5 is half as much again; None where that cannot be said."""
        if self.now is None or not self.before:
            return None
        return (self.now - self.before) / self.before


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of a period. ``figures`` are those of the period, ``counts`` of the present."""

    period: Period
    figures: Figures
    counts: Mapping[str, int]
    before: tuple[Period, Figures] | None
    """The period before, of the same length; None where nothing is known of it."""
    depths: Sequence[Depth]
    by: Dimension | None = None
    groups: Sequence[Group] = ()
    groups_before: Sequence[Group] = ()
    failures: Sequence[FailureGroup] = ()

    @property
    def total(self) -> int:
        """The jobs that wait or run now, and those that ended in the period."""
        return sum(self.counts[state] for state in ("created", "queued", "running")) + self.figures.finished

    def trends(self) -> dict[str, Trend]:
        """The figures that can be compared, by the name of their JSON key."""
        earlier = None if self.before is None else figures_by_name(self.before[1], self.before[0].seconds)
        own = figures_by_name(self.figures, self.period.seconds)
        return {name: Trend(value, earlier[name] if earlier else None) for name, value in own.items()}

    def trends_of(self, group: Group) -> dict[str, Trend]:
        """The same of one type, queue or name; medians have no past."""
        earlier: Mapping[str, float | None] = {}
        if self.before is not None:
            known = (
                one for one in self.groups_before if (one.key, one.is_other) == (group.key, group.is_other)
            )
            earlier = figures_by_name(next((one.figures for one in known), Figures()), self.before[0].seconds)
        own = figures_by_name(group.figures, self.period.seconds)
        return {name: Trend(value, earlier.get(name)) for name, value in own.items()}


def figures_by_name(figures: Figures, seconds: float | None) -> dict[str, float | None]:
    """Rates, durations and the error rate by the name of their JSON key.

    Args:
        figures: what happened.
        seconds: in how long; None or 0 where nobody knows: then there are no rates.
    """
    return {
        "submitted_per_second": figures.submitted / seconds if seconds else None,
        "finished_per_second": figures.finished / seconds if seconds else None,
        "mean_seconds": figures.mean_seconds,
        "median_seconds": figures.quantile_seconds(0.5),
        "p95_seconds": figures.quantile_seconds(0.95),
        "error_rate": figures.error_rate,
    }
