"""Figures in the format of Prometheus, by prometheus-client (the extra ``metrics``; 0.1 s to import)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jobctl.model.daemons import DaemonState
from jobctl.model.metrics import BOUNDS_SECONDS, Metrics
from jobctl.model.statistics import OTHER, Group
from jobctl.views.text import printable

_ENDS = ("completed", "failed", "cancelled", "timeout")


class _Gathered(Collector):
    """Yields what was gathered once."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from _jobs(self._metrics)
        yield from _queues(self._metrics)
        yield from _durations(self._metrics)
        yield from _daemons(self._metrics)
        yield from _schedules(self._metrics)
        yield from _supervisor(self._metrics)


def metrics_text(metrics: Metrics) -> str:
    """The text format, version 0.0.4."""
    return generate_latest(_registry(metrics)).decode("utf-8")


def write_metrics(metrics: Metrics, path: str) -> None:
    """The file at ``path`` has the same text: a reader finds the old one or the new one, never a part."""
    write_to_textfile(path, _registry(metrics))


def metrics_json(metrics: Metrics) -> dict[str, object]:
    """The same families for programs that read JSON."""
    return {
        "metrics": [
            {
                "name": family.name,
                "type": family.type,
                "help": family.documentation,
                "samples": [
                    {"name": sample.name, "labels": sample.labels, "value": sample.value}
                    for sample in family.samples
                ],
            }
            for family in _Gathered(metrics).collect()
        ]
    }


def _registry(metrics: Metrics) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gathered(metrics))
    return registry


def _key(group: Group) -> str:
    return OTHER if group.is_other else printable(group.key)


def _jobs(metrics: Metrics) -> Iterator[Metric]:
    now = GaugeMetricFamily("jobctl_jobs", "Jobs in the store now, by state.", labels=["state"])
    for state, count in metrics.counts.items():
        now.add_metric([state], count)
    submitted = CounterMetricFamily("jobctl_jobs_submitted", "Jobs submitted ever.", labels=["queue"])
    ended = CounterMetricFamily(
        "jobctl_jobs_ended", "Jobs that ended ever, by state.", labels=["queue", "state"]
    )
    attempts = CounterMetricFamily("jobctl_attempts", "Attempts that ended ever.", labels=["queue"])
    errors = CounterMetricFamily("jobctl_attempts_failed", "Attempts that failed ever.", labels=["queue"])
    busy = CounterMetricFamily("jobctl_attempts_seconds", "Seconds that attempts ran ever.", labels=["queue"])
    for group in metrics.by_queue:
        queue, figures = _key(group), group.figures
        submitted.add_metric([queue], figures.submitted)
        attempts.add_metric([queue], figures.attempts)
        errors.add_metric([queue], figures.errors)
        busy.add_metric([queue], figures.busy_ms / 1000)
        for state in _ENDS:
            ended.add_metric([queue, state], getattr(figures, state))
    yield from (now, submitted, ended, attempts, errors, busy)


def _queues(metrics: Metrics) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "jobctl_queue_jobs", "Jobs of each queue that have not ended.", labels=["queue", "state"]
    )
    slots = GaugeMetricFamily("jobctl_queue_slots", "How many jobs of a queue may run.", labels=["queue"])
    paused = GaugeMetricFamily(
        "jobctl_queue_paused", "1 while nothing starts from the queue.", labels=["queue"]
    )
    for queue in metrics.queues:
        name = printable(queue.name)
        for state, count in (
            ("created", queue.created),
            ("queued", queue.queued),
            ("running", queue.running),
        ):
            depth.add_metric([name, state], count)
        slots.add_metric([name], queue.concurrency)
        paused.add_metric([name], queue.paused)
    yield from (depth, slots, paused)


def _durations(metrics: Metrics) -> Iterator[Metric]:
    family = HistogramMetricFamily(
        "jobctl_job_duration_seconds",
        "How long jobs took that completed, ever; bounds within 5 %.",
        labels=["type"],
    )
    for group in metrics.by_type:
        figures = group.figures
        buckets = [(str(bound), float(figures.sketch.at_most(bound))) for bound in BOUNDS_SECONDS]
        family.add_metric([_key(group)], [*buckets, ("+Inf", float(figures.timed))], figures.done_ms / 1000)
    yield family


def _daemons(metrics: Metrics) -> Iterator[Metric]:
    up = GaugeMetricFamily("jobctl_daemon_up", "1 while the daemon is running.", labels=["daemon"])
    wanted = GaugeMetricFamily("jobctl_daemon_wanted", "1 while the daemon is wanted up.", labels=["daemon"])
    state = GaugeMetricFamily("jobctl_daemon_state", "1 for the daemon's state.", labels=["daemon", "state"])
    restarts = CounterMetricFamily("jobctl_daemon_restarts", "Restarts of the daemon.", labels=["daemon"])
    for daemon in metrics.daemons:
        name = printable(daemon.name)
        up.add_metric([name], daemon.state is DaemonState.RUNNING)
        wanted.add_metric([name], daemon.wanted.value == "up")
        for one in DaemonState:
            state.add_metric([name, one.value], daemon.state is one)
        restarts.add_metric([name], daemon.restarts)
    yield from (up, wanted, state, restarts)


def _schedules(metrics: Metrics) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "jobctl_schedule_last_status",
        "1 for how the schedule's last job stands.",
        labels=["schedule", "status"],
    )
    following = GaugeMetricFamily(
        "jobctl_schedule_next_timestamp_seconds", "When the schedule fires next.", labels=["schedule"]
    )
    last = GaugeMetricFamily(
        "jobctl_schedule_last_timestamp_seconds", "When the schedule fired last.", labels=["schedule"]
    )
    enabled = GaugeMetricFamily(
        "jobctl_schedule_enabled", "1 while the schedule may fire.", labels=["schedule"]
    )
    slots = CounterMetricFamily(
        "jobctl_schedule_slots", "What became of its slots.", labels=["schedule", "outcome"]
    )
    for one in metrics.schedules:
        name = printable(one.name)
        enabled.add_metric([name], one.enabled)
        if one.last_status is not None:
            status.add_metric([name, one.last_status.value], 1)
        if one.next_at is not None:
            following.add_metric([name], one.next_at / 1000)
        if one.last_at is not None:
            last.add_metric([name], one.last_at / 1000)
        for outcome, count in (("fired", one.runs), ("skipped", one.skipped), ("missed", one.missed_count)):
            slots.add_metric([name, outcome], count)
    yield from (status, following, last, enabled, slots)


def _supervisor(metrics: Metrics) -> Iterator[Metric]:
    started = metrics.supervisor_started_at
    yield GaugeMetricFamily("jobctl_supervisor_up", "1 while a supervisor runs.", value=started is not None)
    if started is not None:
        yield GaugeMetricFamily(
            "jobctl_supervisor_start_timestamp_seconds", "When the supervisor started.", value=started / 1000
        )
    yield GaugeMetricFamily("jobctl_store_bytes", "Size of the store.", value=metrics.store_bytes)
    yield GaugeMetricFamily("jobctl_wal_bytes", "Size of its write-ahead log.", value=metrics.wal_bytes)
    yield InfoMetricFamily("jobctl_build", "What runs here.", value={"version": metrics.version})
