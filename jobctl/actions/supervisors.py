"""Find, wake and stop the processes that supervise a home."""

from __future__ import annotations

import contextlib
import fcntl
import os

from jobctl.errors import SupervisorDownError
from jobctl.model.homes import Home
from jobctl.model.lives import Life, LifeKind, StopMode
from jobctl.store import Store


def wake(home: Home) -> None:
    """Every living supervising process of ``home`` takes its next turn now (6 µs each).

    A FIFO that nobody reads, or that is full, needs no byte: the process is gone or awake already.
    """
    try:
        lives = os.listdir(home.lives)
    except OSError:
        return
    for name in lives:
        with contextlib.suppress(OSError):
            descriptor = os.open(f"{home.lives}/{name}/wake", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(descriptor, b"\0")
            finally:
                os.close(descriptor)


def is_locked(path: str) -> bool:
    """Whether some process holds the lock file; a shared probe, so that probers do not see one another."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_alive(home: Home, life: Life) -> bool:
    """Whether the process of this life still exists: it holds its lock until it ends."""
    return is_locked(f"{home.life(life.id)}/lock")


def running_supervisor(store: Store) -> Life | None:
    """The life of the ``up`` of this home, if one runs."""
    for life in reversed(store.lives.unended()):
        if life.kind is LifeKind.UP and is_alive(store.home, life):
            return life
    return None


def supervisor_runs(home: Home) -> bool:
    """Whether an ``up`` runs for this home; needs no store (20 µs)."""
    return is_locked(home.supervisor_lock)


def request_stop(store: Store, mode: StopMode) -> Life:
    """The running supervisor will end in this way; returns its life.

    Raises:
        SupervisorDownError: none runs.
    """
    life = running_supervisor(store)
    if life is None:
        raise SupervisorDownError("no supervisor for", store.home.path, "start one with: jobctl up")
    with store.write():
        store.lives.request_stop(life.id, mode)
    wake(store.home)
    return life
