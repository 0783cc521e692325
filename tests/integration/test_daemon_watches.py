"""Readiness, heartbeats, health and memory of daemons under a real supervisor with a manual clock."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.executors.descriptors import _LIMIT, raise_descriptor_limit
from jobctl.model.daemons import DaemonState, Health, Restart, parse_ready
from jobctl.supervisor.supervisor import Supervisor
from tests.support.daemons import FOREVER, DaemonStage
from tests.support.supervisors import PATIENCE
from tests.support.waiting import wait_until

BACKOFF, RUNNING, STARTING = DaemonState.BACKOFF, DaemonState.RUNNING, DaemonState.STARTING

NOTIFY = f"""{sys.executable} -c '
import os, socket, sys
target = os.environ["NOTIFY_SOCKET"]
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.connect("\\0" + target[1:] if target[0] == "@" else target)
link.send(sys.argv[1].encode())' """
"""Sends its argument to the notify socket."""

PINGS = """
import os, socket, time
target = os.environ["NOTIFY_SOCKET"]
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.connect("\\0" + target[1:] if target[0] == "@" else target)
while True:
    link.send(b"WATCHDOG=1")
    time.sleep(0.01)
"""
"""Says for ever that it lives."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    yield found
    found.close()


def starting(stage: DaemonStage, ready: str, text: str, **changes: Any) -> Supervisor:
    """A supervisor whose daemon has been started and had its time, but is not ready."""
    stage.declare("web", text, ready=parse_ready(ready), **changes)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.path("up").exists())
    stage.clock.advance(5)
    for _ in range(5):
        supervisor.turn()
    assert stage.state("web") is STARTING
    return supervisor


def test_ready_1_makes_it_ready_and_a_status_is_shown(stage: DaemonStage) -> None:
    text = f"touch up; while [ ! -e go ]; do sleep 0.01; done; {NOTIFY} 'READY=1\nSTATUS=42 doors'; {FOREVER}"
    supervisor = starting(stage, "notify", text)
    stage.path("go").touch()
    stage.running(supervisor, "web")
    stage.turn_until(supervisor, lambda: stage.daemon("web").status_text == "42 doors", tick=0.1)


def test_a_line_of_its_output_makes_it_ready(stage: DaemonStage) -> None:
    text = "echo booting; touch up; while [ ! -e go ]; do sleep 0.01; done; echo 'listening on :80' >&2; "
    supervisor = starting(stage, "log:listening on :[0-9]+$", text + FOREVER)
    stage.path("go").touch()
    stage.running(supervisor, "web")


def test_a_command_that_succeeds_makes_it_ready(stage: DaemonStage) -> None:
    supervisor = starting(stage, "cmd:test -e go && env > check", "touch up; " + FOREVER)
    stage.path("go").touch()
    stage.running(supervisor, "web")
    assert "JOBCTL_DAEMON=web\n" in stage.path("check").read_text()


def test_a_start_that_takes_too_long_is_a_failure(stage: DaemonStage) -> None:
    supervisor = starting(stage, "notify", "touch up; " + FOREVER, start_timeout_seconds=20.0)
    stage.clock.advance(15)
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF)
    assert (daemon.reason, daemon.consecutive_failures) == ("start_timeout", 1)
    assert not stage.processes()


def test_an_evil_expression_does_not_hold_up_the_loop(stage: DaemonStage) -> None:
    stage.declare("web", f"echo {'a' * 60}; {FOREVER}", ready=parse_ready("log:(a+)+b"))
    supervisor = stage.supervise()
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF)
    assert daemon.error is not None
    assert "takes too long" in daemon.error


def test_a_missed_heartbeat_restarts_it_with_that_reason(stage: DaemonStage) -> None:
    text = 'while [ ! -e quiet ]; do touch "$JOBCTL_HEARTBEAT"; sleep 0.01; done; ' + FOREVER
    stage.declare("web", text, watchdog_seconds=3.0)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.path("quiet").touch()
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.2)
    assert (daemon.reason, daemon.last_signal) == ("watchdog", "SIGABRT")
    stage.turn_until(supervisor, lambda: stage.daemon("web").generation == 2, tick=0.2)
    assert stage.running(supervisor, "web").reason == "watchdog"


def test_a_stopped_daemon_misses_its_heartbeat_too(stage: DaemonStage) -> None:
    stage.declare("web", command=(sys.executable, "-S", "-c", PINGS), watchdog_seconds=60.0)
    supervisor = stage.supervise()
    pid = stage.running(supervisor, "web").pid
    assert pid is not None
    stage.turn_until(supervisor, lambda: stage.daemon("web").heartbeat_at is not None, tick=0.1)
    os.kill(pid, signal.SIGSTOP)
    stage.turn_until(supervisor, lambda: stage.state("web") is BACKOFF, tick=1.0)
    assert stage.daemon("web").reason == "watchdog"
    assert not stage.processes()


def test_a_watchdog_tells_the_daemon_with_its_own_pid(stage: DaemonStage) -> None:
    stage.declare("web", "echo $$ $WATCHDOG_PID $WATCHDOG_USEC > told; " + FOREVER, watchdog_seconds=30.0)
    supervisor = stage.supervise()
    stage.turn_until(
        supervisor, lambda: stage.path("told").exists() and "\n" in stage.path("told").read_text()
    )
    pid, told, micros = stage.path("told").read_text().split()
    assert (pid, micros) == (told, "30000000")


def test_a_sick_daemon_is_restarted_after_three_bad_checks(stage: DaemonStage) -> None:
    text = "echo x >> checks; test ! -e sick"
    stage.declare("web", FOREVER, health=text, health_every_seconds=2.0)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.turn_until(supervisor, lambda: stage.daemon("web").health is Health.HEALTHY, tick=0.2)
    stage.path("sick").touch()
    before = len(stage.path("checks").read_text().split())
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.2)
    assert daemon.reason == "unhealthy"
    assert len(stage.path("checks").read_text().split()) - before in (3, 4)
    assert "unhealthy" in stage.daemon_kinds("web")


def test_a_check_that_hangs_is_ended_and_says_no(stage: DaemonStage) -> None:
    stage.declare("web", FOREVER, health="sleep 1000", health_every_seconds=2.0)
    supervisor = stage.supervise()
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=1.0)
    assert daemon.error is not None
    assert "longer than" in daemon.error
    assert not stage.processes()


def test_a_greedy_tree_is_restarted_after_two_samples(stage: DaemonStage) -> None:
    hog = f"{sys.executable} -c 'x = bytearray(60 << 20); import time; time.sleep(1000)' & wait"
    stage.declare("web", hog, max_memory_bytes=40 << 20)
    supervisor = stage.supervise()
    stage.turn_until(
        supervisor,
        lambda: any(entry.rss_bytes > 60 << 20 for entry in stage.processes()),
    )
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.5)
    assert daemon.reason == "memory"
    assert not stage.processes()


def test_memory_and_processor_are_sampled(stage: DaemonStage) -> None:
    stage.declare("web")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").cpu_percent is not None, tick=0.5)
    assert (stage.daemon("web").memory_bytes or 0) > 100_000


def hears(stage: DaemonStage, supervisor: Supervisor) -> None:
    """What the daemon sent waits to be heeded."""
    assert supervisor.daemons is not None
    receiver = supervisor.daemons._means.receiver
    wait_until(lambda: receiver._channels["web"].dirty, seconds=PATIENCE)


def test_a_health_command_that_was_edited_holds_at_once(stage: DaemonStage) -> None:
    stage.declare("web", FOREVER, health="echo x >> old; false", health_every_seconds=2.0)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.turn_until(supervisor, stage.path("old").exists, tick=0.2)
    stage.edit("web", health="echo x >> new", health_every_seconds=5.0)
    supervisor.turn()
    before = stage.path("old").read_text()
    stage.turn_until(supervisor, lambda: stage.daemon("web").health is Health.HEALTHY, tick=0.2)
    assert stage.path("old").read_text() == before
    stage.edit("web", health=None)
    stage.turn_until(supervisor, lambda: stage.daemon("web").health is None, tick=0.2)
    assert stage.state("web") is RUNNING
    assert stage.daemon("web").generation == 1


def test_naming_the_process_that_everybody_knows_is_no_vouching(stage: DaemonStage) -> None:
    text = f"{NOTIFY} MAINPID=$$; while [ ! -e go ]; do sleep 0.01; done; exit 0"
    stage.declare("web", text, restart=Restart.ON_FAILURE)
    supervisor = stage.supervise()
    assert supervisor.daemons is not None
    supervisor.turn()  # spawned, and not looked at yet
    assert next(iter(supervisor.daemons._kept.values())).process is not None
    hears(stage, supervisor)
    supervisor.turn()
    stage.path("go").touch()
    daemon = stage.turn_until_state(supervisor, "web", DaemonState.EXITED, BACKOFF)
    assert (daemon.state, daemon.reason, daemon.last_exit_code) == (DaemonState.EXITED, "exit", 0)


@pytest.mark.parametrize("word", ["STOPPING", "RELOADING"])
def test_who_reloads_or_stops_is_asked_for_no_beats_for_a_while(stage: DaemonStage, word: str) -> None:
    text = f"{NOTIFY} {word}=1; touch sent; " + FOREVER
    stage.declare("web", text, watchdog_seconds=10.0, start_seconds=0.0,
                  start_timeout_seconds=60.0, stop_timeout_seconds=60.0)  # fmt: skip
    supervisor = stage.supervise()
    supervisor.turn()
    wait_until(stage.path("sent").exists, seconds=PATIENCE)
    hears(stage, supervisor)
    stage.running(supervisor, "web")
    for _ in range(50):
        stage.clock.advance(1.0)
        supervisor.turn()
    assert (stage.state("web"), stage.exits("web")) == (RUNNING, [])
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.5)  # it has taken too long
    assert daemon.reason == "watchdog"


def test_a_ready_line_that_a_dead_life_read_counts(stage: DaemonStage) -> None:
    text = "touch up; while [ ! -e go ]; do sleep 0.01; done; echo listening; touch said; "
    supervisor = starting(stage, "log:^listening$", text + FOREVER, start_timeout_seconds=1e6)
    assert supervisor.daemons is not None
    (kept,) = supervisor.daemons._kept.values()
    stage.path("go").touch()
    wait_until(stage.path("said").exists, seconds=PATIENCE)
    kept.output.pump.pump()  # it died between this and the record
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"))
    stage.running(supervisor, "web")


def test_the_next_life_knows_only_lines_of_this_generation(stage: DaemonStage) -> None:
    text = "[ -e second ] || { echo listening; touch second; exit 3; }; touch up; " + FOREVER
    stage.declare("web", text, ready=parse_ready("log:^listening$"), start_timeout_seconds=1e6)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, stage.path("up").exists, tick=0.1)
    assert stage.state("web") is STARTING
    stage.clock.advance(5)
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"), tick=0.1)
    for _ in range(10):
        stage.clock.advance(0.2)
        supervisor.turn()
    assert stage.state("web") is STARTING


def test_children_have_the_descriptors_that_the_supervisor_was_given(stage: DaemonStage) -> None:
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, given[1]))
    try:
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 300
        stage.declare("web", "ulimit -Sn > told; ulimit -Hn >> told; " + FOREVER,
                      health="ulimit -Sn > checked", health_every_seconds=1.0)  # fmt: skip
        supervisor = stage.supervise()
        stage.running(supervisor, "web")
        stage.turn_until(supervisor, lambda: stage.daemon("web").health is Health.HEALTHY, tick=0.2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, given)
        _LIMIT.given = None
    hard = "unlimited" if given[1] == resource.RLIM_INFINITY else str(given[1])
    assert stage.path("told").read_text().split() == ["300", hard]
    assert stage.path("checked").read_text() == "300\n"


def test_a_daemon_that_names_its_main_process_may_leave_its_leader(stage: DaemonStage) -> None:
    text = f"""sh -c 'echo $$ > main; while [ ! -e gone ]; do sleep 0.01; done; exit 5' &
    while [ ! -s main ]; do sleep 0.01; done
    {NOTIFY} "READY=1
MAINPID=$(cat main)"
    exit 0"""
    stage.declare("web", text, ready=parse_ready("notify"))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.path("main").exists() and stage.path("main").read_text())
    main = int(stage.path("main").read_text())
    stage.turn_until(
        supervisor, lambda: stage.state("web") is RUNNING and stage.daemon("web").pid == main, tick=0.05
    )
    stage.turn_until(
        supervisor, lambda: len([e for e in stage.processes() if e.session == e.pid]) == 0, tick=0.05
    )
    assert stage.state("web") is RUNNING
    stage.path("gone").touch()
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF)
    assert daemon.last_exit_code == 5
