"""Calls: names of functions, plain JSON as arguments, and which modules are allowed."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.errors import BadInputError
from jobctl.model.calls import Call, call_of, check_arguments, check_function, is_allowed
from jobctl.model.specs import JobSpec
from jobctl.store.specs import spec_of, spec_text


@pytest.mark.parametrize("text", ["m:f", "pkg.mod:func", "_p.q2:_f"])
def test_a_function_is_named_by_module_and_name(text: str) -> None:
    assert check_function(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("pkg.mod.func", "did you mean pkg.mod:func?"), ("func", "package.module:function"), ("", "package.module"),
        ("m:f()", "package.module"), ("m:A.f", "package.module"), ("m: f", "package.module"), ("../m:f", "package"),
        ("m:f\n", "package.module"), ("été:f", "package.module"), ("a:" + "b" * 300, "at most 256 characters"),
    ],
)  # fmt: skip
def test_what_is_no_such_name_is_refused(text: str, hint: str) -> None:
    with pytest.raises(BadInputError) as caught:
        check_function(text)
    assert caught.value.code == "E_FUNCTION"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"a": float("nan")}, "args: not JSON"), ({"a": float("inf")}, "args: not JSON"),
        ({"a": {1, 2}}, "args: not JSON"), ({"a": b"x"}, "args: not JSON"), ([1], "args must be an object"),
        ({1: 2}, "a name is no text"), ({"a": "x" * (1 << 20)}, "args above 1 MiB"), ({"a": "\ud800"}, "surrogate"),
    ],
)  # fmt: skip
def test_arguments_are_plain_json(args: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        check_arguments(args)


def test_what_nests_too_deep_is_refused() -> None:
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(BadInputError, match="args"):
        check_arguments({"a": deep})


def test_a_listed_package_allows_what_is_in_it_and_nothing_beside_it() -> None:
    allowed = ("reports", "media.scan")
    assert [
        is_allowed(name, allowed) for name in ("reports", "reports.a.b", "media.scan", "media.scan.x")
    ] == [True] * 4
    assert [is_allowed(name, allowed) for name in ("report", "reports2", "media", "media.other", "os")] == [
        False
    ] * 5
    assert is_allowed("jobctl.builtin_functions.demo", ())


def test_a_call_comes_back_from_the_store_as_it_was() -> None:
    call = Call("pkg.mod:func", {"a": [1, {"b": None}], "é": "x"})
    assert call_of(call.document()) == call
    spec = JobSpec(call=call, supervisor_env=True)
    assert spec_of(spec_text(spec)) == spec
    assert (call.module, call.name) == ("pkg.mod", "func")
