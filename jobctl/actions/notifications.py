"""Notifications: what an event tells, the jobs that deliver, and the delivery itself.

A delivery is a job (like a hook), stored in the transaction that takes what waits: it is tried again, has a log,
and neither blocks the loop nor is doubled by a crash of the supervisor.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jobctl.configuration import read_configuration
from jobctl.errors import NotFoundError, UnusableError
from jobctl.model.events import Entity, Event
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.notifications import (
    CONCURRENCY,
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_TOLD,
    QUEUE,
    SUBMITTER,
    TYPE,
    NotificationPlan,
    Subject,
    Target,
    message_of,
    occasions_of,
)
from jobctl.model.specs import JobSpec, RetryPolicy, Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from jobctl.store.notifications import NotificationRow
from jobctl.views.text import printable

_RETRY = RetryPolicy(attempts=5, delay_seconds=10, backoff=2)
_TIMEOUT_SECONDS = 120.0
_INSTALL = "pip install 'jobctl[notify]'"
_SECRET_PART = re.compile(r"[^/:@?&=,]{4,}")
_PAST = {
    JobStatus.COMPLETED: "completed", JobStatus.FAILED: "failed", JobStatus.CANCELLED: "cancelled",
    JobStatus.TIMEOUT: "ran out of time",
}  # fmt: skip


def rows_of(store: Store, plan: NotificationPlan, events: Sequence[Event]) -> list[NotificationRow]:
    """What these events tell to whom; events about what is gone tell nothing."""
    found: list[NotificationRow] = []
    for event in events:
        job = _job_of(store, event)
        subject = _subject(event, job)
        if subject is None:
            continue
        targets = plan.targets_for(occasions_of(event.kind, subject), subject)
        if targets:
            title, text = _told(event, subject, job)
            title, text = printable(title)[:LONGEST_TITLE], text[:LONGEST_TEXT]
            found += [(target, event.id, event.at, title, text) for target in targets]
    return found


def _job_of(store: Store, event: Event) -> Job | None:
    if event.entity not in (Entity.JOB.value, Entity.WORKFLOW.value):
        return None
    return store.jobs.get(JobId(int(event.entity_id)))


def _subject(event: Event, job: Job | None) -> Subject | None:
    if job is None:
        is_gone = event.entity in (Entity.JOB.value, Entity.WORKFLOW.value)
        return None if is_gone else Subject(str(event.entity_id))
    is_part = job.workflow_id is not None or job.spec.item is not None
    return Subject(job.name, job.kind, job.queue, job.type, job.tags, is_part)


def _told(event: Event, subject: Subject, job: Job | None) -> tuple[str, str]:
    data: Mapping[str, Any] = event.data if isinstance(event.data, dict) else {}
    if job is not None:
        return _told_of_step(job, data) if event.kind.endswith(".step_waiting") else _told_of_job(job)
    noun = event.entity
    what = event.kind.partition(".")[2].replace("_", " ")
    lines = [f"{key}: {printable(str(data[key]))}" for key in ("reason", "error", "count") if data.get(key)]
    lines.append(f"see: jobctl {noun} show {printable(subject.name)}")
    return f"{noun} {subject.name}: {what}", "\n".join(lines)


def _told_of_job(job: Job) -> tuple[str, str]:
    how = _PAST.get(job.status, job.status.value)
    lines = []
    if job.started_at is not None and job.finished_at is not None:
        tries = f", attempt {job.attempt}" if job.attempt > 1 else ""
        lines.append(f"after {(job.finished_at - job.started_at) / 1000:.1f} s{tries}")
    if job.signal is not None:
        lines.append(f"signal {job.signal}")
    elif job.exit_code:
        lines.append(f"exit code {job.exit_code}")
    if job.reason:
        lines.append(f"reason: {printable(job.reason)}")
    if job.error:
        lines.append(f"error: {printable(job.error[:LONGEST_TEXT])}")
    if job.progress.items_failed:
        lines.append(f"failed items: {job.progress.items_failed}")
    lines.append(f"see: jobctl show {job.id}; jobctl logs {job.id}")
    noun = "" if job.kind.value in ("command", "function") else f"{job.kind.value} "
    return f"{noun}{job.name} {how} (job {job.id})", "\n".join(lines)


def _told_of_step(job: Job, data: Mapping[str, Any]) -> tuple[str, str]:
    step = printable(str(data.get("step", "")))
    text = f"{printable(str(data.get('prompt') or ''))}\njobctl workflow approve {job.id} {step}".strip()
    return f"workflow {job.name} waits for approval of {step} (job {job.id})", text


def delivery_of(target: Target, store: Store, now: int) -> JobId:
    """The job that delivers all that waits for ``target``; in an open write transaction."""
    if not store.queues.exists(QUEUE):
        store.queues.add(QUEUE, CONCURRENCY, now)
    spec = JobSpec(
        command=(sys.executable, "-m", "jobctl", "notify", "deliver", target.name),
        cwd=os.fsencode(store.home.path).decode("utf-8", "surrogateescape"),
        supervisor_env=True,
        secret_env=() if target.url_env is None else (target.url_env,),
        timeout_seconds=_TIMEOUT_SECONDS,
        retry=_RETRY,
    )
    submission = Submission(
        name=f"notify:{target.name}", spec=spec, environment={}, queue=QUEUE, type=TYPE,
        submitted_by=f"{SUBMITTER}{target.name}",
    )  # fmt: skip
    job_id = store.submissions.submit([submission], now)[0].id
    store.notifications.put_into(target.name, job_id, now)
    return job_id


def deliver(store: Store, job_id: JobId, name: str, environment: Mapping[str, str]) -> int:
    """What the job was to tell is told; returns how many events that were.

    Raises:
        NotFoundError: the job tells nothing, or the file names no such target any more.
        UnusableError: apprise is not installed, the URL is wrong, or it could not be delivered.
    """
    items, total = store.notifications.items(job_id, MOST_TOLD)
    if not items:
        raise NotFoundError("this job has nothing to tell", job_id, "jobctl notify test NAME sends a trial")
    title, text = message_of(socket.gethostname(), items, total)
    send(find_target(store.home, name), title, text, environment)
    return total


def send_trial(home: Home, name: str, environment: Mapping[str, str]) -> None:
    """One message went to the target.

    Raises:
        NotFoundError, UnusableError: as :func:`deliver`.
    """
    title, text = f"[{socket.gethostname()}] a trial from jobctl", f"home: {printable(home.path)}"
    send(find_target(home, name), title, text, environment)


def find_target(home: Home, name: str) -> Target:
    """The target as the file has it now.

    Raises:
        NotFoundError: there is none of this name.
    """
    configuration = read_configuration(home)
    plan = None if configuration is None else configuration.notifications
    found = None if plan is None else plan.targets.get(name)
    if found is None:
        known = ", ".join(plan.targets) if plan is not None and plan.targets else "none"
        raise NotFoundError("no such target of notifications", name, f"targets in jobctl.yaml: {known}")
    return found


def send(target: Target, title: str, text: str, environment: Mapping[str, str]) -> None:
    """The message was accepted by the service behind the target's URL.

    Raises:
        UnusableError: apprise is not installed, the URL is wrong, or it could not be delivered. No message of
            this tells any part of the URL.
    """
    try:
        import apprise
    except ImportError as error:
        raise UnusableError("apprise is not installed", None, _INSTALL, "E_EXTRA") from error
    url = target.url if target.url_env is None else environment.get(target.url_env)
    if not url:
        hint = f"set {target.url_env} for the supervisor, or write it into secrets.env of the home"
        raise UnusableError("the variable with the URL is not set", target.url_env, hint, "E_NOTIFY")
    service = apprise.Apprise()
    capture: Any = apprise.LogCapture  # untyped
    with capture(level=apprise.logging.WARNING, fmt="%(message)s") as log:
        if not service.add(url):
            hint = "see https://github.com/caronc/apprise"
            raise UnusableError("apprise knows no such URL; target", target.name, hint, "E_NOTIFY")
        sent = service.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT)
        said = log.getvalue()
    if not sent:
        why = _masked(said.strip().replace("\n", "; ")[-500:], url)
        raise UnusableError(f"not delivered to {target.name}", None, printable(why), "E_NOTIFY")


def _masked(text: str, url: str) -> str:
    """The text without any part of the URL that may be a secret."""
    for part in sorted(_SECRET_PART.findall(url.partition("://")[2]), key=len, reverse=True):
        text = text.replace(part, "***")
    return text
