"""Inspections: user modules imported in a child process of their own, which prints what functions they hold.

Never in this process: they may hang, print, crash or take a second. The child has a session and a tag of its own, so
that all it started ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from jobctl.errors import UnusableError
from jobctl.executors.processes import attempt_tag, is_tag, soft_tag, sweep, tag_of, tag_supported
from jobctl.model.documents import parse_json
from jobctl.model.functions import Inspected, ModuleProblem, inspected_of

LIMIT_SECONDS = 30.0
"""How long the modules may take to be imported."""
LARGEST_ANSWER = 16 << 20

_POLL_SECONDS = 0.005
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """What to look at, and with which interpreter."""

    directory: str
    """Of ``jobctl.yaml``: the first place where modules are looked for, and the working directory."""
    home: str
    modules: tuple[str, ...] = ()
    """Whose public functions are wanted."""
    entry_points: bool = False
    """Whether those that installed distributions name are wanted, too."""
    python: str = ""
    """Empty: this interpreter."""
    python_args: tuple[str, ...] = ()
    limit_seconds: float = LIMIT_SECONDS

    def document(self) -> dict[str, Any]:
        """What the child reads."""
        return {
            "modules": list(self.modules),
            "path": [self.directory],
            "entry_points": self.entry_points,
            "seconds": self.limit_seconds,
        }


class Inspection:
    """One child that looks at modules. ``poll`` it until it says what it found, or ``close`` it.

    Args:
        order: what to look at.
        now: monotonic seconds, as for ``poll``.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, order: Order, now: float) -> None:
        self._order = order
        self._deadline = now + order.limit_seconds
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._tag = _own_tag()
        try:
            self._process = self._started()
        except OSError:
            self._answer.close()
            self._errors.close()
            raise

    def _started(self) -> subprocess.Popen[bytes]:
        order = self._order
        with tempfile.TemporaryFile() as wanted, soft_tag(self._tag):
            wanted.write(json.dumps(order.document()).encode())
            wanted.seek(0)
            return subprocess.Popen(
                inspector_argv(order.python, order.python_args), stdin=wanted, stdout=self._answer, stderr=self._errors,
                cwd=order.directory, env=_environment(order.home), start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def reaped(self, pid: int, status: int) -> bool:
        """Whether the child of this process that was just reaped is this one."""
        if pid != self._process.pid:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def poll(self, now: float) -> Inspected | None:
        """What it found, once it has ended; a child that failed, or took too long, is a problem found."""
        if not self._has_ended():
            if now < self._deadline:
                return None
            self.close()
            limit = f"the import takes longer than {self._order.limit_seconds:g} s"
            return self._failed(limit)
        self._end()
        found = self._read()
        self.close()
        return found

    def close(self) -> None:
        """Nothing of it goes on."""
        if not self._answer.closed:
            self._end()
            self._answer.close()
            self._errors.close()

    def _has_ended(self) -> bool:
        """Whether the child has; it is not reaped, so that its number stays its own until its session is killed."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped, though nobody said so: the exit code is lost
            self._process.wait()
            return True

    def _end(self) -> None:
        """The child is reaped, and its session and what carries its tag killed: also what it left behind."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if (
            self._tag
        ):  # all there is where the child was reaped by somebody else: its number may be a stranger's now
            sweep(self._tag, b"", ())

    def _read(self) -> Inspected:
        code = self._process.returncode
        self._answer.seek(0)
        answer = self._answer.read(LARGEST_ANSWER + 1)
        if code != 0 or len(answer) > LARGEST_ANSWER:
            how = "answers too much" if code == 0 else _ending(code)
            return self._failed(f"the import {how}{self._last_words()}")
        try:
            document = parse_json(answer, "the answer", max_bytes=LARGEST_ANSWER)
            if not isinstance(document, dict):
                raise TypeError("no object")
            return inspected_of(document)
        except (ValueError, KeyError, TypeError) as error:
            return self._failed(f"no answer that can be read ({error}){self._last_words()}")

    def _failed(self, error: str) -> Inspected:
        names = ", ".join(self._order.modules) or "entry points"
        return Inspected(problems=(ModuleProblem(names, error),))

    def _last_words(self) -> str:
        """The last line it wrote on standard error."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TAIL_BYTES))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""


def started(order: Order, now: float) -> Inspection:
    """The inspection has begun.

    Raises:
        UnusableError: it cannot be started.
    """
    try:
        return Inspection(order, now)
    except OSError as error:
        hint = "see the setting worker_python" if order.python else "try again when there is room"
        what = f"cannot start the interpreter of workers ({error.strerror})"
        raise UnusableError(what, order.python or sys.executable, hint) from error


def inspect_now(order: Order, clock: Callable[[], float] = time.monotonic) -> Inspected:
    """What the modules hold; waits for it. A child that fails, or takes too long, is a problem found.

    Raises:
        UnusableError: it cannot be started.
    """
    inspection = started(order, clock())
    try:
        while (found := inspection.poll(clock())) is None:
            time.sleep(_POLL_SECONDS)
        return found
    finally:
        inspection.close()


def inspector_argv(python: str, python_args: Sequence[str]) -> list[str]:
    """The command that reads an order on standard input and prints what it found."""
    # By path, and never from here: another interpreter need not have jobctl.
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker", "__main__.py")
    return [python or sys.executable, *python_args, program, "--inspect"]


def _own_tag() -> int:
    """A tag for the child; none inside a job, whose own tag it is to carry: it ends with that."""
    if not tag_supported() or is_tag(tag_of(os.getpid())):
        return 0
    return attempt_tag(secrets.randbits(22), secrets.randbits(32), secrets.randbits(8))


def _environment(home: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("JOBCTL_")}
    return own | {"JOBCTL_HOME": home}


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
