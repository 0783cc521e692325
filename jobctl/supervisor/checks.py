"""Checks: a shell line run now and then, whose exit code says yes or no. Nobody waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from jobctl.executors.command import SHELL
from jobctl.executors.descriptors import with_given_limit
from jobctl.executors.processes import soft_tag, tag_supported


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a check runs, and for how long at most."""

    first_at: float
    """On the monotonic clock."""
    every_seconds: float
    """From the start of one run to the next."""
    timeout_seconds: float
    """A run that takes longer is ended and says no."""


class Check:
    """One shell line, at most one run of it at a time.

    Args:
        text: the shell line.
        cwd: where it runs.
        environment: complete; it carries the brand of the daemon, so what a run leaves behind ends with that one.
        tag: the daemon's.
        rhythm: when it runs.
    """

    def __init__(
        self,
        text: str,
        cwd: bytes,
        environment: Mapping[bytes, bytes],
        tag: int,
        rhythm: Rhythm,
    ) -> None:
        self._text, self._cwd, self._environment, self._tag = text, cwd, environment, tag
        self._every, self._timeout = rhythm.every_seconds, rhythm.timeout_seconds
        self._next_at = rhythm.first_at
        self._deadline = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False
        self.error = ""
        """Why the last run said no."""

    @property
    def session(self) -> int | None:
        """The session of the run that goes on."""
        return None if self._process is None else self._process.pid

    @property
    def due_at(self) -> float:
        """When ``advance`` has something to do, unless the run ends before."""
        if self._late:
            return float("inf")  # killed: its end alone goes on from here
        return self._next_at if self._process is None else self._deadline

    def advance(self, now: float) -> bool | None:
        """What a run that has ended says; None while there is nothing to say."""
        process = self._process
        if process is None:
            if now >= self._next_at:
                return self._start(now)
            return None
        if process.returncode is None:
            if now >= self._deadline and not self._late:
                self._late = True
                self._kill(process)
            return None
        self._process = None
        if self._late:
            self._late = False
            self.error = f"it took longer than {self._timeout:g} s"
            return False
        self.error = f"exit code {process.returncode}"
        return process.returncode == 0

    def _start(self, now: float) -> bool | None:
        self._next_at, self._deadline, self._late = now + self._every, now + self._timeout, False
        try:
            with soft_tag(self._tag if tag_supported() else 0):
                self._process = subprocess.Popen(
                    [SHELL, "-c", with_given_limit(self._text)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, cwd=self._cwd, env=self._environment, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self.error = f"it cannot be started: {error.strerror}"
            return False
        return None

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child that ended was its run."""
        if self._process is None or self._process.pid != pid:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def cancel(self) -> None:
        """No run of it goes on, and no other begins."""
        if self._process is not None and self._process.returncode is None:
            self._kill(self._process)
            self._process.returncode = 0  # the loop reaps it; a Popen that is dropped alive would warn
        self._process, self._next_at = None, float("inf")

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        # Not reaped yet, so the pid, and the group it leads, are still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
