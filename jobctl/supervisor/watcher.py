"""Watches the attempts of this life: their ends, time-outs, kills, progress and use of memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from jobctl.clock import Clock
from jobctl.executors.log_caps import LogCap
from jobctl.executors.pauses import resume
from jobctl.executors.processes import (
    ProcessTable,
    become_subreaper,
    group_exists,
    is_tag,
    stray_children,
    tag_of,
)
from jobctl.executors.trees import members
from jobctl.model.attempts import AttemptEnd
from jobctl.model.events import EventKind
from jobctl.model.sizes import format_size
from jobctl.model.states import JobId
from jobctl.store.intents import PauseRequest
from jobctl.store.transitions import PauseFact
from jobctl.supervisor.attempts import ActiveAttempt, Cause
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.wakeups import Wakeups

USAGE_SECONDS = 5.0
"""Between two samples of memory; the first comes after ``FIRST_USAGE_SECONDS``."""
LIMITED_USAGE_SECONDS = 1.0
"""The same for attempts with a memory limit."""
FIRST_USAGE_SECONDS = 1.0
POLL_SECONDS = 0.25
"""Adopted attempts without a pidfd are probed at 4 Hz."""
KILL_SECONDS = 0.02
HOT_LOG_SECONDS = 0.02
"""Until the next look at a log that grows fast."""
OUTPUT_SECONDS_A_TURN = 0.02
"""Reading progress from output takes no more of a turn: what is left over comes in the next one."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """An attempt that is over, with all its processes gone."""

    attempt: ActiveAttempt
    end: AttemptEnd
    result: object


class Watcher:
    """Holds every attempt that has started and is not on record as ended.

    Each method is one step of the supervisor's turn and never sleeps.
    """

    def __init__(
        self, clock: Clock, identities: Identities, progress_seconds: float, log_cap: int = 1 << 30
    ) -> None:
        self.active: dict[JobId, ActiveAttempt] = {}
        self.progressed: set[JobId] = set()
        """Jobs that reported something since this was cleared."""
        self.pauses: list[PauseFact] = []
        """Jobs whose tree was stopped, or set going, since this was cleared."""
        self.notes: list[tuple[EventKind, JobId, dict[str, object]]] = []
        """What else is worth an event, since this was cleared."""
        self.wakeups: Wakeups | None = None
        self.workers: set[int] = set()
        """Children that execute functions: they outlive their attempts."""
        self.stranger_ended: Callable[[int, int], None] = lambda pid, status: None
        """Gets pid and wait status of each child that is no attempt's."""
        self.companions: dict[int, Callable[[int], None]] = {}
        """Children that run no job, by pid (the dashboard): who gets their wait status."""
        self._clock = clock
        self._log_cap = log_cap
        self._identities = identities
        self._progress_seconds = progress_seconds
        self._children: dict[int, ActiveAttempt] = {}
        self._leaderless: list[ActiveAttempt] = []
        """Leaders that ended since the last turn; their leftovers are not looked for yet."""
        self._concluded: list[Conclusion] = []
        self._inherits_orphans = become_subreaper()
        self._progress_at = self._probe_at = self._caps_at = 0.0
        self._usage_at: float | None = None
        self._all_usage_at = 0.0
        self._outputs: list[JobId] = []
        """Whose output is still to be read in this round."""
        self._hot: set[JobId] = set()
        """Whose log grows fast."""
        self._hot_at = 0.0

    def use(self, progress_seconds: float, log_cap: int) -> None:
        """From now on these hold."""
        self._progress_seconds, self._log_cap = progress_seconds, log_cap

    def add(self, attempt: ActiveAttempt) -> None:
        """The attempt is watched; one whose leader has ended already is concluded when its leftovers are gone."""
        self.active[attempt.claim.job_id] = attempt
        cap = attempt.claim.spec.max_log_bytes
        attempt.log_cap = LogCap(attempt.log_paths, self._log_cap if cap is None else cap)
        if attempt.claim.spec.max_memory_bytes is not None and self._usage_at is not None:
            self._usage_at = min(self._usage_at, self._clock.monotonic() + FIRST_USAGE_SECONDS)
        if attempt.leader_ended_at is not None:
            if attempt.kill is None:
                self._conclude(attempt)
        elif attempt.process is not None and attempt.pid is not None:
            self._children[attempt.pid] = attempt
        elif attempt.adopted:
            self._watch_orphan(attempt)

    def forget(self, job_id: JobId) -> ActiveAttempt | None:
        """The attempt is on record as ended."""
        self._hot.discard(job_id)
        attempt = self.active.pop(job_id, None)
        if attempt is not None and attempt.adopted and attempt.pid is not None and self.wakeups is not None:
            self.wakeups.forget_process(attempt.pid)
        return attempt

    def take_concluded(self) -> list[Conclusion]:
        """What is over since the last call."""
        concluded, self._concluded = self._concluded, []
        return concluded

    def pause_seconds(self) -> float | None:
        """How long until something is due here; None while nothing runs."""
        if not self.active:
            return None
        now = self._clock.monotonic()
        waits = [self._progress_at - now, (self._usage_at or now) - now]
        for attempt in self.active.values():
            if attempt.kill is not None or attempt.pause is not None:
                waits.append(KILL_SECONDS)
            elif attempt.deadline is not None:
                waits.append(attempt.deadline - now)
        if self._outputs:
            waits.append(KILL_SECONDS)
        if self._hot:
            waits.append(self._hot_at - now)
        return max(0.0, min(waits))

    def reap(self) -> None:
        """Every child that has ended is waited for: this loop alone reaps (DESIGN section 6)."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            pid, status, usage = os.wait4(found.si_pid, 0)
            if (ended := self.companions.pop(pid, None)) is not None:
                ended(status)
                continue
            attempt = self._children.pop(pid, None)
            if attempt is None or attempt.process is None:
                self.stranger_ended(pid, status)
                continue
            attempt.process.returncode = os.waitstatus_to_exitcode(status)
            attempt.cpu_seconds = usage.ru_utime + usage.ru_stime
            self._leader_ended(attempt)

    def probe_adopted(self) -> None:
        """Adopted processes that have ended are noticed: by pidfd at once, by their lock four times a second."""
        ended = self.wakeups.take_ended() if self.wakeups is not None else set()
        now = self._clock.monotonic()
        if not ended and now < self._probe_at:
            return
        if now >= self._probe_at:
            self._probe_at = now + POLL_SECONDS
        for attempt in self.active.values():
            if not attempt.adopted or attempt.leader_ended_at is not None:
                continue
            if not attempt.directory.is_held():
                self._leader_ended(attempt)
            elif attempt.pid is None:
                attempt.tree = self._identities.tree_of_orphan(attempt.claim, attempt.directory)
                self._watch_orphan(attempt)

    def sweep_leftovers(self) -> None:
        """Members that ended leaders left behind are being killed; attempts without any are concluded."""
        ended, self._leaderless = self._leaderless, []
        if not ended:
            return
        table = ProcessTable.read() if self._may_have_leftovers(ended) else None
        now = self._clock.monotonic()
        for attempt in ended:
            keep = attempt.claim.spec.keep_children and attempt.cause is None and attempt.has_record
            left = [] if table is None or keep else members(table, attempt.leftovers)
            if left:
                attempt.stray_count = len(left)
                attempt.start_sweep(now)
            elif attempt.kill is None:
                self._conclude(attempt)

    def _may_have_leftovers(self, ended: list[ActiveAttempt]) -> bool:
        """Whether an orphan of theirs may be about: as a subreaper this process inherits each one at once.

        Where there are no subreapers (macOS) only those in the leader's own process group are noticed.

        Its tag tells whose it is; one without (``su`` resets limits) may be anybody's.
        """
        if any(attempt.adopted or not attempt.has_record for attempt in ended):
            return True
        if not self._inherits_orphans:
            return any(group_exists(attempt.pid) for attempt in ended)
        strays = stray_children(self._children.keys() | self.workers | self.companions.keys())
        if not strays:
            return False
        theirs = {attempt.tree.tag for attempt in ended}
        return any(tag in theirs or not is_tag(tag) for tag in map(tag_of, strays))

    def enforce_timeouts(self) -> None:
        """Attempts that ran too long are being ended."""
        now = self._clock.monotonic()
        for attempt in self.active.values():
            if attempt.deadline is not None and now >= attempt.deadline and attempt.kill is None:
                attempt.start_kill(Cause.TIMEOUT, now, self._clock.now_ms())

    def advance_kills(self) -> None:
        """Each tree that is being ended came one step closer to its end."""
        killing = [a for a in self.active.values() if a.kill is not None and not a.concluded]
        if not killing:
            return
        table, now = ProcessTable.read(), self._clock.monotonic()
        for attempt in killing:
            if not attempt.advance_kill(table, now):
                continue
            survivors = attempt.kill.survivors if attempt.kill is not None else []
            if attempt.leader_ended_at is None:
                if not survivors:
                    continue  # the shim's end is about to be reaped
                attempt.leader_ended_at = self._clock.now_ms()
            if survivors:
                attempt.error = f"processes that could not be killed: {survivors}"
            self._conclude(attempt)

    def stop_all(self, grace: float | None) -> None:
        """Every attempt is being ended and will go back to its queue."""
        now = self._clock.monotonic()
        for attempt in self.active.values():
            if not attempt.concluded:
                attempt.start_kill(Cause.STOP, now, self._clock.now_ms(), grace=grace)

    def read_progress(self) -> None:
        """What the jobs reported of themselves is known."""
        now = self._clock.monotonic()
        if now < self._progress_at:
            return
        self._progress_at = now + self._progress_seconds
        for attempt in self.active.values():
            if not attempt.concluded:
                self._read_reported(attempt)
        if not self._outputs:
            self._outputs = [job_id for job_id, attempt in self.active.items() if attempt.reads_output]

    def _read_reported(self, attempt: ActiveAttempt, *, final: bool = False) -> None:
        if attempt.read_progress(final=final):
            self.progressed.add(attempt.claim.job_id)
        if lines := attempt.take_nonsense():
            self._note(EventKind.JOB_PROGRESS_IGNORED, attempt, lines=lines)

    def read_outputs(self) -> None:
        """What the output of jobs with a pattern tells of their progress is known, as far as the time allows."""
        stop = time.perf_counter() + OUTPUT_SECONDS_A_TURN
        while self._outputs and time.perf_counter() < stop:
            attempt = self.active.get(self._outputs.pop())
            if attempt is not None and not attempt.concluded:
                self._read_output(attempt)

    def _read_output(self, attempt: ActiveAttempt, *, final: bool = False) -> None:
        if attempt.read_output(final=final):
            self.progressed.add(attempt.claim.job_id)
        if problem := attempt.take_pattern_problem():
            self._note(EventKind.JOB_PATTERN_DROPPED, attempt, error=problem)

    def cap_logs(self) -> None:
        """No log takes more blocks than its cap, but for what was written since the last look."""
        now = self._clock.monotonic()
        if now >= self._caps_at:
            self._caps_at = now + self._progress_seconds
            looked = list(self.active)
        elif self._hot and now >= self._hot_at:
            looked = list(self._hot)
        else:
            return
        self._hot_at = now + HOT_LOG_SECONDS
        for job_id in looked:
            attempt = self.active.get(job_id)
            if attempt is not None and not attempt.concluded:
                self._cap_log(attempt)

    def _cap_log(self, attempt: ActiveAttempt) -> None:
        if attempt.log_cap is None:
            return
        job_id = attempt.claim.job_id
        look = attempt.log_cap.look(hot=job_id in self._hot)
        (self._hot.add if look.hot else self._hot.discard)(job_id)
        if look.cut and not attempt.log_was_cut:
            attempt.log_was_cut = True
            self._note(EventKind.JOB_LOG_CUT, attempt, cap_bytes=attempt.log_cap.cap)
        if look.problem is not None:
            self._note(EventKind.JOB_LOG_UNCAPPED, attempt, error=look.problem)

    def _note(self, kind: EventKind, attempt: ActiveAttempt, **data: object) -> None:
        self.notes.append((kind, attempt.claim.job_id, {"attempt": attempt.claim.attempt, **data}))

    def heed_pause(self, request: PauseRequest) -> None:
        """The tree is being stopped, or goes on from now."""
        attempt, now = self.active.get(request.job_id), self._clock.monotonic()
        if attempt is None or attempt.kill is not None or attempt.leader_ended_at is not None:
            return
        if request.pause:
            attempt.start_pause(now)
            return
        resume(ProcessTable.read(), attempt.tree)
        if attempt.paused_at is not None:
            attempt.resumed(now)
            self.pauses.append(PauseFact(attempt.claim, False, self._clock.now_ms()))

    def advance_pauses(self) -> None:
        """Each tree that is being stopped came one step closer to standing still."""
        pausing = [a for a in self.active.values() if a.pause is not None and not a.concluded]
        if not pausing:
            return
        table, now = ProcessTable.read(), self._clock.monotonic()
        for attempt in pausing:
            if attempt.pause is not None and attempt.pause.advance(table, now):
                attempt.paused(now, self._clock.now_ms())
                self.pauses.append(PauseFact(attempt.claim, True, self._clock.now_ms()))

    def sample_usage(self) -> None:
        """Now and then, the memory of every tree is known."""
        now = self._clock.monotonic()
        if not self.active:
            self._usage_at = None
            return
        if self._usage_at is None:
            self._usage_at = now + FIRST_USAGE_SECONDS
        if now < self._usage_at:
            return
        everyone = now >= self._all_usage_at
        if everyone:
            self._all_usage_at = now + USAGE_SECONDS
        limited = [a for a in self.active.values() if a.claim.spec.max_memory_bytes is not None]
        self._usage_at = (
            min(self._all_usage_at, now + LIMITED_USAGE_SECONDS) if limited else self._all_usage_at
        )
        table = ProcessTable.read()
        for attempt in self.active.values() if everyone else limited:
            attempt.sample_usage(table)
        for attempt in limited:
            if attempt.kill is None and attempt.leader_ended_at is None and attempt.exceeds_memory():
                self._end_for_memory(attempt, now)

    def _end_for_memory(self, attempt: ActiveAttempt, now: float) -> None:
        limit = format_size(attempt.claim.spec.max_memory_bytes or 0)
        attempt.error = f"its processes used {format_size(attempt.rss_bytes)} of memory, the limit is {limit}"
        attempt.start_kill(Cause.MEMORY, now, self._clock.now_ms())

    def abandon(self) -> None:
        """The processes run on without this supervisor, for the next one to adopt."""
        for attempt in self.active.values():
            if attempt.process is not None:
                # A Popen that is dropped while its child runs warns, and the next Popen would reap it.
                attempt.process.returncode = 0
        self.active.clear()
        self._children.clear()

    def _watch_orphan(self, attempt: ActiveAttempt) -> None:
        if attempt.pid is not None and self.wakeups is not None:
            self.wakeups.watch_process(attempt.pid)

    def _leader_ended(self, attempt: ActiveAttempt) -> None:
        """The shim is gone; the record's coarse clock may lie a few milliseconds before the start."""
        record = attempt.directory.read_exit()
        now = self._clock.now_ms()
        ended = now if record is None else min(max(record.ended_at_ms, attempt.claim.started_at), now)
        attempt.has_record = record is not None
        attempt.leader_ended_at = ended
        attempt.deadline = attempt.pause = attempt.time_left = None
        self._leaderless.append(attempt)

    def call_ended(self, attempt: ActiveAttempt, at: int, *, clean: bool) -> None:
        """A function has ended; where it is not ``clean``, or is being killed, processes of it may be left."""
        attempt.leader_ended_at = at
        attempt.has_record = clean
        attempt.deadline = attempt.pause = attempt.time_left = None
        if attempt.kill is None:
            self._leaderless.append(attempt)

    def _conclude(self, attempt: ActiveAttempt) -> None:
        attempt.concluded = True
        end = attempt.ending()
        if attempt.kill is not None and attempt.kill.survivors:
            end = replace(end, survivors=True)
        result, problem = attempt.read_result()
        if problem is not None and end.error is None:
            end = replace(end, error=problem)
        self._read_reported(attempt, final=True)
        self._read_output(attempt, final=True)
        self._cap_log(attempt)
        self._concluded.append(Conclusion(attempt, end, result))
