"""The supervisor and what it does, as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobctl.model.daemons import Daemon
from jobctl.model.jobs import Job
from jobctl.model.lives import Life
from jobctl.model.queues import Queue
from jobctl.model.schedule_records import Schedule
from jobctl.model.states import JobStatus
from jobctl.model.workers import Workers
from jobctl.views.daemons import overview_json, overview_line
from jobctl.views.instants import ago, instant_json, length, seconds_between
from jobctl.views.jobs import SYMBOLS, duration_of, eta_of, progress_text
from jobctl.views.queues import queue_json
from jobctl.views.text import printable


@dataclass(frozen=True, slots=True)
class Status:
    """What ``status`` is about; ``life`` is None when no supervisor runs (or it is only just starting)."""

    life: Life | None
    runs: bool
    counts: Mapping[str, int]
    queues: Sequence[Queue]
    running: Sequence[Job]
    upcoming: Sequence[Job]
    schedules: Sequence[Schedule] = ()
    daemons: Sequence[Daemon] = ()
    workers: Workers = Workers()  # noqa: RUF009 - frozen


def state_of(status: Status) -> str:
    """``running``, ``draining`` or ``down``."""
    if status.life is not None and (status.life.draining or status.life.stop_requested):
        return "draining"
    return "running" if status.runs else "down"


def status_json(status: Status, now_ms: int) -> dict[str, object]:
    """The keys of CLI.md, then what runs."""
    life = status.life
    return {
        "supervisor": {
            "state": state_of(status),
            "pid": life.pid if life else None,
            "started_at": instant_json(life.started_at) if life else None,
            "uptime_seconds": seconds_between(life.started_at, now_ms) if life else None,
            "version": life.version if life else None,
        },
        "counts": dict(status.counts),
        "queues": [queue_json(queue) for queue in status.queues],
        "daemons": overview_json(status.daemons),
        "next": next_json(status),
        "running": [
            {
                "id": job.id,
                "name": job.name,
                "queue": job.queue,
                "started_at": instant_json(job.started_at),
                "duration_seconds": duration_of(job, now_ms),
                "progress": job.progress.percent,
                "eta_seconds": eta_of(job, now_ms),
            }
            for job in status.running
        ],
        "workers": {
            "running": status.workers.running,
            "busy": status.workers.busy,
            "jobs_done": status.workers.jobs_done,
        },
    }


def next_json(status: Status) -> list[dict[str, object]]:
    """Jobs and schedules whose time comes, the soonest first."""
    jobs: list[tuple[int, dict[str, object]]] = [
        (job.eligible_at or 0, {"kind": "job", "id": job.id, "name": job.name, "reason": job.reason})
        for job in status.upcoming
    ]
    schedules: list[tuple[int, dict[str, object]]] = [
        (one.next_at or 0, {"kind": "schedule", "id": None, "name": one.name, "reason": one.text.kind})
        for one in status.schedules
    ]
    soonest = sorted([*jobs, *schedules], key=lambda entry: entry[0])
    return [{**entry, "at": instant_json(at)} for at, entry in soonest]


def status_lines(status: Status, home: str, now_ms: int) -> list[str]:
    """A few lines for people."""
    life = status.life
    head = f"supervisor  {state_of(status)}"
    if life is not None:
        up = length(seconds_between(life.started_at, now_ms))
        head += f", pid {life.pid}, up {up}, version {printable(life.version)}"
    lines = [head, f"home        {printable(home)}"]
    counts = [
        f"{SYMBOLS[JobStatus(state)]} {count} {state}" for state, count in status.counts.items() if count
    ]
    lines.append(f"jobs        {'  '.join(counts) or 'none'}")
    lines += [f"queue       {_queue_text(queue)}" for queue in status.queues]
    lines += [f"daemon      {overview_line(daemon, now_ms)}" for daemon in status.daemons]
    if status.workers.running:
        lines.append(f"workers     {_workers_text(status.workers)}")
    for job in status.running:
        parts = [
            f"{job.id} {printable(job.name)}",
            f"for {length(duration_of(job, now_ms))}",
            progress_text(job),
        ]
        lines.append(f"running     {', '.join(part for part in parts if part)}")
    lines += [f"next        {text} {when}" for text, when in next_texts(status, now_ms, ",")]
    return lines


def next_texts(status: Status, now_ms: int, comma: str = "") -> list[tuple[str, str]]:
    """Jobs and schedules whose time comes, and when: ``("schedule nightly", "in 2h")``; the soonest first."""
    soonest = [(job.eligible_at or 0, _job_text(job, comma)) for job in status.upcoming]
    soonest += [(one.next_at or 0, f"schedule {printable(one.name)}{comma}") for one in status.schedules]
    return [(text, ago(at, now_ms)) for at, text in sorted(soonest)]


def _job_text(job: Job, comma: str) -> str:
    return f"{job.id} {printable(job.name)}{comma}" + (" next attempt" if job.reason == "retry" else "")


def _workers_text(workers: Workers) -> str:
    return f"{workers.busy} of {workers.running} busy, {workers.jobs_done} jobs done today"


def _queue_text(queue: Queue) -> str:
    waiting = f", {queue.queued} queued" if queue.queued else ""
    paused = (", paused" if queue.paused else "") + (", draining" if queue.draining else "")
    paused += "" if queue.rate is None else f", {queue.rate}"
    return f"{printable(queue.name)}: {queue.running} of {queue.concurrency} slots in use{waiting}{paused}"
