"""Snapshots of a home as JSON; nothing here needs Rich."""

from __future__ import annotations

from jobctl.model.dashboards import Snapshot, WatchedDaemon, WatchedRun
from jobctl.model.jobs import Job
from jobctl.views.daemons import daemon_json
from jobctl.views.instants import instant_json
from jobctl.views.jobs import duration_of, encodable
from jobctl.views.supervisors import Status, status_json
from jobctl.views.workflows import item_json, run_json


def snapshot_json(snapshot: Snapshot) -> dict[str, object]:
    """The keys of ``status``, then what else a dashboard shows."""
    status = Status(
        snapshot.life, snapshot.runs, snapshot.counts, snapshot.queues, snapshot.running, snapshot.upcoming,
        snapshot.schedules, [one.daemon for one in snapshot.daemons],
    )  # fmt: skip
    document = {"at": instant_json(snapshot.now), **status_json(status, snapshot.now)}
    document["usage"] = {
        str(job_id): {"cpu_percent": round(usage.cpu_percent, 1), "rss_bytes": usage.rss_bytes}
        for job_id, usage in snapshot.usage.items()
    }
    document["daemon_list"] = [_daemon_json(one, snapshot.now) for one in snapshot.daemons]
    document["recent"] = [_ending_json(job) for job in snapshot.endings]
    document["load"] = None if snapshot.load is None else list(snapshot.load)
    if snapshot.run is not None:
        document["workflow"] = _run_json(snapshot.run, snapshot.now)
    return document


def _daemon_json(one: WatchedDaemon, now: int) -> dict[str, object]:
    lines = [
        {"stream": line.stream, "text": encodable(line.text.decode("utf-8", "surrogateescape"))}
        for line in one.lines
    ]
    return {**daemon_json(one.daemon, now), "lines": lines}


def _ending_json(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "finished_at": instant_json(job.finished_at),
        "duration_seconds": duration_of(job, job.finished_at or 0),
    }


def _run_json(watched: WatchedRun, now: int) -> dict[str, object]:
    return {**run_json(watched.run, now), "steps": [item_json(step, now) for step in watched.steps]}
