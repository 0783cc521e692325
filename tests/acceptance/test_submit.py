from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.model.homes import Home
from jobctl.store import Store
from tests.support.cli import Completed, cli_environment, run_cli
from tests.support.stores import HandClock, job_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def is_one_line_error(done: Completed, code: int, text: str) -> bool:
    lines = done.err.splitlines()
    return (
        (done.code, done.out) == (code, "")
        and len(lines) == 1
        and lines[0].startswith("jobctl: error: ")
        and text in lines[0]
    )


def test_submit_prints_the_id_and_says_that_nothing_runs(home: Path) -> None:
    done = run_cli("submit", "--", "true", home=home)
    assert (done.code, done.out) == (0, "job 1\n")
    assert done.err == f"no supervisor for {home}; start one with: jobctl up\n"
    assert run_cli("submit", "-q", "--", "true", home=home).out == "2\n"


def test_submit_json_is_the_job_itself(home: Path) -> None:
    job = run_cli(
        "submit", "--json", "-n", "train", "-t", "a", "-t", "b", "--hold", "--", "x", home=home
    ).document
    assert (job["id"], job["name"], job["tags"], job["status"], job["reason"]) == (
        1,
        "train",
        ["a", "b"],
        "created",
        "hold",
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["sumbit", "--", "true"], 2, "did you mean: jobctl submit"),
        (["submit", "--prio", "5", "--", "true"], 2, "--priority"),
        (["submit"], 2, "a command is missing"),
        (["submit", "--"], 2, "the command is empty"),
        (["submit", "--", ""], 2, "the command is empty"),
        (["submit", "sleep", "10"], 3, "as in: -- sleep 10"),
        (["submit", "x", "--", "true"], 2, "a word before the command"),
        (["submit", "--priority", "0", "--", "true"], 2, "priority must be 1..10"),
        (["submit", "--priority", "11", "--", "true"], 2, "priority must be 1..10"),
        (["submit", "--priority", "3.0", "--", "true"], 2, "whole number"),
        (["submit", "--priority", " 7 ", "--", "true"], 2, "whole number"),
        (["submit", "--timeout=-5s", "--", "true"], 2, "timeout must be positive"),
        (["submit", "--timeout", "5 parsecs", "--", "true"], 2, "bad timeout"),
        (["submit", "--at", "2001-01-01", "--", "true"], 2, "in the past"),
        (["submit", "--cwd", "/nowhere", "--", "true"], 2, "cannot use the working directory"),
        (["submit", "--env-file", "/nowhere", "--", "true"], 2, "cannot read the env file"),
        (["submit", "--env", "FOO", "--", "true"], 2, "--env needs NAME=VALUE"),
        (["submit", "--env", "A=1", "--env", "A=2", "--", "true"], 2, "given twice"),
        (["submit", "--meta", "{", "--", "true"], 2, "meta is not JSON"),
        (["submit", "--queue", "gpu", "--", "true"], 3, "no such queue: 'gpu'"),
        (["submit", "--jsonl", "/nowhere"], 2, "cannot read the jobs"),
        (["submit", "--jsonl", "-", "--", "true"], 2, "a command and --jsonl"),
        (["queue", "pause", "gpu"], 3, "no such queue: 'gpu'"),
        (["queue", "add", "-x"], 2, "no such option"),
        (["queue", "add", "a b"], 2, "bad queue name"),
        (["queue", "set", "default"], 2, "nothing to change"),
        (["cancel", "all"], 2, "add -y"),
        (["cancel", "x1"], 2, "bad selector"),
        (["cancel", "1", "--signal", "NOPE"], 2, "no such signal"),
        (["progress", "40"], 2, "not inside a job"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_store(
    home: Path, words: list[str], code: int, text: str
) -> None:
    done = run_cli(*words, home=home)
    assert is_one_line_error(done, code, text), done
    assert not home.exists()


def test_bytes_that_are_not_utf_8_are_kept_in_any_locale(home: Path) -> None:
    words = [b"cat", b"\xff\xfe", "ä".encode(), b"--", b""]
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C.UTF-8"}):
        shown = run_cli("submit", "--json", "--", *words, home=home, env=locale).document["command"]
        assert shown == ["cat", r"\xff\xfe", "ä", "--", ""]
    with Store.open(Home(str(home)), HandClock()) as store:
        for job_id in (1, 2):
            command = job_of(store, job_id).spec.command
            assert [word.encode("utf-8", "surrogateescape") for word in command] == words


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_standard_stream_is_no_crash_and_never_the_store(home: Path, closed: str) -> None:
    line = f"exec {shlex.quote(sys.executable)} -m jobctl submit -- true {closed}"
    ended = subprocess.run(["sh", "-c", line], env=cli_environment(home), capture_output=True, check=False)
    assert ended.returncode == 0, ended
    with Store.open(Home(str(home)), HandClock()) as store:
        assert job_of(store, 1).name == "true"


def test_many_jobs_come_from_lines_in_one_transaction(home: Path, tmp_path: Path) -> None:
    lines = tmp_path / "jobs.jsonl"
    lines.write_text('{"command": ["a"]}\n\n{"shell": "b c", "priority": 1, "in": 60, "meta": {"k": [1]}}\n')
    done = run_cli("submit", "--jsonl", str(lines), "-p", "9", "-t", "x", "--json", home=home)
    first, second = done.document["jobs"]
    assert (first["priority"], first["tags"], first["status"]) == (9, ["x"], "queued")
    assert (second["priority"], second["status"], second["reason"], second["meta"]) == (
        1,
        "created",
        "time",
        {"k": [1]},
    )
    assert run_cli("submit", "-q", "--jsonl", "-", home=home, input=lines.read_bytes()).out == "3\n4\n"


@pytest.mark.parametrize(
    ("bad", "code", "text"),
    [
        ('{"command": []}', 2, "jobs.jsonl:500: the command is empty; "),
        ('{"command": ["a"', 2, "jobs.jsonl:500: the job is not JSON"),
        ('{"command": ["a"], "queue": "gpu"}', 3, "jobs.jsonl:500: no such queue: 'gpu'"),
        ('{"command": ["a\\u0000"]}', 2, "jobs.jsonl:500: NUL character"),
    ],
)
def test_one_bad_line_of_a_thousand_submits_nothing(
    home: Path, tmp_path: Path, bad: str, code: int, text: str
) -> None:
    lines = ['{"command": ["a"]}'] * 1000
    lines[499] = bad
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
    done = run_cli("submit", "--jsonl", "jobs.jsonl", home=home, cwd=tmp_path)
    assert is_one_line_error(done, code, text), done
    assert "none of the jobs was submitted" in done.err
    assert not home.exists()


def test_an_error_with_json_is_a_document(home: Path) -> None:
    done = run_cli("cancel", "99", "--json", home=home)
    assert done.code == 3
    assert json.loads(done.out)["error"]["code"] == "E_NO_STORE"


def test_what_looks_secret_is_left_out_and_said_so_once(home: Path) -> None:
    done = run_cli("submit", "--", "true", home=home, env={"GITHUB_TOKEN": "hunter2"})
    assert "not stored (taken from the supervisor's environment at start): GITHUB_TOKEN" in done.err
    assert b"hunter2" not in b"".join(path.read_bytes() for path in home.glob("jobctl.db*"))


def test_verbs_about_jobs_say_what_they_did(home: Path) -> None:
    for _ in range(3):
        run_cli("submit", "--", "true", home=home)
    assert run_cli("hold", "1", "2", home=home).out == "job 1 held\njob 2 held\n"
    assert run_cli("release", "1-9", home=home).out == "job 1 released\njob 2 released\n"
    assert run_cli("cancel", "1", "--json", home=home).document == {
        "jobs": [{"id": 1, "status": "cancelled", "action": "cancelled"}]
    }
    assert is_one_line_error(run_cli("cancel", "1,2", home=home), 4, "cannot cancel a cancelled job: '1'")
    assert is_one_line_error(run_cli("cancel", "99", home=home), 3, "no such job: '99'")
    assert run_cli("retry", "@cancelled", home=home).out == "job 1 retried\n"
    assert run_cli("kill", "all", "-y", "-q", home=home).out == ""
    assert run_cli("cancel", "all", "-y", home=home).out == "0 jobs\n"


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 2), ("", 1, 2)])
def test_a_bulk_cancel_asks_on_a_terminal(home: Path, answer: str, code: int, left: int) -> None:
    for _ in range(2):
        run_cli("submit", "--", "true", home=home)
    master, slave = pty.openpty()
    try:
        os.write(master, f"{answer}\n".encode())
        ended = subprocess.run(
            [sys.executable, "-m", "jobctl", "cancel", "all"],
            stdin=slave,
            capture_output=True,
            env=cli_environment(home),
            timeout=60,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert ended.returncode == code, ended
    assert ended.stderr.startswith(b"cancel 2 jobs? [y/N] ")
    with Store.open(Home(str(home)), HandClock()) as store:
        assert store.jobs.counts()["queued"] == left


def test_queues_are_managed_from_the_command_line(home: Path) -> None:
    assert run_cli("queue", "list", "--json", home=home).document["queues"][0]["name"] == "default"
    assert run_cli("queue", "add", "gpu", "--concurrency", "2", home=home).out == "queue gpu added\n"
    assert run_cli("queue", "add", "gpu", home=home).code == 4
    assert run_cli("queue", "pause", "gpu", "--json", home=home).document["paused"] is True
    assert run_cli("submit", "-q", "-Q", "gpu", "--", "true", home=home).out == "1\n"
    assert run_cli("queue", "remove", "gpu", home=home).code == 4
    assert run_cli("queue", "rm", "default", home=home).code == 4


def test_progress_appends_a_line_inside_a_job(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "progress"
    done = run_cli("progress", "12/300", "resizing", home=home, env={"JOBCTL_PROGRESS": str(path)})
    assert (done.code, done.out, done.err) == (0, "", "")
    assert path.read_text() == '{"done":12,"total":300,"message":"resizing"}\n'


def test_submit_imports_nothing_slow(home: Path) -> None:
    done = run_cli("submit", "--", "true", home=home, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "jobctl.actions.submissions" in imported
    assert imported.isdisjoint({"rich", "croniter", "psutil", "pydantic", "yaml", "platformdirs"})


def test_the_files_of_a_new_home_are_private_under_any_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        run_cli("submit", "--", "true", home=home)
    finally:
        os.umask(before)
    assert os.stat(home).st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in home.iterdir() if path.is_file()} == {0o600}
