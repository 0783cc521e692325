from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import jobctl
from jobctl import functions, job, resource
from jobctl.functions import close_resources, declaration_of, declared, injected, resources_of, target_of


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    yield
    close_resources()


@job(
    "media.scan",
    timeout="5m",
    attempts=3,
    tags=("a", "b"),
    grace=timedelta(minutes=1.5),
    schedule="0 3 * * *",
)
def scan(path: str) -> str:
    return path


@job
async def plain() -> int:
    return 1


@job()
def called() -> None:
    pass


def test_a_declared_function_is_called_like_any_other() -> None:
    assert scan("x") == "x"
    assert asyncio.run(plain()) == 1


def test_a_declaration_says_what_was_given_in_terms_of_json() -> None:
    found = declaration_of(scan)
    assert found is not None
    assert (found.name, found.target) == ("media.scan", f"{__name__}:scan")
    assert found.options == {
        "timeout": "5m",
        "attempts": 3,
        "tags": ["a", "b"],
        "grace": "90.000000s",
        "schedule": "0 3 * * *",
    }
    assert found in declared()


@pytest.mark.parametrize(("function", "name"), [(plain, "plain"), (called, "called")])
def test_without_a_name_a_job_has_that_of_its_function(function: Callable[..., Any], name: str) -> None:
    found = declaration_of(function)
    assert found is not None
    assert (found.name, found.options) == (name, {})


def test_what_is_no_job_has_no_declaration() -> None:
    assert declaration_of(target_of) is None
    assert declaration_of(3) is None


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    options: dict[str, Any] = {"timout": 3}
    with pytest.raises(TypeError, match="unknown option of @job: 'timout'; did you mean 'timeout'"):
        job("x", **options)


@pytest.mark.parametrize("wrong", [3, b"x", ["a"]])
def test_a_name_is_a_text(wrong: Any) -> None:
    with pytest.raises(TypeError, match="the name of a job is a text"):
        job(wrong)


def test_a_class_is_no_job() -> None:
    with pytest.raises(TypeError, match="@job is for functions"):
        job("x")(dict)


def test_the_package_gives_its_names_when_they_are_asked_for() -> None:
    assert jobctl.job is functions.job
    assert {"job", "resource", "context", "api"} <= set(dir(jobctl))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(jobctl, "nothing")  # noqa: B009 - mypy knows that it is not there


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
        assert await functions.injected_async(use) == {"one": ["plain"], "two": "single", "three": "plain"}

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


def test_a_resource_takes_only_resources() -> None:
    with pytest.raises(TypeError, match="has a parameter without default"):
        resource(scan)
    with pytest.raises(TypeError, match="@resource is for functions"):
        resource(functools.partial(scan, "x"))
