"""Daemons whose supervisor dies, leaves them, or comes back to other wishes: adopted, never doubled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.processes import ProcessTable, start_ticks
from jobctl.executors.trees import Tree, members
from jobctl.model.daemons import Autostart, DaemonState, Generation, Wanted, parse_ready
from jobctl.model.lives import StopMode
from jobctl.supervisor.daemon_processes import DaemonProcess
from tests.support.daemons import FOREVER, DaemonStage
from tests.support.supervisors import PATIENCE, submission
from tests.support.waiting import wait_until

BACKOFF, RUNNING, STARTING, STOPPED = (
    DaemonState.BACKOFF,
    DaemonState.RUNNING,
    DaemonState.STARTING,
    DaemonState.STOPPED,
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    yield found
    found.close()


def leaders(stage: DaemonStage) -> list[int]:
    """The shims that run."""
    return [entry.pid for entry in stage.processes() if entry.session == entry.pid]


def test_the_same_process_with_its_uptime_and_all_output_after_a_kill(stage: DaemonStage) -> None:
    text = (
        "n=0; while [ ! -e end ]; do n=$((n+1)); echo line $n; [ $n = 50 ] && touch many; sleep 0.005; done"
    )
    stage.declare("web", text + f"; touch ended; {FOREVER}")
    supervisor = stage.supervise()
    before = stage.running(supervisor, "web")
    stage.kill(supervisor)
    stage.clock.advance(40)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"), tick=0.05)
    stage.turn_until(supervisor, lambda: stage.path("many").exists(), tick=0.05)
    after = stage.daemon("web")
    assert (after.pid, after.generation, after.state) == (before.pid, 1, RUNNING)
    assert after.started_at == before.started_at
    assert (after.uptime_seconds(stage.clock.now_ms()) or 0) > 40
    assert len(leaders(stage)) == 1
    stage.path("end").touch()
    stage.turn_until(supervisor, lambda: stage.path("ended").exists(), tick=0.05)
    stage.ask("stop", "web")
    stage.turn_until_state(supervisor, "web", STOPPED)
    lines = Path(stage.home.daemon("web"), "log", "current").read_text().splitlines()
    numbers = [int(line.rsplit(" ", 1)[1]) for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_left_running_it_is_adopted_by_the_next(stage: DaemonStage) -> None:
    stage.declare("web")
    supervisor = stage.supervise()
    pid = stage.running(supervisor, "web").pid
    supervisor.stop(StopMode.LEAVE_RUNNING)
    stage.turn_until(supervisor, lambda: supervisor.finished)
    supervisor.abandon()
    supervisor.lifeline.end("leave-running")
    stage.forget(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"))
    assert stage.daemon("web").pid == pid
    stage.ask("restart", "web")
    stage.turn_until(supervisor, lambda: stage.daemon("web").generation == 2, tick=0.05)
    stage.running(supervisor, "web")
    assert len(leaders(stage)) == 1


def test_a_death_between_record_and_start_starts_once(stage: DaemonStage) -> None:
    stage.declare("web", "echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    assert supervisor.daemons is not None
    supervisor.daemons.start = lambda: None  # type: ignore[method-assign]
    supervisor.turn()
    assert stage.state("web") is STARTING
    stage.kill(supervisor)
    stage.running(stage.supervise(), "web")
    assert stage.path("starts").read_text() == "x\n"


def test_a_death_between_start_and_its_record_adopts(stage: DaemonStage) -> None:
    stage.declare("web", "echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    supervisor.turn()
    assert stage.daemon("web").started_at is None
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    assert stage.path("starts").read_text() == "x\n"
    assert stage.daemon("web").generation == 1


def test_an_end_while_nobody_looked_is_judged_by_the_policy(stage: DaemonStage) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; echo bye; exit 3")
    stage.path("gate").touch()
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.kill(supervisor)
    stage.path("gate").unlink()
    wait_until(lambda: not stage.processes(), seconds=PATIENCE)
    supervisor = stage.supervise()
    stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0)
    (ended,) = stage.exits("web")
    assert (ended.generation, ended.exit_code) == (1, 3)
    assert "bye" in Path(stage.home.daemon("web"), "log", "current").read_text()


def test_who_is_not_wanted_any_more_is_stopped(stage: DaemonStage) -> None:
    stage.declare("web")
    stage.declare("old")
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.running(supervisor, "old")
    stage.kill(supervisor)
    stage.ask("stop", "web")
    stage.ask("remove", "old")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: not stage.processes(), tick=0.05)
    stage.turn_until_state(supervisor, "web", STOPPED)
    stage.turn_until(supervisor, lambda: len(stage.store.daemons.intents()) == 1)


def test_what_is_on_record_no_more_is_ended(stage: DaemonStage) -> None:
    stage.declare("web", "(setsid sh -c '" + FOREVER + "') & " + FOREVER)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.kill(supervisor)
    with stage.store.write():
        stage.store.database.rows("DELETE FROM daemons")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: not stage.processes(), tick=0.1)


def test_an_old_self_that_the_record_forgot_is_ended_before_the_start(stage: DaemonStage) -> None:
    stage.declare("web", "echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    first = stage.running(supervisor, "web").pid
    stage.kill(supervisor)
    with stage.store.write():  # as after a restored backup
        stage.store.database.rows("UPDATE daemons SET state='stopped', pid=NULL")
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    assert len(leaders(stage)) == 1
    assert stage.daemon("web").pid != first


class Unkillable(TreeKill):
    """The end of a tree that does not end: in state D, say."""

    def advance(self, table: ProcessTable, now: float) -> KillState:
        """It was tried for long enough."""
        self.survivors, self.state = [entry.pid for entry in members(table, self.tree)], KillState.DONE
        return self.state


def test_nothing_starts_beside_what_cannot_be_killed(
    stage: DaemonStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.declare("web", "echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.kill(supervisor)
    with stage.store.write():
        stage.store.database.rows("UPDATE daemons SET state='stopped', pid=NULL")
    monkeypatch.setattr("jobctl.supervisor.sweeps.TreeKill", Unkillable)
    supervisor = stage.supervise()
    for _ in range(2):  # a start by hand tries anew, and fares no better
        daemon = stage.turn_until_state(supervisor, "web", DaemonState.ERROR)
        assert daemon.reason == "survivors"
        assert stage.path("starts").read_text() == "x\n"
        stage.ask("start", "web")
    monkeypatch.undo()
    stage.ask("restart", "web")
    stage.running(supervisor, "web")
    assert stage.path("starts").read_text() == "x\nx\n"
    assert len(leaders(stage)) == 1


def test_a_restart_that_a_death_interrupted_is_finished(stage: DaemonStage) -> None:
    stage.declare("web", "trap '' TERM; echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.ask("restart", "web")
    supervisor.turn()
    supervisor.turn()
    assert stage.state("web") is DaemonState.STOPPING
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").generation == 2, tick=0.5)
    stage.running(supervisor, "web")
    assert stage.path("starts").read_text() == "x\nx\n"
    assert len(leaders(stage)) == 1


def test_a_main_process_it_vouched_for_is_adopted(stage: DaemonStage) -> None:
    stage.declare("web", FOREVER)
    supervisor = stage.supervise()
    daemon = stage.running(supervisor, "web")
    assert supervisor.daemons is not None
    with stage.store.write():
        stage.store.database.rows("UPDATE daemons SET vouched=1")
    stage.kill(supervisor)
    (shim,) = leaders(stage)
    os.kill(shim, signal.SIGKILL)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"))
    for _ in range(20):
        stage.clock.advance(0.2)
        supervisor.turn()
    assert (stage.state("web"), stage.daemon("web").pid) == (RUNNING, daemon.pid)
    assert daemon.pid is not None
    os.kill(daemon.pid, signal.SIGKILL)
    stage.turn_until_state(supervisor, "web", BACKOFF)


@pytest.mark.parametrize(
    ("rule", "asked", "expected"),
    [
        (Autostart.ALWAYS, "stop", Wanted.UP),
        (Autostart.UNLESS_STOPPED, "stop", Wanted.DOWN),
        (Autostart.UNLESS_STOPPED, "start", Wanted.UP),
        (Autostart.NEVER, "start", Wanted.DOWN),
    ],
)
def test_a_starting_supervisor_wants_what_autostart_says(
    stage: DaemonStage, rule: Autostart, asked: str, expected: Wanted
) -> None:
    stage.declare("web", autostart=rule)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    if asked == "stop":
        stage.ask("stop", "web")
        stage.turn_until_state(supervisor, "web", STOPPED)
    supervisor.stop(StopMode.NOW)
    stage.turn_until(supervisor, lambda: supervisor.finished, tick=0.05)
    supervisor.lifeline.end("now")
    stage.forget(supervisor)
    supervisor = stage.supervise()
    stage.turn_until_state(supervisor, "web", RUNNING if expected is Wanted.UP else STOPPED)
    assert stage.daemon("web").wanted is expected


def test_a_start_asked_for_meanwhile_overrules_never(stage: DaemonStage) -> None:
    stage.declare("web", autostart=Autostart.NEVER)
    stage.running(stage.supervise(), "web")


@pytest.mark.parametrize(
    ("rule", "before", "asked", "expected"),
    [
        (Autostart.ALWAYS, "stop", "stop", Wanted.DOWN),
        (Autostart.NEVER, "start", "restart", Wanted.UP),
        (Autostart.NEVER, "start", "start", Wanted.UP),
    ],
)
def test_what_is_asked_while_a_supervisor_recovers_overrules_autostart(
    stage: DaemonStage, rule: Autostart, before: str, asked: str, expected: Wanted
) -> None:
    stage.declare("web", autostart=rule, start=False)
    if before == "start":
        supervisor = stage.supervise()
        stage.ask("start", "web")
        stage.running(supervisor, "web")
        supervisor.stop(StopMode.NOW)
        stage.turn_until(supervisor, lambda: supervisor.finished, tick=0.05)
        supervisor.lifeline.end("now")
        stage.forget(supervisor)
    supervisor = stage.supervise()
    assert supervisor.daemons is not None
    supervisor.daemons.recover()
    stage.ask(asked, "web")
    supervisor.turn()
    assert stage.daemon("web").wanted is expected


def test_what_lies_where_generations_should_stops_no_supervisor(stage: DaemonStage) -> None:
    for name in ("web", "api", "far"):
        stage.declare(name)
    os.mkdir(stage.home.daemons)
    Path(stage.home.daemon("web")).write_text("in the way")
    for name in ("²", "007", "0"):
        os.makedirs(stage.home.daemon("api") + "/" + name)
    os.makedirs(stage.home.daemon("far") + "/" + "9" * 22)
    supervisor = stage.supervise()
    for name in ("api", "far"):
        stage.running(supervisor, name)
    assert stage.state("web") is BACKOFF
    assert "log_failed" in stage.daemon_kinds("web")


def test_a_main_process_that_nobody_reaps_has_ended(stage: DaemonStage) -> None:
    # A zombie as under an init that does not reap: sleep was never told of its child, which ends once it is sleep.
    gate = stage.path("gate")
    gate.touch()
    text = f"(while [ -e {gate} ]; do sleep 0.01; done; exit 3) & echo $!; exec sleep 1000"
    child = subprocess.Popen(["/bin/sh", "-c", text], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    main = int(child.stdout.readline())
    try:
        wait_until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n")
        gate.unlink()
        wait_until(lambda: ProcessTable.read().entries[main].state == "Z")
        process = DaemonProcess(
            Generation(1),
            AttemptDirectory(str(stage.path("none"))),
            Tree(None, None, None, 0, b""),
            None,
            0,
            0.0,
        )
        process.adopt_main(main, start_ticks(main) or 0, vouched=True)
        assert process.note_leader(1.0, 1000)
    finally:
        child.kill()
        child.communicate()


def test_a_new_life_still_counts_the_failures_until_a_start_by_hand(stage: DaemonStage) -> None:
    stage.declare("web", "exit 3", max_restarts=3)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").consecutive_failures == 2, tick=0.2)
    stage.turn_until_state(supervisor, "web", BACKOFF)
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").consecutive_failures > 2, tick=0.0)
    assert stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0).consecutive_failures == 3
    stage.ask("start", "web")
    stage.turn_until_state(supervisor, "web", STARTING, tick=0.0)
    assert stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0).consecutive_failures == 1


def test_a_log_that_is_no_directory_stops_no_supervisor(stage: DaemonStage) -> None:
    stage.declare("web", ready=parse_ready("log:never"), start_timeout_seconds=1e6)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").pid is not None)
    stage.kill(supervisor)
    shutil.rmtree(stage.home.daemon("web") + "/log", ignore_errors=True)
    Path(stage.home.daemon("web"), "log").write_text("in the way")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("web"))


def test_a_private_life_touches_no_daemon(stage: DaemonStage) -> None:
    stage.declare("web")
    private = stage.supervise(reserved=submission(stage.root, "true"))
    for _ in range(20):
        private.turn()
    assert stage.state("web") is STOPPED
