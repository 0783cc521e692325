"""A supervisor for as long as a program needs one: in tests, in scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO

from jobctl import errors
from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.supervisors import request_stop, running_supervisor
from jobctl.api.client import Client
from jobctl.api.options import Path
from jobctl.errors import JobctlError, StateConflictError, SupervisorDownError, WaitTimeoutError
from jobctl.model.lives import StopMode

START_SECONDS = 60.0
"""A loaded machine may take long to start a Python; nothing is right after that."""
_LINE = r"jobctl: error: (.*) \[(E_[A-Z_]+)\]"


class SupervisorProcess:
    """``jobctl up`` as a child process of this one; a context manager.

    At the end of the ``with`` block it drains: nothing more starts, and what runs ends. After an exception it is
    stopped instead: what runs goes back to its queue. With ``until_idle`` the end of the block first waits until
    nothing runs, is queued or waits for a retry, as ``up --until-idle`` does.

    Args:
        home: as of ``Client``.
        until_idle: whether the end of the block waits until all is done.
        concurrency: slots of the queue ``default``, for this run.
    """

    def __init__(
        self, home: Path | None = None, *, until_idle: bool = False, concurrency: int | None = None
    ) -> None:
        self.client = Client(home)
        self._until_idle = until_idle
        self._slots = [] if concurrency is None else ["--concurrency", str(concurrency)]
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process.

        Raises:
            SupervisorDownError: it does not run.
        """
        return self._running().pid

    def start(self) -> None:
        """It is ready: it takes jobs.

        Raises:
            StateConflictError: another supervisor runs for this home, or this one was started already.
            JobctlError: it could not start; of the class of its exit code.
        """
        self._process = self._spawn(self._slots)
        try:
            self._await_readiness(self._process)
        except BaseException:
            self._process.kill()
            self._forget()
            raise

    def stop(self, *, now: bool = False) -> None:
        """It has ended: drained, or with ``now`` what ran is back in its queue. Stopping twice is harmless."""
        if self._process is None:
            return
        try:
            request_stop(self.client.connections.store(), StopMode.NOW if now else StopMode.DRAIN)
        except SupervisorDownError:
            if self._process.poll() is None:  # it is between its first breath and its first row, or dying
                self._process.terminate()
        try:
            self._process.wait()
        except BaseException:  # Ctrl-C while it drained
            self._process.terminate()
            self._process.wait()
            raise
        finally:
            self._forget()

    def wait_until_idle(self, timeout: float | None = None) -> None:
        """Nothing runs, is queued in an unpaused queue, or waits for its next attempt.

        Raises:
            SupervisorDownError: it has ended before.
            WaitTimeoutError: that took longer than ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        store, process = self.client.connections.store(), self._running()
        while store.jobs.has_work():
            if process.poll() is not None:
                raise SupervisorDownError("the supervisor has ended, of", self.client.home, self._said()[0])
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError("still not idle: the supervisor of", self.client.home, "wait again")
            time.sleep(POLL_SECONDS)

    def __enter__(self) -> SupervisorProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._until_idle:
                self.wait_until_idle()
        finally:
            self.stop(now=error is not None)
            self.client.close()

    def run_until_idle(self, timeout: float | None = None) -> bool:
        """``up --until-idle`` has ended; whether no job of it failed.

        Raises:
            StateConflictError: another supervisor runs for this home.
            WaitTimeoutError: that took longer than ``timeout`` seconds; what ran is back in its queue.
            JobctlError: it could not start; of the class of its exit code.
        """
        process = self._process = self._spawn([*self._slots, "--until-idle"])
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop(now=True)
            raise WaitTimeoutError("still not idle: the supervisor of", self.client.home) from None
        except BaseException:
            self.stop(now=True)
            raise
        failure = None if code in (0, 1) else self._failure(code)
        self._forget()
        if failure is not None:
            raise failure
        return code == 0

    def _spawn(self, options: list[str]) -> subprocess.Popen[bytes]:
        if self._process is not None:
            raise StateConflictError("it was started already: pid", self._process.pid, "stop it first")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        words = ["up", "--home", self.client.home, "--no-dashboard", *options]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "jobctl", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # a Ctrl-C is this process's: it decides what becomes of the supervisor
        )

    def _await_readiness(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            code = process.poll()
            if code is not None:
                raise self._failure(code)
            store = (
                self.client.connections.existing()
                if os.path.exists(self.client.connections.home.store)
                else None
            )
            life = None if store is None else running_supervisor(store)
            if life is not None and life.pid == process.pid:
                return
            if time.monotonic() > deadline:
                raise WaitTimeoutError("the supervisor is not ready: pid", process.pid)
            time.sleep(POLL_SECONDS)

    def _failure(self, code: int) -> JobctlError:
        """What it said, as an error of the class that has its exit code."""
        said, name = self._said()
        kinds = [
            kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JobctlError)
        ]
        kind = next((kind for kind in kinds if kind.exit_code == code), JobctlError)
        return kind(f"the supervisor could not run: {said or f'exit code {code}'}", code=name)

    def _said(self) -> tuple[str, str]:
        """Its error and the code of it; empty if it said none."""
        if self._errors is None:
            return "", ""
        self._errors.seek(0)
        found = re.findall(_LINE, self._errors.read().decode("utf-8", "replace"))
        return found[-1] if found else ("", "")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SupervisorDownError(
                "no supervisor for", self.client.home, "it was not started, or has ended"
            )
        return self._process

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
        if self._errors is not None:
            self._errors.close()
        self._process = self._errors = None


def supervisor(
    until_idle: bool = False, concurrency: int | None = None, home: Path | None = None
) -> SupervisorProcess:
    """A supervisor for a ``with`` block; see ``SupervisorProcess``.

    ::

        with supervisor(until_idle=True):
            submit(["make", "all"])
        # here everything that could run has ended
    """
    return SupervisorProcess(home, until_idle=until_idle, concurrency=concurrency)


def run_until_idle(
    concurrency: int | None = None, home: Path | None = None, timeout: float | None = None
) -> bool:
    """What is queued has been run, and what came of it; whether no job failed. As ``jobctl up --until-idle``."""
    made = SupervisorProcess(home, concurrency=concurrency)
    try:
        return made.run_until_idle(timeout)
    finally:
        made.client.close()
