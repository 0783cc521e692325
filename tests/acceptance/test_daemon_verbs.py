"""``jobctl daemon …`` as a user has it, beside a spawned supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import Calls
from tests.support.cli import run_cli
from tests.support.supervisors import PATIENCE, Site

GATED = (
    "while [ -e gate ]; do sleep 0.02; done; echo ready now; while [ -e life ]; do sleep 0.02; done; exit 4"
)


@pytest.fixture
def work(site: Site) -> Path:
    """The directory of the daemons; who lives while ``life`` is there ends with the test at the latest."""
    directory = site.root / "work"
    directory.mkdir()
    (directory / "life").touch()
    (directory / "gate").touch()
    return directory


@pytest.fixture
def call(
    site: Site, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Calls:
    monkeypatch.chdir(work)
    return Calls(site.home.path, capsys, monkeypatch)


def shown(call: Calls, name: str) -> dict[str, Any]:
    document: dict[str, Any] = call("daemon", "show", name, "--json").document
    return document


def end(site: Site, call: Calls, process: Any) -> None:
    """The supervisor has stopped its daemons and itself."""
    assert call("down").code == 0
    assert site.finish(process) == 0


def test_start_waits_for_readiness_and_stop_for_the_end(site: Site, work: Path, call: Calls) -> None:
    supervisor = site.up()
    assert call("daemon", "add", "web", "--ready", "log:^ready", "--shell", GATED).code == 0
    starting = site.spawn("daemon", "start", "web", "--json", name="starting")
    site.wait_for(lambda: site.store.daemons.all()[0].state == "starting")
    assert starting.poll() is None
    assert call("daemon", "check").code == 1
    (work / "gate").unlink()
    assert site.finish(starting) == 0
    started = json.loads((site.root / "starting.out").read_text())
    assert (started["state"], started["wanted"], started["generation"]) == ("running", "up", 1)
    assert call("daemon", "start", "web").out == f"daemon web running, pid {started['pid']}\n"
    assert call("daemon", "check", "--json").document["daemons"][0]["ok"] is True
    status = call("status", "--json").document["daemons"]
    assert (status["running"], status["total"], status["not_as_wanted"]) == (1, 1, [])

    assert call("daemon", "edit", "web", "--env", "A=1").out.endswith(
        "restart pending: jobctl daemon restart web\n"
    )
    restarted = call("daemon", "restart", "web", "--json").document
    assert (restarted["generation"], restarted["restart_pending"]) == (2, False)
    assert restarted["pid"] != started["pid"]
    assert call("daemon", "stop", "web").out == "daemon web stopped\n"
    assert not os.path.exists(f"/proc/{restarted['pid']}")
    assert call("daemon", "wait", "web", "--state", "stopped").code == 0
    assert [one["reason"] for one in shown(call, "web")["exits"]] == ["stop", "restart"]
    assert call("daemon", "remove", "web").out == "daemon web removed\n"
    assert call("daemon", "show", "web").code == 3
    end(site, call, supervisor)


def test_a_start_that_fails_shows_the_last_lines_and_exits_1(site: Site, work: Path, call: Calls) -> None:
    supervisor = site.up()
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i; done; echo no database >&2; exit 3"
    policy = ("--backoff", "0", "--max-restarts", "1")
    failed = call("daemon", "add", "web", "--start", *policy, "--shell", script)
    assert (failed.code, failed.out) == (1, "")
    first, *lines = failed.err.splitlines()
    assert first.startswith("daemon web is ")
    assert len(lines) == 10
    assert "  | no database" in lines
    assert call("daemon", "wait", "web", "--state", "error").code == 0
    assert call("daemon", "wait", "web").code == 1
    assert call("daemon", "check", "web").out == "web: NOT UP, error (max_restarts)\n"
    again = call("daemon", "start", "web", "--json")
    assert again.code == 1
    assert "no database" in again.document["last_lines"]
    missing = call("daemon", "add", "nope", "--start", "--", "/no/such/program")
    assert missing.code == 1
    assert missing.err == "daemon nope is error (spawn_error): /no/such/program: no such file\n"
    end(site, call, supervisor)


def test_one_that_waits_for_what_nobody_starts_is_told(site: Site, work: Path, call: Calls) -> None:
    supervisor = site.up()
    call("daemon", "add", "db", "--", "/no/such/program")
    call("daemon", "add", "web", "--depends-on", "db", "--", "sleep", "600")
    failed = call("daemon", "start", "web")
    assert failed.code == 1
    assert "started, too, because they are needed: db" in failed.err
    assert "it needs db, which is error" in failed.err
    assert call("daemon", "stop", "web", "db").code == 0
    end(site, call, supervisor)


def test_the_logs_are_read_narrowed_and_followed_through_a_restart(
    site: Site, work: Path, call: Calls
) -> None:
    supervisor = site.up()
    script = "echo out of $A; printf 'bad \\033[31m\\377\\n' >&2; while [ -e life ]; do sleep 0.02; done"
    ready = ("--ready", "log:^bad", "--env", "A=one")
    assert call("daemon", "add", "web", "--start", *ready, "--shell", script).code == 0
    follower = site.spawn("daemon", "logs", "web", "-f", "--raw", "--stream", "stdout", name="follower")
    site.wait_for(lambda: (site.root / "follower.out").read_bytes() == b"out of one\n")
    call("daemon", "edit", "web", "--env", "A=two")
    assert call("daemon", "restart", "web").code == 0
    site.wait_for(lambda: (site.root / "follower.out").read_bytes() == b"out of one\nout of two\n")
    follower.send_signal(signal.SIGINT)
    assert site.finish(follower) == 130

    shown_lines = call("daemon", "logs", "web", "--stream", "stderr").out.splitlines()
    assert [line.split(" ", 1)[1] for line in shown_lines] == [r"err bad \x1b[31m\xff"] * 2
    assert call("daemon", "logs", "web", "--grep", "two$", "--raw").out == "out of two\n"
    assert len(call("daemon", "logs", "web", "--tail", "1").out.splitlines()) == 1
    assert len(call("daemon", "logs", "web", "--since", "1h").out.splitlines()) == 4
    line = json.loads(call("daemon", "logs", "web", "--json", "--tail", "1", "--stream", "stdout").out)
    assert line.pop("at").endswith("Z")
    assert line == {"daemon": "web", "stream": "stdout", "line": "out of two", "continues": False}
    end(site, call, supervisor)


def test_what_is_wanted_starts_with_the_supervisor_and_ends_with_the_file(
    site: Site, work: Path, call: Calls
) -> None:
    path = Path(site.home.path, "jobctl.yaml")
    path.touch(0o600)
    path.write_text("daemons: {web: {command: x, depends_on: nope}}")
    refused_up = run_cli("up", home=site.home.path)
    assert (refused_up.code, site.store.lives.unended()) == (2, [])
    assert "daemons: web: no such daemon: 'nope'" in refused_up.err
    path.write_text(f"daemons: {{web: {{command: 'while [ -e life ]; do sleep 0.02; done', cwd: {work}}}}}")
    call("daemon", "add", "tool", "--", "sleep", "600")
    supervisor = site.up()
    site.wait_for(lambda: site.store.daemons.get("web"))
    assert call("daemon", "wait", "web", "--timeout", str(PATIENCE)).code == 0
    assert shown(call, "tool")["state"] == "stopped"
    path.write_text("daemons: {web: {command: x, depends_on: nope}}")
    supervisor.send_signal(signal.SIGHUP)
    refused = "supervisor.reload_refused"
    site.wait_for(lambda: refused in [event.kind for event in site.store.events.after(0, 1000)])
    assert shown(call, "web")["definition"]["depends_on"] == []
    path.write_text("settings: {}")
    assert call("reload").out.startswith("daemon web: gone from the file; stopped\n")
    assert call("daemon", "wait", "web", "--state", "stopped", "--timeout", str(PATIENCE)).code == 0
    assert [one["reason"] for one in shown(call, "web")["exits"]] == ["stop"]
    end(site, call, supervisor)


def test_a_job_that_a_daemon_submits_is_its_own_and_outlives_it(site: Site, work: Path, call: Calls) -> None:
    supervisor = site.up()
    program = site.root / "jobctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jobctl "$@"\n')
    program.chmod(0o755)
    inner = "while [ -e life ]; do sleep 0.02; done"
    outer = f"{program} submit -q -n child --shell 'true'; {inner}"
    script = f'{program} submit -q -n parent --shell "{outer}"; echo submitted; {inner}'
    started = call("daemon", "add", "maker", "--start", "--ready", "log:submitted", "--shell", script)
    assert started.code == 0, started.err
    site.wait_for(lambda: len(site.store.jobs.names("child")) == 1)
    assert call("daemon", "stop", "maker").code == 0
    listed = call("daemon", "jobs", "maker", "--json").document["jobs"]
    assert [(job["name"], job["submitted_by"], job["parent_id"]) for job in listed] == [
        ("parent", "daemon:maker", None)
    ]
    assert listed[0]["status"] == "running"
    (work / "life").unlink()
    child = call("list", "-n", "child", "--json").document["jobs"][0]
    assert (child["submitted_by"], child["parent_id"]) == (f"job:{listed[0]['id']}", listed[0]["id"])
    assert call("wait", str(listed[0]["id"])).code == 0
    assert shown(call, "maker")["job_count"] == 1
    end(site, call, supervisor)


def test_waiting_ends_when_the_supervisor_is_gone(site: Site, work: Path, call: Calls) -> None:
    supervisor = site.up()
    call("daemon", "add", "web", "--ready", "notify", "--shell", "while [ -e life ]; do sleep 0.02; done")
    starting = site.spawn("daemon", "start", "web", name="starting")
    site.wait_for(lambda: site.store.daemons.all()[0].state == "starting")
    site.kill(supervisor)
    assert site.finish(starting) == 6
    assert "the supervisor ended meanwhile" in (site.root / "starting.err").read_text()
    (work / "life").unlink()
