from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import pytest

from jobctl import resource
from jobctl.executors.worker.loops import EventLoop
from jobctl.executors.worker.targets import Target
from jobctl.resources import (
    ResourceError,
    close_resources,
    injected,
    run_resources_with,
)


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """That of a worker: async resources live on it."""
    found = EventLoop()
    run_resources_with(found.run)
    yield found
    close_resources()
    found.close()
    run_resources_with(None)


async def within(value: Awaitable[Any]) -> Any:
    """What hangs must not hang the tests."""
    return await asyncio.wait_for(value, 20)


def test_an_async_resource_may_await_another_in_its_body(loop: EventLoop) -> None:
    @resource
    async def inner() -> int:
        await asyncio.sleep(0)
        return 1

    @resource
    async def outer() -> int:
        return int(await inner()) + 1

    async def use(it: int = outer) -> int:
        return it

    assert loop.run(within(Target(use).call({}))) == 2


def test_resources_that_need_each_other_are_named(loop: EventLoop) -> None:
    @resource
    async def first() -> int:
        return int(await second())

    @resource
    async def second() -> int:
        return int(await first())

    async def both() -> list[Any]:
        return [*await asyncio.gather(first(), second(), return_exceptions=True)]

    with pytest.raises(ResourceError, match="resources need each other: second → first → second"):
        loop.run(within(first()))
    assert [type(one) for one in loop.run(within(both()))] == [ResourceError, ResourceError]


def test_an_async_function_takes_a_sync_resource_over_an_async_one(loop: EventLoop) -> None:
    @resource
    async def pool() -> int:
        return 1

    @resource
    def client(it: int = pool) -> int:
        return it + 10

    async def use(it: int = client) -> int:
        return it

    assert loop.run(within(Target(use).call({}))) == 11


def test_an_async_resource_behind_a_plain_call_in_async_code_is_refused(loop: EventLoop) -> None:
    @resource
    async def pool() -> int:
        return 1

    @resource
    def client(it: int = pool) -> int:
        return it

    async def use() -> Any:
        return client()

    with pytest.raises(ResourceError, match="pool is async; await it, or take it as the default"):
        loop.run(use())


def test_two_tasks_get_the_same_resource_and_one_that_gives_up_leaves_the_building_to_the_other(
    loop: EventLoop,
) -> None:
    begun: list[int] = []

    @resource
    async def slow() -> list[int]:
        begun.append(1)
        if len(begun) == 1:
            await asyncio.Event().wait()
        return begun

    async def use() -> Any:
        one = asyncio.create_task(slow())
        while not begun:
            await asyncio.sleep(0)
        two = asyncio.create_task(slow())
        await asyncio.sleep(0)
        one.cancel()
        return await two

    assert loop.run(within(use())) == [1, 1]


def test_tasks_that_a_resource_started_live_on_after_the_job_and_others_do_not(loop: EventLoop) -> None:
    jobs: list[asyncio.Task[Any]] = []

    @resource
    async def echo() -> AsyncIterator[asyncio.Queue[asyncio.Future[str]]]:
        asked: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()

        async def answer() -> None:
            while True:
                (await asked.get()).set_result("pong")

        task = asyncio.create_task(answer())
        yield asked
        task.cancel()

    async def ping(it: asyncio.Queue[asyncio.Future[str]] = echo) -> str:
        jobs.append(asyncio.create_task(asyncio.Event().wait()))
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        it.put_nowait(answer)
        return await asyncio.wait_for(answer, 20)

    for _ in range(2):
        assert loop.run_job(Target(ping).call({}), lambda: None) == "pong"
    assert [task.cancelled() for task in jobs] == [True, True]
    assert close_resources() == []


def test_a_task_factory_that_a_job_sets_is_gone_with_it(loop: EventLoop) -> None:
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def spoil() -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    async def task() -> None:
        await asyncio.create_task(asyncio.sleep(0))

    loop.run(spoil())
    loop.run(task())
    assert made == []


def test_whatever_closing_one_raises_the_others_are_closed(loop: EventLoop) -> None:
    closed: list[str] = []

    @resource
    def good() -> Iterator[int]:
        yield 1
        closed.append("good")

    @resource
    async def cancelled() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    @resource
    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    def use(one: int = good, two: int = cancelled, three: int = interrupted) -> None:
        raise NotImplementedError

    injected(use)
    assert [type(one) for one in close_resources()] == [KeyboardInterrupt, asyncio.CancelledError]
    assert closed == ["good"]


def test_a_resource_that_yields_nothing_is_told(loop: EventLoop) -> None:
    @resource
    def none() -> Iterator[int]:
        yield from ()

    @resource
    async def no_one() -> AsyncIterator[int]:
        nothing: list[int] = []
        for number in nothing:
            yield number

    def use(it: int = no_one) -> None:
        raise NotImplementedError

    with pytest.raises(ResourceError, match="resource none yields nothing"):
        none()
    with pytest.raises(ResourceError, match="resource no_one yields nothing"):
        injected(use)
