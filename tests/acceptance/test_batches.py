"""``batch``, hooks, dependencies and the other options of item 10, 1, 2 and 8 as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.cli import run_cli


def up(home: Path) -> None:
    """Everything that can run has run."""
    run_cli("up", "--until-idle", home=home)


def test_items_behind_three_colons_reach_the_command_byte_exact(tmp_path: Path) -> None:
    odd = [b"a b", b"$(id)", b"it's", b"\xff\xfe", b"*", b"-n"]
    made = run_cli("batch", "-q", "--", "printf", "[%s]", "{}", ":::", *odd, home=tmp_path)
    assert (made.code, made.out) == (0, "1\n")
    assert "no supervisor" in made.err or made.err == ""
    up(tmp_path)
    logs = [(tmp_path / f"runs/{number}/1/output.log").read_bytes() for number in range(2, 8)]
    assert logs == [b"[" + item + b"]" for item in odd]


def test_items_come_from_lines_or_from_nul_ended_words(tmp_path: Path) -> None:
    run_cli("batch", "--from", "-", "--", "echo", home=tmp_path, input=b"one\ntwo words\n\n")
    run_cli("batch", "-0", "--from", "-", "--shell", "echo {}", home=tmp_path, input=b"a\nb\0c\0")
    shown = [run_cli("batch", "show", number, "--json", home=tmp_path).document for number in ("1", "5")]
    assert [one["total"] for one in shown] == [3, 2]
    up(tmp_path)
    logs = run_cli("logs", "1", home=tmp_path).out + run_cli("logs", "batch:5", home=tmp_path).out
    assert logs == "one\ntwo words\n\na\nb\nc\n"


def test_a_failed_batch_says_how_many_failed_with_what_and_can_be_retried(tmp_path: Path) -> None:
    run_cli("batch", "-n", "codes", "--shell", "exit {}", ":::", "0", "3", "0", "7", home=tmp_path)
    up(tmp_path)
    waited = run_cli("wait", "1", home=tmp_path)
    assert waited.code == 1
    document = run_cli("batch", "show", "1", "--json", home=tmp_path).document
    assert {key: document[key] for key in ("status", "reason", "total", "completed", "failed", "message")} == {
        "status": "failed", "reason": "items_failed", "total": 4, "completed": 2, "failed": 2,
        "message": "2 of 4 failed",
    }  # fmt: skip
    assert [(one["number"], one["item"], one["exit_code"]) for one in document["failed_items"]] == [
        (2, "3", 3), (4, "7", 7),
    ]  # fmt: skip
    text = run_cli("batch", "show", "1", home=tmp_path).out
    assert "#2 job 3 failed, exit 3: 3" in text
    assert run_cli("batch", "retry", "1", "--failed", home=tmp_path).out == "2 items of job 1 retried\n"
    assert run_cli("explain", "1", home=tmp_path).out.startswith("2 of 4 items have not ended: 2 queued\n")
    listed = run_cli("batch", "list", "--json", home=tmp_path).document["batches"]
    assert [(one["id"], one["status"], one["queued"]) for one in listed] == [(1, "running", 2)]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["batch", "--", "echo", "{}"], 2),
        (["batch", "echo", ":::", "a"], 2),
        (["batch", "--from", "nowhere", "--", "echo"], 2),
        (["batch", "--null", "--", "echo", ":::", "a"], 2),
        (["batch", "--shell", "x", "--", "y", ":::", "a"], 2),
        (["batch", "--max-parallel", "0", "--", "echo", ":::", "a"], 2),
        (["batch", "--max-failures", "x", "--", "echo", ":::", "a"], 2),
        (["batch", "--queue", "none", "--", "echo", ":::", "a"], 3),
        (["batch", "show", "1"], 3),
        (["batch", "retry", "1"], 3),
        (["batch", "--nonsense"], 2),
        (["explain", "1"], 3),
        (["history", "x"], 3),
        (["list", "--watch"], 2),
        (["list", "--interval", "1s"], 2),
        (["submit", "--after", "99", "--", "true"], 3),
        (["submit", "--after", "name:none", "--", "true"], 3),
        (["submit", "--after", "@failed", "--", "true"], 3),
        (["submit", "--after", "1-", "--", "true"], 2),
        (["submit", "--resource", "gpu=1", "--", "true"], 2),
        (["submit", "--resource", "gpu", "--", "true"], 2),
        (["submit", "--nice", "20", "--", "true"], 2),
        (["submit", "--max-memory", "x", "--", "true"], 2),
        (["submit", "--progress-from", "(", "--", "true"], 2),
        (["submit", "--on-duplicate", "reject", "--", "true"], 2),
        (["submit", "--unique", "", "--", "true"], 2),
        (["submit", "--on-success", " ", "--", "true"], 2),
    ],
)
def test_bad_input_is_one_line_and_its_exit_code(tmp_path: Path, args: list[str], code: int) -> None:
    ended = run_cli(*args, home=tmp_path, cwd=tmp_path)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("jobctl: error: ")
    assert ended.err.count("\n") == 1


def test_a_second_submit_of_a_unique_job_prints_the_first_and_says_so(tmp_path: Path) -> None:
    args = ["submit", "-q", "--unique", "nightly", "--", "true"]
    assert run_cli(*args, home=tmp_path).out == "1\n"
    again = run_cli(*args, home=tmp_path)
    assert (again.code, again.out) == (0, "1\n")
    assert "job 1 has the unique key nightly already" in again.err
    refused = run_cli(
        *args[:2], "--unique", "nightly", "--on-duplicate", "reject", "--", "true", home=tmp_path
    )
    assert refused.code == 4
    replaced = run_cli(
        *args[:2], "--unique", "nightly", "--on-duplicate", "replace", "--", "true", home=tmp_path
    )
    assert replaced.out == "2\n"
    assert run_cli("show", "1", "--json", home=tmp_path).document["reason"] == "replaced"


def test_dependencies_locks_and_limits_are_in_the_json_of_the_job(tmp_path: Path) -> None:
    for _ in range(2):
        run_cli("submit", "-n", "first", "--hold", "--", "true", home=tmp_path)
    line = ["--after", "name:first", "--after-any", "1", "--lock", "db", "--max-memory", "1G", "--nice", "5"]
    document = run_cli("submit", "--json", *line, "--", "true", home=tmp_path).document
    assert document["after"] == [{"id": 1, "condition": "any"}, {"id": 2, "condition": "success"}]
    assert (document["lock"], document["resources"], document["status"]) == ("db", {}, "created")
    assert run_cli("explain", "3", "--json", home=tmp_path).document["reasons"][0] == {
        "code": "dependency", "message": "waits for job 1 to end; it is created", "job_id": 1, "condition": "any",
    }  # fmt: skip


def test_lines_of_jobs_know_the_new_keys(tmp_path: Path) -> None:
    lines = [
        {"command": ["true"], "unique": "a", "lock": "l", "nice": 3, "on_failure": "echo no"},
        {"command": ["true"], "unique": "a"},
    ]
    made = run_cli("submit", "--jsonl", "-", home=tmp_path, input="\n".join(map(json.dumps, lines)))
    assert (made.code, made.out) == (0, "job 1\njob 1\n")
    later = json.dumps({"command": ["true"], "after": [1], "after_any": "last"})
    run_cli("submit", "--jsonl", "-", home=tmp_path, input=later)
    assert len(run_cli("show", "2", "--json", home=tmp_path).document["after"]) == 2


def test_show_lists_the_hooks_of_a_job(tmp_path: Path) -> None:
    run_cli("submit", "--on-success", "echo done", "--", "true", home=tmp_path)
    up(tmp_path)
    hooks = run_cli("show", "1", "--json", home=tmp_path).document["hooks"]
    assert [(hook["name"], hook["status"], hook["command"]) for hook in hooks] == [
        ("true:on_success", "completed", "echo done")
    ]
    assert "true:on_success completed: echo done" in run_cli("show", "1", home=tmp_path).out


def test_a_job_submitted_inside_a_job_is_its_child_and_is_cancelled_with_it(tmp_path: Path) -> None:
    inner = (
        "python3 -m jobctl submit --hold -n child -- true; python3 -m jobctl submit --detach --hold -- true"
    )
    run_cli("submit", "--shell", inner.replace("python3", sys.executable), home=tmp_path)
    up(tmp_path)
    listed = run_cli("list", "--parent", "1", "--json", home=tmp_path).document["jobs"]
    assert [(job["name"], job["parent_id"]) for job in listed] == [("child", 1)]
    run_cli("retry", "1", home=tmp_path)
    run_cli("cancel", "1", home=tmp_path)
    statuses = {job["id"]: job["status"] for job in run_cli("list", "--json", home=tmp_path).document["jobs"]}
    assert statuses == {1: "cancelled", 2: "cancelled", 3: "created"}


def test_history_lists_the_runs_of_a_name_newest_first(tmp_path: Path) -> None:
    for code in ("0", "3"):
        run_cli("submit", "-n", "backup", "--shell", f"exit {code}", home=tmp_path)
    up(tmp_path)
    runs = run_cli("history", "backup", "--json", home=tmp_path).document["jobs"]
    assert [(run["id"], run["exit_code"]) for run in runs] == [(2, 3), (1, 0)]
    assert run_cli("history", "backup", "--limit", "1", home=tmp_path).out.splitlines()[1].split()[0] == "2"


def test_run_of_a_unique_job_follows_the_one_there_is(tmp_path: Path) -> None:
    run_cli("submit", "--unique", "k", "--shell", "echo mine", home=tmp_path)
    up(tmp_path)
    assert run_cli("run", "--unique", "k", "--", "echo", "new", home=tmp_path).out == "new\n"
