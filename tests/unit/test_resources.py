from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from jobctl import resource
from jobctl.executors.worker.targets import Target
from jobctl.resources import (
    ResourceError,
    close_resources,
    injected,
    injected_async,
    resources_of,
)


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    yield
    close_resources()


def test_a_resource_is_built_once_and_closed_in_reverse_order() -> None:
    said: list[str] = []

    @resource
    def first() -> Iterator[str]:
        said.append("open first")
        yield "first"
        said.append("close first")

    @resource
    def second(inner: str = first) -> Iterator[list[str]]:
        said.append("open second")
        yield [inner]
        said.append("close second")

    def use(number: int, one: list[str] = second, *, two: str = first) -> None:
        raise NotImplementedError

    assert set(resources_of(use)) == {"one", "two"}
    assert injected(use) == {"one": ["first"], "two": "first"}
    assert second() is second()
    assert close_resources() == []
    assert said == ["open first", "open second", "close second", "close first"]
    assert close_resources() == []


def test_a_resource_that_returns_has_nothing_to_close() -> None:
    built: list[int] = []

    @resource
    def number() -> int:
        built.append(1)
        return 5

    assert (number(), number()) == (5, 5)
    assert close_resources() == []
    assert built == [1]


def test_a_resource_that_cannot_be_built_is_tried_again() -> None:
    tries: list[int] = []

    @resource
    def shaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return 1

    with pytest.raises(OSError, match="not yet"):
        shaky()
    assert shaky() == 1


def test_what_goes_wrong_while_closing_is_told_and_the_others_are_closed() -> None:
    closed: list[str] = []

    @resource
    def good() -> Iterator[int]:
        yield 1
        closed.append("good")

    @resource
    def bad() -> Iterator[int]:
        yield 1
        raise ValueError("stuck")

    @resource
    def endless() -> Iterator[int]:
        yield 1
        yield 2

    assert [good(), bad(), endless()] == [1, 1, 1]
    assert [str(one) for one in close_resources()] == ["resource endless yields more than once", "stuck"]
    assert closed == ["good"]


def test_async_resources_are_built_in_async_code_and_once() -> None:
    opened: list[str] = []

    @resource
    def plain_one() -> str:
        return "plain"

    @resource
    async def pool(inner: str = plain_one) -> AsyncIterator[list[str]]:
        opened.append(inner)
        await asyncio.sleep(0)
        yield [inner]

    @resource
    async def single() -> str:
        return "single"

    async def use(one: list[str] = pool, two: str = single, three: str = plain_one) -> None:
        raise NotImplementedError

    async def go() -> None:
        both = await asyncio.gather(pool(), pool())
        assert both[0] is both[1]
        assert await injected_async(use) == {"one": ["plain"], "two": "single", "three": "plain"}

    asyncio.run(go())
    assert opened == ["plain"]


def test_an_async_resource_needs_a_loop() -> None:
    @resource
    async def pool() -> int:
        return 1

    def use(one: int = pool) -> None:
        raise NotImplementedError

    with pytest.raises(RuntimeError, match="resource pool is async; use it in an async function"):
        injected(use)


def len_of(text: str) -> int:
    return len(text)


def test_a_resource_takes_only_resources() -> None:
    with pytest.raises(TypeError, match="has a parameter without default"):
        resource(len_of)
    with pytest.raises(TypeError, match="@resource is for functions"):
        resource(functools.partial(len_of, "x"))


def test_the_resource_of_a_function_is_found_below_all_its_decorators() -> None:
    @resource
    def one() -> str:
        return "built"

    def passing(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            return function(*args, **keywords)

        return wrapped

    @passing
    @passing
    @passing
    def use(it: str = one) -> str:
        return it

    assert Target(use).call({}) == "built"


def test_a_function_that_wraps_itself_takes_no_resource() -> None:
    def odd() -> None:
        raise NotImplementedError

    odd.__wrapped__ = odd  # type: ignore[attr-defined]
    assert resources_of(odd) == {}


def test_a_sync_resource_that_needs_itself_is_named() -> None:
    @resource
    def narcissus() -> Any:
        return narcissus()

    with pytest.raises(ResourceError, match="resources need each other: narcissus → narcissus"):
        narcissus()


def test_threads_that_build_different_resources_do_not_wait_for_each_other() -> None:
    @resource
    def inner() -> int:
        return 1

    @resource
    def outer() -> list[int]:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(inner()), daemon=True)
        thread.start()
        thread.join(20)
        return found

    assert outer() == [1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_builds_its_own_and_closes_only_that() -> None:
    said_to, said_from = os.pipe()[::-1]

    @resource
    def mine() -> Iterator[int]:
        built_in = os.getpid()
        yield built_in
        os.write(said_to, f"{built_in == os.getpid()} ".encode())

    assert mine() == os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.write(said_to, f"{mine() == os.getpid()} ".encode())
            close_resources()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(said_to)
    with os.fdopen(said_from) as file:
        assert file.read() == "True True "
    assert mine() == os.getpid()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_while_another_thread_builds_waits_for_nobody() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @resource
    def slow() -> int:
        if os.getpid() == parent:
            begun.set()
            go_on.wait(20)
        return os.getpid()

    parent = os.getpid()
    thread = threading.Thread(target=slow)
    thread.start()
    begun.wait(20)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(slow() != os.getpid())
    try:
        assert os.waitpid(child, 0)[1] == 0
    finally:
        go_on.set()
        thread.join()
