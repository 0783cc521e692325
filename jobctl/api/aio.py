"""The same for programs with an event loop: nothing here blocks it."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, Unpack

from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.events import FOLLOW_SECONDS, EventQuery
from jobctl.actions.logs import LogRequest
from jobctl.api.client import Client
from jobctl.api.following import Follower, Since, cursor_of
from jobctl.api.job_waits import ProgressLooks, check_deadline, deadline_of
from jobctl.api.log_lines import followed_lines, named_jobs
from jobctl.api.options import Duration, Function, JobOptions, Path, Selection, Word, texts_of
from jobctl.api.records import Change, Event, Job
from jobctl.errors import NotFoundError
from jobctl.model.documents import Json
from jobctl.store import Store

P = ParamSpec("P")
R = TypeVar("R")


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
        deadline, looks = deadline_of(timeout), ProgressLooks(self.sync, on_progress)
        ended: builtins.list[Job] = []
        with self._own_store() as store:
            waiting = self.sync.waiting(selection, store)
            while waiting.pending:
                for job in self.sync.ended(waiting.poll()):
                    looks.tell(job)
                    ended.append(job)
                if not waiting.pending or (any and ended):
                    break
                check_deadline(deadline, waiting)
                looks.look(waiting.pending)
                await asyncio.sleep(POLL_SECONDS)
        return ended[:1] if any else ended

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
        with self._own_store() as store:
            if job is not None and store.jobs.get(job) is None:
                raise NotFoundError("no such job", job, "see: jobctl list")
            cursor = cursor_of(store, since, self.sync.connections.clock.now_ms(), job)
            follower = Follower(store, EventQuery(cursor, tuple(kinds)), job)
            while True:
                for event in follower.poll():
                    yield event
                if follower.over:
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    async def logs(self, selection: Selection) -> AsyncIterator[str]:
        """The lines of jobs to their ends; see ``Client.logs`` with ``follow``."""
        with self._own_store() as store:
            jobs = named_jobs(store, texts_of(selection))
            for line in followed_lines(store, jobs, LogRequest(), pause=_pass):
                if line is None:
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    yield line.text

    async def close(self) -> None:
        """No connection is open any more."""
        await asyncio.to_thread(self.sync.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _own_store(self) -> Store:
        """A connection of its own: other tasks use theirs meanwhile."""
        return Store.open(self.sync.connections.home, self.sync.connections.clock, create=True)


def _pass(seconds: float) -> None:
    """The loop does the waiting."""
    del seconds
