"""What a job may change of its process, put back before the next one: cheap to look at, and seldom changed."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the wrappers of signal make an enum a look, at 1 µs
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_HANDLED = tuple(
    number
    for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "CHLD", "PIPE", "CONT", "TSTP")
    if (number := int(getattr(_signal, "SIG" + name, 0)))
)


class Surroundings:
    """The environment, working directory, mask and handlers of a worker between jobs."""

    def __init__(self, recall: int) -> None:
        self._raw = dict(_raw())
        self._own: dict[bytes, bytes] = {}
        self._is_exposed = False
        self._limits: dict[int, tuple[int, int]] | None = None
        self._cwd = os.getcwd()
        self._umask = os.umask(0o77)
        os.umask(self._umask)
        self._handlers = tuple((number, _signal.getsignal(number)) for number in (*_HANDLED, recall))
        self._blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._argv = sys.argv
        self._arguments = list(sys.argv)
        self._path = sys.path
        self._recursion_limit = sys.getrecursionlimit()

    def enter(self, own: dict[bytes, bytes], variables: Mapping[str, str], cwd: str | None) -> None:
        """The job finds its variables and its working directory.

        Args:
            own: what only Python code and programs look for: C code finds it after ``expose``.
            variables: what was given for the job; C code finds it, too.
            cwd: ``None``: the worker's.

        Raises:
            OSError: there is no such directory.
            ValueError: a variable cannot be set.
        """
        raw = _raw()
        self._own = own
        self._is_exposed = False
        raw.update(self._own)
        if variables:
            os.environ.update(variables)
            if "TZ" in variables:
                _renew_zone()
        if cwd is not None and cwd != self._cwd:
            os.chdir(cwd)

    def expose(self) -> None:
        """Programs that are started find all of the job's variables."""
        if not self._is_exposed:
            self._is_exposed = True
            raw = _raw()
            for key, value in self._own.items():
                if raw.get(key) == value:
                    os.putenv(key, value)

    def note_limits(self) -> None:
        """The limits of the process are to be put back: it is about to change them."""
        if self._limits is None:
            import resource

            self._limits = {number: resource.getrlimit(number) for number in _limit_numbers()}

    def restore(self) -> None:
        """All is as it was before the job."""
        if _raw() != self._raw:
            self._restore_environment()
        if self._limits is not None:
            self._restore_limits()
        self._restore_directory()
        os.umask(self._umask)
        for number, handler in self._handlers:
            if _signal.getsignal(number) != handler and handler is not None:
                _signal.signal(number, handler)
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._blocked)
        sys.argv = self._argv
        if sys.argv != self._arguments:
            sys.argv[:] = self._arguments
        sys.path = self._path
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)

    def _restore_environment(self) -> None:
        raw, before = _raw(), self._raw
        zone = raw.get(b"TZ")
        hidden = () if self._is_exposed else self._own
        for key in raw.keys() - before.keys():
            value = raw.pop(key)
            if key not in hidden or value != self._own[key]:
                os.unsetenv(key)
        if raw != before:
            for key, value in before.items():
                if raw.get(key) != value:
                    os.putenv(key, value)
                    raw[key] = value
        if raw.get(b"TZ") != zone:
            _renew_zone()

    def _restore_limits(self) -> None:
        import resource

        limits, self._limits = self._limits or {}, None
        for number, (soft, _) in limits.items():
            now, hard = resource.getrlimit(number)
            if now != soft:
                resource.setrlimit(number, (soft, hard))
        self._limits = None

    def _restore_directory(self) -> None:
        try:
            if os.getcwd() == self._cwd:
                return
        except OSError:  # the job removed the directory it was in
            pass
        try:
            os.chdir(self._cwd)
        except OSError:
            os.chdir("/")


def _raw() -> dict[bytes, bytes]:
    """The environment as ``os.environ`` keeps it. Its mapping decodes, and each ``putenv`` asks the audit hooks:
    60 µs a job for six variables, against 5."""
    found: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined] # the same since Python 3.2
    return found


def _limit_numbers() -> list[int]:
    import resource

    return [value for name, value in vars(resource).items() if name.startswith("RLIMIT_")]


def _renew_zone() -> None:
    import time

    time.tzset()
