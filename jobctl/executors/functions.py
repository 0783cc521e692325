"""Workers: warm Python processes that execute functions. How one is started, and what lies in its directory.

The other side of each file is ``jobctl.executors.worker``, which runs in an interpreter of its own and must not be
imported here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from jobctl.executors.attempts import is_lock_held
from jobctl.executors.base import MACHINE_ERRNOS, SpawnError, StartRefused
from jobctl.executors.command import DEFAULT_PATH, resolve
from jobctl.executors.descriptors import lower_limit_of
from jobctl.executors.processes import soft_tag, tag_supported

RECALL = int(signal.SIGRTMIN) + 3 if hasattr(signal, "SIGRTMIN") else int(signal.SIGUSR2)
"""What is in hand and has not begun is given back."""

_MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker", "__main__.py")
_NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """Everything needed to start one worker."""

    directory: str
    python: str
    """An interpreter, looked up in the environment's ``PATH``."""
    arguments: tuple[str, ...]
    cwd: bytes
    environment: Mapping[bytes, bytes]
    config: Mapping[str, object]
    wake: str | None
    """The FIFO that it pokes when there is something to read in its journal."""
    tag: int


@dataclass(slots=True)
class StartedWorker:
    """A worker that starts; ``pipe`` is the only writing end there is: it hangs up when this process dies."""

    process: subprocess.Popen[bytes]
    pipe: int


class WorkerDirectory:
    """One directory ``workers/<n>``; making this object touches nothing."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def journal_path(self) -> str:
        """What the worker tells."""
        return f"{self.path}/journal"

    @property
    def orders_path(self) -> str:
        """What it is to call, one JSON line a job."""
        return f"{self.path}/orders"

    def log_paths(self, split: bool) -> tuple[str, ...]:
        """Where the output of its present job goes."""
        return tuple(f"{self.path}/{name}.log" for name in (("stdout", "stderr") if split else ("output",)))

    def is_held(self) -> bool:
        """Whether the worker lives."""
        return is_lock_held(f"{self.path}/lock")

    def write_cancel(self, token: int, why: str) -> None:
        """The worker will find which job is to end, once it is signalled."""
        path = f"{self.path}/cancel"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}.new")
        fd = os.open(f"{path}.new", os.O_WRONLY | _NEW, 0o600)
        try:
            os.write(fd, json.dumps({"token": token, "why": why}).encode())
        finally:
            os.close(fd)
        os.rename(f"{path}.new", path)

    def read_cancel(self) -> tuple[int, str] | None:
        """Which job was to end last, and why."""
        try:
            with open(os.open(f"{self.path}/cancel", _READ), "rb") as file:
                found = json.loads(file.read(4096))
            return int(found["token"]), str(found["why"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def read_importing(self) -> str | None:
        """The module that the worker was about to import for a job when it ended, if it was."""
        try:
            with open(os.open(f"{self.path}/importing", _READ), "rb") as file:
                return file.read(1000).decode("utf-8", "replace") or None
        except OSError:
            return None

    def last_words(self) -> str:
        """The end of what the interpreter itself said: why it could not start."""
        try:
            with open(os.open(f"{self.path}/worker.log", _READ), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
                text = file.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""
        return text.splitlines()[-1].strip() if text else ""

    def link_logs(self, directory: str, split: bool) -> bool:
        """Whether output that the job's own directory did not show is to be seen there now."""
        names = ("stdout", "stderr") if split else ("output",)
        linked = False
        for name in names:
            source = f"{self.path}/{name}.log"
            try:
                found = os.stat(source)
                if found.st_nlink != 1 or not found.st_size:
                    continue
                os.makedirs(directory, 0o700, exist_ok=True)
                os.link(source, f"{directory}/{name}.log")
                linked = True
            except (
                OSError
            ):  # it has a new file by now, or there is no room: the worker tries at the job's end
                continue
        return linked

    def unlink_logs(self, directory: str) -> None:
        """What ``link_logs`` made is gone: it was the next job's."""
        for name in ("output", "stdout", "stderr"):
            with contextlib.suppress(OSError):
                os.unlink(f"{directory}/{name}.log")
        with contextlib.suppress(OSError):
            os.rmdir(directory)
            os.rmdir(os.path.dirname(directory))

    def remove(self) -> None:
        """Nothing of the worker is left on disk."""
        shutil.rmtree(self.path, ignore_errors=True)


def start_worker(order: WorkerOrder) -> StartedWorker:
    """The interpreter runs in its own session and holds the lock of its directory from now on without a gap.

    Raises:
        SpawnError: the interpreter or its working directory cannot be used.
        StartRefused: the machine has no room now.
    """
    program = resolve((os.fsencode(order.python),), order.cwd, order.environment.get(b"PATH", DEFAULT_PATH))
    opened: list[int] = []
    try:
        _fill(order)
        read, write = os.pipe()
        opened += [read, write]
        os.set_inheritable(write, False)
        process = _spawn(order, program, read, opened)
    except OSError as error:
        for fd in opened:
            os.close(fd)
        text = f"cannot start a worker: {error.strerror or error}"
        if error.errno in MACHINE_ERRNOS:
            raise StartRefused(text) from error
        raise SpawnError(126, text) from error
    lower_limit_of(process.pid)
    opened.remove(write)
    for fd in opened:
        os.close(fd)
    os.set_blocking(write, False)
    return StartedWorker(process, write)


def _fill(order: WorkerOrder) -> None:
    """A directory of that number can only be what a life left that died before it was on record."""
    shutil.rmtree(order.directory, ignore_errors=True)
    os.makedirs(order.directory, 0o700)
    config = json.dumps(order.config).encode()
    for name, content in (("config.json", config), ("journal", b""), ("orders", b"")):
        fd = os.open(f"{order.directory}/{name}", os.O_WRONLY | _NEW, 0o600)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), order.directory)
        finally:
            os.close(fd)


def _spawn(order: WorkerOrder, program: bytes, pipe: int, opened: list[int]) -> subprocess.Popen[bytes]:
    """The process; what was opened for it is in ``opened``."""
    directory = order.directory
    lock = os.open(f"{directory}/lock", os.O_RDWR | _NEW, 0o600)
    opened.append(lock)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    journal = os.open(f"{directory}/journal", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    opened.append(journal)
    log = os.open(f"{directory}/worker.log", os.O_WRONLY | os.O_APPEND | _NEW, 0o600)
    opened.append(log)
    wake = -1
    if order.wake is not None:
        with contextlib.suppress(OSError):  # without it, the supervisor looks now and then
            wake = os.open(order.wake, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            opened.append(wake)
    given = [fd for fd in (pipe, journal, lock, wake) if fd >= 0]
    numbers = [str(fd) for fd in (pipe, journal, lock, wake)]
    with soft_tag(order.tag if tag_supported() else 0):
        return subprocess.Popen(
            [program, *map(os.fsencode, order.arguments), _MAIN, directory, *numbers],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=order.cwd,
            env=order.environment,
            pass_fds=given,
            start_new_session=True,
        )
