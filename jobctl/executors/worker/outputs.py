"""Where descriptors 1 and 2 lead: into files of the worker, which become the job's own when there is a reason.

A job gets a directory when it prints, reports or starts something, and then its log is a hard link: nothing is copied,
and what a child of it prints later still lands there. A silent job costs three ``fstat``.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress

from jobctl.executors.worker.descriptors import lifted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_LOG = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_TOGETHER = ("output.log",)
_SPLIT = ("stdout.log", "stderr.log")
_IMPORTING = "importing"


class _Notifying(io.FileIO):
    """A descriptor that tells before anything is written to it."""

    def __init__(self, fd: int, tell: Callable[[], object]) -> None:
        super().__init__(fd, "wb", closefd=False)
        self._tell = tell

    def write(self, content: Any, /) -> int:
        """As ever, once it has been told."""
        self._tell()
        return super().write(content)


class _Log:
    """A file of the worker that descriptors lead to."""

    __slots__ = ("inode", "name", "path")

    def __init__(self, directory: str, name: str) -> None:
        self.name = name
        self.path = os.path.join(directory, name)
        self.inode = 0

    def lead(self, *fds: int) -> None:
        """``fds`` lead to it; it is made if there is none."""
        opened = os.open(self.path, _LOG, 0o600)
        self.inode = os.fstat(opened).st_ino
        for fd in fds:
            os.dup2(opened, fd)
        if opened not in fds:
            os.close(opened)


class Outputs:
    """What the current job prints, and its directory."""

    def __init__(self, directory: str) -> None:
        self.has_directory = False
        """Whether the job's directory is there, with its logs."""
        self._directory = directory
        self._target: str | None = None
        for stream in (sys.stdout, sys.stderr):
            _try_flush(stream)  # what preloading printed is no job's
        self._own = (lifted(1), lifted(2))
        self._logs: list[_Log] = []
        self._streams: tuple[io.TextIOWrapper, io.TextIOWrapper] | None = None

    def begin(self, target: str | None, *, split: bool) -> None:
        """What is printed now is of the job whose directory is ``target``; ``None``: of no job yet."""
        names = _SPLIT if split else _TOGETHER
        if len(self._logs) != len(names) or self._is_soiled():
            self._open(names)
        self._target = target
        self.has_directory = False

    def _is_soiled(self) -> bool:
        """Whether a thread or a process that an earlier job has left printed since."""
        try:
            return any(os.fstat(fd).st_size > 0 for fd in range(1, 1 + len(self._logs)))
        except OSError:
            return True

    def prepare(self) -> None:
        """The job's directory exists, with its logs.

        Raises:
            OSError: it cannot be made.
        """
        target = self._target
        if self.has_directory or target is None:
            return
        with suppress(FileExistsError):
            try:
                os.mkdir(target, 0o700)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                os.mkdir(target, 0o700)
        for log in self._logs:
            try:
                os.link(log.path, f"{target}/{log.name}")
            except FileExistsError:  # the supervisor saw first that there is something in it
                continue
            except OSError:  # some file systems have no hard links; the descriptors follow the file
                os.rename(log.path, f"{target}/{log.name}")
        self.has_directory = True

    def try_prepare(self) -> None:
        """The job's directory exists, if that is possible: nothing that prints fails for want of one."""
        try:
            self.prepare()
        except OSError as error:
            self.complain(f"no directory for a job's log: {error}")

    def complain(self, text: str) -> None:
        """``text`` is in the worker's own log, if that is possible."""
        with suppress(OSError):
            os.write(self._own[1], text.encode("utf-8", "backslashreplace") + b"\n")

    def flush(self) -> None:
        """What Python holds back of the output is in the file; broken streams are made anew."""
        streams = self._streams
        if streams is None or sys.stdout is not streams[0] or sys.stderr is not streams[1]:
            for stream in {sys.stdout, sys.stderr}:
                _try_flush(stream)
            if streams is not None and any(stream.closed for stream in streams):
                self._make_streams()
        for stream in self._streams or ():
            if not _try_flush(stream):
                self._make_streams()
                break
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams

    def flush_before_fork(self) -> None:
        """A child that is forked off now prints nothing of ours again."""
        for stream in self._streams or ():
            _try_flush(stream)

    def end(self) -> None:
        """All the job printed is in its log, and what is printed now is not in there."""
        self.flush()
        printed = False
        logs = self._logs
        for fd in (1, 2):
            log = logs[fd - 1 if len(logs) > 1 else 0]
            try:
                found = os.fstat(fd)
            except OSError:
                found = None
            if found is None or found.st_ino != log.inode:  # the job closed it, or put another in its place
                log.lead(fd)
                found = os.fstat(fd)
            printed = printed or found.st_size > 0
        if printed:
            self.try_prepare()
        if self.has_directory or printed:
            self._open([log.name for log in logs])
        self._target = None

    @contextmanager
    def importing(self, module: str) -> Iterator[None]:
        """Meanwhile a file says which module is imported, should that end the process."""
        path = f"{self._directory}/{_IMPORTING}"
        with suppress(OSError), open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(module)
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(path)

    def leave(self) -> None:
        """Descriptors 1 and 2 are the worker's own again."""
        self.flush()
        for fd, own in zip((1, 2), self._own, strict=True):
            try:
                os.dup2(own, fd)
            except OSError:  # a job has closed it
                _Log(self._directory, "worker.log").lead(fd)

    def _open(self, names: tuple[str, ...] | list[str]) -> None:
        """Descriptors 1 and 2 lead to new, empty files of these names."""
        self._logs = [_Log(self._directory, name) for name in names]
        for log in self._logs:
            try:
                os.unlink(log.path)
            except FileNotFoundError:
                continue
        if len(names) == 1:
            self._logs[0].lead(1, 2)
        else:
            self._logs[0].lead(1)
            self._logs[1].lead(2)
        if self._streams is None:
            self._make_streams()

    def _make_streams(self) -> None:
        """``sys.stdout`` and ``sys.stderr`` tell before they write, write whole lines, and take any text."""
        self._streams = tuple(  # type: ignore[assignment] # two of them
            io.TextIOWrapper(
                io.BufferedWriter(_Notifying(fd, self.try_prepare)),
                encoding="utf-8",
                errors="backslashreplace",
                line_buffering=True,
            )
            for fd in (1, 2)
        )
        assert self._streams is not None
        sys.stdout, sys.stderr = self._streams
        sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc]


def _try_flush(stream: object) -> bool:
    """Whether nothing is held back; a stream may be closed, or anything that user code put there."""
    try:
        stream.flush()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - see above
        return False
    return True
