"""A function that runs in a worker, as its supervisor holds it."""

from __future__ import annotations

import signal

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.journals import End
from jobctl.executors.kills import TreeKill
from jobctl.executors.processes import ProcessEntry, ProcessTable
from jobctl.executors.trees import Tree
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.states import Reason
from jobctl.store.transitions import Claim
from jobctl.supervisor.attempts import OUTCOMES, ActiveAttempt, Cause, signal_name
from jobctl.supervisor.kept_worker import KeptWorker

_OUTCOMES_OF = {
    "completed": Outcome.COMPLETED,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
}


class CallKill(TreeKill):
    """The end of a worker for the sake of one job: the worker is asked alone, then its whole tree is killed.

    What the job's own processes are to do in the grace, the job says: an exception ends it, and its cleaning up.
    """

    def _ask(self, table: ProcessTable, left: list[ProcessEntry]) -> None:
        """The worker has been asked already."""


class FunctionAttempt(ActiveAttempt):
    """One attempt of a function that has begun and is not recorded as ended."""

    def __init__(
        self, claim: Claim, directory: AttemptDirectory, worker: KeptWorker, leftovers: Tree, token: int
    ) -> None:
        super().__init__(claim, directory, worker.tree, None)
        self.worker = worker
        self.token = token
        """The one that the worker knows it by."""
        self.record: End | None = None
        self._leftovers = leftovers
        self._asked_otherwise = False
        """Whether it was asked to end by another signal than the one that the worker knows as a cancellation."""

    @property
    def adopted(self) -> bool:
        """Whether its end is noticed by its own lock: never, the worker's journal tells it."""
        return False

    @property
    def pid(self) -> int | None:
        """The worker's."""
        return self.worker.pid

    def start_kill(
        self,
        cause: Cause,
        now: float,
        now_ms: int,
        *,
        grace: float | None = None,
        signal_number: int | None = None,
    ) -> None:
        """The job is asked to end, and its worker with it; after the grace both are killed.

        A signal other than TERM goes to the worker as it is: whoever asked for it wants that one.
        """
        self.pause = None
        if self.kill is not None:
            self.kill.hurry(now)
        else:
            seconds = self.claim.spec.grace_seconds if grace is None else grace
            self.kill = CallKill(self.tree, grace_seconds=seconds, now=now)
            self._asked_otherwise = signal_number not in (None, signal.SIGTERM)
            self.worker.end_job(self.token, cause.value, signal_number or signal.SIGTERM)
        if self.leader_ended_at is None and (self.cause is None or cause is Cause.CANCEL):
            self.cause = cause

    def start_sweep(self, now: float) -> None:
        """What it started and left behind is being ended; the worker goes on."""
        if self.kill is None:
            tree = self.tree if self.record is None else self._leftovers
            self.kill = TreeKill(tree, grace_seconds=self.claim.spec.grace_seconds, now=now)

    @property
    def leftovers(self) -> Tree:
        """What is to be gone before the job counts as ended."""
        return self.tree if self.record is None else self._leftovers

    def read_result(self) -> tuple[object, str | None]:
        """What the function returned, else what it left as a command does."""
        if self.record is not None and self.record.result is not None:
            return self.record.result, None
        if self.record is not None and not self.record.has_directory:
            return None, None
        return super().read_result()

    def ending(self) -> AttemptEnd:
        """How it ended, from the journal, from what jobctl did, or from how its worker ended.

        An end that no cancellation reached any more stands.
        """
        record, cause = self.record, self.cause
        if record is None:
            return self._ending_with_worker()
        if not (record.was_cancelled or self._asked_otherwise):
            cause, self.error = None, None
        elif cause is None:
            cause = self._asked_by_the_dead() or Cause.CANCEL
        return end_of_call(record, cause, self.error)

    def _asked_by_the_dead(self) -> Cause | None:
        """Why a supervisor that died since wanted it ended."""
        found = self.worker.directory.read_cancel()
        if found is None or found[0] != self.token or found[1] not in tuple(Cause):
            return None
        return Cause(found[1])

    def _ending_with_worker(self) -> AttemptEnd:
        status = self.worker.status
        if self.cause is not None:
            outcome, reason = OUTCOMES[self.cause]
            return AttemptEnd(outcome, reason, None, None, self.error)
        if status is None:
            cause = self._asked_by_the_dead()
            if cause is not None:
                return AttemptEnd(*OUTCOMES[cause])
            error = self.error or "its worker ended and nobody knows how"
            return AttemptEnd(Outcome.LOST, Reason.LOST, error=error)
        name = signal_name(-status)
        how = f"exit code {status}" if name is None else f"signal {-status}, {name}"
        module = self.worker.directory.read_importing()
        doing = "it ran this job" if module is None else f"it imported {module}, before the function began"
        error = f"the worker process ended ({how}) while {doing}"
        reason = Reason.EXIT if name is None else Reason.SIGNAL
        code = status if status > 0 else None
        return AttemptEnd(Outcome.FAILED, reason, code, name, error)


def end_of_call(record: End, cause: Cause | None = None, error: str | None = None) -> AttemptEnd:
    """An attempt's end from the journal, and from why jobctl ended it if it did."""
    if cause is not None:
        outcome, reason = OUTCOMES[cause]
        return AttemptEnd(outcome, reason, None, None, error)
    outcome = _OUTCOMES_OF[record.outcome]
    if outcome is Outcome.COMPLETED:
        return AttemptEnd(outcome, None, 0)
    if outcome is Outcome.CANCELLED:
        return AttemptEnd(outcome, Reason.REQUESTED, None, None, record.error)
    return AttemptEnd(outcome, Reason.EXIT, record.code or 1, None, record.error)
