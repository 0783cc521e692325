"""Running one job and waiting for it, as ``jobctl run`` does: by the supervisor, or without one by a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobctl import errors
from jobctl.actions.admissions import store_jobs
from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.logs import LogRequest
from jobctl.actions.requests import JobRequest, request_document
from jobctl.actions.supervisors import supervisor_runs
from jobctl.actions.tracebacks import shown_traceback
from jobctl.actions.waits import exit_code_of
from jobctl.api.interruptions import Interruption, Interrupts, cancel_unless_ended
from jobctl.api.job_submits import JobSubmits
from jobctl.api.job_waits import ProgressLooks
from jobctl.api.log_lines import followed_lines
from jobctl.api.records import Job
from jobctl.errors import JobctlError, StateConflictError, SupervisorDownError
from jobctl.executors.logs import read_head
from jobctl.store import Store

CAPTURE_BYTES = 10 << 20
"""What ``Finished`` holds of each stream."""
VACANCY_SECONDS = 10.0
"""How long a run waits for the supervisor that has its job to come back."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom a run calls, and what ends it early."""

    on_start: Callable[[Job], None] | None = None
    on_line: Callable[[str, str], None] | None = None
    on_progress: Callable[[Job], None] | None = None
    cancel: Interruption | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that has ended, and what it printed (UTF-8, with replacement of other bytes)."""

    job: Job
    exit_code: int
    """0 completed; its own; 128+n for a signal, 124 for its time-out, 143 cancelled, 125 if jobctl itself failed."""
    stdout: str
    stderr: str
    truncated: bool = False
    """Whether a stream is above 10 MiB: the rest is in its log only."""

    @property
    def ok(self) -> bool:
        """Whether it completed."""
        return self.job.completed

    @property
    def value(self) -> object:
        """Its result, as JSON."""
        return self.job.value

    def as_json(self) -> dict[str, object]:
        """The document that ``run --json`` prints."""
        streams = {"stdout": self.stdout, "stderr": self.stderr, "truncated": self.truncated}
        return {**self.job.as_json(), **streams}


def run_request(client: JobSubmits, request: JobRequest, hooks: Hooks) -> Finished:
    """See ``Client.run``."""
    connections = client.connections
    submission = client.submission(request)  # what is wrong is told before a process is started
    child: _Embedded | None = None
    if supervisor_runs(connections.home):
        job_id = int(store_jobs(connections.store(create=True), [submission], connections.clock)[0].id)
    else:
        child = _Embedded(connections.home.path, request)
        job_id = child.job_id
    try:
        with connections.own() as store:
            _Watched(client, store, job_id, hooks, child).follow()
    except BaseException:
        cancel_unless_ended(connections, job_id)
        raise
    finally:
        if child is not None:
            child.close()
    job = client.job(job_id)
    return finished(job, shown_traceback(connections.store(), job.record))


def finished(job: Job, traceback: str = "") -> Finished:
    """An ended job with what its newest attempt printed, and how the exception came about that ended it."""
    texts, truncated = {"stdout": "", "stderr": ""}, False
    names = texts if job.record.spec.split_output else ["output"]
    for stream in names if job.attempt else ():
        path = f"{job.home.attempt(job.record.id, job.attempt)}/{stream}.log"
        content, cut = read_head(path, CAPTURE_BYTES)
        truncated = truncated or cut
        texts["stdout" if stream == "output" else stream] = content.decode("utf-8", "replace")
    return Finished(job, exit_code_of(job.record), texts["stdout"], texts["stderr"] + traceback, truncated)


class _Watched:
    """One job that is followed to its end."""

    def __init__(
        self, client: JobSubmits, store: Store, job_id: int, hooks: Hooks, child: _Embedded | None
    ) -> None:
        self._client, self._store, self._job_id = client, store, job_id
        self._hooks, self._child = hooks, child
        self._looks = ProgressLooks(client, hooks.on_progress)
        self._interrupts = Interrupts(client.connections, job_id, hooks.cancel)
        self._vacant_since: float | None = None

    def follow(self) -> None:
        """It has ended, and whoever wanted to be told was.

        Raises:
            StateConflictError: it was removed meanwhile.
            SupervisorDownError: nobody is there to run it any more.
        """
        job = self._client.job(self._job_id)
        if self._hooks.on_start is not None:
            self._hooks.on_start(job)
        on_line = self._hooks.on_line
        if on_line is None:
            while not self._tick():
                time.sleep(POLL_SECONDS)
            return
        for line in followed_lines(self._store, [job.record], LogRequest()):
            if line is None:
                self._tick()
            else:
                on_line(line.text, line.stream)
        self._tick()

    def _tick(self) -> bool:
        """Whether the job has ended; else everything was looked after."""
        record = self._store.jobs.get(self._job_id)
        if record is None:
            raise StateConflictError("the job was removed while it ran", self._job_id)
        if record.status.is_terminal:
            self._looks.tell(self._client.job_of(record))
            return True
        self._interrupts.look()
        self._looks.look([self._job_id])
        self._look_after_supervisor()
        return False

    def _look_after_supervisor(self) -> None:
        if (self._child is not None and self._child.runs) or supervisor_runs(self._store.home):
            self._vacant_since = None
        elif self._vacant_since is None:
            self._vacant_since = time.monotonic()
        elif time.monotonic() - self._vacant_since > VACANCY_SECONDS:
            hint = f"jobctl up goes on with it; then: jobctl wait {self._job_id}"
            raise SupervisorDownError("the supervisor has gone before the end of job", self._job_id, hint)


class _Embedded:
    """A child process that runs one job and nothing else: ``jobctl.api.embedded``.

    Not in this process: an embedded supervisor reaps every child and handles signals.
    """

    def __init__(self, home: str, request: JobRequest) -> None:
        order = {
            "home": home,
            "job": request_document(request),
            "supervisor_env": request.supervisor_env,
            "definition": request.definition,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobctl.api.embedded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is ours: it cancels the job through the store, once
        )
        try:
            self.job_id = self._started(json.dumps(order).encode("utf-8", "surrogatepass"))
        except BaseException:
            self._process.kill()
            self.close()
            raise

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """It has ended: it does so once its job has."""
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _started(self, order: bytes) -> int:
        process = self._process
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("its streams are pipes")
        try:
            process.stdin.write(order)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already and says why
        line = process.stdout.readline()
        if not line:
            said = process.stderr.read().decode("utf-8", "replace").strip()
            raise JobctlError("the process that was to run the job has ended", said[-500:], code="E_EMBEDDED")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise error_of(answer["error"])
        return int(answer["id"])


def error_of(document: dict[str, Any]) -> JobctlError:
    """The error that ``error_document`` wrote, of the same class."""
    kind = getattr(errors, str(document["class"]), JobctlError)
    made: JobctlError = kind(document["what"], document["value"], document["hint"], document["code"])
    return made
