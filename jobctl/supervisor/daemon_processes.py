"""One living generation of a daemon: its processes, from the start to the moment when none is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection

from jobctl.executors.attempts import AttemptDirectory, ExitRecord
from jobctl.executors.kills import Ghosts, KillState, TreeKill
from jobctl.executors.processes import ProcessTable, carries_brand, first_child, runs_since, start_ticks
from jobctl.executors.trees import Tree, is_running, members
from jobctl.model.daemon_machine import Ended
from jobctl.model.daemons import DaemonDefinition, DaemonReason, Generation
from jobctl.supervisor.attempts import signal_name

VOUCH_SECONDS = 0.25
"""A leader that ended well and left processes may have been vouched for a moment ago: MAINPID comes by a thread."""

EMPTY_PASSES = 2
"""A table is no snapshot: so many in a row without a process of it, or a new zombie, prove that none is left."""
RESTLESS_PASSES = 5
"""What leaves so many new zombies and is in no table forks itself on: it is hunted down."""

CANNOT_START = (126, 127)
"""What ``exec`` itself says when it finds that there is nothing to run."""


class DaemonProcess:
    """The processes of one generation. No method waits.

    Args:
        number: the generation.
        directory: its attempt directory.
        tree: what belongs to it.
        process: the shim as a child of ours; None for an adopted one.
        started_at: milliseconds UTC.
        began: the same on the monotonic clock.
    """

    def __init__(
        self,
        number: Generation,
        directory: AttemptDirectory,
        tree: Tree,
        process: subprocess.Popen[bytes] | None,
        started_at: int,
        began: float,
    ) -> None:
        self.number = number
        self.directory = directory
        self.tree = tree
        self.process = process
        self.started_at = started_at
        self.began = began
        self.main_pid: int | None = None
        """The daemon's own process: the shim's child, or what it vouched for."""
        self.vouched = False
        self.kill: TreeKill | None = None
        self.strays = 0
        """How many processes were left when its leader had ended."""
        self.ended_at: int | None = None
        """Milliseconds UTC; set once its leader is gone."""
        self.exit_code: int | None = None
        self.signal: str | None = None
        self._main_ticks: int | None = None
        self._main_status: int | None = None
        self._judge_at = 0.0
        self._forked = False
        self._ghosts = Ghosts(tree)
        self._empty = self._restless = 0

    @property
    def shim_pid(self) -> int | None:
        """The shim's pid, if known."""
        return self.tree.shim_pid

    @property
    def pid(self) -> int | None:
        """What people call its pid."""
        return self.main_pid or self.tree.shim_pid

    @property
    def adopted(self) -> bool:
        """Whether another life started it."""
        return self.process is None

    @property
    def leaders(self) -> set[int]:
        """The shim, and the main process it vouched for."""
        return {pid for pid in (self.shim_pid, self.main_pid if self.vouched else None) if pid is not None}

    @property
    def strangers(self) -> set[int]:
        """Those of its leaders that are no children that were started here."""
        return self.leaders - (set() if self.process is None else {self.process.pid})

    @property
    def leader_is_gone(self) -> bool:
        """Whether what kept it alive has ended."""
        return self.ended_at is not None

    def find_main(self) -> bool:
        """Whether the daemon's own process became known now: the shim's only child."""
        if self.main_pid is not None or self.leader_is_gone or self.shim_pid is None:
            return False
        self._set_main(first_child(self.shim_pid))
        return self.main_pid is not None

    def vouch(self, pid: int) -> bool:
        """The daemon says that ``pid`` is its main process; believed if it is of its tree, and then it is watched."""
        found = self.find_main()
        if self.kill is not None or pid == self.main_pid or not self.owns(pid):
            return found  # the shim's own child needs no vouching for: the shim itself tells how it ended
        self._set_main(pid)
        if self.main_pid != pid:
            return False
        self.vouched = True
        self.ended_at = self.exit_code = self.signal = None  # its leader may have ended a moment ago
        return True

    def owns(self, pid: int) -> bool | None:
        """Whether ``pid`` carries the brand of this generation; None if there is no such process. For any thread."""
        return carries_brand(pid, self.tree.tag, self.tree.marker)

    def _set_main(self, pid: int | None) -> None:
        ticks = None if pid is None else start_ticks(pid)
        if ticks is not None:
            self.main_pid, self._main_ticks = pid, ticks

    # --- its end ---

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended was the shim, or the main process it vouched for."""
        if pid == self.main_pid and self.vouched:
            self._main_status = status
        if self.process is None or pid != self.process.pid:
            return pid == self.main_pid and self.vouched
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def note_leader(self, now: float, now_ms: int) -> bool:
        """Whether the leader's end was noticed now."""
        if self.leader_is_gone or not self._shim_is_gone() or self._main_is_alive():
            return False
        record = self.directory.read_exit()
        self._note_code(record)
        ended = now_ms if record is None or self.vouched else record.ended_at_ms
        self.ended_at = min(max(ended, self.started_at), now_ms)
        self._judge_at = now + (VOUCH_SECONDS if self.exit_code == 0 and not self.vouched else 0.0)
        return True

    def _shim_is_gone(self) -> bool:
        if self.process is not None:
            return self.process.returncode is not None
        return not self.directory.is_held()

    def _main_is_alive(self) -> bool:
        """Whether a main process it vouched for outlives the shim."""
        if not self.vouched or self.main_pid is None or self._main_status is not None:
            return False
        return self._main_ticks is not None and runs_since(self.main_pid, self._main_ticks)

    def _note_code(self, record: ExitRecord | None) -> None:
        code = None if record is None else record.code
        if self.vouched:
            status = self._main_status
            code = None if status is None else os.waitstatus_to_exitcode(status)
            code = 128 - code if code is not None and code < 0 else code
        self.exit_code = code
        self.signal = None if code is None else signal_name(code - 128)

    def start_kill(self, signal_number: int, grace: float, now: float) -> None:
        """The whole tree is being ended."""
        if self.kill is None:
            self.kill = TreeKill(self.tree, grace_seconds=grace, signal=signal_number, now=now)

    def hurry(self, until: float) -> None:
        """If it is being ended, it has no more time than until then."""
        if self.kill is not None:
            self.kill.hurry(until)

    def advance(
        self, table: ProcessTable, definition: DaemonDefinition, checks: Collection[int], now: float
    ) -> Ended | None:
        """How it ended, once nothing of it is left or nothing more can be done.

        Args:
            table: the processes now.
            definition: as it is now.
            checks: sessions of commands that jobctl itself started to examine it.
            now: the monotonic clock.
        """
        if self.kill is not None:
            if self.kill.advance(table, now) is KillState.GOING:
                return None
            if self.kill.survivors:
                return self._survived(self.kill.survivors)
            return self._ended(definition) if self.leader_is_gone else None
        if not self.leader_is_gone:
            return None
        left = [entry for entry in members(table, self.tree) if entry.session not in checks]
        if not left and not self._is_restless(table, checks):
            self._empty += 1
            return self._ended(definition) if self._empty >= EMPTY_PASSES else None
        self._empty = 0
        if (left or self._restless >= RESTLESS_PASSES) and (self.vouched or now >= self._judge_at):
            self._forked = self._forks(definition, now)
            self.strays = max(1, len(left))
            self.kill = TreeKill(
                self.tree, grace_seconds=definition.stop_timeout_seconds if left else 0, now=now
            )
        return None

    def _is_restless(self, table: ProcessTable, checks: Collection[int]) -> bool:
        """Whether something of it has ended since the last table; the first one shows those of before, too."""
        grew = self._ghosts.grew(table, checks)
        self._restless += grew
        return grew

    def _forks(self, definition: DaemonDefinition, now: float) -> bool:
        """Whether its leader's end means that it put itself into the background: an early one, in peace."""
        young = now - self.began < max(definition.stable_seconds, definition.start_timeout_seconds)
        return not self.vouched and self.exit_code == 0 and young

    def _survived(self, pids: list[int]) -> Ended:
        error = f"processes that could not be killed: {pids}"
        return Ended(self.number, DaemonReason.SURVIVORS, survivors=True, error=error)

    def _ended(self, definition: DaemonDefinition) -> Ended:
        code = self.exit_code
        if self._forked:
            error = (
                f"its leader ended and left {self.strays} process(es) behind: keep it in the foreground, or let it"
                " send MAINPID"
            )
            return Ended(self.number, DaemonReason.FORKED, error=error)
        if code is None:
            return Ended(self.number, DaemonReason.LOST, error="it ended without an exit record")
        if code in definition.success_codes:
            return Ended(self.number, DaemonReason.EXIT, success=True)
        if self.signal is not None:
            return Ended(self.number, DaemonReason.SIGNAL, error=f"ended by {self.signal}")
        return Ended(self.number, DaemonReason.EXIT, error=f"exit code {code}")

    def adopt_main(self, pid: int, ticks: int, *, vouched: bool) -> None:
        """What another life knew of its main process holds."""
        self.main_pid, self._main_ticks, self.vouched = pid, ticks, vouched

    def is_at_work(self, table: ProcessTable) -> bool:
        """Whether anything of it runs."""
        shim = None if self.shim_pid is None else table.entries.get(self.shim_pid)
        return is_running(shim) or bool(members(table, self.tree))
