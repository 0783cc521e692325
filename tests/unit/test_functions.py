from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import jobctl
from jobctl import functions, job
from jobctl.functions import declaration_of, declared, target_of


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


def test_a_name_is_the_first_argument() -> None:
    options: dict[str, Any] = {"name": "media.scan"}
    with pytest.raises(TypeError, match=r"the name is the first argument: @job\('media.scan'\)"):
        job(**options)


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
