"""Where people look for the reason of a failed function: its log, ``explain``, ``run``, ``show``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.actions.admissions import submit
from jobctl.actions.explanations import explain_job
from jobctl.actions.logs import LogPiece, LogRequest, follow_logs, read_log
from jobctl.actions.waits import exit_code_of
from jobctl.model.calls import Call
from jobctl.model.specs import RetryPolicy
from jobctl.model.states import JobId, JobStatus
from jobctl.model.tracebacks import last_own_line
from tests.support.calls import Calls
from tests.support.function_stages import ONE, finish
from tests.support.functions import TOYS, add_toys, call, call_submission
from tests.support.supervisors import Stage

MORE = """
def leave_with(code): sys.exit(code)
def broken_json():
    import json
    json.loads("{")
"""
OUR_EXIT = "import os\nos._exit(7)\n"
ITS_EXIT = "import sys\nsys.exit(3)\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage with toys, and with modules that end the program that imports them."""
    stage = Stage(tmp_path)
    add_toys(stage, TOYS + MORE)
    add_toys(stage, OUR_EXIT, "quitter")
    add_toys(stage, ITS_EXIT, "leaver")
    try:
        yield stage
    finally:
        stage.close()


def log_of(stage: Stage, job_id: JobId, **wanted: str) -> list[tuple[int, str, str]]:
    """Attempt, stream and text of what ``logs`` gives."""
    return [
        (event.attempt, event.stream, event.data.decode())
        for event in read_log(stage.store, stage.job(job_id), LogRequest(**wanted))  # type: ignore[arg-type]
        if isinstance(event, LogPiece)
    ]


def test_a_failed_function_says_where_at_the_end_of_its_log(stage: Stage) -> None:
    failed, split, left = (
        call(stage, "fail"), call(stage, "fail", split_output=True), call(stage, "leave_with", {"code": 3}),
    )  # fmt: skip
    finish(stage, stage.supervise(settings=ONE), failed, split, left)
    ((attempt, stream, text),) = log_of(stage, failed)
    assert (attempt, stream) == (1, "output")
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: no good\n")
    assert [stream for _, stream, _ in log_of(stage, split)] == ["stderr"]
    assert log_of(stage, split, stream="stdout") == []
    assert log_of(stage, left) == [], "a program that ends by sys.exit shows none"


def test_each_attempt_that_is_followed_ends_with_its_own(stage: Stage) -> None:
    job_id = call(stage, "fail", retry=RetryPolicy(attempts=2, delay_seconds=0))
    before = stage.job(job_id)
    finish(stage, stage.supervise(settings=ONE), job_id, tick=1.0)
    events = list(follow_logs(stage.store, [before], LogRequest()))
    pieces = [event for event in events if isinstance(event, LogPiece)]
    assert [(piece.attempt, piece.data.count(b"Traceback")) for piece in pieces] == [(1, 1), (2, 1)]


def test_explain_names_the_line_of_the_users_own_code(stage: Stage) -> None:
    job_id = call(stage, "broken_json")
    finish(stage, stage.supervise(settings=ONE), job_id)
    causes = {
        one.code: one.message for one in explain_job(stage.store, stage.job(job_id), stage.clock.now_ms())
    }
    assert causes["place"].startswith(f"raised at {stage.home.path}/toys.py:")
    assert causes["place"].endswith(", in broken_json")
    assert last_own_line("ValueError: no frames\n") is None


def test_a_signal_is_the_exit_code_of_a_run(stage: Stage) -> None:
    job_id = call(stage, "crash")
    finish(stage, stage.supervise(settings=ONE), job_id)
    job = stage.job(job_id)
    assert (job.signal, exit_code_of(job)) == ("SIGSEGV", 139)
    assert exit_code_of(replace(job, signal="SIG40")) == 168
    assert exit_code_of(replace(job, signal=None)) == 125


def test_an_import_that_ends_the_program_is_named(stage: Stage) -> None:
    ids: list[JobId] = []
    for name in ("quitter", "leaver"):
        made = call_submission(stage, "noop", {})
        made = replace(made, spec=replace(made.spec, call=Call(f"{name}:go", {})))
        ids += submit(stage.store, [made], stage.clock)
    settings = replace(ONE, modules=("quitter", "leaver"))
    finish(stage, stage.supervise(settings=settings), *ids)
    errors = [stage.job(job_id).error for job_id in ids]
    assert errors == [
        "the worker process ended (exit code 7) while it imported quitter, before the function began",
        "ImportError: importing leaver ends the program: exit 3",
    ]


def test_files_that_a_silent_function_did_not_leave_are_not_named(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, loud = call(stage, "noop"), call(stage, "say", {"text": "word"})
    finish(stage, stage.supervise(settings=ONE), silent, loud)
    jobctl = Calls(stage.home.path, capsys, monkeypatch)
    document = json.loads(jobctl("show", str(silent), "--json").out)
    assert (document["directory"], document["log_path"]) == (None, None)
    assert document["attempts"][0]["log_path"] is None
    assert "runs/" not in jobctl("show", str(silent)).out
    document = json.loads(jobctl("show", str(loud), "--json").out)
    assert Path(document["log_path"]).read_text() == "word\n"
    assert stage.job(loud).status is JobStatus.COMPLETED


def test_a_function_that_is_newer_than_its_worker_asks_for_a_reload(stage: Stage) -> None:
    supervisor = stage.supervise(settings=ONE)
    finish(stage, supervisor, call(stage, "noop"))
    add_toys(stage, TOYS + "\ndef newer(): pass\n")
    job_id = call(stage, "newer")
    finish(stage, supervisor, job_id)
    error = stage.job(job_id).error or ""
    assert error.startswith("TargetError: module toys has no function newer; ")
    assert error.endswith("jobctl reload")
