"""What programs give is read by the table that ``submit --jsonl`` has; what is wrong is told in its words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.requests import FIELDS
from jobctl.api.options import HasId, JobOptions, function_name, job_request, selector_of, texts_of
from jobctl.errors import BadInputError


def test_the_typed_options_are_those_of_a_line() -> None:
    names = {"in" if name == "in_" else name for name in JobOptions.__annotations__}
    assert names == set(FIELDS) - {"command", "shell", "call"}


def test_values_of_python_become_texts() -> None:
    request = job_request(
        ["convert", Path("a b.jpg")],
        None,
        None,
        {
            "timeout": timedelta(minutes=5),
            "grace": 2.5,
            "in_": "90s",
            "at": None,
            "attempts": 3,
            "cwd": Path("/tmp"),
            "tags": ("x", "y"),
            "retry_on": [1, 75],
            "after": [3, "name:scan"],
            "resources": {"gpu": 1},
            "max_memory": "2G",
        },
    )
    assert (request.command, request.timeout, request.grace, request.in_) == (
        ("convert", "a b.jpg"), "300.0", "2.5", "90s",
    )  # fmt: skip
    assert (request.attempts, request.cwd, request.tags, request.retry_on) == (
        "3",
        "/tmp",
        ("x", "y"),
        "1,75",
    )
    assert (request.after, request.resources) == (("3", "name:scan"), {"gpu": "1"})


def test_a_datetime_keeps_its_instant() -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    request = job_request(["true"], None, None, {"at": at})
    assert request.at is not None
    assert datetime.fromisoformat(request.at) == at


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"timeot": 3}, "E_FIELD", "did you mean timeout?"),
        ({"attempts": True}, "E_FIELD", "attempts must be a number"),
        ({"tags": "x"}, "E_FIELD", "tags must be a list"),
        ({"env": {"A": 1}}, "E_FIELD", "env must be an object of strings"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(BadInputError) as refused:
        job_request(["true"], None, None, options)
    assert refused.value.code == code
    assert said in str(refused.value)


def test_a_text_is_no_command_and_two_things_to_run_are_one_too_many() -> None:
    with pytest.raises(BadInputError, match="the command is one text"):
        job_request("ls -l", None, None, {})
    with pytest.raises(BadInputError, match="command and shell"):
        job_request(["ls"], "ls", None, {})


def test_functions_are_named_by_where_workers_find_them() -> None:
    assert function_name(json.dumps) == "json:dumps"
    assert function_name("pkg.mod:f") == "pkg.mod:f"
    assert function_name(None) is None
    for lost in (lambda: None, json.JSONEncoder.encode):
        with pytest.raises(BadInputError, match="no function that a worker could find"):
            function_name(lost)


class _WithId(HasId):
    @property
    def id(self) -> int:
        return 7


def test_selections_are_ids_selectors_and_what_has_an_id() -> None:
    assert texts_of(3) == ["3"]
    assert texts_of("tag:x") == ["tag:x"]
    assert texts_of(_WithId()) == ["7"]
    assert str(selector_of([1, "name:a", _WithId()])) == "1,name:a,7"
    assert selector_of([]).parts == ()
    with pytest.raises(BadInputError, match="no selection of jobs"):
        texts_of([True])
    with pytest.raises(BadInputError):
        selector_of("nonsense")
