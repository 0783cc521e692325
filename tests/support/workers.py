"""A worker process on its own: this plays the supervisor's side of its pipe, orders and journal."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from jobctl.executors import worker as worker_package
from jobctl.executors.worker.worker import RECALL
from tests.support.waiting import wait_until

MAIN = str(Path(str(worker_package.__file__)).parent / "__main__.py")
HOSTILE = "tests.support.hostile_functions:"
ROOT = str(Path(__file__).parents[2])
Record = dict[str, Any]


class WorkerDriver:
    """One worker, started as the supervisor starts it."""

    def __init__(
        self,
        home: Path,
        *,
        config: Mapping[str, Any] | None = None,
        interpreter: Sequence[str] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.directory = home / "workers" / "1"
        self.directory.mkdir(parents=True)
        (self.directory / "config.json").write_text(json.dumps({"path": [str(home)], **(config or {})}))
        self._orders = os.open(self.directory / "orders", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0
        self._tokens = 0
        read_end, self._pipe = os.pipe()
        self.wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.wake, False)
        journal = os.open(self.directory / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        lock = os.open(self.directory / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        log = os.open(self.directory / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        given = (read_end, journal, lock, wake)
        self.process = subprocess.Popen(
            [*interpreter, MAIN, str(self.directory), *map(str, given)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=given,
            start_new_session=True,
            cwd=home,
            env={"PATH": os.environ["PATH"], "JOBCTL_HOME": str(home), **(environment or {})},
        )
        for fd in (*given, log):
            os.close(fd)

    # --- what the supervisor does ---

    def hand(self, function: str, /, *, together: int = 1, **order: Any) -> int:
        """An order lies in the pipe (``together`` of them, alike); the last one's token."""
        args = order.pop("args", {})
        lines = []
        for _ in range(together):
            self._tokens += 1
            number = self._tokens
            document = {
                "job": number,
                "attempt": 1,
                "token": number,
                "run": f"run-{number}",
                "function": function,
                "args": args,
                "dir": str(self.directory_of(number)),
                **order,
            }
            content = json.dumps(document).encode() + b"\n"
            os.write(self._orders, content)
            lines.append(f"{number} 1 {number} {self._size} {len(content)}\n")
            self._size += len(content)
        os.write(self._pipe, "".join(lines).encode())
        return self._tokens

    def hang_up(self) -> None:
        """The supervisor is gone."""
        os.close(self._pipe)
        self._pipe = -1

    def cancel(self, token: int) -> None:
        """The worker was told to end this job."""
        fresh = self.directory / "cancel.new"
        fresh.write_text(json.dumps({"token": token, "why": "cancel"}))
        fresh.rename(self.directory / "cancel")
        self.process.send_signal(signal.SIGTERM)

    def recall(self) -> Record:
        """What the worker gave back."""
        before = len(self.records("recalled"))
        self.process.send_signal(RECALL)
        wait_until(lambda: len(self.records("recalled")) > before)
        return self.records("recalled")[-1]

    # --- what it sees ---

    def directory_of(self, token: int) -> Path:
        """The attempt's."""
        return self.home / "runs" / str(token) / "1"

    def records(self, kind: str | None = None) -> list[Record]:
        """The journal's, of one kind or all; what has no newline was never written."""
        *lines, _ = (self.directory / "journal").read_bytes().split(b"\n")
        found = [json.loads(line) for line in lines]
        return [record for record in found if kind in (None, record["t"])]

    def wait_ready(self) -> None:
        """The worker takes orders."""
        wait_until(lambda: self.records("ready") or self._has_ended())
        assert self.records("ready"), self.own_log()

    def wait_begun(self, token: int) -> None:
        """The job has begun."""
        wait_until(lambda: any(one["token"] == token for one in self.records("begin")))

    def wait_end(self, token: int) -> Record:
        """How the job ended."""

        def found() -> Record | None:
            return next((one for one in self.records("end") if one["token"] == token), None)

        wait_until(lambda: found() or self._has_ended())
        record = found()
        assert record is not None, self.own_log()
        return record

    def run(self, function: str, /, **order: Any) -> Record:
        """How one job ended that was handed over now."""
        return self.wait_end(self.hand(function, **order))

    def wait_exit(self) -> int:
        """Its exit code."""
        return self.process.wait(60)

    def is_held(self) -> bool:
        """Whether its lock is."""
        with open(self.directory / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def own_log(self) -> str:
        """What it said that was no job's."""
        return (self.directory / "worker.log").read_text(errors="replace")

    def output(self, token: int, name: str = "output.log") -> str:
        """What the job printed."""
        return (self.directory_of(token) / name).read_text(errors="replace")

    def heard_wakes(self) -> bytes:
        """What came through the life's FIFO until now."""
        readable, _, _ = select.select([self.wake], [], [], 0)
        return os.read(self.wake, 65536) if readable else b""

    def close(self) -> None:
        """Nothing of it is left."""
        for fd in (self._pipe, self._orders, self.wake):
            if fd >= 0:
                os.close(fd)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def _has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def running_worker(home: Path, **options: Any) -> Iterator[WorkerDriver]:
    """A worker that is ready; it is killed afterwards."""
    driver = WorkerDriver(home, **options)
    try:
        driver.wait_ready()
        yield driver
    finally:
        driver.close()


def hostile_worker(home: Path, **config: object) -> AbstractContextManager[WorkerDriver]:
    """A worker that is ready and finds the functions of ``HOSTILE``."""
    return running_worker(home, config={"path": [str(home), ROOT], **config})
