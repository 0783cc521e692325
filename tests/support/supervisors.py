"""Homes with supervisors: turned by hand with a manual clock, or spawned; nothing outlives its test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobctl.actions.admissions import submit
from jobctl.clock import Clock, SystemClock
from jobctl.executors.base import AttemptOrder, Executor, StartedProcess
from jobctl.executors.command import CommandExecutor
from jobctl.executors.processes import ProcessEntry, ProcessTable, signal_process
from jobctl.model.attempts import Attempt
from jobctl.model.events import Entity, Event
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.lives import LifeKind
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, JobStatus
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.supervisor.identities import Identities
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.reservations import Reservation
from jobctl.supervisor.supervisor import Supervisor
from tests.support.cli import cli_environment
from tests.support.clocks import ManualClock
from tests.support.waiting import wait_until

PATIENCE = 60.0
"""Seconds that anything may take on a loaded machine."""

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
_SPEC_FIELDS = frozenset(JobSpec.__dataclass_fields__)
_END_KEYS = frozenset({"attempt", "outcome"})


def submission(cwd: Path | str, *argv: str, **changes: Any) -> Submission:
    """A job for ``argv`` (or ``shell=``); ``changes`` name fields of the spec or of the submission."""
    spec = JobSpec(command=argv, cwd=str(cwd), **{k: v for k, v in changes.items() if k in _SPEC_FIELDS})
    rest = {key: value for key, value in changes.items() if key not in _SPEC_FIELDS}
    return replace(Submission(name="test", spec=spec, environment=ENVIRONMENT), **rest)


class Premises:
    """A home, a connection to its store as a caller has it, and what a test asks of both."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self.home = Home(str(root / "home"))
        self.store = Store.open(self.home, clock, create=True)

    def submit(self, *argv: str, **changes: Any) -> JobId:
        """A stored job; see ``submission``."""
        return submit(self.store, [submission(self.root, *argv, **changes)], self.clock)[0]

    def shell(self, text: str, **changes: Any) -> JobId:
        """A stored shell line."""
        return self.submit(shell=text, **changes)

    def job(self, job_id: JobId) -> Job:
        """The job as it stands."""
        found = self.store.jobs.get(job_id)
        assert found is not None
        return found

    def status(self, job_id: JobId) -> JobStatus:
        """The job's state."""
        return self.store.jobs.statuses([job_id])[job_id]

    def attempts(self, job_id: JobId) -> list[Attempt]:
        """The job's attempts, oldest first."""
        return self.store.attempts.of(job_id)

    def events(self, job_id: JobId) -> list[Event]:
        """The job's events, oldest first."""
        return self.store.events.about(Entity.JOB, job_id)

    def kinds(self, job_id: JobId) -> list[str]:
        """The kinds of the job's events without their ``job.``, oldest first."""
        return [event.kind.removeprefix("job.") for event in self.events(job_id)]

    def attempt_path(self, job_id: JobId, number: int = 1) -> Path:
        """The attempt's directory."""
        return Path(self.home.attempt(job_id, number))

    def output(self, job_id: JobId, number: int = 1) -> str:
        """What the attempt printed so far; empty before it started."""
        try:
            return (self.attempt_path(job_id, number) / "output.log").read_text()
        except FileNotFoundError:
            return ""

    def processes(self) -> list[ProcessEntry]:
        """Every running process of any attempt of this home."""
        return processes_of(self.store)

    def close(self) -> None:
        """No process of this home is left and its store is closed."""
        if os.path.exists(self.home.store):
            end_processes(self.store)
        self.store.close()


def starts_and_ends(events: list[Event]) -> dict[int, tuple[int, int]]:
    """How many start and end events each attempt has."""
    counted: dict[int, tuple[int, int]] = {}
    for event in events:
        if not isinstance(event.data, dict) or "attempt" not in event.data:
            continue
        starts, ends = counted.get(event.data["attempt"], (0, 0))
        starts += event.kind == "job.started"
        ends += event.data.keys() >= _END_KEYS
        counted[event.data["attempt"]] = starts, ends
    return counted


def processes_of(store: Store) -> list[ProcessEntry]:
    """Every running process of any attempt of this store, by tag or by marker; never this process."""
    identities = Identities(store)
    tag, marker = identities._store_hash & 0x3FFFFF, f"JOBCTL_RUN={identities._prefix}.".encode()
    table = ProcessTable.read()
    return [
        entry
        for entry in table.entries.values()
        if entry.state not in "ZX"
        and entry.pid not in table.protected
        and ((table.tag(entry.pid) >> 62 == 1 and table.tag(entry.pid) >> 40 & 0x3FFFFF == tag)
             or table._marker(entry.pid).startswith(marker))
    ]  # fmt: skip


def end_processes(store: Store) -> None:
    """No process of any attempt of this store is left."""

    def none_left() -> bool:
        left = processes_of(store)
        for entry in sorted(left, reverse=True):
            signal_process(entry.pid, entry.start_ticks, signal.SIGKILL)
        return not left

    wait_until(none_left, seconds=PATIENCE)
    reap_orphans()


def reap_orphans() -> None:
    """No zombie of a test's jobs is left under this process."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return


class Stage(Premises):
    """Supervisors turned by hand, all in this process, with a manual clock."""

    clock: ManualClock

    def __init__(self, root: Path) -> None:
        super().__init__(root, ManualClock())
        self._alive: list[Supervisor] = []

    def supervise(
        self,
        *,
        executor: Executor | None = None,
        listener: Callable[[list[Event]], None] | None = None,
        spread: Callable[[], float] = lambda: 0.5,
        reserved: Submission | None = None,
        settings: Settings = Settings(),  # noqa: B008 - frozen
    ) -> Supervisor:
        """A supervisor that has not turned yet; the private one of ``reserved`` if that is given."""
        store = Store.open(self.home, self.clock)
        try:
            lifeline = Lifeline(store, self.clock, LifeKind.UP if reserved is None else LifeKind.RUN)
        except BaseException:
            store.close()
            raise
        supervisor = Supervisor(
            store, settings, self.clock, executor or CommandExecutor(), lifeline,
            listener=listener, spread=spread,
        )  # fmt: skip
        if supervisor.scheduler is not None:
            supervisor.scheduler.slice_seconds = PATIENCE  # however slow the machine, a turn does the same
        if supervisor.workflows is not None:
            supervisor.workflows.slice_seconds = PATIENCE
        if reserved is not None:
            job_id = submit(store, [replace(reserved, reserved=True)], self.clock, lifeline.id)[0]
            supervisor.reservation = Reservation(job_id, reserved.queue)
        self._alive.append(supervisor)
        return supervisor

    def kill(self, supervisor: Supervisor) -> None:
        """The supervisor is gone as by ``kill -9``: its locks are free and it recorded nothing more."""
        supervisor.lifeline.release()
        self.forget(supervisor)

    def forget(self, supervisor: Supervisor) -> None:
        """The supervisor has said goodbye itself."""
        self._alive.remove(supervisor)
        supervisor.abandon()
        supervisor.store.close()

    def turn_until(
        self, supervisor: Supervisor, predicate: Callable[[], object], *, tick: float = 0.0
    ) -> None:
        """The supervisor turned until ``predicate`` held; ``tick`` seconds passed at each turn."""

        def turned() -> object:
            self.clock.advance(tick)
            supervisor.turn()
            return predicate()

        wait_until(turned, seconds=PATIENCE)

    def turn_until_status(self, supervisor: Supervisor, job_id: JobId, status: JobStatus) -> Job:
        """The supervisor turned until the job had the status."""
        self.turn_until(supervisor, lambda: self.status(job_id) is status)
        return self.job(job_id)

    def start(self, supervisor: Supervisor, job_id: JobId) -> int:
        """The job's command runs and the start is on record; the pid of its shim."""
        self.turn_until(
            supervisor,
            lambda: (
                job_id in supervisor.active
                and supervisor.active[job_id].directory.read_pid() is not None
                and self.attempts(job_id)
                and self.attempts(job_id)[-1].finished_at is None
            ),
        )
        pid = supervisor.active[job_id].pid
        assert pid is not None
        return pid

    def close(self) -> None:
        """No supervisor and no process of this home is left."""
        for supervisor in list(self._alive):
            self.kill(supervisor)
        super().close()


class Site(Premises):
    """Spawned ``jobctl`` processes on one home, with the system's clock."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SystemClock())
        self.spawned: list[subprocess.Popen[bytes]] = []

    def spawn(self, *args: str, stdin: int = subprocess.DEVNULL, env: dict[str, str] | None = None,
              name: str = "") -> subprocess.Popen[bytes]:  # fmt: skip
        """``jobctl args…`` runs in a session of its own; its output goes to ``<name>.out`` and ``.err``."""
        name = name or f"{args[0]}-{len(self.spawned)}"
        with open(self.root / f"{name}.out", "wb") as out, open(self.root / f"{name}.err", "wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobctl", *args], stdin=stdin, stdout=out, stderr=err,
                cwd=self.root, env=cli_environment(self.home.path, env), start_new_session=True,
            )  # fmt: skip
        self.spawned.append(process)
        return process

    def up(self, *args: str) -> subprocess.Popen[bytes]:
        """A supervisor of the home is alive and has its life on record."""
        before = {life.id for life in self.store.lives.unended()}
        process = self.spawn("up", *args)
        wait_until(
            lambda: (
                process.poll() is not None
                or any(
                    life.pid == process.pid for life in self.store.lives.unended() if life.id not in before
                )
            ),
            seconds=PATIENCE,
        )
        assert process.returncode is None, (self.root / f"up-{len(self.spawned) - 1}.err").read_text()
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """The process alone is gone by ``kill -9``."""
        process.kill()
        process.wait()

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        """The exit code of a process that ends by itself."""
        return process.wait(timeout=PATIENCE)

    def wait_for(self, predicate: Callable[[], object]) -> None:
        """``predicate`` has become true."""
        wait_until(predicate, seconds=PATIENCE)

    def wait_status(self, job_id: JobId, *wanted: JobStatus) -> Job:
        """The job has reached one of the states, every terminal one unless given."""
        self.wait_for(lambda: self.status(job_id) in wanted if wanted else self.status(job_id).is_terminal)
        return self.job(job_id)

    def wait_running(self, job_id: JobId) -> int:
        """The job's command has been started and its start is on record; the pid of its shim."""
        self.wait_for(
            lambda: (
                self.status(job_id) is JobStatus.RUNNING
                and self.attempts(job_id)
                and self.attempts(job_id)[-1].finished_at is None
            )
        )
        path = self.attempt_path(job_id, self.job(job_id).attempt) / "pid"
        self.wait_for(lambda: path.read_bytes().strip())
        return int(path.read_bytes())

    def close(self) -> None:
        """Nothing that was spawned is left."""
        for process in self.spawned:
            if process.poll() is None:
                process.kill()
                process.wait()
        super().close()


class RecordingExecutor:
    """Starts for real what ``before`` lets pass, and remembers the orders."""

    def __init__(self, before: Callable[[AttemptOrder], None] = lambda order: None) -> None:
        self.orders: list[AttemptOrder] = []
        self._before = before
        self._real = CommandExecutor()

    def start(self, order: AttemptOrder) -> StartedProcess:
        """The attempt runs, unless ``before`` raised."""
        self.orders.append(order)
        self._before(order)
        return self._real.start(order)

    @property
    def started(self) -> list[int]:
        """The ids of the jobs that were to be started, in order."""
        return [order.job_id for order in self.orders]
