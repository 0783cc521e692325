"""Rotated logs are compressed by one thread for all daemons, one file after the other."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import threading

from jobctl.executors.threads import start_thread

PART = ".part"
"""Ends the name of a file that is not complete yet."""

_CHUNK = 1 << 18
_LEVEL = 6


class Compressor:
    """Takes paths; ``path.gz`` replaces ``path`` some time later. Its thread starts with the first path.

    A file that cannot be compressed (the disk is full) stays as it is, and readable, until it is added again.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, None] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._busy = False
        self.problem: str | None = None
        """Why the last file that could not be compressed could not."""

    def add(self, path: str) -> None:
        """``path`` will be compressed; nothing happens if it is gone, or compressed, by then."""
        if path in self._wanted or not os.path.exists(path):
            return
        with self._changed:
            if self._closing:
                return
            self._wanted[path] = None
            self._changed.notify_all()
        if self._thread is None:
            try:
                self._thread = start_thread("jobctl-gzip", self._run)
            except OSError as error:
                self._give_up(path, error)

    def wait(self, seconds: float) -> bool:
        """Whether everything added was dealt with within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._wanted and not self._busy, seconds)

    def close(self) -> None:
        """Nothing is compressed any more; what was not finished will be when it is added again."""
        with self._changed:
            self._closing = True
            self._wanted.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._wanted or self._closing)
                if self._closing:
                    return
                path = next(iter(self._wanted))
                self._busy = True
            try:
                self._compress(path)
            except OSError as error:
                self._give_up(path, error)
            else:
                self._forget(path)

    def _give_up(self, path: str, error: OSError) -> None:
        self.problem = f"{path} is not compressed: {error.strerror or error}"
        self._forget(path)

    def _forget(self, path: str) -> None:
        with self._changed:
            self._wanted.pop(path, None)

    def _compress(self, path: str) -> None:
        part = f"{path}.gz{PART}"
        try:
            with open(_open_regular(path), "rb") as source:
                complete = self._fill(source.fileno(), part)
        except FileNotFoundError:
            return  # removed while it waited
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(part)
            raise
        if not complete:
            os.unlink(part)
            return
        os.rename(part, path + ".gz")
        try:
            os.unlink(path)
        except FileNotFoundError:  # removed meanwhile, as too old; so is this
            os.unlink(path + ".gz")

    def _fill(self, source: int, part: str) -> bool:
        """Whether ``part`` is the whole of it, on the disk, and as old; not if it was closed meanwhile."""
        changed = os.fstat(source)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(opened, "wb") as raw:
            with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=changed.st_mtime) as target:
                while chunk := os.read(source, _CHUNK):
                    if self._closing:
                        return False
                    target.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
            os.utime(raw.fileno(), ns=(changed.st_atime_ns, changed.st_mtime_ns))
        return True


def _open_regular(path: str) -> int:
    """Never waits, as opening a FIFO would."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("it is not a regular file")
    return fd
