"""The daemons that come along as examples, kept by a spawned supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobctl.examples import file_watcher, health_monitor, queue_monitor
from jobctl.model.daemons import Daemon
from jobctl.model.filters import JobFilter
from jobctl.model.states import JobStatus
from tests.support.calls import Calls
from tests.support.cli import cli_environment
from tests.support.supervisors import Site

PYTHON = (sys.executable, "-m")


@pytest.fixture
def inbox(site: Site) -> Path:
    directory = site.root / "inbox"
    directory.mkdir()
    return directory


@pytest.fixture
def call(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.chdir(site.root)
    return Calls(site.home.path, capsys, monkeypatch)


def end(site: Site, call: Calls, process: Any) -> None:
    """The supervisor has stopped its daemons and itself."""
    assert call("down").code == 0
    assert site.finish(process) == 0


def daemon(site: Site, name: str) -> Daemon:
    found = site.store.daemons.get(name)
    assert found is not None
    return found


def watched(site: Site) -> list[str]:
    """The files that the jobs of the daemon ``inbox`` were submitted for, oldest first."""
    jobs = site.store.jobs.list(JobFilter(daemon="inbox"))
    return [os.path.basename(job.spec.command[-1]) for job in reversed(jobs)]


def test_the_file_watcher_submits_each_file_once_through_stops_and_kills(
    site: Site, inbox: Path, call: Calls
) -> None:
    supervisor = site.up()
    (inbox / "old.csv").touch()
    added = call(
        "daemon", "add", "inbox", "--start", "--backoff", "0", "--ready", "log:^watching ", "--",
        *PYTHON, "jobctl.examples.file_watcher", str(inbox), "--pattern", "*.csv", "--settle", "0.05",
        "--name", "import", "--", "wc", "-c",
    )  # fmt: skip
    assert added.code == 0, added.err
    site.wait_for(lambda: watched(site) == ["old.csv"])
    (inbox / "new.csv").write_text("12345")
    (inbox / "other.txt").touch()
    site.wait_for(lambda: watched(site) == ["old.csv", "new.csv"])

    assert call("daemon", "stop", "inbox").code == 0
    (inbox / "meanwhile.csv").touch()
    assert call("daemon", "start", "inbox").code == 0
    site.wait_for(lambda: watched(site) == ["old.csv", "new.csv", "meanwhile.csv"])

    before = daemon(site, "inbox")
    os.kill(before.pid or 0, signal.SIGKILL)
    (inbox / "after.csv").touch()
    site.wait_for(lambda: daemon(site, "inbox").generation > before.generation)
    site.wait_for(lambda: len(watched(site)) == 4)
    (inbox / "last.csv").touch()
    site.wait_for(lambda: len(watched(site)) == 5)
    assert sorted(watched(site)) == ["after.csv", "last.csv", "meanwhile.csv", "new.csv", "old.csv"]

    site.wait_for(lambda: call("wait", "name:import").code == 0)
    listed = call("daemon", "jobs", "inbox", "--json").document["jobs"]
    assert {(job["status"], job["name"]) for job in listed} == {("completed", "import")}
    new = next(job for job in listed if job["command"][-1].endswith("new.csv"))
    assert call("logs", str(new["id"])).out.startswith("5 ")
    end(site, call, supervisor)


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_crash_around_a_submission_neither_loses_nor_repeats_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    home = tmp_path / "home"
    for name, value in cli_environment(home).items():
        monkeypatch.setenv(name, value)
    calls: list[list[str]] = []
    real = subprocess.run

    def run(argv: list[str], **options: Any) -> Any:
        calls.append(list(argv))
        if crash == "before" and "submit" in argv and len(calls) == 1:
            raise KeyboardInterrupt
        done = real(argv, **options)
        if crash == "after" and "submit" in argv:
            raise KeyboardInterrupt
        return done

    real([*file_watcher.JOBCTL, "db", "migrate"], check=True, capture_output=True)
    monkeypatch.setattr(subprocess, "run", run)
    path = tmp_path / "files.jsonl"
    ledger = file_watcher.Ledger(path)
    with pytest.raises(KeyboardInterrupt):
        ledger.submit({"/a": 1, "/b": 2}, {"/a": {"command": ["true"]}, "/b": {"command": ["true"]}})
    with open(path, "ab") as file:
        file.write(b'{"batch": "half a li')
    again = file_watcher.Ledger(path)
    assert again.seen == ({} if crash == "before" else {"/a": 1, "/b": 2})
    assert file_watcher.Ledger(path).seen == again.seen
    assert len(calls) == 2  # the submission, and one look for its jobs


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(tmp_path: Path) -> None:
    directory = file_watcher.Directory(tmp_path, "**/*.csv", settle=1.0)
    path = tmp_path / "deep" / "a.csv"
    path.parent.mkdir()
    path.write_text("1")
    seen: dict[str, int] = {}
    assert directory.settled(seen, 10.0) == {}
    path.write_text("12")
    assert directory.settled(seen, 11.5) == {}
    assert directory.is_settling()
    assert directory.settled(seen, 12.4) == {}
    found = directory.settled(seen, 12.5)
    assert list(found) == [str(path)]
    seen |= found
    path.write_text("123")
    assert directory.settled(seen, 20.0) == {}
    assert not directory.is_settling()
    path.unlink()
    assert directory.settled(seen, 21.0) == {}
    assert seen == {}


def test_names_that_are_not_utf8_are_skipped_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    (tmp_path / "good").touch()
    directory = file_watcher.Directory(tmp_path, "*", settle=0.0)
    directory.settled({}, 1.0)
    assert [os.path.basename(name) for name in directory.settled({}, 2.0)] == ["good"]
    assert capsys.readouterr().out.count("not UTF-8") == 1


def test_the_queue_monitor_submits_one_cleanup_at_a_time(site: Site, call: Calls) -> None:
    supervisor = site.up()
    gate = site.root / "gate"
    gate.touch()
    call("queue", "add", "mail")
    call("queue", "pause", "mail")
    for _ in range(3):
        call("submit", "-Q", "mail", "--", "true")
    added = call(
        "daemon", "add", "backlog", "--start", "--watchdog", "60s", "--", *PYTHON, "jobctl.examples.queue_monitor",
        "mail", "--above", "2", "--every", "0.05", "--",
        "sh", "-c", f"while [ -e {gate} ]; do sleep 0.02; done; {sys.executable} -m jobctl queue resume mail",
    )  # fmt: skip
    assert added.code == 0, added.err
    site.wait_for(lambda: site.store.jobs.list(JobFilter(name="cleanup-mail")))
    [cleanup] = site.store.jobs.list(JobFilter(name="cleanup-mail"))
    heartbeat = Path(site.home.daemon("backlog"), "heartbeat")
    beats: set[int] = set()

    def has_looked_again() -> bool:
        if heartbeat.exists():
            beats.add(heartbeat.stat().st_mtime_ns)
        return len(beats) == 3

    site.wait_for(has_looked_again)
    assert len(site.store.jobs.list(JobFilter(name="cleanup-mail"))) == 1
    assert cleanup.submitted_by == "daemon:backlog"
    gate.unlink()
    site.wait_status(cleanup.id, JobStatus.COMPLETED)
    assert call("wait", "queue:mail").code == 0
    site.wait_for(lambda: "3 jobs wait in mail" in call("daemon", "logs", "backlog").out)
    end(site, call, supervisor)


def test_the_health_monitor_keeps_a_status_text(site: Site, call: Calls) -> None:
    supervisor = site.up()
    command = (*PYTHON, "jobctl.examples.health_monitor", "--path", str(site.root), "--every", "0.2")
    ready = ("--start", "--ready", "notify", "--watchdog", "60s")
    assert call("daemon", "add", "health", *ready, "--", *command).code == 0
    site.wait_for(lambda: (daemon(site, "health").status_text or "").startswith("ok: "))
    assert f"of {site.root} free, load " in call("daemon", "list").out
    strict = (*command, "--least-free", "101")
    assert call("daemon", "edit", "health", "--", *strict).code == 0
    assert call("daemon", "restart", "health").code == 0
    site.wait_for(lambda: (daemon(site, "health").status_text or "").startswith("low disk: "))
    site.wait_for(lambda: "low disk" in call("daemon", "logs", "health").out)
    end(site, call, supervisor)


def test_outside_of_a_daemon_they_say_what_is_missing(tmp_path: Path) -> None:
    env = cli_environment(tmp_path / "home")
    for module, args in (("file_watcher", (".", "--", "x")), ("queue_monitor", ("nope", "--", "x"))):
        done = subprocess.run(
            [*PYTHON, f"jobctl.examples.{module}", *args],
            capture_output=True, text=True, check=False, env=env, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode != 0
        assert ("no JOBCTL_STATE_DIR" in done.stderr) or ("no such queue: nope" in done.stderr)
        assert "Traceback" not in done.stderr


def test_the_examples_can_be_listed_and_copied() -> None:
    listed = subprocess.run([*PYTHON, "jobctl.examples"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == [
        "file_watcher",
        "health_monitor",
        "queue_monitor",
    ]
    for module in (file_watcher, health_monitor, queue_monitor):
        name = module.__name__.rpartition(".")[2]
        text = subprocess.run([*PYTHON, "jobctl.examples", name], capture_output=True, text=True, check=True)
        assert text.stdout == Path(str(module.__file__)).read_text()
        compile(text.stdout, name, "exec")
