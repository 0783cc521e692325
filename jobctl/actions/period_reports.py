"""Gathers what a report tells about a period; bounded, whatever the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobctl import __version__
from jobctl.actions.statistics import StatsRequest, count_up, nothing_yet, stats_of
from jobctl.actions.supervisors import running_supervisor
from jobctl.model.daemons import Daemon, DaemonReason
from jobctl.model.homes import Home
from jobctl.model.period_reports import PeriodReport, ScheduleTrack, Span, Timeline, Uptime, merged_ends
from jobctl.model.statistics import Dimension, Period
from jobctl.store import Store
from jobctl.store.daemons import KEPT_EXITS

MOST_RUNS = 2000
MOST_BARS = 96
MOST_SCHEDULES = 40
MOST_FIRINGS = 120
MOST_DAEMONS = 60
_WISHED = frozenset({
    DaemonReason.STOP, DaemonReason.SHUTDOWN, DaemonReason.RESTART, DaemonReason.REMOVED, DaemonReason.DEPENDENCY,
})  # fmt: skip


def report_of(store: Store, since: int | None, now: int) -> PeriodReport:
    """What happened from about ``since`` to now; None: from the beginning. What was not counted yet is first."""
    count_up(store, now)
    stats = stats_of(store, StatsRequest(since, Dimension.NAME, True), now)
    period = stats.period
    punctualities = store.statistics.punctuality(period)
    worst_first = sorted(punctualities, key=lambda one: (-one.missed - one.failed, -one.late, one.schedule))
    shown = sorted(worst_first[:MOST_SCHEDULES], key=lambda one: one.schedule)
    daemons = store.daemons.all()
    return PeriodReport(
        home=store.home.path,
        version=__version__,
        now=now,
        stats=stats,
        timeline=Timeline(
            store.timelines.runs(period, MOST_RUNS), stats.figures.attempts + store.statistics.running()
        ),
        ends=merged_ends(store.timelines.ends(period, now), MOST_BARS),
        schedules=[
            ScheduleTrack(one, store.timelines.firings(one.schedule_id, period, MOST_FIRINGS))
            for one in shown
        ],
        schedules_left_out=len(punctualities) - len(shown),
        supervisor=_supervisor(store, period),
        daemons=[_daemon(store, daemon, period) for daemon in daemons[:MOST_DAEMONS]],
        daemons_left_out=max(0, len(daemons) - MOST_DAEMONS),
        gone_jobs=store.timelines.gone([failure.job_id for failure in stats.failures]),
    )


def empty_report(home: Home, now: int) -> PeriodReport:
    """The report of a home without a store."""
    stats = nothing_yet(StatsRequest(now, Dimension.NAME, True), now)
    nobody = Uptime("supervisor", "down", now, ())
    return PeriodReport(
        home.path, __version__, now, stats, Timeline((), 0), (), (), 0, nobody, (), 0, frozenset()
    )


def _supervisor(store: Store, period: Period) -> Uptime:
    """A life without an end whose process is gone was up until the last thing that is on record."""
    alive = running_supervisor(store)
    last_sign = store.timelines.last_sign()
    spans: list[Span] = []
    for span in store.timelines.supervisors(period):
        if span.end is None and (alive is None or span.label != str(alive.id)):
            span = replace(span, end=max(span.start, last_sign), reason="lost", wished=False)
        spans.append(replace(span, label=""))
    return Uptime(
        "supervisor",
        "down" if alive is None else "running",
        period.since or 0,
        _apart(spans),
        sum(not span.wished for span in spans if span.end is not None),
    )


def _daemon(store: Store, daemon: Daemon, period: Period) -> Uptime:
    ends = store.daemons.exits(daemon.id)
    since = period.since or 0
    # Older ends than these are forgotten: before the first of them nothing is known.
    known_since = max(since, ends[-1].started_at if len(ends) >= KEPT_EXITS else daemon.created_at)
    spans = [
        Span(
            one.started_at,
            one.ended_at,
            one.error or one.reason or (one.signal or f"exit {one.exit_code}"),
            one.reason in _WISHED,
            f"#{one.generation}",
        )
        for one in reversed(ends)
        if one.ended_at >= since
    ]
    if daemon.state.is_live and daemon.started_at is not None:
        spans.append(Span(daemon.started_at, None, label=f"#{daemon.generation}"))
    unwished = sum(not span.wished for span in spans if span.end is not None)
    return Uptime(daemon.name, daemon.state.value, known_since, _apart(spans), unwished)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The same without overlaps, which only a clock that was set back makes."""
    found: list[Span] = []
    for span in spans:
        start = max(span.start, found[-1].end or span.start) if found else span.start
        end = None if span.end is None else max(start, span.end)
        found.append(replace(span, start=start, end=end))
    return found
