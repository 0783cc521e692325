"""``up`` and ``watch`` on a terminal: what people see, and how the terminal is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.actions.supervisors import running_supervisor
from jobctl.model.states import JobStatus
from tests.support.supervisors import Site
from tests.support.terminals import Session, check_clean

Open = Callable[..., Session]


@pytest.fixture
def terminal(site: Site) -> Iterator[Open]:
    """Opens terminals on which a call of jobctl runs; they are gone in the end."""
    opened: list[Session] = []

    def open_one(*args: str, width: int = 80, rows: int = 24) -> Session:
        opened.append(Session(*args, home=site.home.path, width=width, rows=rows))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


def supervisor_pid(site: Site) -> int:
    """The pid of the ``up`` that runs."""
    site.wait_for(lambda: running_supervisor(site.store) is not None)
    life = running_supervisor(site.store)
    assert life is not None
    return life.pid


def dashboard_pid(supervisor: int) -> int:
    """The pid of its dashboard."""
    for pid in map(int, Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()):
        if b"--attached" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no dashboard")


def test_up_shows_a_dashboard_and_leaves_the_terminal_clean_after_ctrl_c(site: Site, terminal: Open) -> None:
    gate = site.root / "gate"
    gate.touch()
    job_id = site.shell(f"while [ -e {gate} ]; do sleep 0.01; done", name="evil \u202e[/b]")
    session = terminal("up")
    screen = session.wait_screen("running 1")
    assert len(screen) == 24
    assert "● running" in screen[0]
    assert any("evil \\u202e[/b]" in line for line in screen)
    session.type("\x03")
    session.wait_screen("draining, waiting for 1 running")
    gate.unlink()
    stream = session.wait_for("done\r\n")
    assert "ended with 0" in stream
    assert stream.rfind("supervisor ended: drain") > stream.rfind("\x1b[?1049l")
    check_clean(stream)
    assert site.status(job_id) is JobStatus.COMPLETED


def test_a_dashboard_whose_supervisor_is_killed_restores_the_terminal(site: Site, terminal: Open) -> None:
    session = terminal("up")
    session.wait_screen("● running")
    pid = supervisor_pid(site)
    child = dashboard_pid(pid)
    os.kill(pid, signal.SIGKILL)
    session.wait_for("\x1b[?1049l")
    site.wait_for(lambda: not os.path.exists(f"/proc/{child}"))
    stream = session.wait_for("ended with 137")
    assert stream.count("\x1b[?25h") >= 1
    assert "Traceback" not in stream


def test_a_supervisor_whose_dashboard_is_killed_goes_on_with_log_lines(site: Site, terminal: Open) -> None:
    session = terminal("up")
    session.wait_screen("● running")
    os.kill(dashboard_pid(supervisor_pid(site)), signal.SIGKILL)
    session.wait_for("the dashboard has ended (SIGKILL)")
    job_id = site.submit("true")
    assert site.wait_status(job_id).status is JobStatus.COMPLETED
    session.wait_for(f"job.completed job {job_id}")
    session.type("\x03")
    stream = session.wait_for("done\r\n")
    assert stream.count("the dashboard has ended") == 1
    check_clean(stream, was_cut=True)


def test_a_terminal_that_stops_reading_stops_no_job(site: Site, terminal: Open) -> None:
    """Nothing is read from it: what a terminal holds (some KiB) fills up, and no write ends."""
    session = terminal("up", width=300, rows=100)
    pid = supervisor_pid(site)
    for count in range(1, 4):
        job_id = site.shell("true", name=f"job {count} " + "x" * 90)
        assert site.wait_status(job_id).status is JobStatus.COMPLETED
    os.kill(pid, signal.SIGTERM)
    site.wait_for(lambda: running_supervisor(site.store) is None)
    check = session.wait_for("done\r\n")  # it reads again
    assert "ended with 0" in check


def test_watch_shows_panes_by_key_follows_the_size_and_quits(site: Site, terminal: Open) -> None:
    site.submit("true", name="waiting one")
    session = terminal("watch")
    session.wait_screen("no supervisor")
    session.wait_screen("default")
    session.type("2")
    screen = session.wait_screen("0/5")
    site.wait_for(lambda: not any(line.startswith("running") for line in session.screen()))
    session.resize(40, 10)
    site.wait_for(lambda: all(len(line) <= 40 for line in session.screen()) and session.screen()[9])
    assert len(screen) == 24
    session.type("q")
    stream = session.wait_for("done\r\n")
    assert "ended with 0" in stream
    check_clean(stream)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_watch_leaves_the_terminal_clean_when_it_is_ended(
    site: Site, terminal: Open, number: signal.Signals, code: int
) -> None:
    session = terminal("watch", "jobs")
    session.wait_screen("nothing runs")
    found = [
        int(name) for name in os.listdir("/proc") if name.isdigit() and _calls_watch(name, site.home.path)
    ]
    os.kill(found[0], number)
    stream = session.wait_for("done\r\n")
    assert f"ended with {code}" in stream
    assert "Traceback" not in stream
    check_clean(stream)


def _calls_watch(pid: str, home: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return (
            b"watch" in words
            and words[0] != b"sh"
            and home.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        )
    except OSError:
        return False
