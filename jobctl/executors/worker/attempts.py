"""One attempt in a worker: the call with all around it, and what it came to."""

from __future__ import annotations

import os
import sys
import time
from _contextvars import copy_context

from jobctl import context, resources
from jobctl.context import Cancelled
from jobctl.executors.worker.children import Children
from jobctl.executors.worker.journal import encode, now_ms
from jobctl.executors.worker.results import ResultError, result_text
from jobctl.executors.worker.targets import find_target
from jobctl.executors.worker.tracebacks import error_document, plain_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jobctl.executors.worker.cancellation import Cancellation
    from jobctl.executors.worker.loops import EventLoop
    from jobctl.executors.worker.orders import Order
    from jobctl.executors.worker.outputs import Outputs
    from jobctl.executors.worker.surroundings import Surroundings
    from jobctl.executors.worker.targets import Target

_UNSET = object()
_OLDER = "; this worker loaded it before: if the function is new there, jobctl reload"


class Verdict:
    """What an attempt came to."""

    __slots__ = ("code", "error", "outcome", "result")

    def __init__(
        self, outcome: str, code: int, result: str = "null", error: dict[str, str] | None = None
    ) -> None:
        self.outcome = outcome
        self.code = code
        self.result = result
        """JSON."""
        self.error = error


class Attempts:
    """Carries out one order after the other; the host of ``context`` meanwhile."""

    def __init__(self, outputs: Outputs, surroundings: Surroundings, cancellation: Cancellation) -> None:
        self._outputs = outputs
        self._surroundings = surroundings
        self._cancellation = cancellation
        self._children = Children()
        self._pid = os.getpid()
        self._kept: object = _UNSET
        self._loop: EventLoop | None = None
        self._is_running = False
        self.resident = 0
        """Bytes of memory that this process had after the last job."""
        self.is_spoilt = False
        """What a job left behind cannot be put in order."""
        resources.run_resources_with(self._run_coroutine)

    @property
    def is_cancelled(self) -> bool:
        """Whether the job is to end."""
        made = self._cancellation.is_made
        self._cancellation.is_seen = self._cancellation.is_seen or made
        return made

    def note_poll(self) -> None:
        """The job asks by itself, so nothing is raised in it."""
        self._cancellation.is_polled = True

    def prepare(self) -> None:
        """The job's directory exists, if that is possible."""
        self._outputs.try_prepare()

    def keep_result(self, value: object) -> None:
        """``value`` is the result, whatever the function returns."""
        self._kept = value

    def note_spawn(self) -> None:
        """The job is about to start a process: its directory is there for it, and nothing is printed twice."""
        if self._is_running and os.getpid() == self._pid:
            self._children.note_spawn()
            self._surroundings.expose()
            self._outputs.try_prepare()
            self._outputs.flush_before_fork()

    def run(self, order: Order) -> bytes:
        """The job has ended; the line for the journal."""
        cancellation, children = self._cancellation, self._children
        self._kept = _UNSET
        children.begin()
        begun = time.process_time()
        verdict = self._verdict(order)
        if os.getpid() != self._pid:
            self._end_child(verdict)
        self._clean_up()
        cpu = time.process_time() - begun + children.seconds()
        self.resident = children.resident()
        return (
            f'{{"t":"end","job":{order.job},"attempt":{order.attempt},"token":{order.token},"at":{now_ms()},'
            f'"outcome":"{verdict.outcome}","code":{verdict.code},"result":{verdict.result},'
            f'"error":{"null" if verdict.error is None else encode(verdict.error)},'
            f'"cpu":{cpu:.6f},"rss":{self.resident},"dir":{_json_flag(self._outputs.has_directory)},'
            f'"children":{children.left()},"cancel":{_json_flag(cancellation.is_made)}}}\n'
        ).encode("utf-8", "replace")

    def note_limits(self) -> None:
        """The job is about to change its limits: they are put back afterwards."""
        if self._is_running and os.getpid() == self._pid:
            self._surroundings.note_limits()

    def _clean_up(self) -> None:
        """The next job finds the process as this one did; if that is not possible, there is no next one."""
        for clean in (self._children.end_servers, self._surroundings.restore, self._outputs.end):
            try:
                clean()
            except (OSError, ValueError) as error:  # no descriptors left, say
                self.is_spoilt = True
                self._outputs.complain(f"cannot clean up after a job: {error}")
        context.install(self)

    def close(self) -> None:
        """Resources are closed, last built first, and the loop is; what goes wrong is in the worker's log."""
        for error in resources.close_resources():
            print(f"closing a resource: {error_document(error)['traceback']}", file=sys.stderr)  # noqa: T201
        if self._loop is not None:
            self._loop.close()

    def _verdict(self, order: Order) -> Verdict:
        cancellation = self._cancellation
        try:
            try:
                if order.fault is not None:
                    raise order.fault
                self._outputs.begin(order.document["dir"], split=bool(order.document.get("split")))
                self._enter(order)
                self._is_running = True
                cancellation.begin(order.token)
                value = self._call(order.document)
            finally:
                self._is_running = False
                cancellation.inside = False
                cancellation.end()
            if self._kept is not _UNSET:
                value = self._kept
            outcome = "cancelled" if cancellation.is_seen else "completed"
            return Verdict(outcome, int(cancellation.is_seen), result_text(value))
        except ResultError as error:
            return Verdict("failed", 1, error=plain_error("ResultError", str(error)))
        except SystemExit as error:
            return self._exit_verdict(error)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; all of it is an outcome
            ended = cancellation.is_made and (isinstance(error, Cancelled) or _is_task_cancelled(error))
            return Verdict(
                "cancelled" if ended else "failed", 1, error=None if ended else error_document(error)
            )

    def _enter(self, order: Order) -> None:
        """The environment and the directory are the job's; what jobctl says counts more than what the job was given."""
        document = order.document
        directory = os.fsencode(document["dir"])
        own = {
            b"JOBCTL_JOB_ID": b"%d" % order.job,
            b"JOBCTL_ATTEMPT": b"%d" % order.attempt,
            b"JOBCTL_RUN": document["run"].encode(),
            b"JOBCTL_PROGRESS": directory + b"/progress",
            b"JOBCTL_RESULT": directory + b"/result",
            b"JOBCTL_OUTPUT": directory + b"/outputs",
        }
        variables = {**(document.get("env") or {}), **(document.get("vars") or {})}
        for name in [name for name in variables if name.encode("utf-8", "surrogateescape") in own]:
            del variables[name]
        self._surroundings.enter(own, variables, document.get("cwd"))

    def _call(self, document: dict[str, Any]) -> Any:
        """What the function returns."""
        cancellation = self._cancellation
        cancellation.inside = True
        cancellation.check()
        value = copy_context().run(self._target(document["function"]).call, document["args"])
        if hasattr(type(value), "__await__"):
            loop = self._event_loop()
            cancellation.loop = loop
            value = loop.run_job(_awaited(value), cancellation.check)
        return value

    def _target(self, name: str) -> Target:
        module = name.partition(":")[0]
        if module in sys.modules:
            return find_target(name, _OLDER)
        with self._outputs.importing(module):
            try:
                return find_target(name)
            except SystemExit as error:
                raise ImportError(f"importing {module} ends the program: exit {error.code}") from error

    def _exit_verdict(self, error: SystemExit) -> Verdict:
        """As Python ends on it: a number is the exit code, a text is printed and 1, nothing is success."""
        code = error.code
        number = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
        if number == 0:
            kept = None if self._kept is _UNSET else self._kept
            try:
                return Verdict("completed", 0, result_text(kept))
            except ResultError as wrong:
                return Verdict("failed", 1, error=plain_error("ResultError", str(wrong)))
        document = error_document(error)
        if not isinstance(code, int):
            context.log(document["message"])
        document["text"] = f"exit code {number}" if isinstance(code, int) else document["message"]
        return Verdict("failed", number, error=document)

    def _event_loop(self) -> EventLoop:
        if self._loop is None:
            from jobctl.executors.worker.loops import (
                EventLoop,
            )  # asyncio: 50 ms that only async code pays for

            self._loop = EventLoop()
        return self._loop

    def _run_coroutine(self, coroutine: Any) -> Any:
        return self._event_loop().run(coroutine)

    def _end_child(self, verdict: Verdict) -> None:
        """A child that the job forked off, and that came back here, ends as a program would; it is no worker."""
        if verdict.error is not None:
            context.log(verdict.error["traceback"] or verdict.error["text"])
        self._outputs.flush_before_fork()
        os._exit(verdict.code)


async def _awaited(value: Any) -> Any:
    return await value


def _is_task_cancelled(error: BaseException) -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _json_flag(value: bool) -> str:
    return "true" if value else "false"
