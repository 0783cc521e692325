"""The reading verbs from outside: ``list show logs wait events status down db``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.store.migrations import MIGRATIONS, NEWEST
from tests.support.calls import Calls
from tests.support.cli import run_cli, start_cli
from tests.support.histories import History
from tests.support.terminals import on_terminal
from tests.support.waiting import wait_until


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def calls(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(str(tmp_path / "home"), capsys, monkeypatch)


def _end(process: subprocess.Popen[bytes], *, seconds: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("verb", "document"), [(["list"], {"jobs": []}), (["list", "@failed", "--active"], {"jobs": []})]
)
def test_reading_a_home_without_store_finds_nothing_and_makes_nothing(
    tmp_path: Path, verb: list[str], document: object
) -> None:
    home = tmp_path / "none"
    ended = run_cli(*verb, "--json", home=home)
    assert (ended.code, ended.document) == (0, document)
    assert run_cli(*verb, home=home).code == 0
    assert not home.exists()


def test_events_status_and_db_of_a_home_without_store_make_nothing(tmp_path: Path) -> None:
    home = tmp_path / "none"
    assert run_cli("events", home=home).out == ""
    status = run_cli("status", "--json", home=home)
    assert status.code == 6
    assert status.document["supervisor"]["state"] == "down"
    assert set(status.document["counts"].values()) == {0}
    assert run_cli("db", "path", home=home).out == f"{home}/jobctl.db\n"
    assert run_cli("down", home=home).code == 6
    for verb in ("show", "logs", "wait"):
        assert run_cli(verb, "1", home=home).code == 3
    assert run_cli("db", "info", home=home).code == 3
    assert not home.exists()


def test_list_narrows_by_every_flag(history: History, calls: Calls) -> None:
    old = history.run("old", 1, tags=("t",), type="etl", user="ann")
    child = history.submit("child", parent_id=old, hold=True, priority=1)
    history.run("good")

    def names(*flags: str) -> list[str]:
        ended = calls("list", "--json", *flags)
        assert ended.code == 0, ended.err
        return [job["name"] for job in ended.document["jobs"]]

    assert names() == ["good", "child", "old"]
    assert names("--status", "failed,created") == ["child", "old"]
    assert names("--status", "failed", "--status", "completed", "--sort", "name") == ["good", "old"]
    assert names("--active") == ["child"]
    assert (
        names("--tag", "t")
        == names("--type", "etl")
        == names("--user", "ann")
        == names("-n", "old")
        == ["old"]
    )
    assert names("--parent", str(old)) == names(str(child)) == ["child"]
    assert names("--queue", "default", "--limit", "2") == ["good", "child"]
    assert names("--sort", "priority")[0] == "child"
    assert names("--since", "1h") == names("--until", "now", "--all") == ["good", "child", "old"]
    assert names("--until", "1h") == names("--name", "none") == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--status", "fialed"], "unknown status: 'fialed'; did you mean failed?"),
        (["--status", "done"], "did you mean completed?"),
        (["--sort", "durration"], "did you mean duration?"),
        (["--since", "whenever"], "bad --since: 'whenever'"),
        (["--limit", "0"], "limit must be 1"),
        (["--all", "--limit", "3"], "--all and --limit exclude each other"),
        (["--parent", "x"], "bad parent id: 'x'"),
        (["@fialed"], "did you mean @failed?"),
    ],
)
def test_a_bad_flag_of_list_exits_2_with_one_line(calls: Calls, flags: list[str], message: str) -> None:
    ended = calls("list", *flags)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_list_of_an_id_that_is_not_there_exits_3(history: History, calls: Calls) -> None:
    ended = calls("list", "7", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (3, "E_NOT_FOUND")


def test_a_list_for_a_queue_that_is_not_there_exits_3(history: History, calls: Calls) -> None:
    for words in (["--queue", "bogus"], ["queue:bogus"]):
        ended = calls("list", *words)
        assert (ended.code, ended.out) == (3, "")
        assert "no such queue: 'bogus'" in ended.err
    assert calls("list", "--queue", "default", "--name", "none").code == 0


def test_a_terminal_gets_the_50_newest_and_a_pipe_all(history: History) -> None:
    for _ in range(52):
        history.submit()
    home = history.home.path
    assert len(run_cli("list", home=home).out.splitlines()) == 53
    shown = on_terminal("list", home=home)
    assert "all of them: --all" in shown
    assert len(shown.splitlines()) == 52
    assert len(on_terminal("list", "--all", home=home).splitlines()) == 53


def test_hostile_text_never_reaches_the_terminal_raw(history: History) -> None:
    hostile = b"\x1b]0;owned\x07 \x9b31m [/b] \xff\n"
    job_id = history.submit("x[/b]", command=("echo", hostile.decode("utf-8", "surrogateescape")))
    history.start(job_id)
    history.write(job_id, hostile)
    history.end(job_id, 1, error=hostile.decode("utf-8", "replace"))
    home = history.home.path
    for verb in (["list"], ["show", "1"], ["logs", "1"], ["events"], ["status"], ["wait", "1"]):
        shown = on_terminal(*verb, home=home, color=False)
        assert "Traceback" not in shown
        assert not set(shown) & {"\x1b", "\x07", "\x9b"}, verb
    assert run_cli("show", "1", "--json", home=home).document["command"][1].endswith("\\xff\n")


def test_colours_are_for_terminals_that_want_them(history: History) -> None:
    history.run()
    home = history.home.path
    assert "\x1b[" in on_terminal("list", home=home)
    assert "\x1b[3" not in on_terminal("list", "--no-color", home=home)
    assert "\x1b" not in run_cli("list", home=home).out


def test_show_tells_fields_attempts_and_events(history: History) -> None:
    job_id = history.submit("train", attempts=2, meta={"k": [1]})
    history.start(job_id)
    history.end(job_id, 3, again=True)
    history.start(job_id)
    history.end(job_id)
    home = history.home.path
    shown = run_cli("show", "last", "--json", home=home).document
    assert (shown["id"], shown["status"], shown["meta"]) == (job_id, "completed", {"k": [1]})
    assert [(one["number"], one["outcome"], one["exit_code"]) for one in shown["attempts"]] == [
        (1, "failed", 3),
        (2, "completed", 0),
    ]
    assert shown["directory"] == f"{home}/runs/1/2"
    assert shown["events"][0]["kind"] == "job.submitted"
    text = run_cli("show", "1", home=home).out
    for word in ("train", "✓ completed", '{"k": [1]}', "#1 failed, exit 3", "#2 completed", "job.started"):
        assert word in text


def test_logs_prints_filters_and_keeps_bytes_with_raw(history: History) -> None:
    data = b"one\r\n\x1b[31mred\x1b[0m\n\xff last"
    history.run(output=data)
    home = history.home.path
    assert run_cli("logs", "1", home=home).out == "one\n\\x1b[31mred\\x1b[0m\n\\xff last"
    process = start_cli("logs", "1", "--raw", home=home)
    assert process.communicate(timeout=60)[0] == data
    assert run_cli("logs", "1", "--grep", "^o|las", home=home).out == "one\n\\xff last"
    assert run_cli("logs", "1", "--tail", "1", home=home).out == "\\xff last"
    assert run_cli("logs", "1", "--tail", "0", home=home).out == ""
    lines = [json.loads(line) for line in run_cli("logs", "1", "--json", home=home).out.splitlines()]
    assert lines[0] == {"job_id": 1, "attempt": 1, "stream": "output", "line": "one"}
    for flags in (["--grep", "("], ["--stream", "stdin"], ["--tail", "-1"], ["--attempt", "0"]):
        assert run_cli("logs", "1", *flags, home=home).code == 2


def test_logs_of_several_jobs_have_headers_on_standard_error(history: History) -> None:
    history.run(output=b"a\n")
    history.run(output=b"b\n")
    history.submit()
    ended = run_cli("logs", "all", home=history.home.path)
    assert ended.out == "a\nb\n"
    assert ended.err == "==> job 1 <==\n==> job 2 <==\njob 3 has not started; it is queued\n"


def test_logs_follow_a_queued_job_through_a_retry_to_its_end(history: History) -> None:
    job_id = history.submit(attempts=2)
    process = start_cli("logs", "-f", str(job_id), home=history.home.path)
    assert process.stderr is not None
    assert b"no supervisor for" in process.stderr.readline()
    history.start(job_id)
    history.write(job_id, b"first\n")
    history.end(job_id, 1, again=True)
    history.start(job_id)
    history.write(job_id, b"second, without end of line")
    history.end(job_id)
    code, out, err = _end(process)
    assert (code, out) == (0, "first\nsecond, without end of line")
    assert err == "attempt 2\n"


def test_logs_follow_shows_a_prompt_before_its_line_ends(history: History) -> None:
    job_id = history.submit()
    history.start(job_id)
    history.write(job_id, b"password: ")
    process = start_cli("logs", "-f", "1", home=history.home.path)
    assert process.stdout is not None
    assert process.stdout.read(10) == b"password: "
    history.end(job_id)
    assert _end(process)[0] == 0


def test_wait_tells_what_became_of_the_jobs(history: History) -> None:
    home = history.home.path
    history.run()
    history.run(code=3)
    assert run_cli("wait", "1", home=home).out == "job 1 completed\n"
    ended = run_cli("wait", "1,2", home=home)
    assert (ended.code, ended.out) == (1, "job 1 completed\njob 2 failed (exit 3)\n")
    assert run_cli("wait", "1", "2", "--any", home=home).code == 0
    document = run_cli("wait", "2", "--json", home=home)
    assert [job["exit_code"] for job in document.document["jobs"]] == [3]
    assert run_cli("wait", "1", "99", home=home).code == 3
    assert run_cli("wait", "@running", home=home).code == 0


def test_wait_gives_up_after_its_timeout(history: History) -> None:
    history.submit()
    ended = run_cli("wait", "1", "--timeout", "50ms", "--json", home=history.home.path)
    assert (ended.code, ended.document["error"]["code"]) == (124, "E_TIMEOUT")
    assert ended.err.count("no supervisor for") == 1


def test_wait_returns_soon_after_the_end(history: History) -> None:
    job_id = history.submit()
    history.start(job_id)
    process = start_cli("wait", str(job_id), home=history.home.path)
    assert process.stderr is not None
    process.stderr.readline()  # it waits
    history.end(job_id)
    ended = time.monotonic()
    assert process.stdout is not None
    assert process.stdout.readline() == b"job 1 completed\n"
    assert time.monotonic() - ended < 2  # 0.2 s on a machine that does nothing else
    assert _end(process)[0] == 0


@pytest.mark.parametrize("verb", [["wait", "1"], ["logs", "-f", "1"]])
def test_ctrl_c_ends_what_waits_with_130(history: History, verb: list[str]) -> None:
    history.submit()
    process = start_cli(*verb, home=history.home.path)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    code, _, err = _end(process)
    assert code == 130
    assert "Traceback" not in err


def test_events_are_objects_one_a_line_and_can_be_narrowed(history: History) -> None:
    history.run(code=1)
    home = history.home.path
    lines = [json.loads(line) for line in run_cli("events", "--json", home=home).out.splitlines()]
    assert all(list(line) == ["id", "at", "kind", "entity", "entity_id", "data"] for line in lines)
    assert [line["kind"] for line in lines[-3:]] == ["job.submitted", "job.started", "job.failed"]
    assert lines[-1]["data"]["exit_code"] == 1
    narrowed = run_cli("events", "--since", str(lines[-2]["id"]), "--kind", "job.f*", "--json", home=home)
    assert json.loads(narrowed.out) == lines[-1]
    assert run_cli("events", "--since", "1h", "--kind", "job.submitted", home=home).out.count("\n") == 1
    assert run_cli("events", "--since", "never", home=home).code == 2
    refused = run_cli("events", "--kind", "job.faled", home=home)
    assert (refused.code, "did you mean job.failed?" in refused.err) == (2, True)


def test_followed_events_come_as_they_happen_and_gaps_are_told(history: History) -> None:
    history.submit()
    with history.store.write():
        history.store.database.rows("DELETE FROM events WHERE id=1")
    process = start_cli("events", "-f", "--since", "0", "--json", home=history.home.path)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["kind"] == "job.submitted"
    history.submit()
    assert json.loads(process.stdout.readline())["entity_id"] == 2
    process.send_signal(signal.SIGINT)
    assert _end(process) == (130, "", "events 1 to 1 are no longer kept\n")


def test_who_follows_ends_when_its_reader_does_though_nothing_happens(history: History) -> None:
    process = start_cli("events", "-f", "--since", "99", "--kind", "job.*", home=history.home.path)
    assert process.stderr is not None
    assert process.stdout is not None
    assert process.stderr.readline() == b"there is no event 99 yet; going on after the newest, 1\n"
    history.submit()
    assert b"job.submitted" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_following_events_waits_for_the_store_without_making_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start_cli("events", "-f", home=home)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"no store yet")
    assert not home.exists()
    made = History(home)
    made.submit("first")
    assert process.stdout is not None
    while b"first" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert _end(process)[0] == 130
    made.close()


@pytest.fixture
def supervised(history: History) -> Iterator[subprocess.Popen[bytes]]:
    process = start_cli("up", home=history.home.path)
    wait_until(lambda: run_cli("status", home=history.home.path).code == 0)
    yield process
    run_cli("down", "--now", home=history.home.path)
    process.communicate(timeout=60)


def _submit_blocked(history: History, gate: Path) -> int:
    gate.touch()
    text = f"while [ -e {gate} ]; do sleep 0.05; done"
    ended = run_cli("submit", "-q", "--name", "blocked", "--shell", text, home=history.home.path)
    assert ended.code == 0, ended.err
    return int(ended.out)


def _is_running(history: History, job_id: int) -> Callable[[], bool]:
    def running() -> bool:
        job = history.store.jobs.get(job_id)
        return job is not None and job.status == "running" and bool(history.store.attempts.of(job.id))

    return running


def test_status_and_down_with_a_supervisor(
    history: History, supervised: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    home, gate = history.home.path, tmp_path / "gate"
    job_id = _submit_blocked(history, gate)
    wait_until(_is_running(history, job_id))
    status = run_cli("status", "--json", home=home).document
    assert list(status)[:5] == ["supervisor", "counts", "queues", "daemons", "next"]
    assert list(status["supervisor"]) == ["state", "pid", "started_at", "uptime_seconds", "version"]
    assert (status["supervisor"]["state"], status["supervisor"]["pid"]) == ("running", supervised.pid)
    assert status["counts"]["running"] == 1
    assert [job["id"] for job in status["running"]] == [job_id]
    assert f"{job_id} blocked" in run_cli("status", home=home).out
    ended = run_cli("down", "--timeout", "50ms", home=home)
    assert ended.code == 124
    assert f"waiting for 1 running job: {job_id} blocked" in ended.err
    wait_until(lambda: run_cli("status", "--json", home=home).document["supervisor"]["state"] == "draining")
    os.unlink(gate)
    ended = run_cli("down", home=home)
    assert ended.code in (0, 6)  # 6: it had gone already
    wait_until(lambda: supervised.poll() is not None)
    assert run_cli("status", home=home).code == run_cli("down", home=home).code == 6


def test_down_now_ends_a_supervisor_with_its_jobs(
    history: History, supervised: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    job_id = _submit_blocked(history, tmp_path / "gate")
    wait_until(_is_running(history, job_id))
    ended = run_cli("down", "--now", "--json", home=history.home.path)
    assert ended.code == 0, ended.err
    assert ended.document["supervisor"] == {"state": "down", "pid": supervised.pid, "mode": "now"}
    wait_until(lambda: supervised.poll() is not None)


def test_the_ways_to_go_down_exclude_each_other(tmp_path: Path) -> None:
    ended = run_cli("down", "--now", "--drain", home=tmp_path)
    assert ended.code == 2
    assert "exclude each other" in ended.err


def test_db_migrate_makes_a_store_once_and_info_tells_of_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run_cli("db", "migrate", home=home).out == "".join(
        f"applied {migration.name}\n" for migration in MIGRATIONS
    )
    assert run_cli("db", "migrate", "--json", home=home).document["applied"] == []
    assert home.stat().st_mode & 0o777 == 0o700
    info = run_cli("db", "info", "--json", home=home).document
    assert (info["journal_mode"], info["schema_version"], info["jobs"]["queued"]) == ("wal", NEWEST, 0)
    assert info["path"] == f"{home}/jobctl.db"
    assert "journal mode wal" in run_cli("db", "info", home=home).out


def test_a_piped_list_imports_nothing_slow(history: History) -> None:
    history.run()
    ended = run_cli("list", home=history.home.path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ended.code == 0
    imported = {
        line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in ended.err.splitlines() if "|" in line
    }
    assert "jobctl" in imported
    assert not imported & {"rich", "croniter", "psutil"}
