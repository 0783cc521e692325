"""Waiting for jobs, and following what happens to them."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Generator, Iterable, Sequence

from jobctl.actions.selections import selected_jobs
from jobctl.actions.waits import Ending, Wait
from jobctl.api.following import Callbacks, JobCallback, Listener, Since, follow
from jobctl.api.interruptions import Interruption, Interrupts
from jobctl.api.job_reads import JobReads
from jobctl.api.options import Duration, Selection, seconds_text, texts_of
from jobctl.api.records import Event, Job
from jobctl.errors import JobFailedError, NotFoundError, WaitTimeoutError
from jobctl.model.durations import parse_duration
from jobctl.model.progress import Progress
from jobctl.model.states import JobStatus
from jobctl.store import Store

TAIL_LINES = 20
"""Of the log that ``JobFailedError`` shows."""
PROGRESS_SECONDS = 0.2
"""Between two looks at the progress of jobs that are waited for."""


class JobWaits(JobReads):
    """What waits for jobs."""

    def wait(
        self,
        selection: Selection,
        *,
        any: bool = False,
        timeout: Duration | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> builtins.list[Job]:
        """The jobs have ended, however; returns them in the order of their ends. See ``supervisor_runs``.

        Args:
            selection: the jobs; for an empty list nothing is waited for.
            any: only until the first of them has ended.
            timeout: give up after so long.
            on_progress: called with each running job whenever its progress is another than before.

        Raises:
            NotFoundError: there is no such job, or it was removed meanwhile.
            WaitTimeoutError: they have not ended in time; they go on.
        """
        waiting = self.waiting(selection)
        awaited = Awaited(self, waiting, any=any, timeout=timeout, on_progress=on_progress)
        while not awaited.turn():
            waiting.watch.pause()
        return awaited.jobs

    def await_end(
        self,
        job_id: int,
        cancel: Interruption | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """``wait`` for one job, which is cancelled once ``cancel`` is set; returns it as it ended."""
        interrupts = Interrupts(self.connections, job_id, cancel)
        # A connection notices what others write, not what it writes itself: the cancel.
        with self.connections.own() as store:
            waiting = self.waiting(job_id, store)
            awaited = Awaited(self, waiting, on_progress=on_progress)
            while not awaited.turn():
                interrupts.look()
                waiting.watch.pause()
        return awaited.jobs[0]

    def waiting(self, selection: Selection, store: Store | None = None) -> Wait:
        """The jobs to wait for, for a loop that waits in its own way."""
        texts = texts_of(selection)
        store = store or self.connections.store()
        return Wait(store, [job.id for job in selected_jobs(store, texts)] if texts else [])

    def ended(self, endings: Iterable[Ending]) -> builtins.list[Job]:
        """The jobs of these ends.

        Raises:
            NotFoundError: one was removed.
        """
        jobs = []
        for ending in endings:
            if ending.job is None:
                raise NotFoundError("the job was removed", ending.id, "see: jobctl events")
            jobs.append(self.job_of(ending.job))
        return jobs

    def wait_for(self, job_id: int, timeout: float | None, on_progress: Callable[[Job], None] | None) -> Job:
        """``wait`` for one job."""
        return self.wait(job_id, timeout=timeout, on_progress=on_progress)[0]

    def result(self, selection: Selection, timeout: Duration | None = None) -> object:
        """What a job returned (JSON), once it has completed: waits for its end.

        That is what a function returned, what a command wrote to ``$JOBCTL_RESULT``, or None.

        Raises:
            JobFailedError: it ended otherwise; has the job, and the last lines of its log.
            NotFoundError: there is no such job, or it was removed meanwhile.
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        job = self.job(selection)
        return self.result_of(job if job.ended else self.wait(job.id, timeout=timeout)[0])

    def result_of(self, job: Job) -> object:
        """The result of an ended job; see ``result``."""
        if job.completed:
            return job.value
        tail = tuple(self.logs(job.id, tail=TAIL_LINES)) if job.attempt else ()
        raise job_failed(job, tail)

    def follow(
        self, *, since: Since | None = None, kinds: Sequence[str] = (), job: int | None = None
    ) -> Generator[Event, None, None]:
        """The events as they happen: an iterator with a connection of its own.

        Without ``job`` it never ends by itself: leave the loop. Events that are no longer kept are passed over.

        Args:
            since: the id of the last event already seen, an instant, or how long ago; else from now on.
            kinds: only these, such as ``job.*``; all if empty.
            job: only about this one, from its beginning unless ``since`` says otherwise, to its end.

        Raises:
            NotFoundError: there is no such job.
        """
        return follow(self.connections, since, kinds, job)

    def listen(
        self,
        *,
        on_status_changed: JobCallback | None = None,
        on_progress: JobCallback | None = None,
        on_completed: JobCallback | None = None,
        since: Since | None = None,
        job: int | None = None,
    ) -> Listener:
        """Callbacks for what happens from now on, from a thread of its own; stop it, or use it with ``with``.

        Each is called with the job as it stands now and the event. ``on_completed`` is called at every end of a job,
        however it was; ``job.status`` tells.
        """
        callbacks = Callbacks(on_status_changed, on_progress, on_completed)
        return Listener(self.connections, self, callbacks, since, job)


class Awaited:
    """Jobs that somebody waits for, in his own way: turns, with pauses of his between them.

    Args:
        verbs: what gives the jobs.
        waiting: those to wait for.
        any: only until the first of them has ended.
        timeout: give up after so long.
        on_progress: see ``Client.wait``.
    """

    def __init__(
        self,
        verbs: JobWaits,
        waiting: Wait,
        *,
        any: bool = False,
        timeout: Duration | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> None:
        self._verbs, self._waiting, self._any = verbs, waiting, any
        self._deadline, self._looks = deadline_of(timeout), ProgressLooks(verbs, on_progress)
        self._ended: list[Job] = []

    @property
    def jobs(self) -> list[Job]:
        """Those that have ended, in the order of their ends; with ``any`` the first alone."""
        return self._ended[:1] if self._any else self._ended

    def turn(self) -> bool:
        """Whether the wait is over; whoever wants to be told of progress was.

        Raises:
            NotFoundError: a job was removed.
            WaitTimeoutError: there is no time left.
        """
        for job in self._verbs.ended(self._waiting.poll()):
            self._looks.tell(job)
            self._ended.append(job)
        if not self._waiting.pending or (self._any and self._ended):
            return True
        check_deadline(self._deadline, self._waiting)
        self._looks.look(self._waiting.pending)
        return False


class ProgressLooks:
    """Tells of jobs whose progress is another than it was told last; also what was reported just before the end."""

    def __init__(self, verbs: JobReads, on_progress: Callable[[Job], None] | None) -> None:
        self._verbs, self._on_progress = verbs, on_progress
        self._known: dict[int, Progress] = {}
        self._looked_at = 0.0

    def look(self, pending: Iterable[int]) -> None:
        """What is new was told, if it is time to look again."""
        if self._on_progress is None or time.monotonic() - self._looked_at < PROGRESS_SECONDS:
            return
        self._looked_at = time.monotonic()
        for job_id in sorted(pending):
            job = self._verbs.find(job_id)
            if job is not None and job.status is JobStatus.RUNNING:
                self.tell(job)

    def tell(self, job: Job) -> None:
        """What is new of this job was told."""
        if self._on_progress is not None and self._known.get(job.id, _NOTHING) != job.record.progress:
            self._known[job.id] = job.record.progress
            self._on_progress(job)


_NOTHING = Progress()


def job_failed(job: Job, tail: Sequence[str]) -> JobFailedError:
    """The error for a job that ended without completing."""
    how = job.error or (
        f"exit {job.exit_code}" if job.exit_code is not None else job.reason or "no reason known"
    )
    what = f"job {job.id} {job.name} {job.status.value}: {how}"
    return JobFailedError(what, hint=f"see: jobctl logs {job.id}", job=job, log_tail=tuple(tail))


def deadline_of(timeout: Duration | None) -> float | None:
    """The monotonic instant at which patience ends; None without a limit."""
    if timeout is None:
        return None
    return time.monotonic() + parse_duration(seconds_text(timeout) or "", "timeout", allow_zero=True)


def check_deadline(deadline: float | None, waiting: Wait) -> None:
    """There is time left.

    Raises:
        WaitTimeoutError: there is none.
    """
    if deadline is not None and time.monotonic() >= deadline:
        names = ", ".join(map(str, sorted(waiting.pending)[:10]))
        raise WaitTimeoutError("not ended in time: job", names, "it goes on; wait again")
