"""Function jobs as callers write them: what is stored, and what is refused before anything is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.functions import Functions
from jobctl.actions.requests import JobRequest, request_document, request_of
from jobctl.errors import BadInputError
from jobctl.model.functions import Function, Inspected, Origin
from jobctl.model.homes import Home
from jobctl.model.signatures import Argument, Signature
from jobctl.settings import Settings
from tests.support.calls import Calls
from tests.support.cli import Completed

MODULE = '''
from jobctl import job

def build(days: int, title: str = "x", *, deep: bool = False) -> dict:
    """Build the report."""

def tidy(**what: int):
    pass

@job("media.scan", category="media", attempts=3, unique="scan-${{ params.path }}")
def scan(path: str, depth: int | None = None):
    """Scan a directory."""
'''
FILE = """
settings: {modules: [reports]}
jobs:
  weekly:
    call: reports:build
    args: {days: "${{ params.days }}", title: "last ${{ params.days }} days"}
    parameters: {days: {type: int, default: 7}}
schedules:
  hourly: {every: 1h, job: media.scan, with: {path: /srv}}
  nightly: {daily: "03:00", call: "reports:build", args: {days: 1}}
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a module and the file that allows it."""
    root = tmp_path_factory.mktemp("project")
    (root / "reports.py").write_text(MODULE)
    (root / "jobctl.yaml").write_text(FILE)
    (root / "jobctl.yaml").chmod(0o600)
    return root


@pytest.fixture
def call(prepared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.chdir(prepared)
    return Calls(str(prepared / ".jobctl"), capsys, monkeypatch)


def stored(done: Completed) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def ids(call: Calls) -> list[int]:
    done = call("list", "--json", "--all")
    return [] if done.code else [job["id"] for job in stored(done)["jobs"]]


def test_a_function_job_is_stored_with_its_arguments_and_needs_no_second_look(
    call: Calls, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored(call("submit", "--call", "reports:build", "--arg", "days=7", "--arg", "title=5", "--json"))
    assert (first["kind"], first["executor"], first["name"]) == ("function", "function", "build")
    assert first["command"] is None
    assert first["call"] == {"function": "reports:build", "args": {"days": 7, "title": "5"}}
    assert first["cwd"] == str(prepared)
    monkeypatch.setattr("jobctl.actions.inspections.inspect_now", lambda _: pytest.fail("looked again"))
    args = json.dumps({"days": 1, "deep": True})
    again = stored(
        call("submit", "--call", "reports:build", "--args-json", args, "--queue", "default", "--json")
    )
    assert again["call"]["args"] == {"days": 1, "deep": True}
    shown = call("show", str(again["id"]))
    assert "reports:build(days=1, deep=true)" in shown.out
    assert stored(call("list", "--json"))["jobs"][0]["call"] is not None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("--call", "reports:biuld"),
            "E_FUNCTION",
            "no such function: 'reports:biuld'; did you mean reports:build?",
        ),
        (("--call", "reports.build"), "E_FUNCTION", "did you mean reports:build?"),
        (("--call", "os:system"), "E_MODULE", "settings: {modules: [os]}"),
        (("--call", "reportsx:f"), "E_MODULE", "may not be called: 'reportsx'"),
        (("--call", "reports.sub:f"), "E_IMPORT", "cannot import reports.sub"),
        (("--call", "reports:build"), "E_ARGUMENT", "missing: 'days'"),
        (("--call", "reports:build", "--arg", "dayz=1"), "E_ARGUMENT", "did you mean days?"),
        (("--call", "reports:build", "--arg", "days=soon"), "E_ARGUMENT", "give a whole number"),
        (
            ("--call", "reports:build", "--arg", "days=1", "--arg", "days=2"),
            "E_ARGUMENT",
            "given twice: 'days'",
        ),
        (("--call", "reports:build", "--arg", "days"), "E_ARGUMENT", "write --arg days=7"),
        (("--call", "reports:build", "--args-json", '{"days": NaN}'), "E_JSON", "NaN is not JSON"),
        (("--call", "reports:build", "--args-json", "[7]"), "E_JSON", "must be an object"),
        (("--call", "reports:build", "--args-json", '{"days": 7'), "E_JSON", "not JSON"),
        (("--call", "reports:build", "--arg", "days=1", "--nice", "5"), "E_USAGE", "takes no: '--nice'"),
        (("--call", "reports:build", "--arg", "days=1", "--stdin", "f"), "E_USAGE", "takes no: '--stdin'"),
        (("--call", "reports:build", "--arg", "days=1", "--clean-env"), "E_USAGE", "takes no: '--clean-env'"),
        (("--call", "reports:build", "--", "true"), "E_COMMAND", "a function and a command"),
        (("--call", "reports:build", "--shell", "true"), "E_COMMAND", "a function and a command"),
        (("weekly", "--call", "reports:build"), "E_USAGE", "a word beside --call"),
        (("--arg", "days=7", "--", "true"), "E_USAGE", "an argument without a function"),
        (("weekly", "days=x"), "E_PARAMETER", "bad days"),
    ],
)
def test_bad_input_is_one_line_and_stores_nothing(
    call: Calls, words: tuple[str, ...], code: str, message: str
) -> None:
    before = ids(call)
    done = call("submit", *words)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.endswith(f"[{code}]\n")
    assert done.err.count("\n") == 1
    assert ids(call) == before


def test_lines_of_jobs_call_functions_over_the_options(
    call: Calls, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        {"args": {"days": 3}},
        {"call": "reports:tidy", "args": {"a": 1, "b": 2}},
        {"command": ["true"]},
    ]
    path = prepared / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    done = call("submit", "--call", "reports:build", "--arg", "title=t", "--jsonl", str(path), "--json")
    calls = [job["call"] for job in stored(done)["jobs"]]
    assert calls == [
        {"function": "reports:build", "args": {"days": 3, "title": "t"}},
        {"function": "reports:tidy", "args": {"a": 1, "b": 2}},
        None,
    ]
    path.write_text(
        '{"call": "reports:tidy", "args": {"a": 1}}\n{"call": "reports:tidy", "args": {"a": "one"}}'
    )
    refused = call("submit", "--jsonl", str(path))
    assert (refused.code, "jobs.jsonl:2: bad argument a of reports:tidy" in refused.err) == (2, True)


def test_definitions_of_the_file_and_of_modules_make_function_jobs(call: Calls) -> None:
    assert call("reload").code == 0
    weekly = stored(call("submit", "weekly", "days=3", "--json"))
    assert weekly["call"] == {"function": "reports:build", "args": {"days": 3, "title": "last 3 days"}}
    scan = stored(call("submit", "media.scan", "path=5", "--json"))
    assert scan["call"] == {"function": "reports:scan", "args": {"path": "5"}}
    assert (scan["name"], scan["definition"], scan["max_attempts"]) == ("media.scan", "media.scan", 3)
    assert (scan["category"], scan["unique"]) == ("media", "scan-5")
    wrong = call("submit", "media.scan", "path=x", "dept=3")
    assert (wrong.code, "did you mean depth?" in wrong.err) == (2, True)
    card = stored(call("catalog", "show", "media.scan", "--json"))
    assert (card["source"], card["call"], card["state"]) == ("module", "reports:scan", "queued")
    assert [(one["name"], one["type"], one["required"]) for one in card["parameters"]] == [
        ("path", "string", True),
        ("depth", "int", False),
    ]
    assert "reports:scan()" in call("catalog", "show", "media.scan").out


def test_schedules_call_functions(call: Calls) -> None:
    done = call(
        "schedule", "add", "often", "--every", "6h", "--call", "reports:build", "--arg", "days=7", "--json"
    )
    assert stored(done)["job"] == {"call": "reports:build", "args": {"days": 7}}
    assert stored(call("schedule", "edit", "often", "--arg", "title=5", "--json"))["job"]["args"] == {
        "days": 7,
        "title": "5",
    }
    assert "reports:build(days=7, title=" in call("schedule", "show", "often").out
    job = stored(call("schedule", "run", "often", "--json"))
    assert job["call"] == {"function": "reports:build", "args": {"days": 7, "title": "5"}}
    assert job["submitted_by"] == "schedule:often"
    wrong = call("schedule", "edit", "often", "--arg", "titel=5")
    assert (wrong.code, "did you mean title?" in wrong.err) == (2, True)
    other = stored(call("schedule", "edit", "often", "--json", "--", "true"))
    assert other["job"] == {"command": ["true"]}


def test_a_function_job_is_edited_cancelled_retried_and_explained_as_any_other(call: Calls) -> None:
    job = stored(
        call(
            "submit",
            "--call",
            "reports:build",
            "--arg",
            "days=7",
            "--hold",
            "--on-failure",
            "echo x",
            "--json",
        )
    )
    number = str(job["id"])
    assert stored(call("edit", number, "--priority", "1", "--json"))["call"] == job["call"]
    assert call("explain", number).code == 0
    assert call("cancel", number, "-y").code == 0
    assert call("retry", number).code == 0
    again = stored(call("show", number, "--json"))
    assert (again["status"], again["call"], again["priority"]) == ("queued", job["call"], 1)
    assert any(one["id"] == job["id"] for one in stored(call("history", "build", "--json"))["jobs"])


def test_a_job_that_asks_for_no_cwd_runs_beside_the_file_and_else_where_it_says(
    call: Calls, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("submit", "--call", "reports:build", "--arg", "days=7", "--json")
    assert stored(call(*words))["cwd"] == str(prepared)
    assert stored(call(*words, "--cwd", "."))["cwd"] == str(tmp_path)


# --- what is looked at, and when ---

OLD = Function(Signature("m:f", (Argument("x", type="int", required=True),)))
NEW = Function(Signature("m:f", (Argument("y", type="int", required=True),)))
OFFERED = Function(Signature("dist.mod:g"), Origin.ENTRY_POINT)


class Code:
    """What looking at the code finds, and how often it was looked at."""

    def __init__(self, *functions: Function) -> None:
        self.functions = functions
        self.looks: list[tuple[object, ...]] = []

    def look(self, modules: tuple[str, ...], entry_points: bool) -> Inspected:
        self.looks.append((modules, entry_points))
        offered = [one for one in self.functions if (one.origin is Origin.ENTRY_POINT) == entry_points]
        return Inspected(tuple(offered))


def functions(code: Code, *known: Function) -> Functions:
    stored_ones = {one.name: one for one in known}
    return Functions(Home("/nowhere"), Settings(modules=("m",)), stored_ones.get, code.look)


def test_what_the_store_knows_is_accepted_without_a_look_and_refused_only_after_one() -> None:
    code = Code(NEW)
    assert functions(code, OLD).bind("m:f", {"x": 1}) == {"x": 1}
    assert code.looks == []
    changed = functions(code, OLD)
    assert changed.bind("m:f", {"y": 1}) == {"y": 1}
    assert changed.learned == {"m:f": NEW}
    with pytest.raises(BadInputError, match="unknown argument of m:f: 'z'"):
        changed.bind("m:f", {"z": 1})
    assert code.looks == [(("m",), False)]


def test_functions_of_installed_distributions_are_allowed_by_being_offered() -> None:
    code = Code(OFFERED)
    found = functions(code)
    assert found.bind("dist.mod:g", {}) == {}
    assert found.learned == {"dist.mod:g": OFFERED}
    with pytest.raises(BadInputError, match=r"may not be called: 'dist\.mod'"):
        found.function("dist.mod:other")
    assert functions(Code(), OFFERED).bind("dist.mod:g", {}) == {}


def test_where_nothing_may_be_imported_only_names_are_checked() -> None:
    supervisor = Functions(Home("/nowhere"), Settings(modules=("m",)), {"m:f": OLD}.get)
    assert supervisor.bind("m:f", {"other": 1}) == {"other": 1}
    assert supervisor.bind("m:unknown", {"a": 1}) == {"a": 1}
    with pytest.raises(BadInputError, match="may not be called"):
        supervisor.function("os:system")


def test_a_request_with_a_call_comes_back_from_its_document() -> None:
    request = JobRequest(call="m:f", args={"x": [1]}, queue="gpu")
    assert vars(request_of(request_document(request), JobRequest())) == vars(request)
