"""Jobs as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING, Any

from jobctl.model.attempts import Attempt
from jobctl.model.durations import format_duration
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.sizes import format_size
from jobctl.model.states import JobKind, JobStatus
from jobctl.views.instants import ago, exact, instant_json, length, seconds_between, wall
from jobctl.views.text import printable, width_of

if TYPE_CHECKING:
    from jobctl.model.calls import Call

SYMBOLS = {
    JobStatus.CREATED: "◌",
    JobStatus.QUEUED: "○",
    JobStatus.RUNNING: "▶",
    JobStatus.COMPLETED: "✓",
    JobStatus.FAILED: "✗",
    JobStatus.CANCELLED: "⊘",
    JobStatus.TIMEOUT: "◷",
}
"""One cell each: a status is never told by colour alone."""

HEADER = ("ID", "NAME", "STATUS", "QUEUE", "PRI", "PROGRESS", "STARTED", "DURATION", "EXIT")


def job_json(job: Job, home: Home, now_ms: int) -> dict[str, object]:
    """The job with exactly the keys of CLI.md, in their order.

    ``command`` is an argv, None of a function job; bytes that are not UTF-8 are shown as ``\\xff``.
    """
    spec, progress = job.spec, job.progress
    return {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "reason": job.reason,
        "queue": job.queue,
        "priority": job.priority,
        "kind": job.kind.value,
        "command": None if spec.call is not None else [encodable(word) for word in spec.argv()],
        "call": None if spec.call is None else spec.call.document(),
        "type": job.type,
        "category": job.category,
        "user": job.user,
        "tags": list(job.tags),
        "parent_id": job.parent_id,
        "workflow_id": job.workflow_id,
        "step": job.step,
        "submitted_by": job.submitted_by,
        "definition": job.definition,
        "after": [{"id": need.needs, "condition": need.condition.value} for need in job.after],
        "unique": job.unique_key,
        "lock": job.lock_key,
        "resources": resources_json(job),
        "executor": "command" if job.kind is JobKind.COMMAND else job.kind.value,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": progress.percent,
        "items_done": progress.items_done,
        "items_total": progress.items_total,
        "items_failed": progress.items_failed,
        "item_errors": [{"item": item, "error": error} for item, error in progress.item_errors],
        "message": progress.message,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "error": None if job.error is None else encodable(job.error),
        "result": job.result,
        "meta": job.meta,
        "created_at": instant_json(job.created_at),
        "eligible_at": instant_json(job.eligible_at),
        "queued_at": instant_json(job.queued_at),
        "started_at": instant_json(job.started_at),
        "finished_at": instant_json(job.finished_at),
        "duration_seconds": duration_of(job, now_ms),
        "wait_seconds": wait_of(job, now_ms),
        "timeout_seconds": spec.timeout_seconds,
        "eta_seconds": eta_of(job, now_ms),
        "cpu_seconds": job.cpu_seconds,
        "max_rss_bytes": job.max_rss_bytes,
        "cwd": encodable(spec.cwd),
        "directory": encodable(home.attempt(job.id, job.attempt)) if job.attempt else None,
        "log_path": log_path(home, job.id, job.attempt, spec.split_output),
    }


def resources_json(job: Job) -> dict[str, object]:
    """``{"gpu": {"amount": 2, "indices": [0, 1]}}``: no indices while it waits."""
    waits = job.status in (JobStatus.CREATED, JobStatus.QUEUED)
    return {
        name: {"amount": use.amount, "indices": [] if waits else list(use.indices)}
        for name, use in job.resources.items()
    }


def resources_text(job: Job) -> str:
    """``gpu=2 (0, 1)``: the indices once it has started."""
    waits = job.status in (JobStatus.CREATED, JobStatus.QUEUED)
    return ", ".join(
        f"{name}={use.amount}"
        + ("" if waits or not use.indices else f" ({', '.join(map(str, use.indices))})")
        for name, use in job.resources.items()
    )


def attempt_json(attempt: Attempt, home: Home, now_ms: int) -> dict[str, object]:
    """One attempt: the keys of CLI.md, then what it cost."""
    return {
        "number": attempt.number,
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "started_at": instant_json(attempt.started_at),
        "finished_at": instant_json(attempt.finished_at),
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "error": None if attempt.error is None else encodable(attempt.error),
        "pid": attempt.pid,
        "log_path": log_path(home, attempt.job_id, attempt.number, attempt.split_output),
        "reason": attempt.reason,
        "duration_seconds": seconds_between(attempt.started_at, attempt.finished_at or now_ms),
        "cpu_seconds": attempt.cpu_seconds,
        "max_rss_bytes": attempt.max_rss_bytes,
    }


def encodable(text: str) -> str:
    """``text`` fit for UTF-8: a byte that was not UTF-8 is shown as ``\\xff``, nothing else is touched."""
    if text.isascii():
        return text
    return "".join(_shown_surrogate(ch) if "\ud800" <= ch <= "\udfff" else ch for ch in text)


def _shown_surrogate(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def log_path(home: Home, job_id: int, number: int, split_output: bool) -> str | None:
    """Where an attempt's output is (of a split one its stdout); None before the first attempt."""
    if not number:
        return None
    return encodable(f"{home.attempt(job_id, number)}/{'stdout' if split_output else 'output'}.log")


def duration_of(job: Job, now_ms: int) -> float | None:
    """Seconds the newest attempt ran, so far if it still does; None while the job waits or never ran."""
    if job.status in (JobStatus.CREATED, JobStatus.QUEUED):
        return None
    return seconds_between(job.started_at, job.finished_at or now_ms)


def wait_of(job: Job, now_ms: int) -> float:
    """Seconds from queued (else created) to the start, to the end without one, or until now."""
    begin = job.created_at if job.queued_at is None else job.queued_at
    if job.status in (JobStatus.CREATED, JobStatus.QUEUED):
        return seconds_between(begin, now_ms) or 0.0
    return seconds_between(begin, job.started_at or job.finished_at or now_ms) or 0.0


def eta_of(job: Job, now_ms: int) -> float | None:
    """Seconds a running job still needs: at the rate so far, else as long as its name usually takes.

    None while that cannot be known, while it is paused, and once it took longer than usual.
    """
    elapsed = duration_of(job, now_ms)
    if job.status is not JobStatus.RUNNING or elapsed is None or job.paused_at is not None:
        return None
    elapsed = max(0.0, elapsed - job.paused_ms / 1000)
    if percent := job.progress.percent:
        return round(elapsed * (100 - percent) / percent, 3)
    if job.usual_seconds is None or job.usual_seconds < elapsed:
        return None
    return round(job.usual_seconds - elapsed, 3)


def started_text(job: Job, now_ms: int) -> str:
    """When it started, or will be eligible to: ``5m ago``, ``in 2h``; empty where neither is known."""
    waits = job.status is JobStatus.CREATED and job.reason in ("time", "retry")
    return ago(job.eligible_at if waits else job.started_at, now_ms)


def status_text(job: Job) -> str:
    """The status, with its reason where that says more: ``created (hold)``."""
    if job.reason is None or job.reason in (job.status.value, "exit", "signal"):
        return job.status.value
    return f"{job.status.value} ({printable(job.reason)})"


def exit_text(job: Job) -> str:
    """The exit code or the signal; empty without either."""
    if job.signal is not None:
        return printable(job.signal)
    return "" if job.exit_code is None else str(job.exit_code)


def progress_text(job: Job) -> str:
    """``40% 12/300 message``, as far as known."""
    progress = job.progress
    parts = [] if progress.percent is None else [f"{progress.percent:.0f}%"]
    if progress.items_done is not None or progress.items_total is not None:
        total = "?" if progress.items_total is None else progress.items_total
        parts.append(f"{progress.items_done or 0}/{total}")
    if progress.items_failed:
        parts.append(f"{progress.items_failed} failed")
    if progress.message:
        parts.append(printable(progress.message))
    return " ".join(parts)


def log_size_text(written: int, dropped: int) -> str:
    """``3.2GiB, of which 2.2GiB were dropped by the log limit``."""
    text = format_size(written)
    return f"{text}, of which {format_size(dropped)} were dropped by the log limit" if dropped else text


def jobs_plain(jobs: Sequence[Job], now_ms: int) -> str:
    """Aligned columns under a header, nothing cut: what pipes get."""
    return aligned([HEADER, *(_row(job, now_ms) for job in jobs)])


def _row(job: Job, now_ms: int) -> tuple[str, ...]:
    return (
        str(job.id),
        printable(job.name),
        status_text(job),
        job.queue,
        str(job.priority),
        progress_text(job) or "-",
        started_text(job, now_ms) or "-",
        length(duration_of(job, now_ms)) or "-",
        exit_text(job) or "-",
    )


def hook_json(hook: Job) -> dict[str, object]:
    """A hook job in brief."""
    return {
        "id": hook.id,
        "name": hook.name,
        "status": hook.status.value,
        "exit_code": hook.exit_code,
        "command": hook.spec.shell,
    }


def hook_line(hook: Job) -> str:
    """``job 14 backup:on_failure completed: notify …``."""
    detail = f", {exit_text(hook)}" if exit_text(hook) not in ("", "0") else ""
    return f"job {hook.id} {printable(hook.name)} {hook.status.value}{detail}: {command_text(hook)}"


def history_plain(jobs: Sequence[Job], now_ms: int) -> str:
    """One run a line: start, end, duration, status, exit."""
    header = ("ID", "STARTED", "FINISHED", "DURATION", "STATUS", "EXIT", "ATTEMPT")
    rows = (
        (
            str(job.id), wall(job.started_at) or "-", wall(job.finished_at) or "-",
            length(duration_of(job, now_ms)) or "-", status_text(job), exit_text(job) or "-", str(job.attempt),
        )
        for job in jobs
    )  # fmt: skip
    return aligned([header, *rows])


def result_text(job: Job) -> str:
    """What came of it in a few words: its error, else its result, else the last it reported."""
    if job.error:
        return printable(job.error)
    if job.result is not None:
        from json import dumps

        return printable(dumps(job.result, ensure_ascii=False))
    return printable(job.progress.message or "")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Printable cells in columns two blanks apart, without blanks at the ends of lines."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def job_fields(job: Job, home: Home, now_ms: int) -> list[tuple[str, str]]:
    """Everything known of one job as ``(label, printable text)``, without what is unknown."""
    spec = job.spec
    fields: list[tuple[str, Any]] = [
        ("name", job.name),
        ("status", f"{SYMBOLS[job.status]} {status_text(job)}"),
        ("command" if spec.call is None else "call", command_text(job)),
        ("queue", f"{job.queue}, priority {job.priority}"),
        ("type", job.type),
        ("category", job.category),
        ("user", job.user),
        ("tags", ", ".join(job.tags)),
        ("parent", job.parent_id),
        ("workflow", job.workflow_id),
        ("step", job.step),
        ("submitted by", job.submitted_by),
        ("definition", job.definition),
        ("unique", job.unique_key),
        ("lock", job.lock_key),
        ("after", ", ".join(f"{need.needs} ({need.condition.value})" for need in job.after)),
        ("resources", resources_text(job)),
        ("item", job.spec.item),
        ("attempt", _attempt_text(job)),
        ("progress", progress_text(job)),
        ("exit", exit_text(job)),
        ("error", job.error),
        ("created", exact(job.created_at, now_ms)),
        ("eligible", exact(job.eligible_at, now_ms)),
        ("queued", exact(job.queued_at, now_ms)),
        ("started", exact(job.started_at, now_ms)),
        ("finished", exact(job.finished_at, now_ms)),
        ("duration", length(duration_of(job, now_ms))),
        ("waited", length(wait_of(job, now_ms))),
        ("left", length(eta_of(job, now_ms))),
        ("time limit", length(spec.timeout_seconds)),
        ("cpu", length(job.cpu_seconds)),
        ("memory", "" if job.max_rss_bytes is None else f"{format_size(job.max_rss_bytes)} at most"),
        ("cwd", spec.cwd),
        ("directory", home.attempt(job.id, job.attempt) if job.attempt else None),
        ("log", log_path(home, job.id, job.attempt, spec.split_output)),
    ]
    return [(label, printable(str(value))) for label, value in fields if value not in (None, "")]


def _attempt_text(job: Job) -> str:
    if job.kind is JobKind.WORKFLOW:
        return ""
    return f"{job.attempt} (of {job.max_attempts} allowed, {job.attempts_used} used)"


def command_text(job: Job) -> str:
    """The command as a shell would read it; the text of a shell job as it is; ``pkg.mod:func(days=7)``."""
    if job.spec.call is not None:
        return call_text(job.spec.call)
    if job.spec.shell is not None:
        return printable(job.spec.shell)
    from shlex import join

    return printable(join(job.spec.command))


def call_text(call: Call) -> str:
    """``pkg.mod:func(days=7, path="x")``: names of arguments, and their values as JSON."""
    given = ", ".join(f"{name}={dumps(value, ensure_ascii=False)}" for name, value in call.args.items())
    return printable(f"{call.function}({given})")


def attempt_line(attempt: Attempt, now_ms: int) -> str:
    """``#2 failed, exit 3, after 1.2s (pid 4711): message``."""
    parts = ["running" if attempt.outcome is None else attempt.outcome.value]
    if attempt.reason and attempt.reason not in (parts[0], "exit", "signal"):
        parts.append(printable(attempt.reason))
    if attempt.signal:
        parts.append(printable(attempt.signal))
    elif attempt.exit_code is not None:
        parts.append(f"exit {attempt.exit_code}")
    seconds = seconds_between(attempt.started_at, attempt.finished_at or now_ms) or 0.0
    parts.append(f"{'for' if attempt.finished_at is None else 'after'} {format_duration(seconds)}")
    if attempt.max_rss_bytes is not None:
        parts.append(f"{format_size(attempt.max_rss_bytes)} of memory")
    text = f"#{attempt.number} {', '.join(parts)}"
    if attempt.pid is not None:
        text += f" (pid {attempt.pid})"
    return f"{text}: {printable(attempt.error)}" if attempt.error else text
