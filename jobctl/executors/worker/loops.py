"""The event loop of a worker: one for all its async jobs, so that async resources outlive the job that built them."""

from __future__ import annotations

import asyncio
from weakref import WeakSet

from jobctl.resources import is_building

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_LEFTOVER_SECONDS = 1.0


class EventLoop:
    """Runs one coroutine at a time to its end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.task: asyncio.Task[Any] | None = None
        """What runs now."""
        self._kept: WeakSet[asyncio.Task[Any]] = WeakSet()
        """What resources have started: it lives as long as they do."""

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What ``coroutine`` returns."""
        loop = self._usable_loop()
        before = self.task
        self.task = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(self.task)
        finally:
            self.task = before

    def run_job(self, coroutine: Coroutine[Any, Any, Any], begun: Callable[[], None]) -> Any:
        """As ``run``; ``begun`` is called once it can be cancelled, and tasks it left behind are cancelled."""
        loop = self._usable_loop()
        before = asyncio.all_tasks(loop)
        self.task = loop.create_task(coroutine)
        begun()
        try:
            return loop.run_until_complete(self.task)
        finally:
            self.task = None
            if not loop.is_closed():
                left = asyncio.all_tasks(loop).difference(before, self._kept)
                if left:
                    _end(loop, left)

    def cancel(self) -> None:
        """The coroutine that runs is asked to end; for signal handlers, too."""
        if self.task is not None:
            self._loop.call_soon_threadsafe(self.task.cancel)

    def close(self) -> None:
        """The loop and its threads are gone."""
        loop = self._loop
        if not loop.is_closed():
            left = asyncio.all_tasks(loop)
            if left:
                _end(loop, left)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _usable_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop.is_closed():  # by a job
            self._loop = asyncio.new_event_loop()
        if self._loop.get_task_factory() != self._make_task:  # a job may have set its own
            self._loop.set_task_factory(self._make_task)
        asyncio.set_event_loop(self._loop)
        return self._loop

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        if is_building():
            self._kept.add(task)
        return task


def _end(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    """The tasks have ended, or swallowed their cancellation."""
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait(tasks, timeout=_LEFTOVER_SECONDS))
