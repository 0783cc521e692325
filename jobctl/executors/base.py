"""What every executor takes and gives: an order in, a started process or a reason out."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MACHINE_ERRNOS = frozenset(
    {
        errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT,
        errno.EIO, errno.EROFS, errno.EINTR, errno.ETXTBSY, errno.EBUSY, errno.ESTALE,
    }
)  # fmt: skip
"""What says that the machine has no room now; everything else is the one attempt's own trouble."""


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """Everything needed to start one attempt."""

    job_id: int
    attempt: int
    directory: str
    """The attempt directory, absolute: ``runs/<job>/<attempt>``."""
    argv: tuple[bytes, ...]
    """Byte-exact. A ``--shell`` job arrives as ``(b"/bin/sh", b"-c", text)``."""
    cwd: bytes
    umask: int
    environment: Mapping[bytes, bytes]
    """Complete: ``JOBCTL_*`` are in it already."""
    stdin: bytes | None
    """Path of a file (relative to ``cwd``); ``None`` is ``/dev/null``."""
    split_output: bool
    """``stdout.log`` and ``stderr.log`` instead of one ``output.log``."""
    nice: int
    """0 leaves the priority alone."""
    tag: int
    """``processes.attempt_tag``; 0 leaves the process untagged."""


@dataclass(slots=True)
class StartedProcess:
    """A shim that runs; its pid is also its session and its process group."""

    pid: int
    process: subprocess.Popen[bytes]
    """Keep it until the pid is reaped: the next ``Popen`` reaps those that were dropped."""


class SpawnError(Exception):
    """This attempt can never start so: it fails with ``exit_code``, 127 (not found) or 126 (not runnable)."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message


class StartRefused(Exception):
    """The machine cannot start anything now; the job goes back to its queue and no attempt is burnt."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Executor(Protocol):
    """How an attempt is started."""

    def start(self, order: AttemptOrder) -> StartedProcess:
        """The attempt runs, and its directory tells of it from now on.

        Raises:
            SpawnError: the order itself cannot run.
            StartRefused: the machine has no room now.
        """
