"""Reading what a dashboard shows: a few bounded queries when something changed, almost nothing when not."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace

from jobctl.actions.daemon_logs import daemon_log_directory, last_lines
from jobctl.actions.supervisors import running_supervisor, supervisor_runs
from jobctl.clock import Clock
from jobctl.errors import NotFoundError
from jobctl.executors.usage import UsageMeter
from jobctl.model.daemons import Daemon
from jobctl.model.dashboards import LogLine, Snapshot, WatchedDaemon, WatchedRun
from jobctl.model.filters import JobFilter
from jobctl.model.jobs import Job
from jobctl.model.states import TERMINAL, JobId, JobStatus
from jobctl.model.statistics import Depth, Period
from jobctl.store import Store

DEPTH_MS = 30 * 60 * 1000
"""How far back the depth of the queues is shown; it is kept by the minute."""
LOG_LINES = 12
"""Of each daemon."""
_MOST_UPCOMING = 50
_MOST_REMEMBERED = 1000
_MOST_LOGS = 50
_LONGEST_SHOWN = 2000
"""Bytes of a log line: no terminal is wider."""


class DashboardReader:
    """Reads snapshots of one home.

    Args:
        store: open; it is only read, and no transaction outlives a call.
        clock: the present.
        run_id: a workflow to watch.

    Raises:
        NotFoundError: there is no such workflow.
    """

    def __init__(self, store: Store, clock: Clock, run_id: JobId | None = None) -> None:
        self._store = store
        self._clock = clock
        self._run_id = run_id
        self._version = -1
        self._meter = UsageMeter()
        self._usual: OrderedDict[JobId, float | None] = OrderedDict()
        """How long jobs like these usually take: it does not change while they run."""
        self._logs: dict[str, tuple[tuple[int, ...], tuple[LogLine, ...]]] = {}
        self._run()

    def changed(self) -> bool:
        """Whether anybody has written to the store since ``read`` (20 µs)."""
        return self._store.database.data_version() != self._version

    def read(self, rows: int) -> Snapshot:
        """The home as it is now, with at most ``rows`` of each kind of thing."""
        store, now = self._store, self._clock.now_ms()
        self._version = store.database.data_version()
        running = self._with_usual(store.jobs.running(rows))
        counts = store.jobs.counts()
        since = now - DEPTH_MS
        depths = store.statistics.depths(Period(since, now))
        life = running_supervisor(store)
        return Snapshot(
            home=store.home.path,
            now=now,
            life=life,
            runs=life is not None or supervisor_runs(store.home),
            load=_load(),
            counts=counts,
            queues=tuple(store.queues.list()),
            running=tuple(running),
            usage=self._meter.usage(store.attempts.shims(job.id for job in running)),
            upcoming=tuple(store.jobs.upcoming(min(rows, _MOST_UPCOMING))),
            schedules=tuple(store.schedules.upcoming(min(rows, _MOST_UPCOMING))),
            daemons=self._with_logs(store.daemons.all()),
            endings=tuple(self._endings(rows)),
            depths=(*depths, Depth(now, counts["queued"], counts["running"])),
            depths_since=since,
            run=self._run(),
        )

    def refreshed(self, last: Snapshot) -> Snapshot:
        """The last snapshot as it looks now, when nothing was written since: time, load, use and logs go on."""
        life = running_supervisor(self._store)
        return replace(
            last,
            now=self._clock.now_ms(),
            life=life,
            runs=life is not None or supervisor_runs(self._store.home),
            load=_load(),
            usage=self._meter.usage(self._store.attempts.shims(job.id for job in last.running)),
            daemons=self._with_logs([one.daemon for one in last.daemons]),
        )

    def _with_usual(self, jobs: list[Job]) -> list[Job]:
        return [
            replace(job, usual_seconds=self._usual_of(job)) if job.progress.percent is None else job
            for job in jobs
        ]

    def _usual_of(self, job: Job) -> float | None:
        if job.id not in self._usual:
            [known] = self._store.jobs.with_usual([job])
            self._usual[job.id] = known.usual_seconds
            if len(self._usual) > _MOST_REMEMBERED:
                self._usual.popitem(last=False)
        return self._usual[job.id]

    def _endings(self, rows: int) -> list[Job]:
        """A query a state: each has an index in the order of its ends, all history together has none."""
        found = [
            job
            for status in JobStatus
            if status in TERMINAL
            for job in self._store.jobs.list(JobFilter(statuses=(status,), limit=rows))
        ]
        return sorted(found, key=lambda job: (job.finished_at or 0, job.id), reverse=True)[:rows]

    def _with_logs(self, daemons: list[Daemon]) -> tuple[WatchedDaemon, ...]:
        return tuple(
            WatchedDaemon(daemon, self._lines(daemon.name) if number < _MOST_LOGS else ())
            for number, daemon in enumerate(daemons)
        )

    def _lines(self, name: str) -> tuple[LogLine, ...]:
        """The newest lines of its log, read only when there are more of them."""
        try:
            found = os.stat(f"{daemon_log_directory(self._store.home, name)}/state")
        except OSError:  # it never wrote, or has just been removed
            return ()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = self._logs.get(name)
        if known is None or known[0] != version:
            lines = last_lines(self._store.home, name, LOG_LINES)
            known = version, tuple(LogLine(line.stream, line.text[:_LONGEST_SHOWN]) for line in lines)
            self._logs[name] = known
        return known[1]

    def _run(self) -> WatchedRun | None:
        if self._run_id is None:
            return None
        workflows = self._store.workflows
        run = workflows.get(self._run_id)
        if run is None:
            raise NotFoundError("no such workflow run", self._run_id, "see: jobctl workflow list")
        steps = workflows.steps(run.job_id)
        items = {step.id: workflows.items(run.job_id, step.id) for step in steps if step.items}
        return WatchedRun(run, steps, items)


def _load() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except OSError:  # not to be had here
        return None
