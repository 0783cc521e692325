"""A life: the row, the lock file and the wake FIFO of one supervising process (DESIGN section 6)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time

from jobctl import __version__
from jobctl.actions.supervisors import is_locked, running_supervisor
from jobctl.clock import Clock
from jobctl.errors import StateConflictError, UnusableError
from jobctl.model.homes import Home
from jobctl.model.lives import LifeKind
from jobctl.model.states import LifeId, Token
from jobctl.store import Store
from jobctl.store.database import CALLER_TIMEOUT_SECONDS

WORKER_POKE = b"j"
"""A worker has something to read in its journal, which is read in every turn: no more than that has changed."""
_LOCK_RETRY_SECONDS = 0.5
"""An ``up`` right after a killed one waits this long for the lock."""


class Lifeline:
    """This process's life. It holds two or three descriptors until ``end``."""

    def __init__(self, store: Store, clock: Clock, kind: LifeKind) -> None:
        self.store = store
        self.kind = kind
        self._clock = clock
        self._claims = 0
        self._supervisor_lock = _take_supervisor_lock(store) if kind is LifeKind.UP else None
        try:
            self._begin()
        except BaseException:
            if self._supervisor_lock is not None:
                os.close(self._supervisor_lock)
            raise

    def _begin(self) -> None:
        store, kind = self.store, self.kind
        with store.write():
            # The lock file may have been deleted and made anew: then only the lives tell.
            if kind is LifeKind.UP and running_supervisor(store) is not None:
                raise _already_running(store)
            self.events_before = store.events.last_id()
            """The cursor from which this life's own events follow."""
            self.id: LifeId = store.lives.begin(kind, os.getpid(), __version__, self._clock.now_ms())
            # The lock is held before the row is visible: nobody ever sees this life without it.
            self._lock, self.wake = _make_directory(store.home, self.id)

    def next_token(self) -> Token:
        """A fencing token that no other claim of this store ever had."""
        self._claims += 1
        return Token((self.id << 32) | self._claims)

    def drain_wake(self) -> bool:
        """Whether anybody but a worker poked this life since the last call."""
        poked = False
        with contextlib.suppress(BlockingIOError):
            while found := os.read(self.wake, 4096):
                poked = poked or found.strip(WORKER_POKE) != b""
        return poked

    def end(self, reason: str) -> None:
        """The life is over on record and its files are gone; other writers are waited for."""
        self.store.database.set_timeout(CALLER_TIMEOUT_SECONDS)
        with self.store.write():
            if self.kind is LifeKind.UP:
                self.store.rollups.sample_depth(self._clock.now_ms(), is_last=True)
            self.store.lives.end(self.id, reason, self._clock.now_ms())
        self.release()
        remove_files(self.store.home, self.id)

    def release(self) -> None:
        """The locks are free; what is on record stays as it is."""
        for descriptor in (self._lock, self.wake, self._supervisor_lock):
            if descriptor is not None:
                os.close(descriptor)
        self._supervisor_lock = None


def remove_files(home: Home, life: LifeId) -> None:
    """The directory of an ended life is gone."""
    shutil.rmtree(home.life(life), ignore_errors=True)


def _make_directory(home: Home, life: LifeId) -> tuple[int, int]:
    """The lock, held, and the wake FIFO of a new life, in an open write transaction.

    A life that died before its transaction was committed leaves a directory whose number comes again.
    """
    directory = home.life(life)
    if not is_locked(f"{directory}/lock"):
        remove_files(home, life)
    for path in (home.lives, directory):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    wake = f"{directory}/wake"
    os.mkfifo(wake, 0o600)
    # Opened for writing too, so that it never reads as closed.
    return lock, os.open(wake, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _take_supervisor_lock(store: Store) -> int:
    path = store.home.supervisor_lock
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnusableError(f"cannot open the supervisor's lock ({error.strerror})", path) from error
    deadline = time.monotonic() + _LOCK_RETRY_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise _already_running(store) from None
            time.sleep(0.02)
            continue
        # Somebody may have unlinked the file: then the name is another file, and another may hold that one.
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                _await_last_breath(store, deadline)
                return descriptor
        os.close(descriptor)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _await_last_breath(store: Store, deadline: float) -> None:
    """A supervisor killed a moment ago has let go of its life's lock too, or the deadline has passed."""
    while running_supervisor(store) is not None and time.monotonic() < deadline:
        time.sleep(0.02)


def _already_running(store: Store) -> StateConflictError:
    life = running_supervisor(store)
    who = f" (pid {life.pid})" if life is not None else ""
    return StateConflictError(
        f"a supervisor{who} already runs for", store.home.path, "see: jobctl status", "E_SUPERVISOR_RUNS"
    )
