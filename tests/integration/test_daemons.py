"""Daemons kept by a real supervisor with a manual clock: starts, ends, back-off, restarts, edits, order."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.executors.base import AttemptOrder, StartRefused
from jobctl.executors.processes import ProcessEntry, ProcessTable
from jobctl.executors.trees import Tree, members
from jobctl.model.daemons import DaemonState, Restart, Wanted
from jobctl.model.lives import StopMode
from tests.support.daemons import FOREVER, DaemonStage
from tests.support.supervisors import RecordingExecutor

BACKOFF, ERROR, EXITED, RUNNING, STOPPED, WAITING = (
    DaemonState.BACKOFF,
    DaemonState.ERROR,
    DaemonState.EXITED,
    DaemonState.RUNNING,
    DaemonState.STOPPED,
    DaemonState.WAITING,
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    yield found
    found.close()


def test_a_daemon_runs_with_its_own_pid_and_environment_and_stops(stage: DaemonStage) -> None:
    text = 'echo $$ > pid; env > env; cp "/proc/$$/cwd/pid" "$JOBCTL_STATE_DIR/kept"; ' + FOREVER
    stage.declare("web", text, env={"GREETING": "hello"})
    supervisor = stage.supervise()
    daemon = stage.running(supervisor, "web")
    assert daemon.pid == int(stage.path("pid").read_text())
    found = dict(line.split("=", 1) for line in stage.path("env").read_text().splitlines() if "=" in line)
    assert found["GREETING"] == "hello"
    assert found["JOBCTL_DAEMON"] == "web"
    assert found["JOBCTL_HOME"] == stage.home.path
    assert {"NOTIFY_SOCKET", "JOBCTL_HEARTBEAT", "JOBCTL_STATE_DIR", "JOBCTL_RUN"} <= found.keys()
    assert not {"WATCHDOG_USEC", "JOBCTL_JOB_ID"} & found.keys()
    assert os.stat(found["JOBCTL_STATE_DIR"]).st_mode & 0o777 == 0o700
    stage.ask("stop", "web")
    stage.turn_until_state(supervisor, "web", STOPPED)
    assert not stage.processes()
    assert Path(found["JOBCTL_STATE_DIR"], "kept").exists()
    (ended,) = stage.exits("web")
    assert (ended.exit_code, ended.signal, ended.reason) == (143, "SIGTERM", "stop")
    kinds = ["added", "start_requested", "started", "ready", "stop_requested", "stopping", "ended", "stopped"]
    assert stage.daemon_kinds("web") == kinds


def test_a_crash_loop_of_1_3_seconds_backs_off_ever_longer_and_ends_in_error(stage: DaemonStage) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; exit 3", max_restarts=4)
    supervisor = stage.supervise(spread=lambda: 0.5)
    gaps = []
    for generation in range(1, 6):
        stage.path("gate").touch()
        assert stage.running(supervisor, "web").generation == generation
        stage.clock.advance(0.3)
        stage.path("gate").unlink()
        daemon = stage.turn_until_state(supervisor, "web", BACKOFF, ERROR, tick=0.0)
        if daemon.next_restart_at is not None:
            gaps.append(round((daemon.next_restart_at - stage.clock.now_ms()) / 1000, 2))
            assert daemon.consecutive_failures == generation
            stage.clock.advance(gaps[-1])
    assert gaps == [1.0, 2.0, 4.0, 8.0]
    daemon = stage.daemon("web")
    assert (daemon.state, daemon.reason, daemon.restarts) == (ERROR, "max_restarts", 4)
    assert [ended.exit_code for ended in stage.exits("web")] == [3] * 5
    assert daemon.error is not None
    assert "exit code 3" in daemon.error
    stage.path("gate").touch()
    stage.ask("start", "web")
    assert stage.running(supervisor, "web").consecutive_failures == 0


def test_being_up_for_long_resets_the_counter(stage: DaemonStage) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; exit 3")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.daemon("web").consecutive_failures == 2, tick=0.2)
    stage.path("gate").touch()
    stage.running(supervisor, "web")
    stage.clock.advance(31)
    stage.turn_until(supervisor, lambda: stage.daemon("web").consecutive_failures == 0)
    assert stage.daemon("web").reason is None


def test_a_stop_during_back_off_is_immediate(stage: DaemonStage) -> None:
    stage.declare("web", "exit 3")
    supervisor = stage.supervise()
    stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0)
    stage.ask("stop", "web")
    supervisor.turn()
    assert stage.state("web") is STOPPED
    stage.clock.advance(100)
    supervisor.turn()
    assert stage.daemon("web").generation == 1


@pytest.mark.parametrize(
    ("command", "code"), [(("/no/such",), 127), (("./plain",), 126), (("/bin/sh", "-c", "exit 127"), 127)]
)
def test_what_cannot_be_started_is_an_error_at_once(
    stage: DaemonStage, command: tuple[str, ...], code: int
) -> None:
    stage.path("plain").write_text("no program")
    stage.declare("web", command=command)
    daemon = stage.turn_until_state(stage.supervise(), "web", ERROR, tick=0.0)
    assert (daemon.reason, daemon.last_exit_code, daemon.generation) == ("spawn_error", code, 1)
    assert daemon.error
    assert stage.exits("web")[0].exit_code == code


def test_a_machine_without_room_is_tried_again_and_counts_no_failure(stage: DaemonStage) -> None:
    refusals = ["no forks left"]

    def refuse(_: AttemptOrder) -> None:
        if refusals:
            raise StartRefused(refusals.pop())

    stage.declare("web")
    supervisor = stage.supervise(executor=RecordingExecutor(refuse))
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0)
    assert (daemon.error, daemon.consecutive_failures) == ("no forks left", 0)
    assert stage.running(supervisor, "web").generation == 2


def test_ten_restarts_end_with_one_process(stage: DaemonStage) -> None:
    stage.declare("web", "echo x >> starts; " + FOREVER)
    supervisor = stage.supervise()
    first = stage.running(supervisor, "web").pid
    for _ in range(5):
        stage.ask("restart", "web")
    supervisor.turn()
    for _ in range(5):
        stage.ask("restart", "web")
    stage.running(supervisor, "web")
    assert stage.path("starts").read_text() == "x\nx\n"
    assert stage.daemon("web").pid != first
    shims = [entry for entry in stage.processes() if entry.session == entry.pid]
    assert len(shims) == 1


def test_an_edit_waits_for_a_restart_which_uses_the_newest_once(stage: DaemonStage) -> None:
    stage.declare("web", "echo $V >> values; " + FOREVER, env={"V": "1"})
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.edit("web", env={"V": "2"})
    stage.edit("web", env={"V": "3"}, max_restarts=2)
    supervisor.turn()
    assert stage.daemon("web").restart_pending
    assert stage.path("values").read_text() == "1\n"
    stage.ask("restart", "web")
    assert not stage.running(supervisor, "web").restart_pending
    assert stage.path("values").read_text() == "1\n3\n"


def test_an_edit_of_the_policy_holds_at_once(stage: DaemonStage) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; exit 3")
    stage.path("gate").touch()
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.edit("web", restart=Restart.NEVER)
    supervisor.turn()
    assert not stage.daemon("web").restart_pending
    stage.path("gate").unlink()
    assert stage.turn_until_state(supervisor, "web", EXITED).last_exit_code == 3


def test_a_clean_end_is_all_if_only_failures_are_restarted(stage: DaemonStage) -> None:
    stage.declare("web", "exit 7", restart=Restart.ON_FAILURE, success_codes=(0, 7))
    daemon = stage.turn_until_state(stage.supervise(), "web", EXITED)
    assert (daemon.last_exit_code, daemon.generation, daemon.is_as_wanted) == (7, 1, True)


def test_a_daemon_that_forks_away_is_an_error_and_nothing_of_it_stays(stage: DaemonStage) -> None:
    stage.declare("web", f"({FOREVER}) & exit 0")
    daemon = stage.turn_until_state(stage.supervise(), "web", ERROR)
    assert daemon.reason == "forked"
    assert not stage.processes()


def test_children_that_a_crash_leaves_are_gone_before_the_restart(stage: DaemonStage) -> None:
    stage.declare("web", f"(setsid sh -c '{FOREVER}') & (trap '' TERM; {FOREVER}) & exit 3")
    supervisor = stage.supervise()
    stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.5)
    assert not stage.processes()
    assert "strays_killed" in stage.daemon_kinds("web")
    assert stage.exits("web")[0].exit_code == 3


@pytest.mark.parametrize("missed", [1, 1000])
def test_what_a_process_table_misses_is_gone_before_the_restart(
    stage: DaemonStage, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    looks = []

    def members_missed(table: ProcessTable, tree: Tree) -> list[ProcessEntry]:
        looks.append(tree)
        return [] if len(looks) <= missed else members(table, tree)

    monkeypatch.setattr("jobctl.supervisor.daemon_processes.members", members_missed)
    stray = f"setsid sh -c 'echo $$ >> strays; {FOREVER}' & while [ ! -s strays ]; do sleep 0.01; done; "
    stage.declare("web", f"[ -e strays ] || {{ {stray} exit 3; }}; {FOREVER}")
    supervisor = stage.supervise()
    assert stage.turn_until_state(supervisor, "web", BACKOFF).last_exit_code == 3
    assert len(looks) >= 2
    stage.turn_until(supervisor, lambda: stage.daemon("web").generation == 2, tick=0.1)
    stage.running(supervisor, "web")
    assert int(stage.path("strays").read_text()) not in [entry.pid for entry in stage.processes()]


def test_daemons_with_ids_beyond_the_tag_are_not_mixed_up(stage: DaemonStage) -> None:
    stage.declare("one")
    with stage.store.write():
        stage.store.database.rows("UPDATE sqlite_sequence SET seq=32768 WHERE name='daemons'")
    stage.declare("big")
    supervisor = stage.supervise()
    stage.running(supervisor, "one")
    pid = stage.running(supervisor, "big").pid
    stage.ask("stop", "one")
    stage.turn_until_state(supervisor, "one", STOPPED)
    assert stage.running(supervisor, "big").pid == pid
    assert pid in [entry.pid for entry in stage.processes()]
    stage.kill(supervisor)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: "adopted" in stage.daemon_kinds("big"))
    assert stage.running(supervisor, "big").pid == pid


def test_a_kill_of_the_daemon_itself_is_seen_with_its_signal(stage: DaemonStage) -> None:
    stage.declare("web")
    supervisor = stage.supervise()
    pid = stage.running(supervisor, "web").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    daemon = stage.turn_until_state(supervisor, "web", BACKOFF)
    assert (daemon.last_signal, daemon.reason) == ("SIGKILL", "signal")


def test_who_needs_others_waits_for_them_and_stops_before_them(stage: DaemonStage) -> None:
    stage.declare("web", depends_on=("db",))
    stage.declare("db", start=False)
    supervisor = stage.supervise()
    daemon = stage.turn_until_state(supervisor, "web", WAITING)
    assert daemon.reason == "dependency"
    assert daemon.error is not None
    assert "db" in daemon.error
    stage.ask("start", "db")
    stage.running(supervisor, "web")
    ready = [event for event in stage.store.events.after(0) if event.kind == "daemon.ready"]
    assert [event.entity_id for event in ready] == ["db", "web"]
    supervisor.stop(StopMode.DRAIN)
    stage.turn_until(supervisor, lambda: supervisor.finished, tick=0.05)
    stopped = [event for event in stage.store.events.after(0) if event.kind == "daemon.stopped"]
    assert [event.entity_id for event in stopped] == ["web", "db"]
    assert stage.daemon("web").wanted is Wanted.UP
    assert not stage.processes()


def test_what_no_table_can_show_is_not_over(stage: DaemonStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; exit 3")
    stage.path("gate").touch()
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    refused = []

    def refuse() -> ProcessTable:
        refused.append(True)
        raise OSError(errno.EMFILE, "Too many open files", "/proc")

    monkeypatch.setattr(ProcessTable, "read", refuse)
    stage.path("gate").unlink()
    stage.turn_until(supervisor, lambda: len(refused) > 3, tick=0.05)
    assert stage.state("web") is RUNNING
    monkeypatch.undo()
    assert stage.turn_until_state(supervisor, "web", BACKOFF).last_exit_code == 3


def test_the_machine_without_room_is_asked_ever_more_rarely(stage: DaemonStage) -> None:
    def refuse(_: AttemptOrder) -> None:
        raise StartRefused("no forks left")

    stage.declare("web")
    supervisor = stage.supervise(executor=RecordingExecutor(refuse))
    gaps = []
    for generation in range(1, 9):
        daemon = stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0)
        assert (daemon.generation, daemon.next_restart_at is None) == (generation, False)
        gaps.append(((daemon.next_restart_at or 0) - stage.clock.now_ms()) / 1000)
        stage.clock.advance(gaps[-1])
        stage.turn_until(supervisor, lambda seen=generation: stage.daemon("web").generation > seen)  # type: ignore[misc]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_for_others_ends_with_a_stop(stage: DaemonStage) -> None:
    stage.declare("web", depends_on=("db",))
    supervisor = stage.supervise()
    stage.turn_until_state(supervisor, "web", WAITING)
    stage.ask("stop", "web")
    supervisor.turn()
    assert stage.state("web") is STOPPED


def test_a_job_set_up_before_may_be_needed(stage: DaemonStage) -> None:
    stage.declare("migrate", "exit 0", restart=Restart.ON_FAILURE)
    stage.declare("web", depends_on=("migrate",))
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    assert stage.state("migrate") is EXITED


def test_a_removed_daemon_is_stopped_and_leaves_only_its_state(stage: DaemonStage) -> None:
    stage.declare("web", 'echo 1 > "$JOBCTL_STATE_DIR/kept"; ' + FOREVER)
    stage.declare("bare")
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.running(supervisor, "bare")
    stage.ask("remove", "web", "bare")
    stage.turn_until(supervisor, lambda: not stage.store.daemons.intents(), tick=0.05)
    assert not stage.processes()
    assert os.listdir(stage.home.daemons) == ["web"]
    assert os.listdir(stage.home.daemon("web")) == ["state"]


def test_a_daemon_declared_anew_while_its_old_self_stops_is_never_doubled(stage: DaemonStage) -> None:
    stage.declare("web", "trap '' TERM; " + FOREVER)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.ask("remove", "web")
    supervisor.turn()
    stage.declare("web", "echo new >> new; " + FOREVER)
    supervisor.turn()
    assert not stage.path("new").exists()
    daemon = stage.turn_until_state(supervisor, "web", RUNNING, tick=0.5)
    assert daemon.generation == 2
    assert len([entry for entry in stage.processes() if entry.session == entry.pid]) == 1


def test_what_it_printed_is_in_its_log_when_its_end_is_known(stage: DaemonStage) -> None:
    stage.declare("web", "echo out; echo err >&2; exit 3")
    stage.turn_until_state(stage.supervise(), "web", BACKOFF, tick=0.0)
    log = Path(stage.home.daemon("web"), "log", "current").read_text()
    assert "out\n" in log
    assert "err\n" in log
    assert sorted(os.listdir(stage.home.daemon("web"))) == ["log", "notify", "state"]


def test_while_the_store_is_busy_ends_go_on_and_are_recorded_later(stage: DaemonStage) -> None:
    stage.declare("web", "while [ -e gate ]; do sleep 0.01; done; exit 3")
    stage.path("gate").touch()
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    with stage.store.write():
        stage.path("gate").unlink()
        stage.turn_until(supervisor, lambda: not stage.processes())
        supervisor.turn()
    assert stage.state("web") is RUNNING
    assert stage.turn_until_state(supervisor, "web", BACKOFF, tick=0.0).last_exit_code == 3
    assert len(stage.exits("web")) == 1


def test_what_it_said_at_the_end_is_in_the_log_when_the_supervisor_has_gone(stage: DaemonStage) -> None:
    flood = "trap 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo line $i of many many words; done; exit' TERM; "
    stage.declare("web", flood + "touch up; " + FOREVER)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, stage.path("up").exists)
    supervisor.stop(StopMode.DRAIN)
    stage.turn_until(supervisor, lambda: supervisor.finished, tick=0.01)
    log = Path(stage.home.daemon("web"), "log", "current").read_text()
    assert log.count(" o line ") == 30000
    assert "line 30000 of many many words\n" in log
