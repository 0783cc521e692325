"""The attempt directory: the contract between jobctl and a process it started (DESIGN section 6).

``pid`` and ``exit`` exist as blanks of their final size before anything starts, and are overwritten in place,
so a full disk cannot lose them. Liveness is the ``lock``, held by the shim alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass

from jobctl.executors.base import MACHINE_ERRNOS, AttemptOrder, SpawnError, StartRefused
from jobctl.executors.results import parse_outputs, parse_result

MAX_FILE_BYTES = 1 << 20
"""Cap of ``result`` and of ``outputs``."""

PID_BLANK = b" " * 12
EXIT_BLANK = b" " * 5

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = _CREATE | os.O_APPEND
_LOCK_TRIES = 200


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How an attempt ended, as its shim wrote it."""

    code: int
    ended_at_ms: int
    """mtime of ``exit``: the kernel's coarse clock, up to 10 ms early."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """The descriptors a shim is started with; whoever has them closes them."""

    lock: int
    stdout: int
    stderr: int
    """The same number as ``stdout`` unless the output is split."""

    def close(self) -> None:
        """No descriptor of this attempt is open here any more."""
        for fd in {self.lock, self.stdout, self.stderr}:
            os.close(fd)


class AttemptDirectory:
    """One directory ``runs/<job>/<attempt>``; making this object touches nothing."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def progress_path(self) -> str:
        """``$JOBCTL_PROGRESS``."""
        return self.path + "/progress"

    @property
    def result_path(self) -> str:
        """``$JOBCTL_RESULT``."""
        return self.path + "/result"

    @property
    def output_path(self) -> str:
        """``$JOBCTL_OUTPUT``: ``key=value`` lines for later steps."""
        return self.path + "/outputs"

    def create(self, order: AttemptOrder) -> int:
        """The directory is complete and its lock held by the descriptor returned.

        Raises:
            StartRefused: the disk is full, no descriptors are left, or the attempt is alive.
        """
        opened = self.open(order)
        for fd in {opened.stdout, opened.stderr}:
            os.close(fd)
        return opened.lock

    def open(self, order: AttemptOrder) -> OpenAttempt:
        """The directory is complete; its lock and its logs are open.

        What a claim that never started left there is emptied first.

        Raises:
            StartRefused: the disk is full, no descriptors are left, or the attempt is alive.
        """
        try:
            self._make_empty()
            return self._fill(order)
        except OSError as error:
            text = f"cannot write {self.path}: {error.strerror}"
            if error.errno in MACHINE_ERRNOS:
                raise StartRefused(text) from error
            raise SpawnError(126, text) from error

    def _make_empty(self) -> None:
        try:
            _make_directory(self.path)
        except FileExistsError:
            if self.is_held():
                raise SpawnError(126, f"the attempt in {self.path} is still alive") from None
            self.remove()
            _make_directory(self.path)

    def _fill(self, order: AttemptOrder) -> OpenAttempt:
        path = self.path
        _write_new(path + "/pid", PID_BLANK)
        _write_new(path + "/exit", EXIT_BLANK)
        source = b"/dev/null" if order.stdin is None else os.path.join(order.cwd, order.stdin)
        os.symlink(source, os.fsencode(path + "/in"))
        opened: list[int] = []
        try:
            if order.split_output:
                opened.append(os.open(path + "/stdout.log", _APPEND, 0o600))
                opened.append(os.open(path + "/stderr.log", _APPEND, 0o600))
            else:
                opened.append(os.open(path + "/output.log", _APPEND, 0o600))
            opened.append(os.open(path + "/lock", _CREATE, 0o600))
            _lock_exclusively(opened[-1])
        except BaseException:
            for fd in opened:
                os.close(fd)
            raise
        return OpenAttempt(lock=opened[-1], stdout=opened[0], stderr=opened[-2])

    def is_held(self) -> bool:
        """Whether the shim lives."""
        return is_lock_held(self.path + "/lock")

    def read_exit(self) -> ExitRecord | None:
        """The exit record, or ``None`` while it is blank or half written."""
        found = _read_record(self.path + "/exit")
        if found is None:
            return None
        text, changed = found
        code, newline, _ = text.partition(b"\n")
        code = code.strip()
        if not newline or not code.isdigit():
            return None
        return ExitRecord(int(code), changed // 1_000_000)

    def read_pid(self) -> int | None:
        """The shim's pid, or ``None`` while nothing started."""
        found = _read_record(self.path + "/pid")
        if found is None:
            return None
        pid, newline, _ = found[0].partition(b"\n")
        return int(pid) if newline and pid.isdigit() else None

    def read_result(self) -> tuple[object, str | None]:
        """The JSON value the job returned (``None`` if none), and why it is unusable if it is."""
        try:
            content = read_regular(self.result_path, MAX_FILE_BYTES + 1)
        except OSError as error:
            return None, f"result cannot be read: {error.strerror}"
        if content is None:
            return None, None
        if len(content) > MAX_FILE_BYTES:
            return None, "result is larger than 1 MiB"
        return parse_result(content)

    def read_outputs(self) -> tuple[dict[str, str], str | None]:
        """The outputs of a step, and why they are unusable if they are; of too many none is read."""
        try:
            content = read_regular(self.output_path, MAX_FILE_BYTES + 1)
        except OSError as error:
            return {}, f"outputs cannot be read: {error.strerror}"
        if content is None:
            return {}, None
        if len(content) > MAX_FILE_BYTES:
            return {}, "outputs are larger than 1 MiB"
        return parse_outputs(content.decode("utf-8", "replace")), None

    def log_paths(self) -> dict[str, str]:
        """The logs by stream: ``output``, or ``stdout`` and ``stderr``."""
        if os.path.exists(self.path + "/stdout.log"):
            return {"stdout": self.path + "/stdout.log", "stderr": self.path + "/stderr.log"}
        return {"output": self.path + "/output.log"}

    def remove(self) -> None:
        """Nothing of the attempt is left on disk; its job's directory goes with the last attempt."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            return
        try:
            os.rmdir(os.path.dirname(self.path))
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                raise


def is_lock_held(path: str) -> bool:
    """Whether a process holds the lock file. Shared locks on fresh descriptors: probers do not disturb one another."""
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # no descriptors left, say: not known to be free, so it is asked again
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def read_regular(path: str, limit: int) -> bytes | None:
    """At most ``limit`` bytes of a regular file; ``None`` if there is none, never a wait on a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        parts: list[bytes] = []
        while limit > 0 and (part := os.read(fd, min(limit, 1 << 18))):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def _read_record(path: str) -> tuple[bytes, int] | None:
    """The first bytes of a file and its mtime in ns; None if a job put anything else in its place."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        return (os.read(fd, 32), found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _make_directory(path: str) -> None:
    """``path`` is a new directory, and all it made on the way is 0700."""
    try:
        os.mkdir(path, 0o700)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # another life made it meanwhile
            _make_directory(os.path.dirname(path))
        os.mkdir(path, 0o700)


def _write_new(path: str, content: bytes) -> None:
    fd = os.open(path, _CREATE, 0o600)
    try:
        if os.write(fd, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(fd)


def _lock_exclusively(fd: int) -> None:
    """The lock is ours. A prober may hold it shared for some microseconds, hence the tries."""
    for left in range(_LOCK_TRIES, -1, -1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
        else:
            return
