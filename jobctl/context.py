"""What running code tells jobctl and asks of it: ``from jobctl import context``.

Works in every process that has the ``JOBCTL_*`` variables: a function job, a command written in Python, a child of
either. Outside a job every report is a harmless no-op; only ``submit`` always does something. Stdlib only, and
nothing heavy at import. A report that cannot be written (disk full, directory gone) is dropped: reporting never
breaks the work.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from jobctl.child_jobs import SubmitError as SubmitError
from jobctl.child_jobs import Submitted as Submitted
from jobctl.child_jobs import function_name, request_line, submit_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import IO, Any, Protocol, TypeVar

    T = TypeVar("T")

    class Host(Protocol):
        """What runs the job, where it is not a process of its own."""

        @property
        def is_cancelled(self) -> bool:
            """Whether the job is to end."""

        def prepare(self) -> None:
            """The directory of the job exists, so that files can be written there."""

        def note_poll(self) -> None:
            """The job asks by itself whether it is to end, so nothing is raised in it."""

        def keep_result(self, value: object) -> None:
            """``value`` is the job's result instead of what the function returns."""


LONGEST_MESSAGE = 500
LONGEST_ITEM = 200
LARGEST_RESULT = 1 << 20
_ROUNDING = 1e-6
"""What arithmetic may add to a percentage."""


class Cancelled(BaseException):
    """Raised in a function that is to end and never asks :func:`cancelled`. Let it pass."""


_host: Host | None = None
_command: list[str] = []


def install(host: Host | None, command: Sequence[str] = ()) -> None:
    """Reports of this process go through ``host``, and ``command`` is how it runs jobctl. For workers only."""
    global _host
    _host = host
    if command:
        _command[:] = command
    _progress.close()


def job_id() -> int | None:
    """The id of the job that this code runs for, or ``None`` outside of one."""
    return _number("JOBCTL_JOB_ID")


def attempt() -> int | None:
    """Which attempt of the job this is, from 1."""
    return _number("JOBCTL_ATTEMPT")


def workflow_id() -> int | None:
    """The id of the workflow run whose step this is."""
    return _number("JOBCTL_WORKFLOW_ID")


def step() -> str | None:
    """The name of the step this is."""
    return os.environ.get("JOBCTL_STEP")


def total(count: int) -> None:
    """``count`` items are to be done."""
    _progress.say(f"/{int(count)}")


def advance(count: int = 1, message: str | None = None) -> None:
    """``count`` more items are done."""
    if message is None:
        _progress.say(f"+{int(count)}")
    else:
        _progress.tell({"add": int(count), "message": _cut(message)})


def progress(percent: float | None = None, message: str | None = None) -> None:
    """The job is at ``percent`` (0 to 100), or says ``message``, or both.

    Raises:
        ValueError: ``percent`` is no number from 0 to 100.
    """
    said: dict[str, object] = {}
    if percent is not None:
        said["percent"] = min(100.0, max(0.0, float(percent)))
        if not -_ROUNDING <= float(percent) <= 100.0 + _ROUNDING:
            raise ValueError(f"progress is a percentage from 0 to 100, not {percent!r}")
    if message is not None:
        said["message"] = _cut(message)
    if said:
        _progress.tell(said)


def track(iterable: Iterable[T], total: int | None = None, message: str | None = None) -> Iterator[T]:
    """The items of ``iterable``, each counted as done when the next one is asked for.

    Args:
        iterable: what to go through.
        total: how many there are, where ``len`` cannot say.
        message: what is done with them.
    """
    if total is None:
        with suppress(TypeError):
            total = len(iterable)  # type: ignore[arg-type]
    if total is not None:
        _progress.say(f"/{total}")
    if message is not None:
        _progress.tell({"message": _cut(message)})
    for item in iterable:
        yield item
        _progress.say("+1")


def item_failed(item: object, error: object = "") -> None:
    """One item failed, though the job goes on; the first 1000 errors are kept, all are counted."""
    if isinstance(error, BaseException):
        error = _described(error)
    _progress.tell({"item": _cut(item, LONGEST_ITEM), "error": _cut(error)})


def cancelled() -> bool:
    """Whether this job is to end (cancelled, timed out): return soon, or it is killed after its grace.

    Code that calls it is trusted to end by itself: nothing is raised in it. In a command the first call, if made in
    the main thread, takes SIGTERM over.
    """
    if _host is not None:
        _host.note_poll()
        return _host.is_cancelled
    return _polled_signal()


def log(message: object) -> None:
    """``message`` is a line of the job's log (its standard error), at once."""
    stream = sys.stderr
    if stream is not None:
        with suppress(OSError, ValueError):
            stream.write(f"{message}\n")
            stream.flush()


def result(value: object) -> None:
    """``value`` is the job's result, whatever it returns; the last one given counts.

    Raises:
        TypeError: JSON cannot hold it.
        ValueError: NaN, infinite, circular or above 1 MiB.
    """
    content = _json(value).encode()
    if len(content) > LARGEST_RESULT:
        raise ValueError("the result is above 1 MiB of JSON; write a file and return its path")
    if _host is not None:
        _host.keep_result(value)
        return
    path = os.environ.get("JOBCTL_RESULT")
    if path:
        fresh = f"{path}.{os.getpid()}"
        with _own_file(fresh, os.O_TRUNC) as file:
            file.write(content)
        os.replace(fresh, path)


def output(name: str, value: object) -> None:
    """Later steps of the workflow read ``value`` as ``outputs.name``; a value that is no text goes as JSON."""
    text = value if isinstance(value, str) else _json(value)
    path = os.environ.get("JOBCTL_OUTPUT")
    if not path:
        return
    if _host is not None:
        _host.prepare()
    with _own_file(path, os.O_APPEND) as file:
        file.write(_assignment(name, text).encode("utf-8", "replace"))


def submit(
    what: str | Sequence[str] | Callable[..., Any], args: Mapping[str, Any] | None = None, **options: Any
) -> Submitted:
    """A job is on disk, as a child of this one; its id.

    Args:
        what: a function, or its name ``pkg.mod:func``; a list is a command.
        args: the function's arguments by name.
        options: as keys of a line of ``submit --jsonl``: ``name="scan"``, ``queue="gpu"``, ``detach=True``.

    Raises:
        SubmitError: no worker finds that function, JSON cannot hold a value, or ``jobctl submit`` refused.
    """
    request: dict[str, Any] = dict(options)
    if callable(what):
        request["call"] = function_name(what)
    elif isinstance(what, str):
        request["call"] = what
    else:
        request["command"] = list(what)
    if args is not None:
        request["args"] = dict(args)
    return submit_many([request])[0]


def submit_many(requests: Iterable[Mapping[str, Any]]) -> list[Submitted]:
    """All of ``requests`` are on disk, in one transaction, or none; their ids in order.

    Args:
        requests: lines of ``submit --jsonl``: ``{"call": "pkg.mod:func", "args": {…}}``, ``{"command": ["tar", "…"]}``.

    Raises:
        SubmitError: JSON cannot hold a value, or with what ``jobctl submit`` said.
    """
    lines = [request_line(request) for request in requests]
    return submit_lines(lines, _command) if lines else []


class _ProgressFile:
    """The progress file of the job that runs now; lines are whole, whoever else writes."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._fd = -1

    def say(self, line: str) -> None:
        """``line`` is written, or dropped where that is not possible."""
        path = os.environ.get("JOBCTL_PROGRESS")
        if not path:
            return
        if _host is not None:
            _host.prepare()
        with suppress(OSError):
            if path != self._path:
                self.close()
                # A job's command may have removed it; a link is nobody's progress file.
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(path, flags, 0o600)
                self._path = path
            os.write(self._fd, line.encode("utf-8", "replace") + b"\n")

    def tell(self, said: Mapping[str, object]) -> None:
        """``said`` is written as one line of JSON."""
        self.say(_json(said))

    def close(self) -> None:
        """Nothing is open; the next line opens the file of its own job."""
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
        self._path, self._fd = None, -1


_progress = _ProgressFile()


class _Polled:
    """Whether SIGTERM came, in a process that jobctl started as a command and that asks for it."""

    heard = False
    listening = False


def _polled_signal() -> bool:
    if not _Polled.listening and os.environ.get("JOBCTL_JOB_ID"):
        import signal

        def hear(number: int, frame: object) -> None:
            _Polled.heard = True

        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGTERM, hear)
                _Polled.listening = True
    return _Polled.heard


def _own_file(path: str, flags: int) -> IO[bytes]:
    """A file that only its owner reads, and no link to another."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600), "wb")


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _json(value: object) -> str:
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _cut(text: object, most: int = LONGEST_MESSAGE) -> str:
    return str(text)[:most]


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a __str__ that raises must not end the job
        return type(error).__name__


def _assignment(name: str, text: str) -> str:
    """The lines that set an output; a text with line ends goes as a block."""
    if not name or any(char in name for char in "=<\n\r") or name != name.strip():
        raise ValueError(f"bad name of an output: {name!r}")
    if "\n" not in text and "\r" not in text:
        return f"{name}={text}\n"
    word = "END"
    while word in text.splitlines():
        word += "_"
    return f"{name}<<{word}\n{text}\n{word}\n"


# --- for daemons; what few programs use is loaded when it is ---

if TYPE_CHECKING:
    from jobctl.daemon_context import heartbeat as heartbeat
    from jobctl.daemon_context import ready as ready
    from jobctl.daemon_context import status as status
    from jobctl.daemon_context import stopped as stopped
    from jobctl.daemon_context import stopping as stopping
    from jobctl.daemon_state import StateError as StateError
    from jobctl.daemon_state import state as state


def __getattr__(name: str) -> object:
    if name in ("stopping", "stopped", "ready", "status", "heartbeat"):
        from jobctl import daemon_context

        return globals().setdefault(name, getattr(daemon_context, name))
    if name in ("state", "StateError"):
        from jobctl import daemon_state

        return globals().setdefault(name, getattr(daemon_state, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
