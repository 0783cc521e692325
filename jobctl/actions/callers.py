"""Who asks: where a process of the user stands, in texts that every other process reads alike."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from jobctl.clock import Milliseconds
from jobctl.model.states import JobId

LONGEST_USER = 100
_STATUS = "/proc/self/status"
_changing_umask = threading.Lock()


@dataclass(frozen=True, slots=True)
class CallerContext:
    """Where a caller stands. Texts hold bytes that are not UTF-8 as lone surrogates (PEP 383)."""

    cwd: str
    environment: Mapping[str, str]
    umask: int
    now: Milliseconds
    home: str

    @property
    def job_id(self) -> JobId | None:
        """The job of this home that the caller is a process of, if it is one."""
        text = self.environment.get("JOBCTL_JOB_ID", "")
        return JobId(int(text)) if re.fullmatch(r"[1-9][0-9]{0,17}", text) and self._is_at_home else None

    @property
    def submitter(self) -> str | None:
        """Which job or daemon of this home the caller is a process of: ``job:12``, ``daemon:inbox``."""
        if self.job_id is not None:
            return f"job:{self.job_id}"
        daemon = self.environment.get("JOBCTL_DAEMON", "")
        return f"daemon:{daemon}" if daemon and self._is_at_home else None

    @property
    def _is_at_home(self) -> bool:
        home = self.environment.get("JOBCTL_HOME", "")
        return bool(home) and os.path.realpath(native(home)) == os.path.realpath(native(self.home))


def caller_context(home: str, now: Milliseconds) -> CallerContext:
    """The context of this process."""
    environment = {portable(name): portable(value) for name, value in os.environb.items()}
    return CallerContext(portable(os.getcwdb()), environment, current_umask(), now, home)


def current_umask() -> int:
    """The umask of this process; on Linux without changing it, for other threads make files meanwhile."""
    try:
        with open(_STATUS, "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):  # since Linux 4.7, see proc(5)
                    return int(line[6:], 8)
    except FileNotFoundError:
        pass  # macOS, or no /proc in this container
    with _changing_umask:
        umask = os.umask(0o077)
        os.umask(umask)
    return umask


def portable(text: str | bytes) -> str:
    """A word of this process (in its locale) as every other process reads it from the store."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def native(text: str) -> bytes:
    """The bytes that the system knows a stored text by."""
    return text.encode("utf-8", "surrogateescape")


def user_name() -> str:
    """Who says so: the name of the user, fit to be stored and shown."""
    import getpass  # few callers are asked

    from jobctl.views.text import printable, shorten

    try:
        return shorten(printable(portable(getpass.getuser())), LONGEST_USER)
    except (OSError, KeyError):
        return f"user {os.getuid()}"
