"""The same for programs with an event loop: nothing here blocks it."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, Unpack

from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.events import FOLLOW_SECONDS
from jobctl.actions.logs import LogRequest
from jobctl.api.client import Client
from jobctl.api.following import Since, follower_of
from jobctl.api.job_waits import Awaited
from jobctl.api.log_lines import followed_lines, named_jobs
from jobctl.api.options import Duration, Function, JobOptions, Path, Selection, Word, texts_of
from jobctl.api.records import Change, Event, Job
from jobctl.model.documents import Json
from jobctl.store import Store

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

AT_ONCE = 1000
"""Lines or events that a loop gets from a thread."""


class AsyncClient:
    """``Client`` for an event loop. Short calls run in threads; waiting polls in the loop and takes no thread.

    What has no method here is called with ``await client.call(client.sync.schedules.list)``.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.sync = Client(home)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``function`` returns, which runs in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def submit(
        self,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        definition: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """See ``Client.submit``."""
        work: dict[str, Any] = {
            "shell": shell, "call": call, "definition": definition, "parameters": parameters, **options
        }  # fmt: skip
        return await asyncio.to_thread(self.sync.submit, command, **work)

    async def submit_many(
        self, requests: Iterable[Mapping[str, Any]], **defaults: Unpack[JobOptions]
    ) -> builtins.list[int]:
        """See ``Client.submit_many``."""
        return await asyncio.to_thread(self.sync.submit_many, requests, **defaults)

    async def job(self, selection: Selection) -> Job:
        """See ``Client.job``."""
        return await asyncio.to_thread(self.sync.job, selection)

    async def list(self, selection: Selection | None = None, **filters: Any) -> builtins.list[Job]:
        """See ``Client.list``."""
        return await asyncio.to_thread(self.sync.list, selection, **filters)

    async def cancel(self, selection: Selection, *, reason: str | None = None) -> builtins.list[Change]:
        """See ``Client.cancel``."""
        return await asyncio.to_thread(self.sync.cancel, selection, reason=reason)

    async def retry(self, selection: Selection) -> builtins.list[Change]:
        """See ``Client.retry``."""
        return await asyncio.to_thread(self.sync.retry, selection)

    async def wait(
        self,
        selection: Selection,
        *,
        any: bool = False,
        timeout: Duration | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> builtins.list[Job]:
        """See ``Client.wait``; cancelling it leaves the jobs alone."""
        async with self._own_store() as store:
            waiting = await _threaded(self.sync.waiting, selection, store)
            awaited = Awaited(self.sync, waiting, any=any, timeout=timeout, on_progress=on_progress)
            while not awaited.turn():
                await asyncio.sleep(POLL_SECONDS)
            return awaited.jobs

    async def result(self, selection: Selection, timeout: Duration | None = None) -> object:
        """See ``Client.result``."""
        job = await self.job(selection)
        if not job.ended:
            [job] = await self.wait(job.id, timeout=timeout)
        return await asyncio.to_thread(self.sync.result_of, job)

    async def follow(
        self, *, since: Since | None = None, kinds: Sequence[str] = (), job: int | None = None
    ) -> AsyncIterator[Event]:
        """See ``Client.follow``."""
        async with self._own_store(create=job is None) as store:
            follower = await _threaded(follower_of, store, self.sync.connections.clock, since, kinds, job)
            while True:
                events = follower.poll()
                while some := await _threaded(_some, events):
                    for event in some:
                        if event is not None:
                            yield event
                if follower.over:
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    async def logs(self, selection: Selection) -> AsyncIterator[str]:
        """The lines of jobs to their ends; see ``Client.logs`` with ``follow``."""
        async with self._own_store() as store:
            jobs = await _threaded(named_jobs, store, texts_of(selection))
            lines = followed_lines(store, jobs, LogRequest(), pause=_pass)
            while some := await _threaded(_some, lines):
                for line in some:
                    if line is not None:
                        yield line.text
                if some[-1] is None:
                    await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """No connection is open any more."""
        await asyncio.to_thread(self.sync.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def _own_store(self, *, create: bool = False) -> AsyncIterator[Store]:
        """A connection of its own: other tasks use theirs meanwhile."""
        connections, opened = self.sync.connections, builtins.list[Store]()

        def open_store() -> None:
            opened.append(Store.open(connections.home, connections.clock, create=create))

        try:
            await _threaded(open_store)
            yield opened[0]
        finally:  # also of one that was opened while this was cancelled
            for store in opened:
                store.close()


async def _threaded(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What ``function`` returns, which runs in a thread and has ended even where this is cancelled.

    What it uses may then be closed.
    """
    # No task: the end of a loop cancels every task, and what runs in a thread goes on then.
    work = asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):  # this one; the first is raised below
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # it is told by the cancellation
        raise


def _some(items: Iterator[T | None]) -> builtins.list[T | None]:
    """The next items, as many as a loop gets at once, to the first None; none at the end."""
    found: builtins.list[T | None] = []
    for item in items:
        found.append(item)
        if item is None or len(found) == AT_ONCE:
            break
    return found


def _pass(seconds: float) -> None:
    """The loop does the waiting."""
    del seconds
