from __future__ import annotations

import functools
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobctl import context
from jobctl.model.progress import Progress, fold_all


@pytest.fixture(autouse=True)
def no_open_file() -> Iterator[None]:
    yield
    context.install(None)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a job."""
    values = {"JOB_ID": "12", "ATTEMPT": "2", "WORKFLOW_ID": "7", "STEP": "build"}
    paths = {"PROGRESS": "progress", "RESULT": "result", "OUTPUT": "outputs"}
    for name, value in values.items():
        monkeypatch.setenv(f"JOBCTL_{name}", value)
    for name, file in paths.items():
        monkeypatch.setenv(f"JOBCTL_{name}", str(tmp_path / file))
    return tmp_path


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job at all."""
    for name in list(os.environ):
        if name.startswith("JOBCTL_"):
            monkeypatch.delenv(name)


def progress_of(directory: Path) -> Progress:
    return fold_all(Progress(), (directory / "progress").read_text().splitlines())


def test_a_job_knows_who_it_is(job: Path) -> None:
    assert (context.job_id(), context.attempt(), context.workflow_id(), context.step()) == (12, 2, 7, "build")


@pytest.mark.usefixtures("nowhere")
def test_outside_of_a_job_reports_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    context.total(3)
    context.advance()
    context.progress(50, "half")
    context.item_failed("a", ValueError())
    context.result({"a": 1})
    context.output("a", "b")
    context.log("said")
    assert list(context.track([1, 2])) == [1, 2]
    assert (context.job_id(), context.step(), context.cancelled()) == (None, None, False)
    assert capsys.readouterr().err == "said\n"


def test_what_is_reported_is_what_is_read(job: Path) -> None:
    context.total(4)
    context.advance()
    context.advance(2, "two more\nlines")
    context.item_failed("a b", KeyError("x"))
    found = progress_of(job)
    assert (found.items_total, found.items_done, found.percent, found.ignored) == (4, 3, 75.0, 0)
    assert found.message == "two more\nlines"
    assert found.item_errors == (("a b", "KeyError: 'x'"),)


@pytest.mark.parametrize("percent", [-1, 101, float("nan"), float("inf")])
def test_what_is_no_percentage_is_refused(job: Path, percent: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        context.progress(percent)


@pytest.mark.parametrize(("percent", "kept"), [(-1e-9, 0.0), (50, 50.0), (100.0000001, 100.0)])
def test_what_arithmetic_adds_to_a_percentage_is_cut_off(job: Path, percent: float, kept: float) -> None:
    context.progress(percent, "x" * 10_000)
    found = progress_of(job)
    assert (found.percent, len(found.message or "")) == (kept, 500)


def test_text_that_is_not_unicode_does_not_break_a_report(job: Path) -> None:
    context.progress(message="\udc80x")
    assert progress_of(job).message == "?x"


def test_track_counts_what_was_done(job: Path) -> None:
    for item in context.track(range(5), message="going"):
        if item == 3:
            break
    found = progress_of(job)
    assert (found.items_done, found.items_total, found.message) == (3, 5, "going")


def test_track_takes_what_has_no_length(job: Path) -> None:
    assert list(context.track(iter("ab"), total=2)) == ["a", "b"]
    assert progress_of(job).items_done == 2


def test_a_report_that_cannot_be_written_breaks_nothing(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCTL_PROGRESS", str(job / "not" / "there"))
    context.advance()
    monkeypatch.setenv("JOBCTL_PROGRESS", str(job / "progress"))
    context.advance()
    assert progress_of(job).items_done == 1


def test_the_next_job_of_a_process_has_its_own_file(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context.advance()
    monkeypatch.setenv("JOBCTL_PROGRESS", str(job / "other"))
    context.advance(5)
    assert (job / "progress").read_text() == "+1\n"
    assert (job / "other").read_text() == "+5\n"


def test_a_result_replaces_the_one_before(job: Path) -> None:
    context.result([1])
    context.result({"ä": None})
    assert json.loads((job / "result").read_text()) == {"ä": None}
    assert os.listdir(job) == ["result"]


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_a_result_that_json_cannot_hold_is_refused(job: Path, value: object) -> None:
    with pytest.raises(TypeError):
        context.result(value)


@pytest.mark.parametrize("value", [float("nan"), "x" * (1 << 20)])
def test_a_result_that_is_nan_or_too_large_is_refused(job: Path, value: object) -> None:
    with pytest.raises(ValueError):
        context.result(value)
    assert not (job / "result").exists()


def test_outputs_are_read_back_by_those_who_read_them(job: Path) -> None:
    from jobctl.executors.results import parse_outputs

    context.output("one", "plain")
    context.output("many", "END\nof\nlines")
    context.output("number", {"a": 1})
    read = parse_outputs((job / "outputs").read_text())
    assert read == {"one": "plain", "many": "END\nof\nlines", "number": '{"a":1}'}


@pytest.mark.parametrize("name", ["", "a=b", "a<<b", " a", "a\nb"])
def test_a_name_that_would_read_as_another_output_is_refused(job: Path, name: str) -> None:
    with pytest.raises(ValueError, match="bad name"):
        context.output(name, "x")


def test_a_program_that_asks_hears_sigterm_and_goes_on(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom jobctl import context\n"
        "assert not context.cancelled()\nos.kill(os.getpid(), signal.SIGTERM)\n"
        "print(context.cancelled())"
    )
    environment = {**os.environ, "JOBCTL_JOB_ID": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n")


@pytest.mark.usefixtures("nowhere")
def test_asking_outside_of_a_job_takes_no_signal_over() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert context.cancelled() is False
    assert signal.getsignal(signal.SIGTERM) == before


def fake_jobctl(directory: Path, code: int, said: str) -> list[str]:
    script = directory / "jobctl.py"
    script.write_text(
        f"import sys\nopen({str(directory / 'got')!r}, 'w').write(repr(sys.argv[1:]) + sys.stdin.read())\n"
        f"print({said!r}, file=sys.stderr if {code} else sys.stdout)\nsys.exit({code})\n"
    )
    return [sys.executable, str(script)]


def noop() -> None:
    pass


def test_submit_hands_lines_of_json_to_jobctl(tmp_path: Path) -> None:
    context.install(None, fake_jobctl(tmp_path, 0, "41"))
    found = context.submit("pkg.mod:func", {"a": "ü"}, queue="gpu")
    assert (found, found.id, isinstance(found, int)) == (41, 41, True)
    assert (tmp_path / "got").read_text() == (
        "['submit', '--jsonl', '-', '--quiet']"
        '{"queue":"gpu","call":"pkg.mod:func","args":{"a":"ü"}}\n'
    )
    context.submit(noop)
    assert f'{{"call":"{__name__}:noop"}}' in (tmp_path / "got").read_text()
    context.submit(["tar", "c"], name="pack")
    assert '{"name":"pack","command":["tar","c"]}' in (tmp_path / "got").read_text()


def test_submit_many_gives_the_ids_in_order(tmp_path: Path) -> None:
    context.install(None, fake_jobctl(tmp_path, 0, "3\n4"))
    assert context.submit_many([{"command": ["a"]}, {"command": ["b"]}]) == [3, 4]
    assert context.submit_many([]) == []


def test_what_jobctl_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    context.install(None, fake_jobctl(tmp_path, 2, "bad queue: 'x'"))
    with pytest.raises(context.SubmitError, match="bad queue: 'x'"):
        context.submit(["true"])


def test_a_timedelta_is_submitted_as_a_duration(tmp_path: Path) -> None:
    context.install(None, fake_jobctl(tmp_path, 0, "41"))
    context.submit(["true"], timeout=timedelta(minutes=5), meta={"age": timedelta(seconds=0.5)})
    assert '{"timeout":"300.000000s","meta":{"age":"0.500000s"},' in (tmp_path / "got").read_text()


class Methods:
    def method(self) -> None:
        raise NotImplementedError


def in_main() -> None:
    raise NotImplementedError


in_main.__module__ = "__main__"


@pytest.mark.parametrize(
    ("what", "args", "said"),
    [
        (lambda: None, None, "a lambda cannot be a job; give a function at the top of a module"),
        (Methods().method, None, "Methods.method is a method and cannot be a job"),
        (in_main, None, "workers cannot import in_main: it is in the program itself; move it into a module"),
        (functools.partial(noop), None, "has no name of its own"),
        (noop, {"a": object()}, "a request is not JSON: object is no JSON type"),
        (
            noop,
            {"a": float("nan")},
            "a request is not JSON: Out of range float values are not JSON compliant",
        ),
    ],
)
def test_what_no_worker_could_call_is_refused_at_once(what: Any, args: Any, said: str) -> None:
    with pytest.raises(context.SubmitError, match=said):
        context.submit(what, args)


def test_a_function_inside_another_is_refused() -> None:
    def inner() -> None:
        raise NotImplementedError

    with pytest.raises(context.SubmitError, match="inner, which is inside a function, cannot be a job"):
        context.submit(inner)


def test_a_result_counts_by_its_bytes(job: Path) -> None:
    with pytest.raises(ValueError, match="above 1 MiB"):
        context.result("é" * 700_000)
    context.result("é" * 500_000)
    assert json.loads((job / "result").read_text()) == "é" * 500_000


def test_result_and_outputs_are_files_of_their_owner_only_and_no_links(job: Path) -> None:
    context.result(1)
    context.output("a", "b")
    assert [stat.S_IMODE((job / name).stat().st_mode) for name in ("result", "outputs")] == [0o600, 0o600]
    other = job / "other"
    other.touch()
    for path in (job / "outputs", job / f"result.{os.getpid()}"):
        path.unlink(missing_ok=True)
        path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        context.output("a", "b")
    with pytest.raises(OSError, match="symbolic links"):
        context.result(2)
    assert other.read_text() == ""


def test_importing_context_loads_next_to_nothing() -> None:
    code = "import sys; b = set(sys.modules); from jobctl import context, job; print(*(set(sys.modules) - b))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"json", "typing", "subprocess", "inspect", "dataclasses", "asyncio", "re", "signal", "enum"}
    assert not heavy & set(done.stdout.split())
