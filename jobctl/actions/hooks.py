"""Hooks: the ``--on-success`` and ``--on-failure`` of an ended job become jobs of their own.

They are stored in the transaction that records the end, so that a crash neither loses nor invents one. The job
reaches the user's line as JSON on standard input and in ``JOBCTL_HOOK_*``; nothing of it is pasted into the line.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable

from jobctl.clock import Milliseconds
from jobctl.errors import UnusableError
from jobctl.executors.base import StartRefused
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.names import LONGEST_NAME
from jobctl.model.queues import DEFAULT_QUEUE
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from jobctl.views.jobs import job_json

_FAILED = (JobStatus.FAILED, JobStatus.TIMEOUT)


def add_hooks(store: Store, ended: Iterable[JobId], now: Milliseconds) -> list[JobId]:
    """The hooks of jobs that have just ended are stored as jobs; in an open write transaction."""
    hooks = [
        hook
        for job in map(store.jobs.get, ended)
        if job is not None and (hook := hook_of(job, store, now)) is not None
    ]
    return [stored.id for stored in store.submissions.submit(hooks, now)] if hooks else []


def hook_of(job: Job, store: Store, now: Milliseconds) -> Submission | None:
    """What is to run now that ``job`` has ended so: a cancelled job has no hook, a hook neither."""
    if job.status is JobStatus.COMPLETED:
        kind, line = "on_success", job.spec.on_success
    elif job.status in _FAILED:
        kind, line = "on_failure", job.spec.on_failure
    else:
        return None
    if line is None:
        return None
    spec = JobSpec(
        shell=line,
        cwd=job.spec.cwd,
        umask=job.spec.umask,
        env={**job.spec.env, **hook_variables(job, kind, store.home)},
        secret_env=job.spec.secret_env,
        supervisor_env=job.spec.supervisor_env,
        hook_of=job.id,
    )
    return Submission(
        name=f"{job.name[: LONGEST_NAME - len(kind) - 1]}:{kind}",
        spec=spec,
        environment=store.jobs.environment_of(job.id),
        queue=DEFAULT_QUEUE,
        user=job.user,
        meta=job_json(job, store.home, now),
        submitted_by=f"hook:{job.id}",
    )


def hook_variables(job: Job, kind: str, home: Home) -> dict[str, str]:
    """``JOBCTL_HOOK_*``; what there is none of is empty."""
    log = "stdout" if job.spec.split_output else "output"
    found = {
        "KIND": kind,
        "JOB_ID": str(job.id),
        "NAME": job.name,
        "STATUS": job.status.value,
        "REASON": job.reason or "",
        "EXIT_CODE": "" if job.exit_code is None else str(job.exit_code),
        "SIGNAL": job.signal or "",
        "ATTEMPT": str(job.attempt),
        "QUEUE": job.queue,
        "LOG": f"{home.attempt(job.id, job.attempt)}/{log}.log" if job.attempt else "",
        "DIRECTORY": home.attempt(job.id, job.attempt) if job.attempt else "",
    }
    return {f"JOBCTL_HOOK_{name}": text for name, text in found.items()}


def write_hook_input(store: Store, job_id: JobId) -> str:
    """The path of the file with the ended job as JSON, written anew for the hook's attempt that starts now.

    Raises:
        StartRefused: no room or no descriptor now; the start is tried again.
        UnusableError: it cannot be written.
    """
    hook = store.jobs.get(job_id)
    directory = store.home.job(job_id)
    path = f"{directory}/hook.json"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(None if hook is None else hook.meta, file)
            file.write("\n")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
            raise StartRefused(f"cannot write the hook's input ({error.strerror})") from error
        raise UnusableError(f"cannot write the hook's input ({error.strerror})", path) from error
    return path
