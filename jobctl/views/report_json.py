"""A report for programs: the figures of ``stats``, and what the page draws."""

from __future__ import annotations

from jobctl.model.period_reports import PeriodReport, Run, ScheduleTrack, Uptime
from jobctl.views.instants import instant_json
from jobctl.views.jobs import encodable
from jobctl.views.statistics import stats_json


def report_json(report: PeriodReport) -> dict[str, object]:
    """The whole of it."""
    return {
        "home": encodable(report.home),
        "version": report.version,
        "stats": stats_json(report.stats),
        "runs": [_run_json(run) for run in report.timeline.runs],
        "runs_total": report.timeline.total,
        "ends": [
            {
                "at": instant_json(one.at),
                "until": instant_json(one.until),
                "completed": one.completed,
                "failed": one.failed,
                "cancelled": one.cancelled,
                "timeout": one.timeout,
            }
            for one in report.ends
        ],
        "schedules": [_schedule_json(track) for track in report.schedules],
        "supervisor": _uptime_json(report.supervisor, report),
        "daemons": [_uptime_json(uptime, report) for uptime in report.daemons],
    }


def _run_json(run: Run) -> dict[str, object]:
    return {
        "job_id": run.job_id,
        "attempt": run.number,
        "name": encodable(run.name),
        "queue": encodable(run.queue),
        "outcome": run.outcome,
        "reason": run.reason,
        "started_at": instant_json(run.started_at),
        "finished_at": instant_json(run.finished_at),
        "exit_code": run.exit_code,
        "signal": run.signal,
    }


def _schedule_json(track: ScheduleTrack) -> dict[str, object]:
    found = track.punctuality
    return {
        "name": encodable(found.schedule),
        "fired": found.fired,
        "late": found.late,
        "mean_late_seconds": round(found.mean_late_seconds, 3),
        "worst_late_seconds": round(found.worst_late_seconds, 3),
        "skipped": found.skipped,
        "missed": found.missed,
        "failed": found.failed,
    }


def _uptime_json(uptime: Uptime, report: PeriodReport) -> dict[str, object]:
    share = uptime.up_share(report.period)
    return {
        "name": encodable(uptime.name),
        "state": uptime.state,
        "known_since": instant_json(uptime.known_since),
        "up_seconds": round(uptime.up_seconds(report.period), 3),
        "up_share": None if share is None else round(share, 6),
        "unasked_ends": uptime.unasked_ends,
        "spans": [
            {
                "start": instant_json(span.start),
                "end": instant_json(span.end),
                "reason": None if span.reason is None else encodable(span.reason),
            }
            for span in uptime.spans
        ],
    }
