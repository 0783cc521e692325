"""Scripts by one of six patterns: presets of the same jobs, not six ways to run them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, Unpack

from jobctl.api.batch_verbs import Batch
from jobctl.api.client import Client
from jobctl.api.interruptions import Interruption, cancel_unless_ended
from jobctl.api.options import CommandOptions, Duration, Word, plain
from jobctl.api.records import Job
from jobctl.api.runs import Finished
from jobctl.api.schedule_verbs import Schedule
from jobctl.errors import BadInputError, NotFoundError, SupervisorDownError
from jobctl.model.patterns import WARM_FUNCTION, Need, Recommendation, TaskPattern, recommend

DEFAULT_PARALLEL = 4
PYTHON_FILES = (".py", ".pyw")


class TaskOptions(TypedDict, total=False):
    """What a caller says of a task; most of it also chooses the pattern where none is given."""

    expected_duration_seconds: float
    """How long it takes; above 30 s it is long-running."""
    needs_result: bool
    """False: nobody waits for it."""
    high_frequency: bool
    """It is called often: in a warm worker."""
    arg_lists: Sequence[Sequence[Word]]
    """CONCURRENT: one run each, with these arguments behind ``args``."""
    max_parallel: int
    max_failures: int | str
    interval: Duration
    """PERIODIC."""
    enabled: bool
    """PERIODIC: False adds the schedule without letting it fire."""
    on_start: Callable[[Job], None]
    on_line: Callable[[str, str], None]
    """Called with each line, and ``stdout`` or ``stderr``."""
    on_progress: Callable[[Job], None]
    cancel: Interruption
    """Once ``is_set()``, the task is cancelled."""


class ExecuteOptions(TaskOptions, CommandOptions, total=False):
    """Those, and the options of its jobs."""


_OF_TASKS = frozenset(TaskOptions.__annotations__)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What became of a task. Which parts there are depends on the pattern."""

    pattern: TaskPattern
    reasons: tuple[str, ...] = ()
    """Why this pattern was chosen; empty where the caller chose it."""
    job: Job | None = None
    """Of CONCURRENT the batch, of PERIODIC None; of FIRE_AND_FORGET what tracks it: ``refresh()``, ``wait()``, …"""
    finished: Finished | None = None
    """SIMPLE, LONG_RUNNING, POOLED: how it ended."""
    batch: Batch | None = None
    """CONCURRENT: how its items ended."""
    schedule: Schedule | None = None
    """PERIODIC: ``enable() disable() run() remove()``."""

    @property
    def exit_code(self) -> int | None:
        """Of the script; of a batch 0 or 1; None while it goes on."""
        if self.finished is not None:
            return self.finished.exit_code
        return None if self.batch is None or not self.batch.ended else int(not self.batch.job.completed)

    @property
    def stdout(self) -> str:
        """What it printed; empty for what was not waited for."""
        return "" if self.finished is None else self.finished.stdout

    @property
    def stderr(self) -> str:
        """The same of standard error."""
        return "" if self.finished is None else self.finished.stderr

    @property
    def value(self) -> object:
        """Its result, as JSON."""
        return None if self.finished is None else self.finished.value

    @property
    def ok(self) -> bool:
        """Whether it completed, or was stored where nobody waits for it."""
        return self.exit_code in (0, None)


class TaskOrchestrator:
    """Executes scripts of one home by patterns; safe in threads, as its client is.

    ``script_path`` is a Python file (run by this interpreter), a ``.sh`` file, or anything executable. SIMPLE,
    LONG_RUNNING and POOLED work without a supervisor, by a process of their own; CONCURRENT needs one; FIRE_AND_FORGET
    and PERIODIC are stored for the next one.
    """

    def __init__(self, client: Client | None = None) -> None:
        self.client = client or Client()

    def choose(self, options: Mapping[str, Any]) -> Recommendation:
        """The pattern for what a caller says, and why; what is None was not said."""
        said = _said(options)
        return recommend(
            Need(
                expected_duration_seconds=said.get("expected_duration_seconds"),
                requires_streaming="on_line" in said or "on_progress" in said,
                concurrent_tasks=max(1, len(said.get("arg_lists", ()))),
                needs_result=said.get("needs_result", True),
                recurring="interval" in said,
                high_frequency=said.get("high_frequency", False),
            )
        )

    def execute(
        self,
        script_path: Word,
        args: Sequence[Word] = (),
        pattern: TaskPattern | str | None = None,
        **options: Unpack[ExecuteOptions],
    ) -> TaskRun:
        """The script was executed by the pattern; without one by what fits its arguments best.

        SIMPLE waits, and gives exit code, stdout and stderr. LONG_RUNNING calls ``on_line`` and ``on_progress``
        meanwhile, and ``cancel`` ends it. CONCURRENT waits for a batch, one item for each of ``arg_lists``.
        FIRE_AND_FORGET returns at once with the job. PERIODIC adds a schedule. POOLED is SIMPLE in a warm worker, for
        Python files alone: in the working directory of the caller, but environment and interpreter are the worker's.
        An option that is None was not given.

        Raises:
            NotFoundError: there is no such script.
            BadInputError: an option is wrong, or does not go with the pattern.
            SupervisorDownError: CONCURRENT, and none runs; nothing was stored.
        """
        return self._execute(script_path, args, pattern, options, None)

    def _execute(
        self,
        script_path: Word,
        args: Sequence[Word],
        pattern: TaskPattern | str | None,
        options: Mapping[str, Any],
        interruption: Interruption | None,
    ) -> TaskRun:
        """See ``execute``; ``interruption`` takes the place of the caller's ``cancel`` where there is one."""
        given = _said(options)
        said = {key: value for key, value in given.items() if key in _OF_TASKS}
        job = {key: value for key, value in given.items() if key not in _OF_TASKS}
        script = _script(script_path)
        if isinstance(args, str | bytes):
            raise BadInputError(
                "args is one text", str(plain(args)), "give a list: ['a', 'b']", "E_ARGUMENTS"
            )
        words = [str(plain(word)) for word in args]
        reasons: tuple[str, ...] = ()
        if pattern is None:
            chosen = self.choose(said)
            pattern, reasons = chosen.pattern, chosen.reasons[1:]
        wanted = _pattern(pattern)
        _check(wanted, said)
        if interruption is not None:
            said["cancel"] = interruption
        job.setdefault("name", os.path.splitext(os.path.basename(script))[0][:100] or "script")
        execute = {
            TaskPattern.SIMPLE: self._run,
            TaskPattern.LONG_RUNNING: self._run,
            TaskPattern.POOLED: self._pooled,
            TaskPattern.CONCURRENT: self._concurrent,
            TaskPattern.FIRE_AND_FORGET: self._forget,
            TaskPattern.PERIODIC: self._periodic,
        }[wanted]
        found = execute(script, words, said, job)
        return TaskRun(wanted, reasons, **found)

    async def aexecute(
        self,
        script_path: Word,
        args: Sequence[Word] = (),
        pattern: TaskPattern | str | None = None,
        **options: Unpack[ExecuteOptions],
    ) -> TaskRun:
        """The same without blocking the event loop, in which the callbacks are called.

        Cancelling it cancels the task, and waits until that has ended.
        """
        loop, cancel = asyncio.get_running_loop(), _Either(options.get("cancel"))
        given = _said(options)
        for name in ("on_start", "on_line", "on_progress"):
            if name in given:
                given[name] = partial(loop.call_soon_threadsafe, given[name])
        work = asyncio.ensure_future(
            asyncio.to_thread(self._execute, script_path, args, pattern, given, cancel)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            cancel.set()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # it is told by the cancellation
            raise

    def _run(self, script: str, args: list[str], said: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
        found = self.client.run([*script_command(script), *args], **_hooks(said), **job)
        return {"job": found.job, "finished": found}

    def _pooled(
        self, script: str, args: list[str], said: dict[str, Any], job: dict[str, Any]
    ) -> dict[str, Any]:
        if not script.endswith(PYTHON_FILES):
            hint = "name it .py, or choose another pattern"
            raise BadInputError("a warm worker runs Python files only", script, hint, "E_SCRIPT")
        options = {"cwd": os.getcwd(), **job, "args": {"script": script, "args": args}}
        found = self.client.run(call=WARM_FUNCTION, **_hooks(said), **options)
        return {"job": found.job, "finished": found}

    def _concurrent(
        self, script: str, args: list[str], said: dict[str, Any], job: dict[str, Any]
    ) -> dict[str, Any]:
        if not said.get("arg_lists"):
            empty = said.get("arg_lists") is not None
            hint = "arg_lists is empty: give one list of arguments a run" if empty else "give arg_lists"
            raise BadInputError("nothing to run at once", hint=hint, code="E_ITEMS")
        if not self.client.supervisor_runs():
            hint = "start one with: jobctl up, or in a program: with api.supervisor()"
            raise SupervisorDownError("no supervisor for", self.client.home, hint)
        command = script_command(script)
        batch = self.client.batches.submit_commands(
            [[*command, *args, *more] for more in said["arg_lists"]],
            max_parallel=said.get("max_parallel", DEFAULT_PARALLEL),
            max_failures=said.get("max_failures"),
            **job,
        )
        if "on_start" in said:
            said["on_start"](batch.job)
        if said.get("needs_result", True):
            self._wait(batch.job, said)
            batch = self.client.batches.get(batch.id)
        return {"job": batch.job, "batch": batch}

    def _wait(self, job: Job, said: dict[str, Any]) -> None:
        """The batch has ended; ``cancel`` and any exception end it."""
        cancel: Interruption | None = said.get("cancel")
        try:
            self.client.await_end(job.id, cancel, said.get("on_progress"))
        except BaseException:
            cancel_unless_ended(self.client.connections, job.id)
            raise

    def _forget(
        self, script: str, args: list[str], said: dict[str, Any], job: dict[str, Any]
    ) -> dict[str, Any]:
        found = self.client.submit([*script_command(script), *args], **job)
        if "on_start" in said:
            said["on_start"](found)
        return {"job": found}

    def _periodic(
        self, script: str, args: list[str], said: dict[str, Any], job: dict[str, Any]
    ) -> dict[str, Any]:
        if "interval" not in said:
            raise BadInputError("no interval", hint="give interval, such as 60 or '5m'", code="E_SCHEDULE")
        name = job.pop("name")
        schedule = self.client.schedules.add(
            name,
            [*script_command(script), *args],
            every=said["interval"],
            disabled=not said.get("enabled", True),
            **job,
        )
        return {"schedule": schedule}


class _Either:
    """Set once the caller's own is, or it was set itself."""

    def __init__(self, other: Interruption | None) -> None:
        self._other, self._own = other, threading.Event()

    def set(self) -> None:
        """From now on it is set."""
        self._own.set()

    def is_set(self) -> bool:
        """Whether either is."""
        return self._own.is_set() or (self._other is not None and self._other.is_set())


def script_command(script: str) -> list[str]:
    """How a script is started: a Python file by this interpreter, a ``.sh`` file by ``sh``, else by itself.

    Raises:
        BadInputError: ``E_SCRIPT``: nothing can start it.
    """
    if script.endswith(PYTHON_FILES):
        return [sys.executable, script]
    if os.access(script, os.X_OK):
        return [script]
    if script.endswith(".sh"):
        return ["sh", script]
    raise BadInputError(
        "the script is not executable", script, "chmod +x it, or name it .py or .sh", "E_SCRIPT"
    )


def _script(path: Word) -> str:
    found = os.path.abspath(os.fspath(path))
    if not os.path.isfile(found):
        raise NotFoundError("no such script", os.fspath(path), "is the path right?", "E_SCRIPT")
    return found


def _pattern(pattern: TaskPattern | str) -> TaskPattern:
    try:
        return TaskPattern(pattern)
    except ValueError:
        hint = "one of: " + " ".join(TaskPattern)
        raise BadInputError("unknown pattern", pattern, hint, "E_PATTERN") from None


_AWAITED = (TaskPattern.SIMPLE, TaskPattern.LONG_RUNNING, TaskPattern.POOLED, TaskPattern.CONCURRENT)
_GOES_WITH = {
    "arg_lists": (TaskPattern.CONCURRENT,),
    "max_parallel": (TaskPattern.CONCURRENT,),
    "max_failures": (TaskPattern.CONCURRENT,),
    "interval": (TaskPattern.PERIODIC,),
    "enabled": (TaskPattern.PERIODIC,),
    "on_start": (*_AWAITED, TaskPattern.FIRE_AND_FORGET),
    "on_line": (TaskPattern.SIMPLE, TaskPattern.LONG_RUNNING, TaskPattern.POOLED),
    "on_progress": _AWAITED,
    "cancel": _AWAITED,
}


def _check(pattern: TaskPattern, said: dict[str, Any]) -> None:
    """What was said goes with the pattern: nothing is left out in silence."""
    for key, patterns in _GOES_WITH.items():
        if key in said and pattern not in patterns:
            hint = f"it goes with {' and '.join(one.value for one in patterns)}"
            raise BadInputError(f"{key} does not go with the pattern", pattern.value, hint, "E_PATTERN")
    if pattern is TaskPattern.CONCURRENT and not said.get("needs_result", True):
        for key in said.keys() & {"on_progress", "cancel"}:
            raise BadInputError(f"nobody waits for the batch, who could heed {key}", None, "", "E_PATTERN")


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given; ``arg_lists`` may be any iterable."""
    said = {key: value for key, value in options.items() if value is not None}
    if "arg_lists" in said:
        said["arg_lists"] = [*said["arg_lists"]]
    return said


def _hooks(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in ("on_start", "on_line", "on_progress", "cancel") if key in said}
