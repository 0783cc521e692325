"""``jobctl run``: submit, stream the output, exit with the job's code."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from jobctl.actions.admissions import needed_jobs, store_jobs
from jobctl.actions.callers import caller_context
from jobctl.actions.changes import ChangeWatch
from jobctl.actions.jobs import CancelOptions, cancel
from jobctl.actions.requests import JobRequest
from jobctl.actions.spools import spool_standard_input, unspool
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.actions.supervisors import supervisor_runs, wake
from jobctl.actions.tracebacks import shown_traceback
from jobctl.actions.waits import exit_code_of
from jobctl.cli.call_options import CallOptions
from jobctl.cli.complete import complete_definition_words
from jobctl.cli.invocation import Invocation
from jobctl.cli.job_options import JobOptions
from jobctl.cli.submit import (
    call_functions,
    check_usage,
    job_request,
    note_left_out,
    remember_functions,
)
from jobctl.configuration import read_configuration
from jobctl.errors import InterruptedByUserError, StateConflictError, SupervisorDownError
from jobctl.executors.logs import Dropped, LogFollower, read_head
from jobctl.executors.threads import start_thread
from jobctl.model.durations import format_duration
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.store import Store
from jobctl.store.database import CALLER_TIMEOUT_SECONDS, SUPERVISOR_TIMEOUT_SECONDS
from jobctl.views.jobs import job_json
from jobctl.views.text import printable, printable_lines

CAPTURE_BYTES = 10 << 20
"""What ``--json`` shows of each stream."""
_POLL_SECONDS = 0.02
VACANCY_SECONDS = 10.0
"""How long a run waits for the supervisor that has its job to come back."""


def run(
    call: Invocation,
    options: JobOptions,
    function: CallOptions,
    detach_on_interrupt: Annotated[
        bool, typer.Option("--detach-on-interrupt", help="Ctrl-C leaves the job running.")
    ] = False,
    definition: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME [K=V…] | -- CMD…",
            help="What to run: a job of the catalog with its parameters, or a command.",
            show_default=False,
            autocompletion=complete_definition_words,
        ),
    ] = None,
) -> int:
    """Submit a job, stream its output and exit with its code; without a supervisor it is run right here.

    Its stdout comes on stdout and its stderr on stderr. Exit code: the job's own; 128+n for a signal, 124 for its
    time-out, 126 or 127 if it cannot be started, 125 if jobctl itself failed. Ctrl-C cancels the job.

    \b
    Examples:
      jobctl run -- make test
      jobctl run --timeout 10m --attempts 3 -- ./flaky.sh
      jobctl run report days=7
      jobctl run --call reports:build --arg days=7
      jobctl run --json -- python -c 'print(42)' | jq .stdout
    """
    said = replace(function.over(options.request(call.command)), split_output=True)
    check_usage(call, said, definition)
    with call.store(create=True) as store:
        spooled = None
        try:
            if said.stdin == "-" and said.call is None:
                spooled = spool_standard_input(store.home)
                said = replace(said, stdin=spooled)
            return _run(call, store, said, definition, detach_on_interrupt)
        finally:
            if spooled is not None:
                unspool(store, spooled)


def _run(call: Invocation, store: Store, said: JobRequest, definition: list[str] | None, detach: bool) -> int:
    configuration = read_configuration(store.home)
    caller = caller_context(store.home.path, call.clock.now_ms())
    settings = call.settings_over(configuration)
    builder = SubmissionBuilder(
        caller, settings, store.queues.names, lambda text: needed_jobs(store, text),
        functions=lambda: call_functions(store.home, settings, store),
    )  # fmt: skip
    submission = builder.build(job_request(call, said, definition, configuration))
    remember_functions(call, store, builder)
    note_left_out(call, builder)
    if supervisor_runs(store.home):
        job_id, is_new = store_jobs(store, [submission], call.clock)[0]
        if is_new:
            _follow(call, store, job_id, detach)
        else:
            _follow_existing(call, store, job_id, submission, detach)
    else:
        job_id = _run_here(call, store, submission, detach)
    job = store.jobs.get(job_id)
    if job is None:
        raise StateConflictError("the job was removed while it ran", job_id)
    if call.json:
        _print_json(call, store, job)
        return exit_code_of(job)
    _write(2, printable_lines(shown_traceback(store, job).encode("utf-8", "replace")).encode())
    if why := _jobctls_own_doing(job):
        call.note(f"jobctl: job {job.id}: {printable(why)}")
    return exit_code_of(job)


def _jobctls_own_doing(job: Job) -> str | None:
    """Why the job ended, where neither it nor its output can have said so."""
    if job.status is JobStatus.TIMEOUT:
        return f"timed out after {format_duration(job.spec.timeout_seconds or 0)}"
    if job.status is JobStatus.CANCELLED:
        return "was cancelled"
    return job.error if job.status is JobStatus.FAILED else None


@dataclass(slots=True)
class _Interrupts:
    """Turns stop signals into a cancellation of the job, or into leaving it."""

    call: Invocation
    home: Home
    job_id: JobId
    detach: bool
    patience: float = CALLER_TIMEOUT_SECONDS
    """How long the store may be busy."""
    signal: int = 0
    heard: int = 0
    """How many times its cancellation was asked for."""

    def heed(self, number: int) -> bool:
        """Whether the job is to be left alone."""
        self.signal = number
        if self.detach:
            self.call.note(f"job {self.job_id} goes on; see: jobctl logs -f {self.job_id}")
            return True
        self.cancel()
        again = "killing it at once" if self.heard else "again to kill it at once"
        self.heard += 1
        self.call.note(f"cancelling job {self.job_id}; {again}")
        return False

    def cancel(self) -> None:
        """The job's cancellation is requested, unless it has ended."""
        options = CancelOptions(reason="interrupted")
        # A connection of its own: the supervisor's waits for no other writer.
        with (
            contextlib.suppress(StateConflictError),
            Store.open(self.home, self.call.clock, timeout_seconds=self.patience) as store,
        ):
            cancel(store, parse_selector(str(self.job_id)), self.call.clock, options)


def _run_here(call: Invocation, store: Store, submission: Submission, detach: bool) -> JobId:
    # Imported here: only a run without a supervisor needs one.
    from jobctl.supervisor.private import PrivateLife

    life = PrivateLife(store, call.settings, call.clock, submission)
    if not life.is_new:
        life.leave()
        _follow_existing(call, store, life.job_id, submission, detach)
        return life.job_id
    interrupts = _Interrupts(call, store.home, life.job_id, detach, SUPERVISOR_TIMEOUT_SECONDS)
    stream = None if call.json else _Streaming(store, life.job_id)

    def give_up() -> None:
        """Nobody reads what the job writes: it is cancelled, once."""
        if stream is not None and stream.is_stuck and not interrupts.heard:
            interrupts.cancel()
            interrupts.heard += 1

    status = life.run(interrupts.heed, give_up)
    if stream is not None:
        stream.finish()
    _raise_if_interrupted(interrupts, status)
    return life.job_id


def _raise_if_interrupted(interrupts: _Interrupts, status: JobStatus | None) -> None:
    if interrupts.signal and status in (None, JobStatus.CANCELLED):
        raise Interrupted(interrupts.signal)


class Interrupted(InterruptedByUserError):
    """A signal ended the run: 130 for Ctrl-C, 143 for TERM, 129 for HUP."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = 128 + number


class _Output:
    """Copies new output of a job's attempts to this process's own streams."""

    def __init__(self, store: Store, job_id: JobId) -> None:
        self._home = store.home
        self._job_id = job_id
        self._attempt = 0
        self._follower: LogFollower | None = None

    def copy(self) -> None:
        """Everything written so far was copied, attempt after attempt."""
        while True:
            if self._follower is not None:
                self._drain(self._follower)
            following = self._home.attempt(self._job_id, self._attempt + 1)
            if not any(os.path.exists(f"{following}/{name}.log") for name in ("stdout", "stderr")):
                return
            if self._follower is not None:
                self._drain(self._follower)  # what came between the last read and the next attempt
                self._follower.close()
            self._attempt += 1
            self._follower = LogFollower({name: f"{following}/{name}.log" for name in ("stdout", "stderr")})

    @staticmethod
    def _drain(follower: LogFollower) -> None:
        while chunks := follower.read():
            for stream, chunk in chunks:
                # A marker is no output of the job: a consumer of its stdout must not get it.
                onto_stdout = stream == "stdout" and not isinstance(chunk, Dropped)
                _write(1 if onto_stdout else 2, chunk)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


class _Streaming:
    """Copies output from a thread, so that a slow reader never stops the embedded supervisor."""

    def __init__(self, store: Store, job_id: JobId) -> None:
        self._home = store.home
        self._output = _Output(store, job_id)
        self._ended = threading.Event()
        self._problem: OSError | None = None
        self._thread = start_thread("output", self._copy)

    @property
    def is_stuck(self) -> bool:
        """Whether the output cannot be written any more."""
        return self._problem is not None

    def finish(self) -> None:
        """All output was copied.

        Raises:
            OSError: it could not be written: its reader has gone, or the disk is full.
        """
        self._ended.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _copy(self) -> None:
        try:
            while not self._ended.wait(_POLL_SECONDS):
                self._output.copy()
            self._output.copy()
        except OSError as error:
            self._problem = error
            wake(self._home)


def _follow_existing(
    call: Invocation, store: Store, job_id: JobId, submission: Submission, detach: bool
) -> None:
    """The job there was with the same unique key has ended and its output was copied."""
    call.note(f"job {job_id} has the unique key {submission.unique_key} already; following it")
    del detach  # it is somebody else's: an interrupt ends the following, never the job
    _follow(call, store, job_id, True)


class _Vacancy:
    """Notices that the supervisor that was to run the job has gone, and for how long."""

    def __init__(self, call: Invocation, home: Home, job_id: JobId) -> None:
        self._call = call
        self._home = home
        self._job_id = job_id
        self.since: float | None = None
        """Monotonic instant since which none runs; None while one does."""

    def look(self) -> None:
        """What is the case now is known.

        Raises:
            SupervisorDownError: none came back within ``VACANCY_SECONDS``; the job is left to the next one.
        """
        now = self._call.clock.monotonic()
        if supervisor_runs(self._home):
            self.since = None
        elif self.since is None:
            self.since = now
            self._call.note(f"no supervisor for {self._home.path}; start one with: jobctl up")
        elif now - self.since > VACANCY_SECONDS:
            hint = f"jobctl up goes on with it; then: jobctl wait {self._job_id}"
            raise SupervisorDownError("the supervisor has gone before the end of job", self._job_id, hint)


def _follow(call: Invocation, store: Store, job_id: JobId, detach: bool) -> None:
    """The job, run by the supervisor, has ended and its output was copied."""
    interrupts = _Interrupts(call, store.home, job_id, detach)
    output, watch, vacancy = _Output(store, job_id), ChangeWatch(store), _Vacancy(call, store.home, job_id)
    pending: list[int] = []
    previous = {
        number: signal.signal(number, lambda got, _: pending.append(got))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        while True:
            while pending:
                if interrupts.heed(pending.pop(0)) or vacancy.since is not None:
                    _raise_if_interrupted(interrupts, None)  # nobody is there to end the job
            status = store.jobs.statuses([job_id]).get(job_id) if watch.changed() else JobStatus.RUNNING
            if not call.json:
                output.copy()
            if status is None or status.is_terminal:
                break
            vacancy.look()
            watch.pause()
    except OSError:
        interrupts.cancel()
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    _raise_if_interrupted(interrupts, status)


def _print_json(call: Invocation, store: Store, job: Job) -> None:
    document = job_json(job, store.home, call.clock.now_ms())
    truncated = False
    for stream in ("stdout", "stderr"):
        path = f"{store.home.attempt(job.id, job.attempt)}/{stream}.log"
        content, cut = read_head(path, CAPTURE_BYTES)
        truncated = truncated or cut
        traceback = shown_traceback(store, job) if stream == "stderr" else ""
        document[stream] = content.decode("utf-8", "replace") + traceback
    document["truncated"] = truncated
    call.print_json(document)
