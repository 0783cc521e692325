"""Batches as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.model.batches import Batch
from jobctl.model.jobs import Job
from jobctl.views.instants import ago, exact, instant_json, length
from jobctl.views.jobs import aligned, command_text, duration_of, encodable, exit_text, status_text
from jobctl.views.text import printable

COUNTS = ("total", "created", "queued", "running", "completed", "failed", "cancelled", "timeout")


def batch_json(batch: Batch, job: Job, now_ms: int) -> dict[str, object]:
    """The batch with the counters of CLI.md."""
    return {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "reason": job.reason,
        "queue": job.queue,
        **{name: getattr(batch, name) for name in COUNTS},
        "max_parallel": batch.max_parallel,
        "max_failures": batch.max_failures,
        "message": job.progress.message,
        "created_at": instant_json(job.created_at),
        "finished_at": instant_json(job.finished_at),
        "duration_seconds": duration_of(job, now_ms),
    }


def failed_item_json(batch: Batch, job: Job) -> dict[str, object]:
    """One item that failed."""
    return {
        "id": job.id,
        "number": item_number(batch, job),
        "item": None if job.spec.item is None else encodable(job.spec.item),
        "status": job.status.value,
        "reason": job.reason,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "error": None if job.error is None else encodable(job.error),
    }


def item_number(batch: Batch, job: Job) -> int:
    """Which item of the batch it is, from 1: items are stored right behind their parent."""
    return job.id - batch.job_id


def batches_plain(found: Sequence[tuple[Batch, Job]], now_ms: int) -> str:
    """Aligned columns under a header."""
    header = ("ID", "NAME", "STATUS", *(name.upper() for name in COUNTS), "CREATED")
    return aligned([
        header,
        *(
            (
                str(job.id), printable(job.name), status_text(job),
                *(str(getattr(batch, name)) for name in COUNTS), ago(job.created_at, now_ms),
            )
            for batch, job in found
        ),
    ])  # fmt: skip


def batch_fields(batch: Batch, job: Job, now_ms: int) -> list[tuple[str, str]]:
    """What is known of one batch as ``(label, printable text)``, without its items."""
    limits = [f"{batch.max_parallel} at once" if batch.max_parallel is not None else ""]
    limits.append(f"at most {batch.max_failures} failures" if batch.max_failures is not None else "")
    fields = [
        ("name", job.name),
        ("status", status_text(job)),
        ("command", command_text(job)),
        ("queue", job.queue),
        ("limits", ", ".join(filter(None, limits))),
        *((name, str(getattr(batch, name))) for name in COUNTS),
        ("message", job.progress.message or ""),
        ("submitted", exact(job.created_at, now_ms)),
        ("duration", length(duration_of(job, now_ms))),
    ]
    return [(label, printable(text)) for label, text in fields if text]


def failed_item_line(batch: Batch, job: Job) -> str:
    """``#3 job 15 failed, exit 2: photo.png``."""
    detail = exit_text(job)
    how = f"{job.status.value}, {detail if job.signal else f'exit {detail}'}" if detail else job.status.value
    return f"#{item_number(batch, job)} job {job.id} {how}: {printable(job.spec.item or '')}"
