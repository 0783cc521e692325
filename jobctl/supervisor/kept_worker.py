"""One worker as its supervisor holds it: what it has in hand, what it was told and what it tells."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from jobctl.executors.functions import RECALL, WorkerDirectory
from jobctl.executors.holes import HolesRefusedError, punch
from jobctl.executors.journals import Begin, Bye, Journal, Recalled, Record
from jobctl.executors.kills import TreeKill
from jobctl.executors.processes import leads_branded, signal_process, start_ticks
from jobctl.executors.trees import Tree
from jobctl.model.states import WorkerId
from jobctl.store.transitions import Claim
from jobctl.supervisor.attempts import ActiveAttempt
from jobctl.supervisor.watcher import POLL_SECONDS

BRISK_SECONDS = 0.05
"""What has run for longer may run for much longer: nothing is put behind it."""
PIPE_BYTES = 4096
"""PIPE_BUF: a write of no more is done wholly or not at all."""
IDLE_SECONDS = 300.0
"""A worker without a job for so long ends; it has cost no time meanwhile."""
LOOK_SECONDS = 0.003
"""Between two looks at its journal while it has several jobs in hand: it pokes only when it runs dry."""
_BLOCK = 1 << 12


@dataclass(slots=True)
class Held:
    """A job in the hand of a worker."""

    claim: Claim
    token: int
    """The one that the worker knows it by: a take-over gives the claim another one."""
    name: str | None = None
    """Whose usual duration it counts for; None: nobody's."""
    attempt: ActiveAttempt | None = None
    """What is watched of it, once it has run for more than a moment."""
    linked: bool = False
    """Whether its output was linked into its directory by this side."""
    begun_at: int | None = None
    """Milliseconds UTC, as the journal says."""
    seen_at: float = 0.0
    """When its begin was read; monotonic."""
    order_at: int = 0
    """Where its order begins in the worker's file of orders."""


class KeptWorker:
    """A worker of this life, or one that a dead life left (``pipe`` None): that ends after its present job."""

    def __init__(self, number: WorkerId, directory: WorkerDirectory, tree: Tree) -> None:
        self.number = number
        self.directory = directory
        self.tree = tree
        self.journal = Journal(directory.journal_path)
        self.pid: int | None = None
        self.is_child = False
        self.ready = False
        self.bye: Bye | None = None
        self.status: int | None = None
        """How its process ended, as ``Popen`` tells it; None while it lives or if nobody knows."""
        self.gone = False
        """Whether its lock is free: nothing is begun, ended or written any more."""
        self.retiring = False
        self.is_dirty = False
        """Whether a job left something in it that only its end clears away."""
        self.settled = False
        """Whether its end is taken into account."""
        self.kill: TreeKill | None = None
        """It, or what it left, is being ended by force."""
        self.queue: str | None = None
        """Whose slot it has while it has jobs."""
        self.hand: dict[int, Held] = {}
        """What it holds by the worker's tokens, in the order given; the first may have begun."""
        self.known: set[str] = set()
        """Names that it has executed once: the first time tells how long the import takes, not the function."""
        self.done = 0
        """Jobs that ended since this was last recorded."""
        self.started_at = self.idle_since = 0.0
        self.ended_at: float | None = None
        """When it was asked to end, or said that it does; monotonic."""
        self._told_before: int | None = None
        """How long its journal was when this life took it over; None once that is read."""
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        self._orders: int | None = None
        self._offset = 0
        self._punched = 0
        """How much at the head of the orders is gone from the disk."""
        self._lines: list[tuple[int, bytes]] = []
        self.recalling = False
        """Whether it was asked to give back what it has not begun and has not answered."""

    # --- its life ---

    def started(self, process: subprocess.Popen[bytes], pipe: int, now: float) -> None:
        """It is a child of this process."""
        self._process = process  # dropped while it runs, the next Popen would reap it
        self.pid, self._pipe, self.is_child = process.pid, pipe, True
        self.started_at = self.idle_since = now

    def adopted(self) -> None:
        """It is one of a dead life, whose end of the pipe is closed: what its journal has now was told to that life."""
        self._told_before = self.journal.size

    def ended(self, status: int) -> None:
        """Its process was reaped."""
        self.status, self.gone = status, True
        if self._process is not None:
            self._process.returncode = status

    def hang_up(self) -> None:
        """It ends after its present job: nobody has the writing end of its pipe any more."""
        self.retiring = True
        for fd in (self._pipe, self._orders):
            if fd is not None:
                os.close(fd)
        self._pipe = self._orders = None
        self._lines.clear()

    def abandon(self) -> None:
        """It finishes what it does by itself."""
        self.close()
        if self._process is not None and self.status is None:
            self._process.returncode = 0  # a Popen that is dropped while its child runs warns

    def close(self) -> None:
        """No descriptor of it is open here."""
        self.hang_up()
        self.journal.close()

    @property
    def has_hung_up(self) -> bool:
        """Whether it can be handed nothing any more."""
        return self._pipe is None

    @property
    def takes_jobs(self) -> bool:
        """Whether it can be handed more."""
        quiet = not (self.retiring or self.recalling or self.gone) and self.bye is None
        return quiet and self.ready and self._pipe is not None and not self._lines

    @property
    def is_idle(self) -> bool:
        """Whether it could begin a job at once."""
        return self.takes_jobs and not self.hand

    def goes_on_well(self, now: float) -> bool:
        """Whether more can be put behind what it has in hand: nothing of that lasts long."""
        current = self.current
        brisk = current is None or now - current.seen_at < BRISK_SECONDS
        return self.takes_jobs and bool(self.hand) and brisk

    @property
    def current(self) -> Held | None:
        """The job that has begun."""
        for held in self.hand.values():
            return held if held.begun_at is not None else None
        return None

    @property
    def unbegun(self) -> list[Held]:
        """What has not begun, as far as the journal was read."""
        return [held for held in self.hand.values() if held.begun_at is None]

    # --- telling it ---

    def hand_over(self, jobs: Sequence[tuple[Held, bytes]]) -> None:
        """It has the jobs, each with its order, or will as soon as its pipe has room.

        Raises:
            OSError: the orders could not be written: it has none of them.
        """
        if self._orders is None:
            self._orders = os.open(self.directory.orders_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        text = b"".join(order for _, order in jobs)
        written = os.write(self._orders, text)
        begin = self._offset
        self._offset += written
        if written != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.directory.orders_path)
        for held, order in jobs:
            self.hand[held.token] = held
            held.order_at = begin
            line = f"{held.claim.job_id} {held.claim.attempt} {held.token} {begin} {len(order)}\n"
            self._lines.append((held.token, line.encode()))
            begin += len(order)
        self.flush()

    def flush(self) -> None:
        """The pipe has what it had room for."""
        while self._lines and self._pipe is not None and not self.recalling:
            size = count = 0
            while count < len(self._lines) and size + len(self._lines[count][1]) <= PIPE_BYTES:
                size += len(self._lines[count][1])
                count += 1
            try:
                os.write(self._pipe, b"".join(line for _, line in self._lines[:count]))
            except BlockingIOError:
                return
            except BrokenPipeError:  # it has gone: its end is about to be heard of
                self._lines.clear()
                return
            del self._lines[:count]

    def forget_orders(self) -> None:
        """What ended jobs were called with takes no more room on the disk, and outlives no job that is removed."""
        if self._orders is None or self._offset == self._punched:
            return
        with contextlib.suppress(
            HolesRefusedError, OSError
        ):  # else it goes with the next, or with the worker
            if not self.hand:
                os.ftruncate(self._orders, 0)
                self._offset = self._punched = 0
                return
            first = next(iter(self.hand.values())).order_at // _BLOCK * _BLOCK
            if first > self._punched:
                punch(self._orders, self._punched, first)
                self._punched = first

    @property
    def has_unsent(self) -> bool:
        """Whether its pipe was full."""
        return bool(self._lines)

    def recall(self) -> None:
        """It will give back what it has not begun; asked once."""
        if not self.recalling and self.ready and self.bye is None and self.unbegun:
            self.recalling = self.signal(RECALL)

    def end_job(self, token: int, why: str, number: int) -> None:
        """The job is being asked to end; what is behind it comes back."""
        if not self.ready:
            return
        self.recall()
        if number == signal.SIGTERM:
            with contextlib.suppress(OSError):  # no room: the grace passes, then it is killed
                self.directory.write_cancel(token, why)
        self.signal(number)

    def signal(self, number: int) -> bool:
        """Whether the signal reached the worker, and nobody else."""
        if self.pid is None or self.gone or self.status is not None:
            return False
        try:
            if self.is_child:  # unreaped: nobody else has its pid
                os.kill(self.pid, number)
                return True
            ticks = start_ticks(self.pid)
            proven = ticks is not None and leads_branded(self.pid, self.tree.tag, self.tree.marker)
            if not proven or ticks is None or not self.directory.is_held():
                return False
            return signal_process(self.pid, ticks, number)
        except (ProcessLookupError, PermissionError):
            return False

    # --- hearing it ---

    def pause_seconds(self, now: float) -> float:
        """How long nothing has to be done about it, unless it pokes."""
        if self.has_unsent or len(self.hand) > 1 or (self.hand and self.current is None):
            return LOOK_SECONDS
        if self.kill is not None:
            return 0.02
        if self.ended_at is not None and not self.gone and not self.hand:
            return POLL_SECONDS if self.is_child else 0.05
        if self.hand or not self.ready:
            return POLL_SECONDS
        return self.idle_since + IDLE_SECONDS - now

    def read(self) -> list[Record]:
        """What it has told since the last call; all of it once it is gone.

        What one of a dead life was recalled for by that life is left out: it is long since in other hands or in its
        own, and only an answer that came after the pipe hung up says that nothing more begins.
        """
        before: list[Record] = []
        if self._told_before is not None:
            before = [
                record
                for record in self.journal.read_until(self._told_before)
                if not isinstance(record, Recalled)
            ]
            self._told_before = None
        return before + (self.journal.read_all() if self.gone else self.journal.read())

    def recalled(self, tokens: Sequence[int]) -> list[Held]:
        """What is not in its hand any more: what it gave back, and what its pipe had no room for."""
        self.recalling = False
        free = {*tokens, *(token for token, _ in self._lines)}
        self._lines.clear()
        # One of a dead life begins nothing more, and knows its jobs by older tokens.
        going = [held for held in self.unbegun if held.token in free or not self.is_child]
        return [self.hand.pop(held.token) for held in going]

    def begins(self, record: Begin, now: float) -> Held | None:
        """The job in its hand that has begun; None if it is none that we know of."""
        held = self.held(record.token, record.job, record.attempt)
        if held is not None:
            held.begun_at, held.seen_at, held.token = record.at, now, record.token
        return held

    def held(self, token: int, job: int, attempt: int) -> Held | None:
        """What it has in hand by that token, or of that job and attempt if a dead life handed it over."""
        held = self.hand.get(token)
        if held is None and not self.is_child:
            found = [h for h in self.hand.values() if (h.claim.job_id, h.claim.attempt) == (job, attempt)]
            held = found[0] if found else None
            if held is not None:
                # By the worker's own token from now on, and in front: it was begun before the others.
                del self.hand[held.token]
                self.hand = {token: held, **self.hand}
        if held is None or (held.claim.job_id, held.claim.attempt) != (job, attempt):
            return None
        return held
