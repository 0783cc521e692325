"""A function that is a daemon: called once, in a process of its own, until it returns or is asked to stop.

Unlike a worker it belongs to nobody: its supervisor knows it as a command (the shim, the log, the notify socket).
``SIGTERM`` makes ``context.stopping()`` true. A function that never asked is ended: a sync one by ``context.Cancelled``
raised in it, an async one by the cancellation of its task.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress

from jobctl import context
from jobctl.daemon_context import STOP
from jobctl.executors.worker.targets import find_target
from jobctl.resources import close_resources, run_resources_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine
    from typing import Any

    from jobctl.executors.worker.loops import EventLoop


class DaemonHost:
    """What ``context`` finds in a daemon: ``cancelled()`` is ``stopping()`` there, and there is no result."""

    @property
    def is_cancelled(self) -> bool:
        """Whether the daemon is to end."""
        return STOP.is_made

    def prepare(self) -> None:
        """A daemon's directories were made before it."""

    def note_poll(self) -> None:
        """Nothing is raised in code that asks."""
        STOP.is_awaited = True

    def keep_result(self, value: object) -> None:
        """A daemon has no result."""


def serve(function: str, path: str) -> None:
    """The function has returned; ends the process with its exit code.

    Args:
        function: ``pkg.mod:func``.
        path: of the JSON that says ``args``, ``path`` (for the front of ``sys.path``) and ``jobctl`` (how to run it).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # what was closed from outside is None
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    sys.path[:0] = order.get("path", [])
    sys.argv[:] = [function]
    context.install(DaemonHost(), order.get("jobctl", []))
    sys.exit(_code(function, order.get("args", {})))


def _code(function: str, args: dict[str, Any]) -> int | str | None:
    """The exit code of one call; what went wrong is printed without our own frames."""
    loop = _Loop()
    run_resources_with(loop.run)
    STOP.on_made = _interrupt
    STOP.listen()
    code: int | str | None = 0
    try:
        try:
            _call(function, args, loop)
        finally:  # in here: a signal that comes now raises where it is caught
            STOP.on_made = None
    except SystemExit as error:
        code = error.code if error.code is None or isinstance(error.code, int | str) else 1
    except context.Cancelled as error:
        code = 0 if STOP.is_made else _told(error)
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is told and is an exit code
        code = _told(error)
    for trouble in close_resources():
        _told(trouble)
    loop.close()
    return code


def _call(function: str, args: dict[str, Any], loop: _Loop) -> None:
    found = find_target(function).call(args)
    if hasattr(found, "__await__"):
        STOP.on_made = None  # from here on the loop hears of it
        loop.run(_awaited(found))
    elif hasattr(found, "__next__") or hasattr(found, "__anext__"):
        raise TypeError(
            f"{function} is a generator; a daemon is a function that runs until it is asked to stop"
        )


async def _awaited(daemon: Awaitable[object]) -> None:
    """The daemon has ended; it was cancelled if it was asked to stop and did not look."""
    import asyncio

    task = asyncio.current_task()

    def cancel() -> None:
        if not STOP.is_awaited and task is not None:
            task.cancel()

    end = STOP.watch(cancel)
    try:
        await daemon
    except asyncio.CancelledError:
        if not STOP.is_made:
            raise
    finally:
        end()


class _Loop:
    """The event loop, made for the first that needs one."""

    def __init__(self) -> None:
        self._made: EventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns."""
        if self._made is None:
            from jobctl.executors.worker.loops import EventLoop

            self._made = EventLoop()
        return self._made.run(coroutine)

    def close(self) -> None:
        """It is gone, with all that was left in it."""
        if self._made is not None:
            self._made.close()


def _interrupt() -> None:
    """In the handler of the signal: the function ends, unless it looks by itself."""
    if not STOP.is_awaited:
        raise context.Cancelled("this daemon is asked to stop")


def _told(error: BaseException) -> int:
    """Its traceback is in the log."""
    from jobctl.executors.worker.tracebacks import error_document

    print(error_document(error)["traceback"], end="", file=sys.stderr, flush=True)  # noqa: T201
    return 1
