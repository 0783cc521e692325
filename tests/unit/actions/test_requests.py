from __future__ import annotations

import pytest

from jobctl.actions.requests import JobRequest, read_requests, request_of
from jobctl.errors import BadInputError


def test_a_line_says_what_the_flags_say() -> None:
    document = {
        "command": ["a", "b"],
        "tags": ["x"],
        "priority": 3,
        "timeout": 1.5,
        "in": "5m",
        "retry_on": [1, 75],
        "env": {"A": "1"},
        "hold": True,
        "meta": [1, None],
    }
    request = request_of(document, JobRequest())
    assert (request.command, request.tags, request.priority) == (("a", "b"), ("x",), "3")
    assert (request.timeout, request.in_, request.retry_on) == ("1.5", "5m", "1,75")
    assert (dict(request.env), request.hold, request.meta) == ({"A": "1"}, True, [1, None])


def test_the_defaults_hold_where_a_line_is_silent() -> None:
    defaults = JobRequest(queue="gpu", env={"A": "0", "B": "0"}, in_="5m", shell="x")
    request = request_of({"command": ["a"], "env": {"A": "1"}, "at": "13:00", "queue": None}, defaults)
    assert (request.queue, dict(request.env)) == ("gpu", {"A": "1", "B": "0"})
    assert (request.at, request.in_, request.shell) == ("13:00", None, None)


def test_a_tiny_or_huge_number_is_never_written_with_an_exponent() -> None:
    assert request_of({"timeout": 1e-7}, JobRequest()).timeout == "0.000000"
    assert request_of({"timeout": 1e22}, JobRequest()).timeout == "10000000000000000000000.000000"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "no JSON object"),
        ({"comand": ["a"]}, "did you mean command?"),
        ({"command": "a b"}, "command must be a list of strings"),
        ({"command": ["a", 1]}, "command must be a string"),
        ({"hold": "yes"}, "hold must be true or false"),
        ({"priority": True}, "priority must be a number"),
        ({"env": {"A": 1}}, "env must be an object of strings"),
        ({"env": {"A=B": "s3cret"}}, "bad environment name"),
        ({"env": ["s3cret"]}, "env must be an object of strings"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(document: object, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        request_of(document, JobRequest())
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_blank_lines_are_skipped_but_counted() -> None:
    lines = [b'\xef\xbb\xbf{"command":["a"]}\n', b"\n", b"  \r\n", b'{"command":["b"]}']
    found = list(read_requests(lines, "jobs.jsonl", JobRequest()))
    assert [(one.where, one.request.command) for one in found] == [
        ("jobs.jsonl:1", ("a",)),
        ("jobs.jsonl:4", ("b",)),
    ]


@pytest.mark.parametrize("line", [b"{", b"\xff", b'{"command": NaN}', b'{"a":1,"a":2}', b"[" * 100])
def test_a_bad_line_is_named_and_nothing_is_submitted(line: bytes) -> None:
    with pytest.raises(BadInputError, match=r"^f:2: .*none of the jobs was submitted$"):
        list(read_requests([b"\n", line], "f", JobRequest()))
