"""A running attempt as its supervisor holds it, and what its end means."""

from __future__ import annotations

import signal
import subprocess
from enum import StrEnum

from jobctl.executors.attempts import AttemptDirectory, ExitRecord
from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.processes import ProcessTable
from jobctl.executors.progress import ProgressTail
from jobctl.executors.trees import Tree, tree_usage
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.progress import Progress, fold_all
from jobctl.model.states import Reason
from jobctl.store.transitions import CancelRequest, Claim

STOP_CODES = (130, 137, 143)
"""Exit codes of a process that INT, KILL or TERM ended."""

_STOP_SLACK_MS = 5000

COARSE_MS = 20
"""File times come from a clock that is up to 10 ms late."""


class Cause(StrEnum):
    """Why jobctl itself ends an attempt."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    STOP = "stop"


_OUTCOMES = {
    Cause.CANCEL: (Outcome.CANCELLED, Reason.REQUESTED),
    Cause.TIMEOUT: (Outcome.TIMEOUT, Reason.TIMEOUT),
    Cause.STOP: (Outcome.CANCELLED, Reason.STOPPED),
}


class ActiveAttempt:
    """One attempt of this life that has started and is not recorded as ended."""

    def __init__(
        self, claim: Claim, directory: AttemptDirectory, tree: Tree, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.claim = claim
        self.directory = directory
        self.tree = tree
        self.process = process
        """The shim as a child of ours; None for an adopted one."""
        self.deadline: float | None = None
        """Monotonic instant of the time-out."""
        self.kill: TreeKill | None = None
        self.cause: Cause | None = None
        self.leader_ended_at: int | None = None
        """Milliseconds UTC; set once the shim is gone."""
        self.has_record = False
        """Whether an exit record was found once the leader had ended."""
        self.concluded = False
        """Whether it is over and only waits to be recorded."""
        self._stop_expected_until: int | None = None
        self.stray_count = 0
        self.cpu_seconds: float | None = None
        self.max_rss_bytes: int | None = None
        self.progress = Progress()
        self.error: str | None = None
        self._tail = ProgressTail(directory.progress_path)
        self._cancel_requests = 0
        self._kill_started_ms = 0

    @property
    def pid(self) -> int | None:
        """The shim's pid, if known."""
        return self.tree.shim_pid

    @property
    def adopted(self) -> bool:
        """Whether another life started it."""
        return self.process is None

    def start_kill(
        self,
        cause: Cause,
        now: float,
        now_ms: int,
        *,
        grace: float | None = None,
        signal_number: int | None = None,
    ) -> None:
        """The whole tree is being ended for ``cause``; where it is already, it is hurried.

        After the leader's end only leftovers are killed, and the cause is what it was.
        """
        if self.kill is not None:
            self.kill.hurry(now)
        else:
            seconds = self.claim.spec.grace_seconds if grace is None else grace
            number = signal_number or signal.SIGTERM
            self.kill = TreeKill(self.tree, grace_seconds=seconds, signal=number, now=now)
            self._kill_started_ms = now_ms
        if self.leader_ended_at is None and (self.cause is None or cause is Cause.CANCEL):
            self.cause = cause

    def start_sweep(self, now: float) -> None:
        """What the ended leader left behind is being ended."""
        if self.kill is None:
            self.kill = TreeKill(self.tree, grace_seconds=self.claim.spec.grace_seconds, now=now)

    def cancel(self, request: CancelRequest, now: float, now_ms: int) -> None:
        """A caller's request is acted upon once; each further one hurries."""
        if self.concluded or request.requests <= self._cancel_requests:
            return
        if self._cancel_requests == 0 and self.kill is not None and self.leader_ended_at is None:
            self.cause = Cause.CANCEL
        else:
            self.start_kill(
                Cause.CANCEL, now, now_ms, grace=request.grace_seconds, signal_number=request.signal
            )
        if request.requests > self._cancel_requests + 1 and self.kill is not None:
            self.kill.hurry(now)  # asked more than once since the last look
        self._cancel_requests = request.requests

    def advance_kill(self, table: ProcessTable, now: float) -> bool:
        """Whether the tree is gone now."""
        return self.kill is not None and self.kill.advance(table, now) is KillState.DONE

    def read_progress(self, *, final: bool = False) -> bool:
        """Whether the job reported anything new."""
        lines = self._tail.read(final=final)
        before = self.progress
        self.progress = fold_all(self.progress, lines)
        return self.progress != before

    def sample_usage(self, table: ProcessTable) -> None:
        """Peak memory (and, for an adopted one, CPU time) so far: ``ru_maxrss`` starts at the parent's size."""
        rss, cpu = tree_usage(table, self.tree)
        if rss:
            self.max_rss_bytes = max(rss, self.max_rss_bytes or 0)
        if self.adopted and cpu:
            self.cpu_seconds = max(cpu, self.cpu_seconds or 0.0)

    def expect_stop(self, now_ms: int) -> None:
        """A supervisor that has died since was stopping it: an end by a signal, soon, is that stop."""
        self._stop_expected_until = now_ms + round(self.claim.spec.grace_seconds * 1000) + _STOP_SLACK_MS

    def _is_expected_stop(self, record: ExitRecord | None) -> bool:
        until, ended = self._stop_expected_until, self.leader_ended_at
        if until is None or ended is None or ended > until:
            return False
        return record is None or record.code in STOP_CODES

    def ending(self) -> AttemptEnd:
        """How it ended, from the exit record and from what jobctl itself did.

        A record written while it was being killed says nothing: a leader whose children die first may exit 0.
        One that is clearly older than the kill stands.
        """
        record = self.directory.read_exit()
        cause = self.cause
        if (
            record is not None
            and record.code < 128
            and record.ended_at_ms + COARSE_MS < self._kill_started_ms
        ):
            cause = None
        if cause is None and self._is_expected_stop(record):
            cause = Cause.STOP
        status = self.process.returncode if self.process is not None else None
        return end_of(record, cause, status, self.error)


def end_of(
    record: ExitRecord | None, cause: Cause | None, shim_status: int | None = None, error: str | None = None
) -> AttemptEnd:
    """An attempt's end from its exit record, and from why jobctl ended it if it did.

    129 to 192 is shown as a signal too, as shells do; ``sh`` cannot tell it from a real code.
    """
    code = None if record is None else record.code
    name = None if code is None else signal_name(code - 128)
    if cause is not None:
        outcome, reason = _OUTCOMES[cause]
        return AttemptEnd(outcome, reason, code, name, error)
    if code is None:
        how = (
            "without an exit record"
            if shim_status is None
            else f"without an exit record ({_status(shim_status)})"
        )
        return AttemptEnd(Outcome.LOST, Reason.LOST, error=error or f"its process ended {how}")
    if code == 0:
        return AttemptEnd(Outcome.COMPLETED, None, code, None, error)
    return AttemptEnd(Outcome.FAILED, Reason.EXIT if name is None else Reason.SIGNAL, code, name, error)


def signal_name(number: int) -> str | None:
    """``SIGKILL`` for 9; None for what is no signal number (1 to 64)."""
    if not 1 <= number <= 64:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _status(shim_status: int) -> str:
    return f"signal {signal_name(-shim_status)}" if shim_status < 0 else f"shim exit {shim_status}"
