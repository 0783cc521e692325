"""Jobs as JSON and text."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from jobctl.clock import to_ms
from jobctl.model.homes import Home
from jobctl.model.instants import format_instant
from jobctl.model.jobs import Job
from jobctl.model.progress import Progress
from jobctl.views.instants import ago, instant_json
from jobctl.views.job_tables import jobs_table
from jobctl.views.jobs import attempt_json, encodable, job_fields, job_json, jobs_plain
from jobctl.views.text import width_of
from tests.support.histories import History

KEYS = [
    "id",
    "name",
    "status",
    "reason",
    "queue",
    "priority",
    "kind",
    "command",
    "call",
    "type",
    "category",
    "user",
    "tags",
    "parent_id",
    "workflow_id",
    "step",
    "submitted_by",
    "definition",
    "after",
    "unique",
    "lock",
    "resources",
    "executor",
    "attempt",
    "max_attempts",
    "progress",
    "items_done",
    "items_total",
    "items_failed",
    "item_errors",
    "message",
    "exit_code",
    "signal",
    "error",
    "result",
    "meta",
    "created_at",
    "eligible_at",
    "queued_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "wait_seconds",
    "timeout_seconds",
    "eta_seconds",
    "cpu_seconds",
    "max_rss_bytes",
    "cwd",
    "directory",
    "log_path",
]
ATTEMPT_KEYS = [
    "number",
    "outcome",
    "started_at",
    "finished_at",
    "exit_code",
    "signal",
    "error",
    "pid",
    "log_path",
]
HOSTILE = "\x1b]0;owned\x07[/b][red]"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "home")


def _job(history: History, job_id: int) -> Job:
    job = history.store.jobs.get(job_id)
    assert job is not None
    return job


def _rendered(jobs: list[Job], now: int, width: int, *, color: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(jobs_table(jobs, now, width))
    return out.getvalue()


def test_the_json_of_a_job_has_exactly_the_keys_of_the_contract_in_their_order(history: History) -> None:
    job = _job(history, history.run())
    assert list(job_json(job, history.home, history.clock.now_ms())) == KEYS


def test_the_json_of_an_attempt_begins_with_the_keys_of_the_contract(history: History) -> None:
    job_id = history.run(code=3)
    attempt = attempt_json(history.store.attempts.of(job_id)[0], history.home, history.clock.now_ms())
    assert list(attempt)[: len(ATTEMPT_KEYS)] == ATTEMPT_KEYS
    assert (attempt["outcome"], attempt["exit_code"]) == ("failed", 3)


def test_bytes_of_a_command_that_are_not_utf8_are_shown_and_the_json_stays_valid(history: History) -> None:
    job = _job(history, history.submit(command=("echo", "a\udcff", "é")))
    document = job_json(job, history.home, 0)
    assert document["command"] == ["echo", "a\\xff", "é"]
    json.dumps(document, ensure_ascii=False).encode()


def test_a_job_that_never_ran_has_no_directory_and_no_duration(history: History) -> None:
    document = job_json(_job(history, history.submit()), history.home, history.clock.now_ms())
    assert document["directory"] is document["log_path"] is document["duration_seconds"] is None


def test_the_rest_of_a_running_job_is_reckoned_from_its_rate(history: History) -> None:
    job_id = history.submit()
    history.start(job_id)
    history.report(job_id, Progress(percent=25.0))
    job = _job(history, job_id)
    assert job.started_at is not None
    assert job_json(job, history.home, job.started_at + 10_000)["eta_seconds"] == 30
    history.end(job_id)
    assert job_json(_job(history, job_id), history.home, job.started_at + 10_000)["eta_seconds"] is None


def test_a_clock_that_was_set_back_gives_no_negative_duration(history: History) -> None:
    job_id = history.submit()
    history.start(job_id)
    document = job_json(_job(history, job_id), history.home, 0)
    assert document["duration_seconds"] == 0
    assert job_json(_job(history, history.submit()), history.home, 0)["wait_seconds"] == 0


def test_waiting_is_counted_until_the_start_or_until_now(history: History) -> None:
    job = _job(history, history.submit())
    assert job_json(job, history.home, job.created_at + 1500)["wait_seconds"] == 1.5


@pytest.mark.parametrize(
    "text", ["2026-11-22T03:00:00.007Z", "1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z"]
)
def test_instants_are_written_as_the_model_writes_them(text: str) -> None:
    instant = datetime.fromisoformat(text)
    assert instant_json(to_ms(instant)) == format_instant(instant) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [(0, "now"), (999, "now"), (61_000, "1m ago"), (-7_200_000, "in 2h"), (1000, "1s ago")],
)
def test_the_distance_of_an_instant_is_told_in_its_largest_unit(distance: int, text: str) -> None:
    assert ago(10**12 - distance, 10**12) == text


def test_a_lone_surrogate_of_any_kind_can_be_encoded() -> None:
    assert encodable("a\ud800\udc80") == "a\\ud800\\x80"


def test_plain_rows_are_aligned_under_a_header(history: History) -> None:
    history.run("a", 3)
    history.submit("長い名前", hold=True)
    lines = jobs_plain(_all(history), history.clock.now_ms()).split("\n")
    assert lines[0].split() == [
        "ID",
        "NAME",
        "STATUS",
        "QUEUE",
        "PRI",
        "PROGRESS",
        "STARTED",
        "DURATION",
        "EXIT",
    ]
    column = width_of(lines[0][: lines[0].index("STATUS")])
    assert all(
        width_of(line.split(word)[0]) == column
        for line, word in zip(lines[1:], ("created", "failed"), strict=True)
    )
    assert "created (hold)" in lines[1]
    assert lines[2].endswith("3")


def _all(history: History) -> list[Job]:
    from jobctl.model.filters import JobFilter

    return history.store.jobs.list(JobFilter())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_a_table_is_never_wider_than_the_terminal_and_has_one_line_a_job(
    history: History, width: int
) -> None:
    job_id = history.submit("a-very-long-name-" * 6)
    history.start(job_id)
    history.report(job_id, Progress(percent=40.0, items_done=12, items_total=30, message="message " * 30))
    history.submit("長" * 60)
    lines = _rendered(_all(history), history.clock.now_ms(), width).rstrip("\n").split("\n")
    assert len(lines) == 3
    assert all(width_of(line) <= width for line in lines)
    assert any("▶" in line for line in lines) or width < 40


def test_hostile_text_is_neither_obeyed_nor_read_as_markup(history: History) -> None:
    job_id = history.submit("x[/b][red]")
    history.start(job_id)
    history.report(job_id, Progress(percent=1.0, message=HOSTILE))
    job = _job(history, job_id)
    shown = _rendered([job], history.clock.now_ms(), 200) + jobs_plain([job], history.clock.now_ms())
    shown += "".join(text for _, text in job_fields(job, Home("/h"), history.clock.now_ms()))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert shown.count("x[/b][red]") == 3


def test_a_status_is_told_by_a_symbol_and_not_by_colour_alone(history: History) -> None:
    history.run("good")
    history.run("bad", 1)
    text = _rendered(_all(history), history.clock.now_ms(), 100)
    assert "✓ completed" in text
    assert "✗ failed" in text
    assert "\x1b[" in _rendered(_all(history), history.clock.now_ms(), 100, color=True)
