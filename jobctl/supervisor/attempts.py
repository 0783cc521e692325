"""A running attempt as its supervisor holds it, and what its end means."""

from __future__ import annotations

import signal
import subprocess
from enum import StrEnum

from jobctl.executors.attempts import AttemptDirectory, ExitRecord
from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.log_caps import LogCap
from jobctl.executors.pauses import TreePause
from jobctl.executors.processes import ProcessTable
from jobctl.executors.progress import ProgressTail
from jobctl.executors.trees import Tree, tree_usage
from jobctl.model.attempts import AttemptEnd, Outcome
from jobctl.model.progress import Progress, fold, fold_all
from jobctl.model.states import Reason
from jobctl.store.intents import CancelRequest
from jobctl.store.transitions import Claim
from jobctl.supervisor.outputs import OutputProgress

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
    MEMORY = "memory"


OUTCOMES = {
    Cause.CANCEL: (Outcome.CANCELLED, Reason.REQUESTED),
    Cause.TIMEOUT: (Outcome.TIMEOUT, Reason.TIMEOUT),
    Cause.STOP: (Outcome.CANCELLED, Reason.STOPPED),
    Cause.MEMORY: (Outcome.FAILED, Reason.MEMORY),
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
        self.rss_bytes = 0
        """Of the whole tree at the last sample."""
        self.progress = Progress()
        self.error: str | None = None
        self.log_cap: LogCap | None = None
        self.log_was_cut = False
        self.paused_at = claim.paused_at
        """Since when its tree is stopped, in milliseconds UTC; None while it runs."""
        self.time_left: float | None = None
        """Seconds until the time-out, while it is paused."""
        self.pause: TreePause | None = None
        """Its tree is being stopped."""
        self._tail = ProgressTail(directory.progress_path)
        self._output = None if claim.spec.progress_from is None else self._output_progress()
        self._pattern_told = self._nonsense_told = False
        self._over_memory = 0
        self._cancel_requests = 0
        self._kill_started_ms = 0

    @property
    def pid(self) -> int | None:
        """The shim's pid, if known."""
        return self.tree.shim_pid

    def _output_progress(self) -> OutputProgress:
        return OutputProgress(self.claim.spec.progress_from or "", self.log_paths)

    @property
    def log_paths(self) -> tuple[str, ...]:
        """The files that its output goes to."""
        names = ("stdout", "stderr") if self.claim.spec.split_output else ("output",)
        return tuple(f"{self.directory.path}/{name}.log" for name in names)

    @property
    def reads_output(self) -> bool:
        """Whether its progress is read from its output, too."""
        return self._output is not None

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
        self.pause = None
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

    def take_nonsense(self) -> int:
        """How many lines of its progress made no sense, the first time there are any; else 0."""
        if self._nonsense_told or not self.progress.ignored:
            return 0
        self._nonsense_told = True
        return self.progress.ignored

    def read_output(self, *, final: bool = False) -> bool:
        """Whether its output told anything new."""
        before = self.progress
        for line in self._output.read(final=final) if self._output is not None else ():
            self.progress = fold(self.progress, line)
        return self.progress != before

    def take_pattern_problem(self) -> str | None:
        """Why its pattern is not used any more; said once."""
        if self._output is None or self._output.problem is None or self._pattern_told:
            return None
        self._pattern_told = True
        return self._output.problem

    def start_pause(self, now: float) -> None:
        """Its tree is being stopped."""
        if self.pause is None and self.paused_at is None and self.kill is None and not self.concluded:
            self.pause = TreePause(self.tree, now)

    def paused(self, now: float, now_ms: int) -> None:
        """Its tree stands still, and so does the clock of its time-out."""
        self.pause, self.paused_at = None, now_ms
        self.time_left = None if self.deadline is None else self.deadline - now
        self.deadline = None

    def set_clock(self, now_ms: int, now: float) -> None:
        """The time-out counts on from what has passed of it, pauses left out; that of a paused one stands still."""
        claim = self.claim
        if claim.spec.timeout_seconds is None:
            return
        until = now_ms if claim.paused_at is None else claim.paused_at
        left = claim.spec.timeout_seconds - max(0, until - claim.started_at - claim.paused_ms) / 1000
        if claim.paused_at is None:
            self.deadline = now + left
        else:
            self.time_left = left

    def resumed(self, now: float) -> None:
        """Its tree goes on, with the time it had left."""
        self.pause = self.paused_at = None
        if self.time_left is not None:
            self.deadline = now + self.time_left
        self.time_left = None

    def exceeds_memory(self) -> bool:
        """Whether the newest sample says that its tree is to be ended: the second above the limit, or a half more."""
        limit = self.claim.spec.max_memory_bytes
        if limit is None or self.rss_bytes <= limit:
            self._over_memory = 0
            return False
        self._over_memory += 1
        return self._over_memory >= 2 or self.rss_bytes > limit * 1.5

    def sample_usage(self, table: ProcessTable) -> None:
        """Peak memory (and, for an adopted one, CPU time) so far: ``ru_maxrss`` starts at the parent's size."""
        rss, cpu = tree_usage(table, self.tree)
        self.rss_bytes = rss
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

    @property
    def leftovers(self) -> Tree:
        """What is to be gone before the job counts as ended."""
        return self.tree

    def read_result(self) -> tuple[object, str | None]:
        """What the job handed back (None if nothing), and why that is unusable if it is."""
        return self.directory.read_result()

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
            self.error = None if self.cause is Cause.MEMORY else self.error
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
        outcome, reason = OUTCOMES[cause]
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
